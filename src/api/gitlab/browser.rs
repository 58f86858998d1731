//! Browser URLs: those that people copy from a browser or a badge.
//!
//! GitLab accepts only signed-in sessions there, and redirects a ref's URL to its job's. Here tokens are
//! accepted as in the API besides sessions, and the bytes are sent at once: that saves a request, and a redirect would
//! repeat a token that the query holds. Without permission the response is 404, as in GitLab there but not in its
//! API.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, VARY};

use super::error::ApiError;
use super::routes::{Route, Segments};
use super::{dispatch_get, routes};
use crate::http::context::RequestContext;
use crate::http::session::{self, Visitor};

/// Answers for the first candidate route that finds something.
pub(super) async fn read(ctx: &RequestContext, path: &str) -> Result<HttpResponse, ApiError> {
    let segments = Segments::of(path);
    let mut candidates = routes::browser_candidates(&segments).peekable();
    if candidates.peek().is_none() {
        return Err(ApiError::NoRoute);
    }
    // Pages show pictures, and people download from there: these are no routes of the API.
    let visitor = session::admit(ctx).await?;
    let found = first(ctx, candidates).await.map(|mut answer| {
        answer.headers_mut().append(VARY, HeaderValue::from_static("Cookie"));
        answer
    });
    match (visitor, &found) {
        (Visitor::Person(person), Err(error)) if person.is_foreign() && error.is_failed_authentication() => {
            session::end(ctx, &person).await?;
            Err(ApiError::absent("Not Found", "session has ended").hidden())
        }
        (_, Err(error)) if error.is_not_found() && !error.is_told() => {
            session::is_perhaps_for_others(&ctx.request);
            found
        }
        _ => found,
    }
}

async fn first(
    ctx: &RequestContext,
    candidates: impl Iterator<Item = Route>,
) -> Result<HttpResponse, ApiError> {
    let mut last = ApiError::NoRoute;
    for route in candidates {
        match dispatch_get(ctx, route).await {
            Err(failure) if failure.is_not_found() || failure.is_forbidden() => {
                last = last.or_closer(failure);
            }
            result => return result,
        }
    }
    Err(if last.is_not_found() || last.is_forbidden() { last.hidden() } else { last })
}
