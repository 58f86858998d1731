//! Where GitLab's clients put their tokens. The order among them is GitLab's: a parameter before
//! its header, a personal token before a job's.

use actix_web::http::header::HeaderMap;

use crate::access::{AcceptedCredentials, Principal};
use crate::audit::AuditContext;
use crate::auth::{Credential, Credentials, Shown, Unreadable};
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, empty_header, empty_parameter, parameter, shown};
use crate::http::query::Query;

/// Where tokens may stand in a query.
const PARAMETERS: &[&str] =
    &["private_token", "access_token", "bearer_token", "job_token", "token", UNREAD_PARAMETER];

/// Where they may stand in the head, besides `Authorization`.
const HEADERS: &[&str] = &["PRIVATE-TOKEN", "JOB-TOKEN", UNREAD_HEADER];

/// Where others have tokens of theirs. Whoever sends one means to be somebody.
const UNREAD_PARAMETER: &str = "oauth_token";
const UNREAD_HEADER: &str = "DEPLOY-TOKEN";

/// The principal of a request that reads.
pub(super) fn reader(ctx: &RequestContext, accepted: AcceptedCredentials) -> Principal {
    ctx.principal(read(ctx), accepted, Scopes::READ)
}

/// The principal of a request that changes something; a job token counts as no credential there.
pub(super) fn writer(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::WRITE)
}

/// The user behind a request, by a personal token with one of `scopes`.
pub(super) fn user(ctx: &RequestContext, scopes: Scopes) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, scopes)
}

fn read(ctx: &RequestContext) -> Credentials {
    from(ctx.request.headers(), &ctx.query, ctx.audit.clone())
}

/// Reads all credentials of a request; an empty one is none.
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
    Credentials { list: list.into_iter().flatten().collect(), audit }
}

/// The token of a runner's upload, where only a job's is asked for.
pub(super) fn job_token(headers: &HeaderMap, query: &Query) -> Option<Shown> {
    parameter(query, "token").or_else(|| shown(headers, "JOB-TOKEN"))
}

/// The place of a credential that is there and empty: whoever sends one may not know that it is nobody's.
pub(super) fn empty_place(ctx: &RequestContext) -> Option<&'static str> {
    empty_parameter(&ctx.query, PARAMETERS).or_else(|| empty_header(ctx.request.headers(), HEADERS))
}
