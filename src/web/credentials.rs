//! Credentials of a browser's request: the session of who is signed in, or tokens where scripts put them.

use std::sync::Arc;

use crate::access::{AcceptedCredentials, Principal};
use crate::auth::{Credential, Credentials};
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, parameter, shown};

/// Returns the principal that reads a page.
pub(super) fn reader(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::Any, Scopes::READ)
}

/// Returns the principal that changes something.
pub(super) fn writer(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOnly, Scopes::WRITE)
}

fn read(ctx: &RequestContext) -> Credentials {
    // It is opened only if the request has no token.
    if let Some(session) = ctx.session.get() {
        let list = vec![Credential::Session(Arc::clone(session))];
        return Credentials { list, ..ctx.bare_credentials() };
    }
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
