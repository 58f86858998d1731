//! One span and one log line a request, with every secret blanked.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use crate::http::client;
use crate::http::middleware::RequestId;

/// Query parameters whose values are credentials.
const SECRET_PARAMETERS: &[&str] = &["private_token", "job_token", "token", "access_token", "bearer_token"];

/// Makes the spans.
pub struct RequestSpan;

struct Started(Instant);

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        request.extensions_mut().insert(Started(Instant::now()));
        let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let client = client::of(request).map(|address| address.to_string()).unwrap_or_default();
        tracing::info_span!("request", request.id = id, client.address = client)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let Ok(response) = outcome else { return };
        let request = response.request();
        let took = request.extensions().get::<Started>().map(|started| started.0.elapsed());
        let took_ms = took.map_or(0.0, |took| (took.as_secs_f64() * 1e6).round() / 1e3);
        let query = redact(request.query_string());
        let mark = if query.is_empty() { "" } else { "?" };
        tracing::info!(
            parent: &span,
            status = response.status().as_u16(),
            took_ms,
            "{} {}{mark}{query} {}",
            request.method(),
            request.path(),
            response.status().as_u16(),
        );
    }
}

/// Whether a raw `name=value` pair of a query holds a credential. The name is compared decoded, as
/// the readers of the query do.
pub fn is_secret(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let name = form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.to_ascii_lowercase());
    name.is_some_and(|name| SECRET_PARAMETERS.contains(&name.as_str()))
}

/// A query string without the values of its credentials.
pub fn redact(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let blanked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(pair) => format!("{name}=[FILTERED]"),
        _ => pair.to_owned(),
    });
    Cow::Owned(blanked.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_stay_in_a_query() {
        let shown = redact("job=a&private_token=s3cret&%6Aob_token=s3cret&TOKEN=s3cret&x");
        assert_eq!(shown, "job=a&private_token=[FILTERED]&%6Aob_token=[FILTERED]&TOKEN=[FILTERED]&x");
        assert!(matches!(redact("job=a&path=token"), Cow::Borrowed("job=a&path=token")));
    }
}
