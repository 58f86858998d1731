//! Where agents put their tokens: `Authorization: Token`.

use crate::access::{AccessError, RunningJob};
use crate::auth::{CredentialError, Shown};
use crate::http::context::RequestContext;
use crate::http::credentials::Authorization;

/// Finds the running job that makes a request.
///
/// # Errors
/// [`AccessError::Credential`].
#[allow(dead_code, reason = "the artifact commands use it")]
pub(super) async fn running_job(ctx: &RequestContext) -> Result<RunningJob, AccessError> {
    let shown = token(ctx)?;
    let token = shown.token()?;
    ctx.access().job_of_any_token(&ctx.app.keys, token, &ctx.audit, ctx.now).await
}

/// Reads the token of a request.
///
/// # Errors
/// [`CredentialError::Missing`]; [`CredentialError::Unreadable`] for any other scheme.
pub(super) fn token(ctx: &RequestContext) -> Result<Shown, CredentialError> {
    let Authorization { bearer, other } = Authorization::read_scheme(ctx.request.headers(), b"token");
    match (bearer, other) {
        (Some(shown), _) => Ok(shown),
        (None, Some(why)) => Err(CredentialError::Unreadable(why)),
        (None, None) => Err(CredentialError::Missing),
    }
}
