//! The addresses that people copy from a browser or a badge.
//!
//! GitLab takes only signed-in sessions there, and answers a ref's address with a redirect to its job's.
//! Here tokens are taken as in the API, and the bytes are sent at once: that saves a request, and a
//! redirect would have to repeat a token that stands in the query. Whoever may not read is told that
//! there is nothing, as GitLab does there and not in the API.

use actix_web::HttpResponse;

use super::error::ApiError;
use super::routes::Segments;
use super::{dispatch_get, routes};
use crate::http::context::RequestContext;

/// Answers for the first meaning of the path that names something that is there.
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
