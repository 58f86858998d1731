//! What every answer gets, whoever makes it: the request's id, the rules for caches, for browsers and for
//! pages of other origins. What can be refused by the request's head alone is refused here.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse};
use serde_json::json;

use crate::app::App;
use crate::domain::Error;
use crate::http::body::RequestBody;
use crate::http::error::{self, RETRY_AFTER_SECONDS};
use crate::http::request_log::RequestId;
use crate::http::{base_url, cors, target};

/// The header that ties a request to its log lines; runners send one and print ours.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer may be for whoever asked alone: not every cache knows that `PRIVATE-TOKEN` is a credential.
const NOT_FOR_CACHES: HeaderValue = HeaderValue::from_static("private, no-store");

/// Where a credential may stand that decides about the answer.
const CREDENTIALS: &str = "Authorization, PRIVATE-TOKEN, JOB-TOKEN";

/// What is below this is the same for everybody.
const OPERATIONS: &str = "/-/";

/// Answers what can be answered by the head alone, and gives every answer its headers.
///
/// # Errors
/// Those of the handlers inside.
pub async fn request_context(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = request.extensions().get::<RequestId>().and_then(|id| HeaderValue::from_str(&id.0).ok());
    let for_everybody = request.path().starts_with(OPERATIONS);
    let for_origins = cors::covers(request.path());
    let of_an_origin = for_origins && request.headers().contains_key(header::ORIGIN);
    let refused = cors::preflight(&request).or_else(|| refusal(&request)).or_else(|| not_yet(&request));
    let mut response = match refused {
        Some(answer) => answer_at_once(request, answer),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, NOT_FOR_CACHES);
    }
    if !for_everybody {
        vary(headers, if for_origins { "Origin" } else { "" });
    }
    if of_an_origin {
        cors::allow(headers);
    }
    Ok(response)
}

/// Says in one line by what an answer differs: what its maker said, the credentials, and `more`.
fn vary(headers: &mut HeaderMap, more: &str) {
    let made = headers.get_all(VARY).filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = made.chain([CREDENTIALS, more]).filter(|name| !name.is_empty()).collect();
    if let Ok(value) = HeaderValue::from_str(&all.join(", ")) {
        headers.insert(VARY, value);
    }
}

/// Why a request is refused before anybody reads it, if it is.
fn refusal(request: &ServiceRequest) -> Option<HttpResponse> {
    let say =
        |status: StatusCode, text: String| Some(HttpResponse::build(status).json(json!({ "message": text })));
    if let Some(why) = target::too_long(request.uri()) {
        return say(StatusCode::URI_TOO_LONG, format!("414 URI Too Long - {why}"));
    }
    if !base_url::has_good_host(request.headers()) {
        let text = "400 Bad Request - Host: expected a name or an address, with or without a port";
        return say(StatusCode::BAD_REQUEST, text.to_owned());
    }
    None
}

/// Refuses what would change something as long as database and store are not known to belong together.
fn not_yet(request: &ServiceRequest) -> Option<HttpResponse> {
    if request.method().is_safe() || request.app_data::<Data<App>>()?.belonging.is_known() {
        return None;
    }
    error::log(&Error::unavailable("database and store are not known to belong together"));
    let mut answer = HttpResponse::ServiceUnavailable();
    answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    Some(answer.json(json!({ "message": "503 Service Unavailable" })))
}

/// Sends an answer that no handler made; the rest of the request is read behind it.
fn answer_at_once(request: ServiceRequest, answer: HttpResponse) -> ServiceResponse<BoxBody> {
    let stall_timeout = request.app_data::<Data<App>>().map(|app| app.settings.stall_timeout);
    let (request, payload) = request.into_parts();
    let answer = match stall_timeout {
        Some(timeout) => RequestBody::new(payload, timeout).drain_behind(answer),
        None => answer,
    };
    ServiceResponse::new(request, answer)
}
