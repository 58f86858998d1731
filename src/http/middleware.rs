//! What every request gets: its client's address, an id, a span, a line in the log; and every answer:
//! that id, and the headers that keep browsers from guessing.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use tracing::Instrument;

use crate::app::App;
use crate::http::client::{self, Client};
use crate::http::span::{self, InSpan};

/// The header that ties a request to its log lines; runners send one and print ours.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken over from a client, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The id of a request: the client's own, or one made here.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Gives the request its client, id, span and line in the log, and the answer its headers.
///
/// # Errors
/// Those of the handlers inside.
pub async fn dress(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let id = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_plain(id))
        .map_or_else(fresh_id, str::to_owned);
    let span = {
        let trusted = request.app_data::<Data<App>>().map(|app| app.settings.trusted_proxies.as_slice());
        let client = request
            .peer_addr()
            .map(|peer| client::behind(peer.ip(), request.headers(), trusted.unwrap_or_default()));
        let mut extensions = request.extensions_mut();
        extensions.insert(RequestId(id.clone()));
        if let Some(address) = client {
            extensions.insert(Client(address));
        }
        span::of_request(&id, client)
    };
    let mut response = next.call(request).instrument(span.clone()).await?;
    span::log(&span, &response, started);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    Ok(response.map_body(|_, body| InSpan { body: body.boxed(), span }))
}

/// The next of the ids that follow one that no other process has: they need no randomness each.
fn fresh_id() -> String {
    static FIRST: LazyLock<u128> = LazyLock::new(|| uuid::Uuid::now_v7().as_u128());
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    let number = u128::from(GIVEN.fetch_add(1, Ordering::Relaxed));
    format!("{:032x}", FIRST.wrapping_add(number))
}

/// An id goes into the log and back to the client, so it is letters, digits and a few marks.
fn is_plain(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b))
}
