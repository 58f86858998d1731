//! Credentials of a browser's request: tokens where scripts put them. A person's own sign-in would be read here too.

use actix_web::http::header::HeaderMap;

use crate::access::{AcceptedCredentials, Principal};
use crate::auth::{Credential, Credentials};
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, parameter, shown};
use crate::http::query::Query;

/// Query parameters and headers that hold tokens.
const PARAMETERS: &[&str] =
    &["private_token", "access_token", "bearer_token", "job_token", "token", "oauth_token"];
const HEADERS: &[&str] = &["PRIVATE-TOKEN", "JOB-TOKEN", "DEPLOY-TOKEN", "Authorization"];

/// Whether a request brings a token, so that it is for an API's client and not for a person.
pub(super) fn carries_token(headers: &HeaderMap, query: &str) -> bool {
    if HEADERS
        .iter()
        .any(|name| headers.get_all(*name).any(|value| !value.as_bytes().trim_ascii().is_empty()))
    {
        return true;
    }
    if !query.contains("token") {
        return false;
    }
    let query = Query::parse(query);
    PARAMETERS.iter().any(|name| query.get_filled(name).is_some() || query.has_list(name))
}

/// Returns the principal that reads a page.
pub(super) fn reader(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::Any, Scopes::READ)
}

/// Returns the principal that changes something.
pub(super) fn writer(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::WRITE)
}

fn read(ctx: &RequestContext) -> Credentials {
    let (headers, query) = (ctx.request.headers(), &ctx.query);
    let Authorization { bearer, other } = Authorization::read(headers);
    let personal = parameter(query, "private_token").or_else(|| shown(headers, "PRIVATE-TOKEN"));
    let bearer =
        bearer.or_else(|| parameter(query, "access_token")).or_else(|| parameter(query, "bearer_token"));
    let job = parameter(query, "job_token").or_else(|| shown(headers, "JOB-TOKEN"));
    let list = [
        personal.map(Credential::Personal),
        bearer.map(Credential::PersonalOrJob),
        job.map(Credential::Job),
        other.map(Credential::Unreadable),
    ];
    Credentials { list: list.into_iter().flatten().collect(), ..ctx.bare_credentials() }
}
