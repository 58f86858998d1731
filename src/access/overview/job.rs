//! Overview of a job: everything that it left, until when, and why that is kept.

use super::super::{Access, AccessError, JobAbsence, Principal};
use super::Rights;
use crate::access::project::AuthorizedProject;
use crate::catalog::artifacts::Artifact;
use crate::catalog::jobs::{self, JobDetails, JobPlace};
use crate::catalog::projects::Project;
use crate::catalog::{latest, logs, tombstones};
use crate::domain::artifact::{ArtifactKind, ArtifactName};
use crate::domain::expiry::is_available;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

/// How many expired artifacts an overview has.
const EXPIRED: i64 = 100;

/// A job with everything that it left.
#[derive(Debug)]
pub struct JobOverview {
    /// The project.
    pub project: Project,
    /// The job, its pipeline and its commit; without artifacts.
    pub details: JobDetails,
    /// Its artifacts, expired or not, oldest first; its log is none of them.
    pub artifacts: Vec<OverviewArtifact>,
    /// Whether its pipeline keeps its artifacts whatever their expiry.
    pub is_locked: bool,
    /// Whether it has a log that the principal may read.
    pub has_log: bool,
    /// Whether the upstream has its archive, which is not here, and lets the principal fetch it.
    pub is_at_upstream: bool,
    /// What the principal may do with the artifacts.
    pub rights: Rights,
}

/// An artifact, and what the principal may know of it.
#[derive(Debug)]
pub struct OverviewArtifact {
    /// The artifact, which may have expired.
    pub artifact: Artifact,
    /// Whether it stands for the job's archive.
    pub is_archive: bool,
    /// Whether its bytes are there.
    pub is_available: bool,
    /// Whether the principal may read it.
    pub may_read: bool,
}

impl Access {
    /// Finds a job with everything that it left.
    ///
    /// # Errors
    /// As [`Access::job`].
    pub async fn job_overview(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<JobOverview, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            principal.audit().set_job(job_id);
            let absent = |why| AccessError::JobNotFound { why, may_be_told: true };
            let mut details = jobs::find_details(db, job_id)?.ok_or(absent(JobAbsence::Nonexistent))?;
            if details.pipeline.project_id != project.project.id {
                return Err(absent(JobAbsence::InOtherProject));
            }
            let all = std::mem::take(&mut details.artifacts);
            let is_locked = project.project.keep_latest_artifact
                && !latest::locked_among(db, &[details.pipeline.id])?.is_empty();
            let is_there = |artifact: &Artifact| is_available(artifact.expire_at, is_locked, principal.now);
            let there: Vec<Artifact> = all.iter().filter(|it| is_there(it)).cloned().collect();
            let archive = Artifact::archive_among(&there).map(|archive| archive.id);
            let is_at_upstream = archive.is_none() && project.may_fetch(job_id);
            let log = all.iter().find(|artifact| artifact.name == ArtifactName::LOG);
            let has_log = match log {
                Some(log) => project.may_read(log),
                None => logs::size(db, job_id)?.is_some(),
            };
            let gone = tombstones::expired_of_job(db, job_id, EXPIRED)?;
            let overview = |artifact: Artifact, is_available| OverviewArtifact {
                is_archive: archive == Some(artifact.id),
                is_available,
                may_read: project.may_read(&artifact),
                artifact,
            };
            let listed = all.into_iter().filter(|artifact| artifact.kind != ArtifactKind::Trace);
            let listed = listed.map(|artifact| {
                let there = is_there(&artifact);
                overview(artifact, there)
            });
            let artifacts = listed.collect::<Vec<_>>().into_iter();
            let artifacts =
                artifacts.chain(gone.into_iter().map(|artifact| overview(artifact, false))).collect();
            let rights = project.rights(db, &principal)?;
            let project = project.project;
            Ok(JobOverview { project, details, artifacts, is_locked, has_log, is_at_upstream, rights })
        })
        .await
    }

    /// Finds where a job stands, for the pages of what it left.
    ///
    /// # Errors
    /// As [`Access::job`].
    pub async fn job_place(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<JobPlace, AccessError> {
        let principal = principal.clone();
        self.read_inline(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let job = project.job(db, job_id, true)?;
            let gone = AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: true };
            jobs::place(db, job.id)?.ok_or(gone)
        })
        .await
    }
}
