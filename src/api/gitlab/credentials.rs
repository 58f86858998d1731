//! Credentials: where GitLab's clients put their tokens.
//!
//! The precedence is GitLab's: a parameter before its header, a personal token before a job token.

use std::sync::Arc;

use actix_web::http::header::HeaderMap;

use crate::access::{AcceptedCredentials, Principal};
use crate::audit::AuditContext;
use crate::auth::{Credential, Credentials, Shown, Unreadable};
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, empty_header, empty_parameter, parameter, shown};
use crate::http::query::Query;

/// Query parameters that may hold a token.
const PARAMETERS: &[&str] =
    &["private_token", "access_token", "bearer_token", "job_token", "token", UNREAD_PARAMETER];

/// Headers that may hold a token, besides `Authorization`.
const HEADERS: &[&str] = &["PRIVATE-TOKEN", "JOB-TOKEN", UNREAD_HEADER];

/// Places of tokens that are not supported. A client that sends one means to authenticate.
const UNREAD_PARAMETER: &str = "oauth_token";
const UNREAD_HEADER: &str = "DEPLOY-TOKEN";

/// Returns the principal of a read.
pub(super) fn reader(ctx: &RequestContext, accepted: AcceptedCredentials) -> Principal {
    ctx.principal(read(ctx), accepted, Scopes::READ)
}

/// Returns the principal of a write; a job token counts as no credential.
pub(super) fn writer(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::WRITE)
}

/// Returns the principal of a personal token with one of `scopes`.
pub(super) fn user(ctx: &RequestContext, scopes: Scopes) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, scopes)
}

fn read(ctx: &RequestContext) -> Credentials {
    if let Some(job) = &ctx.vouched {
        let list = vec![Credential::IdToken(Arc::clone(job))];
        return Credentials { list, ..ctx.bare_credentials() };
    }
    from(ctx.request.headers(), &ctx.query, ctx.audit.clone())
}

/// Reads all credentials of a request; an empty one counts as absent.
fn from(headers: &HeaderMap, query: &Query, audit: AuditContext) -> Credentials {
    let header = |name| shown(headers, name);
    let parameter = |name| parameter(query, name);
    let Authorization { bearer, other } = Authorization::read(headers);
    let unread = || {
        let found = parameter(UNREAD_PARAMETER).map(|_| UNREAD_PARAMETER);
        found.or_else(|| header(UNREAD_HEADER).map(|_| UNREAD_HEADER)).map(Unreadable::Unread)
    };
    let personal = parameter("private_token").or_else(|| header("PRIVATE-TOKEN"));
    let bearer = bearer.or_else(|| parameter("access_token")).or_else(|| parameter("bearer_token"));
    let job = parameter("job_token").or_else(|| parameter("token")).or_else(|| header("JOB-TOKEN"));
    let list = [
        personal.map(Credential::Personal),
        bearer.map(Credential::PersonalOrJob),
        job.map(Credential::Job),
        other.or_else(unread).map(Credential::Unreadable),
    ];
    Credentials { list: list.into_iter().flatten().collect(), audit, ..Credentials::default() }
}

/// Reads the token of a runner's upload, where only a job token is accepted.
pub(super) fn job_token(headers: &HeaderMap, query: &Query) -> Option<Shown> {
    parameter(query, "token").or_else(|| shown(headers, "JOB-TOKEN"))
}

/// Returns the place of a credential that is present and empty: its sender may not know that it is.
pub(super) fn empty_place(ctx: &RequestContext) -> Option<&'static str> {
    empty_parameter(&ctx.query, PARAMETERS).or_else(|| empty_header(ctx.request.headers(), HEADERS))
}
