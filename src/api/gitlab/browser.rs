//! Browser URLs: those that people copy from a browser or a badge.
//!
//! GitLab accepts only signed-in sessions there, and redirects a ref's URL to its job's. Here tokens are
//! accepted as in the API, and the bytes are sent at once: that saves a request, and a redirect would repeat
//! a token that the query holds. Without permission the response is 404, as in GitLab there but not in its
//! API.

use actix_web::HttpResponse;

use super::error::ApiError;
use super::routes::Segments;
use super::{dispatch_get, routes};
use crate::http::context::RequestContext;

/// Answers for the first candidate route that finds something.
pub(super) async fn read(ctx: &RequestContext, path: &str) -> Result<HttpResponse, ApiError> {
    let mut last = ApiError::NoRoute;
    for route in routes::browser_candidates(&Segments::of(path)) {
        match dispatch_get(ctx, route).await {
            Err(failure) if failure.is_not_found() || failure.is_forbidden() => {
                last = last.or_closer(failure);
            }
            result => return result,
        }
    }
    Err(if last.is_not_found() || last.is_forbidden() { last.hidden() } else { last })
}
