//! Cross-origin requests: how browsers let pages of other origins read responses (the Fetch standard's CORS
//! protocol).
//!
//! As in GitLab, every origin may use the API with any method and header, but never with cookies: the token
//! in the request decides what it may read.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    self, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue,
};

/// Path prefix of everything that other origins may use.
const PREFIX: &str = "/api/";

/// Methods that other origins may use.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Headers that they may read besides the few that every page may.
const EXPOSED: &str = "Link, X-Total, X-Total-Pages, X-Per-Page, X-Page, X-Next-Page, X-Prev-Page, X-Request-Id, \
    X-GitHub-Request-Id, ETag, Content-Length, Content-Range, Content-Encoding, Accept-Ranges, Content-Disposition, Repr-Digest, \
    Retry-After, Job-Status, WWW-Authenticate";

/// How long a browser may cache a preflight response, in seconds; the same as GitLab.
const MAX_AGE: &str = "7200";

/// Whether other origins may use a path, so that its responses vary by `Origin`.
pub(super) fn covers(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a preflight request; returns `None` for other requests.
pub(super) fn preflight(request: &ServiceRequest) -> Option<HttpResponse> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !(asks && covers(request.path())) {
        return None;
    }
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .insert_header((header::VARY, "Access-Control-Request-Headers"));
    // `*` does not include `Authorization`.
    for wanted in headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.append_header((ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
    }
    Some(answer.finish())
}

/// Lets the page that sent a request read its response.
pub(super) fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}
