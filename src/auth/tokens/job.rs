//! Job tokens: valid while their job is running, with the rights of the user that the job runs for.

use secrecy::SecretString;

use super::{NewToken, digest, is_same, new_token};
use crate::audit::AuditContext;
use crate::auth::Actor;
use crate::auth::error::{AuthError, CredentialError};
use crate::catalog::Db;
use crate::catalog::jobs::{self, TokenJob};
use crate::domain::Result;
use crate::domain::status::Status;

/// Prefix of GitLab's job tokens.
const PREFIX: &str = "glcbt-";

/// Makes a token for a job, of the form of a personal one.
///
/// # Errors
/// `Internal` if the system has no randomness.
pub fn new_job_token() -> Result<NewToken> {
    new_token(PREFIX)
}

/// Finds the job that a token belongs to, running or not.
///
/// # Errors
/// Those of the catalog.
pub fn find_job(db: &mut Db, token: &SecretString, audit: &AuditContext) -> Result<Option<TokenJob>> {
    let digest = digest(token);
    let found = jobs::find_by_token(db, digest)?.filter(|found| is_same(found.token_sha256, digest));
    if let Some(found) = &found {
        audit.set_job_actor(found.job.id, &found.project_path, found.user.as_ref());
        audit.update(|event| event.is_canceling = found.job.status == Status::Canceling);
    }
    Ok(found)
}

/// Finds the running job that a token belongs to; `None` if no job has it.
pub(in crate::auth) fn authenticate_job(
    db: &mut Db,
    token: &SecretString,
    audit: &AuditContext,
) -> Result<Option<Actor>, AuthError> {
    let Some(found) = find_job(db, token, audit)? else { return Ok(None) };
    let TokenJob { job, project_path, user, .. } = found;
    if !job.status.is_executing() {
        return Err(CredentialError::JobIdle(job.status).into());
    }
    if job.erased_at.is_some() {
        return Err(CredentialError::JobErased.into());
    }
    let user = user.ok_or(CredentialError::JobOfNobody)?;
    Ok(Some(Actor::Job { job_id: job.id, project_path, user, asker: None }))
}
