//! Where GitLab's clients put their tokens. The order among them is GitLab's: a parameter before
//! its header, a personal token before a job's.

use actix_web::http::header::HeaderMap;
use secrecy::SecretString;

use crate::auth::{Credentials, Trail};
use crate::http::credentials::{bearer, text};
use crate::http::query::Query;

/// Reads all credentials of a request; an empty one is none. `trail` will be told whose they are.
pub(super) fn read(headers: &HeaderMap, query: &Query, trail: Trail) -> Credentials {
    let secret = |text: &str| SecretString::from(text);
    let header = |name: &str| text(headers, name);
    let parameter = |name: &str| query.get_filled(name);
    Credentials {
        personal: parameter("private_token").or(header("private-token")).map(secret),
        bearer: bearer(headers).or(parameter("access_token")).or(parameter("bearer_token")).map(secret),
        job: parameter("job_token").or(parameter("token")).or(header("job-token")).map(secret),
        trail,
    }
}

/// The token of a runner's upload or download, where only a job's is asked for.
pub(super) fn job_token(headers: &HeaderMap, query: &Query) -> Option<SecretString> {
    query.get_filled("token").or(text(headers, "job-token")).map(SecretString::from)
}
