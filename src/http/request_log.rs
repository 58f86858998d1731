//! Request log: one span and one line per request, with secrets redacted, and the ID that ties both to the
//! client's own log.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use crate::app::App;
use crate::http::client_ip::{self, Client};
use crate::http::measured::Measured;
use crate::http::middleware::X_REQUEST_ID;
use crate::http::reason::Reason;
use crate::http::redact;
use crate::http::trace_context::TraceContext;

/// Longest ID accepted from a client, in bytes.
const MAX_ID_BYTES: usize = 128;

/// ID of a request: the client's own, or a generated one.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// What an upstream answered about a request, in a few words.
#[derive(Debug, Clone)]
pub struct UpstreamSaid(pub String);

/// Opens the span of each request and writes its log line when the response is about to be sent. The response
/// body is still produced within the span.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = id(request.headers());
        let trusted = request.app_data::<Data<App>>().map(|app| app.settings.trusted_proxies.as_slice());
        let client = request
            .peer_addr()
            .map(|peer| client_ip::behind(peer.ip(), request.headers(), trusted.unwrap_or_default()));
        Measured::begin(request);
        let trace = TraceContext::of(request.headers());
        let span = tracing::info_span!(
            "request",
            request.id = id,
            client.address = client.map(tracing::field::display),
            trace.id = trace.map(|trace| trace.trace_id),
            trace.parent = trace.map(|trace| trace.parent_id),
        );
        let mut extensions = request.extensions_mut();
        extensions.insert(RequestId(id));
        if let Some(address) = client {
            extensions.insert(Client(address));
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        match outcome {
            Ok(response) => log(&span, response),
            Err(error) => tracing::error!(parent: &span, %error, "request failed"),
        }
    }
}

/// Writes a request's log line.
fn log<B>(span: &Span, response: &ServiceResponse<B>) {
    let (request, status) = (response.request(), response.status().as_u16());
    let measured = Measured::of(request);
    if let Some(measured) = &measured {
        measured.answered(request.method().as_str(), status);
    }
    let took = measured.map_or(Duration::ZERO, |measured| measured.elapsed());
    let took_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    let (path, query) = (redact::tokens(request.path()), redact::query(request.query_string()));
    let reason = Reason::of(response);
    let said = request.extensions().get::<UpstreamSaid>().map(|said| said.0.clone());
    let mark = if query.is_empty() { "" } else { "?" };
    tracing::info!(
        parent: span,
        status,
        took_ms,
        reason = reason.as_ref().map(Reason::as_str),
        upstream = said,
        "{} {path}{mark}{query} {status}",
        request.method(),
    );
}

/// Returns the client's own ID if it is valid, else a new one.
fn id(headers: &HeaderMap) -> String {
    let own = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    own.filter(|id| is_plain(id)).map_or_else(fresh_id, str::to_owned)
}

/// Returns a new request ID: a per-process `UUIDv7` plus a counter, so no random bytes are read per request.
pub(super) fn fresh_id() -> String {
    static FIRST: LazyLock<u128> = LazyLock::new(|| uuid::Uuid::now_v7().as_u128());
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    let number = u128::from(GIVEN.fetch_add(1, Ordering::Relaxed));
    format!("{:032x}", FIRST.wrapping_add(number))
}

/// Whether an ID has only letters, digits and a few marks, because it is logged and sent back.
fn is_plain(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b))
}
