//! Where Buildkite's clients put their tokens: `Authorization: Bearer`, and the parameter `access_token`. A token of
//! a job or an agent is none here.

use crate::access::{AcceptedCredentials, Principal};
use crate::auth::{Credential, Credentials};
use crate::domain::scope::{Scope, Scopes};
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, parameter};

/// The principal of a request that reads what `scope` names.
pub(super) fn reader(ctx: &RequestContext, scope: Scope) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::to_read(scope))
}

/// The principal of a request that changes what `scope` names.
pub(super) fn writer(ctx: &RequestContext, scope: Scope) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::to_write(scope))
}

/// The principal of a request for which any token will do.
pub(super) fn anybody(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::ALL)
}

fn read(ctx: &RequestContext) -> Credentials {
    let Authorization { bearer, other } = Authorization::read(ctx.request.headers());
    let token = bearer.or_else(|| parameter(&ctx.query, "access_token"));
    let list = [token.map(Credential::PersonalOrJob), other.map(Credential::Unreadable)];
    Credentials {
        list: list.into_iter().flatten().collect(),
        audit: ctx.audit.clone(),
        ..Credentials::default()
    }
}
