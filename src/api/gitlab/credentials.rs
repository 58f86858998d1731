//! Where GitLab's clients put their tokens. The order among them is GitLab's: a parameter before
//! its header, a personal token before a job's.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;

use crate::auth::Credentials;
use crate::http::query::Query;

/// Reads all credentials of a request; an empty one is none.
pub(super) fn read(headers: &HeaderMap, query: &Query) -> Credentials {
    let secret = |text: &str| SecretString::from(text);
    let header = |name: &str| text(headers, name);
    let parameter = |name: &str| query.get_filled(name);
    Credentials {
        personal: parameter("private_token").or(header("private-token")).map(secret),
        bearer: bearer(headers).or(parameter("access_token")).or(parameter("bearer_token")).map(secret),
        job: parameter("job_token").or(parameter("token")).or(header("job-token")).map(secret),
    }
}

/// The token of a runner's upload or download, where only a job's is asked for.
pub(super) fn job_token(headers: &HeaderMap, query: &Query) -> Option<SecretString> {
    query.get_filled("token").or(text(headers, "job-token")).map(SecretString::from)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}
