//! The addresses that people copy from a browser or a badge.
//!
//! GitLab takes only signed-in sessions there, and answers a ref's address with a redirect to its job's.
//! Here tokens are taken as in the API, and the bytes are sent at once: that saves a request, and a
//! redirect would have to repeat a token that stands in the query. Whoever may not read is told that
//! there is nothing, as GitLab does there and not in the API.

use actix_web::HttpResponse;

use super::call::Call;
use super::failure::Failure;
use super::routes::Segments;
use super::{look_up, routes};

/// Answers for the first meaning of the path that names something that is there.
pub(super) async fn read(call: &Call, path: &str) -> Result<HttpResponse, Failure> {
    let mut last = Failure::NoRoute;
    for route in routes::browser_meanings(&Segments::of(path)) {
        match look_up(call, route).await {
            Err(failure) if failure.is_not_found() || failure.is_forbidden() => {
                last = last.or_closer(failure);
            }
            result => return result,
        }
    }
    Err(if last.is_not_found() || last.is_forbidden() { last.hidden() } else { last })
}
