//! Uploads: whether a job may upload artifacts now, and how large they may be.

use crate::access::{Access, AccessError};
use crate::auth::{self, CredentialError, Credentials, Shown};
use crate::catalog::jobs::Job;
use crate::catalog::{Db, artifacts, quotas};
use crate::domain::quota::UploadRoom;
use crate::domain::{Error, Timestamp};
use secrecy::SecretString;

/// A job in a request by a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberedJob {
    /// The job with this number.
    Id(i64),
    /// The one that makes the request.
    Current,
}

/// A job that may upload.
#[derive(Debug, Clone)]
pub struct AuthorizedUpload {
    /// The job.
    pub job: Job,
    /// What it may upload: the limit for one artifact is the smaller one of instance and project.
    pub room: UploadRoom,
    /// The token, if only the upstream knows it, and when it was asked about it.
    pub(super) foreign: Option<(SecretString, Timestamp)>,
}

/// How old the upstream's word about a job may be when its upload is complete, in milliseconds.
const MAX_AGE_MILLIS: i64 = 60_000;

impl Access {
    /// Requires that `token` is that of the job, and that the job is running and not erased.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::TokenOfAnotherJob`], [`AccessError::JobNotRunning`],
    /// [`AccessError::JobErased`], in this order.
    pub async fn upload_of_job(
        &self,
        job: NumberedJob,
        token: Shown,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<AuthorizedUpload, AccessError> {
        let instance_bytes = self.max_artifact_bytes;
        credentials.audit.set_credential("job_token");
        self.read(credentials.asked.clone(), move |db| {
            let (token, audit) = (token.token()?, &credentials.audit);
            let (found, foreign) = match auth::find_job(db, token, audit)? {
                Some(found) => (found, None),
                None => {
                    let found = auth::find_foreign_job(db, &credentials, token)?;
                    (found.ok_or(CredentialError::Unknown)?, Some((token.clone(), now)))
                }
            };
            if job != NumberedJob::Current && job != NumberedJob::Id(found.job.id) {
                return Err(AccessError::TokenOfAnotherJob);
            }
            audit.update(|event| event.project = Some((found.job.project_id, found.project_path.clone())));
            require_running(&found.job)?;
            let limit_bytes = smaller_limit(instance_bytes, found.max_artifact_bytes);
            let room = room_of(db, &found.job, limit_bytes)?;
            Ok(AuthorizedUpload { job: found.job, room, foreign })
        })
        .await
    }

    /// Requires, before a received upload is stored for good, that its job may still upload: the upstream is asked
    /// again if its word is older than a minute. For a job that is registered here its row tells, when it is stored.
    ///
    /// # Errors
    /// As [`Access::upload_of_job`].
    pub async fn confirm_upload(
        &self,
        upload: &AuthorizedUpload,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        let Some((token, since)) = &upload.foreign else { return Ok(()) };
        if now.as_millis() - since.as_millis() <= MAX_AGE_MILLIS {
            return Ok(());
        }
        let asked = credentials.asked.anew(MAX_AGE_MILLIS);
        let credentials = Credentials { asked, ..credentials.clone() };
        let token = Shown::Token(token.clone());
        self.upload_of_job(NumberedJob::Id(upload.job.id), token, credentials, now).await.map(drop)
    }
}

/// Returns what a job may upload; `limit_bytes` is the limit for one artifact.
pub(super) fn room_of(db: &mut Db, job: &Job, limit_bytes: Option<u64>) -> Result<UploadRoom, Error> {
    let quota = quotas::tightest(db, job.project_id)?;
    let own_bytes = match &quota {
        // Sent again, because the answer was lost, it adds nothing.
        Some(_) => artifacts::of_job(db, job.id)?.iter().map(|it| it.size_bytes.unsigned_abs()).sum(),
        None => 0,
    };
    Ok(UploadRoom { limit_bytes, quota, own_bytes })
}

/// Requires that a job is running and not erased.
pub(super) fn require_running(job: &Job) -> Result<(), AccessError> {
    if !job.status.is_executing() {
        return Err(AccessError::JobNotRunning(job.status));
    }
    if job.erased_at.is_some() {
        return Err(AccessError::JobErased);
    }
    Ok(())
}

/// Returns the smaller of two limits; `None` and 0 mean no limit.
pub(super) fn smaller_limit(instance_bytes: Option<u64>, project_bytes: Option<i64>) -> Option<u64> {
    let project = project_bytes.and_then(|bytes| u64::try_from(bytes).ok());
    [instance_bytes, project].into_iter().flatten().filter(|bytes| *bytes > 0).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_none_are_no_limit() {
        assert_eq!(smaller_limit(None, None), None);
        assert_eq!(smaller_limit(Some(0), Some(0)), None);
        assert_eq!(smaller_limit(Some(10), Some(0)), Some(10));
        assert_eq!(smaller_limit(Some(10), Some(5)), Some(5));
        assert_eq!(smaller_limit(Some(3), Some(5)), Some(3));
        assert_eq!(smaller_limit(None, Some(5)), Some(5));
    }
}
