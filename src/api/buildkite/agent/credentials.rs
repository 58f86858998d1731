//! Where agents put their tokens: `Authorization: Token`.

use crate::access::{AccessError, RunningJob};
use crate::api::buildkite::error::ApiError;
use crate::auth::{CredentialError, Shown};
use crate::domain::RowId;
use crate::http::context::RequestContext;
use crate::http::credentials::Authorization;

/// Finds the running job that makes a request.
///
/// # Errors
/// [`AccessError::Credential`].
pub(super) async fn running_job(ctx: &RequestContext) -> Result<RunningJob, AccessError> {
    let shown = token(ctx)?;
    let token = shown.token()?;
    ctx.access().job_of_any_token(&ctx.app.keys, token, ctx.bare_credentials(), ctx.now).await
}

/// Finds the running job that makes a request about itself.
///
/// # Errors
/// As [`running_job`]; [`ApiError::Refused`] if `id` is that of another job.
pub(super) async fn own_job(ctx: &RequestContext, id: &RowId) -> Result<RunningJob, ApiError> {
    let running = running_job(ctx).await?;
    if running.job.is_named(id) {
        Ok(running)
    } else {
        Err(ApiError::Refused("The token is that of another job".into()))
    }
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
