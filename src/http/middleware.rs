//! Middleware for every request: adds the request ID and the headers for caches, browsers and other origins
//! to the response.
//!
//! Refuses what the request's head alone decides.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
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
use crate::http::{base_url, cors, passing, target};

/// Header that ties a request to its log lines; runners send one and print the response's.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A response may be for one caller alone, and not every cache knows that `PRIVATE-TOKEN` is a credential.
const NOT_FOR_CACHES: HeaderValue = HeaderValue::from_static("private, no-store");

/// Keeps a browser from running or loading anything of what a job made, should it ever show it.
const NOTHING_RUNS: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Headers whose credential may decide the response.
const CREDENTIALS: &str = "Authorization, PRIVATE-TOKEN, JOB-TOKEN";

/// The same, as GitHub's clients print it with an error.
const X_GITHUB_REQUEST_ID: HeaderName = HeaderName::from_static("x-github-request-id");

/// Path prefixes of GitHub's REST API, on a host of any name and on one whose first label is `api`.
const GITHUB: &[&str] = &["/api/v3", "/repos/", "/repositories/"];

/// Path prefix of responses that are the same for everybody.
const OPERATIONS: &str = "/-/";

/// Answers what the head alone decides, and adds the common headers to every response.
///
/// # Errors
/// Those of the inner handlers.
pub async fn request_context(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = request.extensions().get::<RequestId>().and_then(|id| HeaderValue::from_str(&id.0).ok());
    let for_everybody = request.path().starts_with(OPERATIONS);
    let for_github = GITHUB.iter().any(|prefix| request.path().starts_with(prefix));
    let for_origins = cors::covers(request.path());
    let of_an_origin = for_origins && request.headers().contains_key(header::ORIGIN);
    let refused = cors::preflight(&request).or_else(|| refusal(&request)).or_else(|| not_yet(&request));
    let mut response = match refused {
        Some(answer) => answer_at_once(request, answer),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    if passing::is_passed_on(&response) {
        return Ok(response);
    }
    let headers = response.headers_mut();
    if let Some(id) = id {
        if for_github {
            headers.insert(X_GITHUB_REQUEST_ID, id.clone());
        }
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A response with a policy of its own has said, too, who may frame it.
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, NOTHING_RUNS);
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    }
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

/// Writes `Vary` in one line: the handler's values, the credentials and `more`.
fn vary(headers: &mut HeaderMap, more: &str) {
    let made = headers.get_all(VARY).filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = made.chain([CREDENTIALS, more]).filter(|name| !name.is_empty()).collect();
    if let Ok(value) = HeaderValue::from_str(&all.join(", ")) {
        headers.insert(VARY, value);
    }
}

/// Refuses a target that is too long, an invalid `Host`, and what this server has asked an upstream itself.
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
    let has_upstream = || request.app_data::<Data<App>>().is_some_and(|app| app.access.upstream().is_some());
    if passing::is_own(request.headers()) && has_upstream() {
        let text =
            "508 Loop Detected - the proxy before the upstream sends this server's own requests back to it";
        return say(StatusCode::LOOP_DETECTED, text.to_owned());
    }
    None
}

/// Refuses writes until database and store are known to belong together.
fn not_yet(request: &ServiceRequest) -> Option<HttpResponse> {
    if request.method().is_safe() || request.app_data::<Data<App>>()?.belonging.is_known() {
        return None;
    }
    error::log(&Error::unavailable("database and store are not known to belong together"));
    let mut answer = HttpResponse::ServiceUnavailable();
    answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    Some(answer.json(json!({ "message": "503 Service Unavailable" })))
}

/// Sends a response without a handler; the rest of the request is read after it.
fn answer_at_once(request: ServiceRequest, answer: HttpResponse) -> ServiceResponse<BoxBody> {
    let stall_timeout = request.app_data::<Data<App>>().map(|app| app.settings.stall_timeout);
    let (request, payload) = request.into_parts();
    let answer = match stall_timeout {
        Some(timeout) => RequestBody::new(payload, timeout).drain_behind(answer),
        None => answer,
    };
    ServiceResponse::new(request, answer)
}
