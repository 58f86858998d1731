//! Where GitLab's clients put their tokens. The order among them is GitLab's: a parameter before
//! its header, a personal token before a job's.

use actix_web::http::header::HeaderMap;

use crate::auth::{Credentials, Shown, Trail};
use crate::http::credentials::{Authorization, shown};
use crate::http::query::Query;

/// Reads all credentials of a request; an empty one is none. `trail` will be told whose they are.
pub(super) fn read(headers: &HeaderMap, query: &Query, trail: Trail) -> Credentials {
    let header = |name| shown(headers, name);
    let parameter = |name| parameter(query, name);
    let Authorization { bearer, other } = Authorization::read(headers);
    Credentials {
        personal: parameter("private_token").or_else(|| header("PRIVATE-TOKEN")),
        bearer: bearer.or_else(|| parameter("access_token")).or_else(|| parameter("bearer_token")),
        job: parameter("job_token").or_else(|| parameter("token")).or_else(|| header("JOB-TOKEN")),
        other,
        trail,
    }
}

/// The token of a runner's upload, where only a job's is asked for.
pub(super) fn job_token(headers: &HeaderMap, query: &Query) -> Option<Shown> {
    parameter(query, "token").or_else(|| shown(headers, "JOB-TOKEN"))
}

/// Undecodable bytes have become text that no token is.
fn parameter(query: &Query, name: &str) -> Option<Shown> {
    query.get_filled(name).map(|text| Shown::Token(text.into()))
}
