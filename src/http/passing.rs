//! Passing on: a request as it is sent to an upstream, and the upstream's answer as it is sent to the client.

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, VIA};

use crate::http::context::RequestContext;
use crate::upstream::{self, PassedAnswer, PassedRequest};

/// Marks a response whose headers are an upstream's: nothing is added to them.
struct PassedOn;

/// Returns the request with this body.
pub fn request(ctx: &RequestContext, body: Vec<u8>) -> PassedRequest {
    let headers = ctx.request.headers().iter();
    let query = Some(ctx.request.query_string()).filter(|query| !query.is_empty());
    PassedRequest {
        query: query.map(str::to_owned),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect(),
        body: body.into(),
        client: ctx.client_ip(),
    }
}

/// Returns the response that the upstream gave.
pub fn answer(answer: PassedAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            response.append_header((name, value));
        }
    }
    let mut response = match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => response.finish(),
        _ => response.body(answer.body),
    };
    response.extensions_mut().insert(PassedOn);
    response
}

/// Whether a response was passed on.
pub(super) fn is_passed_on<B>(response: &ServiceResponse<B>) -> bool {
    response.response().extensions().get::<PassedOn>().is_some()
}

/// Whether this server has sent a request to an upstream, and a proxy has sent it back.
pub(super) fn is_own(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(VIA).filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|hop| hop.trim() == upstream::VIA)
}
