//! Uploads: whether a job may upload artifacts now, and how large they may be.

use crate::access::{Access, AccessError};
use crate::audit::AuditContext;
use crate::auth::{self, CredentialError, Shown};
use crate::catalog::jobs::Job;
use crate::catalog::{artifacts, quotas};
use crate::domain::quota::UploadRoom;

/// A job that may upload.
#[derive(Debug, Clone)]
pub struct AuthorizedUpload {
    /// The job.
    pub job: Job,
    /// What it may upload: the limit for one artifact is the smaller one of instance and project.
    pub room: UploadRoom,
}

impl Access {
    /// Requires that `token` is that of the job `job_id`, and that the job is running and not erased.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::TokenOfAnotherJob`], [`AccessError::JobNotRunning`],
    /// [`AccessError::JobErased`], in this order.
    pub async fn upload_of_job(
        &self,
        job_id: i64,
        token: Shown,
        audit: &AuditContext,
    ) -> Result<AuthorizedUpload, AccessError> {
        let (audit, instance_bytes) = (audit.clone(), self.max_artifact_bytes);
        audit.set_credential("job_token");
        self.read(move |db| {
            let token = token.token()?;
            let found = auth::find_job(db, token, &audit)?.ok_or(CredentialError::Unknown)?;
            if found.job.id != job_id {
                return Err(AccessError::TokenOfAnotherJob);
            }
            audit.update(|event| event.project = Some((found.job.project_id, found.project_path.clone())));
            require_running(&found.job)?;
            let limit_bytes = smaller_limit(instance_bytes, found.max_artifact_bytes);
            let quota = quotas::tightest(db, found.job.project_id)?;
            let own_bytes: u64 = match &quota {
                // Sent again, because the answer was lost, it adds nothing.
                Some(_) => artifacts::of_job(db, job_id)?.iter().map(|it| it.size_bytes.unsigned_abs()).sum(),
                None => 0,
            };
            Ok(AuthorizedUpload { job: found.job, room: UploadRoom { limit_bytes, quota, own_bytes } })
        })
        .await
    }
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
