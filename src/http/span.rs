//! One span and one log line a request, with every secret blanked.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use bytes::Bytes;
use tracing::Span;

/// Query parameters whose values are credentials.
const SECRET_PARAMETERS: &[&str] = &["private_token", "job_token", "token", "access_token", "bearer_token"];

/// The span of a request.
pub(super) fn of_request(id: &str, client: Option<IpAddr>) -> Span {
    tracing::info_span!("request", request.id = id, client.address = client.map(tracing::field::display))
}

/// Writes a request's line, when its answer is about to be sent.
pub(super) fn log<B>(span: &Span, response: &ServiceResponse<B>, started: Instant) {
    let (request, status) = (response.request(), response.status().as_u16());
    let took_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let query = redact(request.query_string());
    let mark = if query.is_empty() { "" } else { "?" };
    tracing::info!(
        parent: span,
        status,
        took_ms,
        "{} {}{mark}{query} {status}",
        request.method(),
        request.path(),
    );
}

/// A body whose making belongs to its request's span.
pub(super) struct InSpan {
    pub(super) body: BoxBody,
    pub(super) span: Span,
}

impl MessageBody for InSpan {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        Pin::new(&mut this.body).poll_next(cx)
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
