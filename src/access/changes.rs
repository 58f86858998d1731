//! Changes to artifacts: keep, delete, purge and erase. All of them need a user.

use crate::access::project::AuthorizedProject;
use crate::access::{Access, AccessError, Principal};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::jobs::{self, JobDetails};
use crate::catalog::{Db, latest, logs, tombstones, uploads};
use crate::domain::artifact::{ArtifactName, UploadState};
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

impl Access {
    /// Removes the expiry of all artifacts of a job, and returns the job with its project's full path.
    ///
    /// # Errors
    /// In this order: the credential, the project, the job, the right to keep, whether the archive exists and
    /// has not expired.
    pub async fn keep_artifacts(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<(JobDetails, String), AccessError> {
        principal.audit().set_job(job_id);
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::SeeProject)?;
            let job = project.job(db, job_id, false)?;
            project.require(Action::KeepArtifacts)?;
            Ok((project, job))
        };
        self.change(asked, allow, move |db, (project, job)| {
            let all = artifacts::of_job(db, job.id)?;
            let mut available = all.clone();
            latest::retain_available(db, &project.project, &job, &mut available, now)?;
            let wanted = available.iter().filter(|it| it.is_archive_or_file());
            let wanted: Vec<i64> = wanted.map(|it| it.id).collect();
            if wanted.is_empty() {
                let archive = Artifact::archive_among(&all).cloned();
                project.require_available(db, &job, &ArtifactName::ARCHIVE, archive)?;
            }
            // What has expired stays so, although its bytes may still be there.
            let ids: Vec<i64> = available.iter().map(|it| it.id).collect();
            let kept = artifacts::keep(db, &ids, now)?;
            // A sweep may have deleted them in the meantime; then nothing is left to keep.
            if !wanted.iter().any(|id| kept.contains(id)) {
                return Err(AccessError::ArtifactJustExpired);
            }
            Ok((project.readable_job(db, job.id)?, project.project.path))
        })
        .await
    }

    /// Deletes the artifacts of a job, except its log, and returns their count.
    ///
    /// # Errors
    /// In this order: the credential, the project, the right to delete, the job.
    pub async fn delete_artifacts(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<usize, AccessError> {
        principal.audit().set_job(job_id);
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::SeeProject)?;
            project.require(Action::DeleteArtifacts)?;
            project.job(db, job_id, false)
        };
        let deleted = self
            .change(asked, allow, move |db, job| {
                uploads::abandon_of_job(db, job.id, &[UploadState::Ordered])?;
                Ok(tombstones::soft_delete_job(db, job.id, false, now)?)
            })
            .await?;
        tracing::info!(job.id = job_id, deleted, "artifacts of a job deleted");
        Ok(deleted)
    }

    /// Requests the deletion of all artifacts of a project that are not locked; the next sweep does it.
    ///
    /// # Errors
    /// In this order: the credential, the project, the right to delete.
    pub async fn request_purge(&self, principal: &Principal, project: ProjectRef) -> Result<(), AccessError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::SeeProject)?;
            project.require(Action::DeleteArtifacts)?;
            Ok::<_, AccessError>(project.project.id)
        };
        let request = move |db: &mut Db, project_id| {
            tombstones::request_purge(db, project_id, now)?;
            Ok(project_id)
        };
        let project_id = self.change(asked, allow, request).await?;
        tracing::info!(project.id = project_id, "removal of a project's artifacts requested");
        Ok(())
    }

    /// Deletes all artifacts of a finished job, its log too, and returns the job with its project's full
    /// path.
    ///
    /// # Errors
    /// In this order: the credential, the project, the right to erase any job, the job, the right to erase
    /// this one, [`AccessError::JobNotErasable`].
    pub async fn erase_job(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<(JobDetails, String), AccessError> {
        principal.audit().set_job(job_id);
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::SeeProject)?;
            // A caller that may erase nothing does not learn which jobs exist.
            project.require(Action::EraseJob { own: true })?;
            let job = project.job(db, job_id, false)?;
            let own = project.user_id().is_some_and(|user| Some(user) == job.user_id);
            project.require(Action::EraseJob { own })?;
            if job.status.is_finished() { Ok((project, job)) } else { Err(AccessError::JobNotErasable) }
        };
        let erased = self.change(asked, allow, move |db, (project, job)| {
            uploads::abandon_of_job(db, job.id, &UploadState::ALIVE)?;
            let has_log = logs::size(db, job.id)?.is_some();
            if tombstones::soft_delete_job(db, job.id, true, now)? == 0 && !has_log {
                return Err(AccessError::JobNotErasable);
            }
            logs::delete(db, job.id)?;
            jobs::mark_erased(db, job.id, now)?;
            Ok((project.readable_job(db, job.id)?, project.project.path))
        });
        let erased = erased.await?;
        tracing::info!(job.id = job_id, "job erased");
        Ok(erased)
    }
}
