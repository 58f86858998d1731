//! Artifacts that a principal may read: by job, by ref and job name, and for a job that depends on another.

use crate::access::fast_path::{archive_fast_path, archive_of_ref_fast_path};
use crate::access::project::{AuthorizedProject, find_project};
use crate::access::pulled::unknown_dependency;
use crate::access::{
    AcceptedCredentials, Access, AccessError, ArtifactAbsence, JobLog, NumberedJob, Principal,
};
use crate::auth::Actor;
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::jobs::{self, Job};
use crate::catalog::{Db, absence, latest, tombstones};
use crate::domain::artifact::{Accessibility, ArtifactName, Availability};
use crate::domain::permissions::{Action, Decision};
use crate::domain::project::ProjectRef;
use crate::ingest::pull::PullOrder;

/// What stands for a job's archive: an archive, single files, or both.
#[derive(Debug, Clone)]
pub struct JobArchive {
    /// The archive.
    pub archive: Option<Artifact>,
    /// The single files that the principal may read; there are some if there is no archive.
    pub files: Vec<Artifact>,
}

impl JobArchive {
    fn stored(archive: Artifact) -> Self {
        Self { archive: Some(archive), files: Vec::new() }
    }

    /// Returns the single file at `path`, which comes before an entry of the archive.
    pub fn file(&self, path: &[u8]) -> Option<&Artifact> {
        self.files.iter().find(|file| file.name.file_path().is_some_and(|own| own.as_bytes() == path))
    }
}

/// Where a job's archive is.
#[derive(Debug)]
pub enum ArchiveLookup {
    /// Here.
    Here(JobArchive),
    /// At the upstream, which lets the principal fetch it.
    Upstream(PullOrder),
}

/// A lookup of an artifact without its job's ID.
#[derive(Debug, Clone)]
pub struct RefLookup {
    /// The branch or tag.
    pub ref_name: String,
    /// The name of the job.
    pub job_name: String,
    /// Which pipelines are searched.
    pub search: RefSearch,
}

/// The pipelines of a ref that are searched for an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefSearch {
    /// The newest successful pipeline and its descendants.
    Newest,
    /// The newest 100 successful pipelines.
    Recent,
}

impl Access {
    /// Finds a job's artifact by name, if the principal may read it. The accessibility of the archive is that
    /// of the whole job.
    ///
    /// # Errors
    /// In this order: the credential, the project, the right to read its jobs, the job, the right to read the
    /// artifact, whether it is there and has not expired.
    pub async fn artifact_of_job(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
        name: ArtifactName,
    ) -> Result<Artifact, AccessError> {
        let principal = principal.clone();
        let finding = self.read_inline(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let job = project.job(db, job_id, true)?;
            project.artifact(db, &job, &name)
        });
        let found: Artifact = finding.await?;
        self.note_use(Some(&found)).await;
        Ok(found)
    }

    /// Finds what stands for a job's archive, if the principal may read it.
    ///
    /// # Errors
    /// As [`Access::artifact_of_job`].
    pub async fn archive_of_job(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<ArchiveLookup, AccessError> {
        let principal = principal.clone();
        let finding = self.read_inline(principal.asked(), move |db| {
            if let Some(archive) = archive_fast_path(db, &principal, &project, job_id)? {
                return Ok(ArchiveLookup::Here(JobArchive::stored(archive)));
            }
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let found = project.job(db, job_id, true).and_then(|job| {
                let artifacts = artifacts::of_job(db, job.id)?;
                project.archive(db, &job, artifacts)
            });
            project.or_upstream(found, job_id)
        });
        Ok(self.note_use_of(finding.await?).await)
    }

    /// Finds the archive by a ref and a job's name.
    ///
    /// # Errors
    /// As [`Access::artifact_of_job`]; [`AccessError::ArtifactOfRefNotFound`] if there is none.
    pub async fn archive_of_ref(
        &self,
        principal: &Principal,
        project: ProjectRef,
        lookup: RefLookup,
    ) -> Result<ArchiveLookup, AccessError> {
        let RefLookup { ref_name, job_name, search } = lookup;
        let (asked, principal) = (principal.asked(), principal.clone());
        let find = move |db: &mut Db| {
            if search == RefSearch::Newest
                && let Some(archive) =
                    archive_of_ref_fast_path(db, &principal, &project, (&ref_name, &job_name))?
            {
                return Ok(ArchiveLookup::Here(JobArchive::stored(archive)));
            }
            let found = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            found.learn_ref(db, &ref_name, &job_name)?;
            let (project, now) = (&found.project, principal.now);
            let job = match search {
                // What is known of a ref here may be older than what the upstream has told.
                RefSearch::Newest if found.leads_nowhere(&ref_name, &job_name) => None,
                RefSearch::Newest => latest::job_by_ref(db, project, &ref_name, &job_name, now)?,
                RefSearch::Recent => latest::job_by_recent_ref(db, project, &ref_name, &job_name, now)?,
            };
            let Some((job, artifacts)) = job else {
                let recent = search == RefSearch::Recent;
                let why = absence::by_ref(db, project.id, &ref_name, &job_name, recent)?;
                let absent = Err(AccessError::ArtifactOfRefNotFound { why, recent });
                return match found.newest_job(&ref_name, &job_name) {
                    Some(job_id) => found.or_upstream(absent, job_id),
                    None => absent.map(ArchiveLookup::Here),
                };
            };
            let archive = found.archive(db, &job, artifacts);
            found.or_upstream(archive, job.id)
        };
        let found: Result<_, AccessError> = match search {
            RefSearch::Newest => self.read_inline(asked, find).await,
            RefSearch::Recent => self.read(asked, find).await,
        };
        Ok(self.note_use_of(found?).await)
    }

    /// Finds the archive of a job on which the principal's own job depends. Only a running job may call it,
    /// and its user needs the right to read the other job; the accessibility is checked only if the project
    /// does not admit the job.
    ///
    /// # Errors
    /// [`AccessError::JobTokenRequired`] for a user; as [`Access::artifact_of_job`] otherwise.
    pub async fn archive_for_dependent_job(
        &self,
        principal: &Principal,
        job: NumberedJob,
    ) -> Result<ArchiveLookup, AccessError> {
        let principal = Principal { accepted: AcceptedCredentials::UserOrJob, ..principal.clone() };
        let finding = self.read(principal.asked(), move |db| {
            let actor = principal.authenticate(db)?;
            let own = match &actor {
                Actor::Job { job_id, .. } => Some(*job_id),
                Actor::VouchedJob { job_id, .. } => *job_id,
                Actor::Anonymous | Actor::User(_) | Actor::Foreign(_) => {
                    return Err(AccessError::JobTokenRequired);
                }
            };
            let job_id = match job {
                NumberedJob::Id(id) => id,
                // A job without a row has uploaded nothing.
                NumberedJob::Current => {
                    own.ok_or(AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName))?
                }
            };
            principal.audit().set_job(job_id);
            let Some(job) = jobs::find(db, job_id)? else {
                return unknown_dependency(db, &principal, actor, own, job_id);
            };
            let project = find_project(db, &ProjectRef::Id(job.project_id))?;
            let project = AuthorizedProject::new(db, &principal, actor, project, Action::ReadJobs)?;
            let artifacts = artifacts::of_job(db, job.id)?;
            let found = project.dependency(db, &job, artifacts);
            project.dependency_or_upstream(db, found, own, job_id)
        });
        Ok(self.note_use_of(finding.await?).await)
    }

    /// Finds a job's log, as far as it has come in; `None` if there is none. Logs never expire.
    ///
    /// # Errors
    /// As [`Access::artifact_of_job`].
    pub async fn log_of_job(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<Option<JobLog>, AccessError> {
        let (principal, catalog) = (principal.clone(), self.catalog.clone());
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let job = project.job(db, job_id, true)?;
            project.audit.set_job(job.id);
            let log = Self::log(db, &catalog, job.id)?;
            project.require_artifact(log.as_ref().and_then(JobLog::artifact))?;
            Ok(log)
        })
        .await
    }
}

impl AuthorizedProject {
    /// Finds a job's artifact by name, if the principal may read it and it has not expired.
    pub(super) fn artifact(
        &self,
        db: &mut Db,
        job: &Job,
        name: &ArtifactName,
    ) -> Result<Artifact, AccessError> {
        self.audit.set_job(job.id);
        let artifacts = artifacts::of_job(db, job.id)?;
        let archive = self.standing_archive(db, job, &artifacts)?;
        self.require_artifact(archive.as_ref())?;
        let is_named = |artifact: &Artifact| artifact.name == *name;
        let artifact =
            if *name == ArtifactName::ARCHIVE { archive } else { artifacts.into_iter().find(is_named) };
        self.require_artifact(artifact.as_ref())?;
        self.record(artifact.as_ref());
        self.require_available(db, job, name, artifact)
    }

    /// Finds what stands for a job's archive among its artifacts, for a job that depends on it.
    fn dependency(
        &self,
        db: &mut Db,
        job: &Job,
        artifacts: Vec<Artifact>,
    ) -> Result<JobArchive, AccessError> {
        let archive = self.standing_archive(db, job, &artifacts)?;
        match &archive {
            Some(copy) if copy.is_copy() => self.require_copy(copy, true)?,
            archive => self.require(Action::FetchDependency(accessibility(archive.as_ref())))?,
        }
        let may_fetch =
            |file: &Artifact| self.decide(Action::FetchDependency(file.accessibility)) == Decision::Allow;
        self.archive_or_files(db, job, archive, artifacts, may_fetch)
    }

    /// Finds what stands for a job's archive among its artifacts, if the principal may read it.
    pub(super) fn archive(
        &self,
        db: &mut Db,
        job: &Job,
        artifacts: Vec<Artifact>,
    ) -> Result<JobArchive, AccessError> {
        self.audit.set_job(job.id);
        let archive = self.standing_archive(db, job, &artifacts)?;
        self.require_artifact(archive.as_ref())?;
        let may_read =
            |file: &Artifact| self.decide(Action::ReadArtifact(file.accessibility)) == Decision::Allow;
        self.archive_or_files(db, job, archive, artifacts, may_read)
    }

    /// Returns what stands for a job's archive: one that is available before one that has expired and is not swept
    /// yet.
    pub(super) fn standing_archive(
        &self,
        db: &mut Db,
        job: &Job,
        artifacts: &[Artifact],
    ) -> Result<Option<Artifact>, AccessError> {
        let mut available = artifacts.to_vec();
        latest::retain_available(db, &self.project, job, &mut available, self.now)?;
        let standing = Artifact::archive_among(&available).or_else(|| Artifact::archive_among(artifacts));
        Ok(standing.cloned())
    }

    /// Takes the single files among `artifacts` into account that the principal may read. Without an archive there
    /// has to be one.
    fn archive_or_files(
        &self,
        db: &mut Db,
        job: &Job,
        archive: Option<Artifact>,
        mut artifacts: Vec<Artifact>,
        may_read: impl Fn(&Artifact) -> bool,
    ) -> Result<JobArchive, AccessError> {
        artifacts.retain(|artifact| artifact.name.file_path().is_some());
        let (mut available, hidden): (Vec<_>, Vec<_>) = artifacts.into_iter().partition(may_read);
        latest::retain_available(db, &self.project, job, &mut available, self.now)?;
        Artifact::retain_newest_of_each_path(&mut available);
        self.record(archive.as_ref());
        let archive = match archive {
            Some(archive) if !available.is_empty() => {
                let availability = latest::availability(db, &self.project, job, &archive, self.now)?;
                Some(archive).filter(|_| availability == Availability::Available)
            }
            archive => archive,
        };
        if archive.is_none() && !available.is_empty() {
            return Ok(JobArchive { archive: None, files: available });
        }
        // Files that are there, and none of which may be read, are as an archive that may not.
        if archive.is_none()
            && let Some(file) = hidden.first()
        {
            return Err(AccessError::Forbidden(Action::ReadArtifact(file.accessibility)));
        }
        let archive = self.require_available(db, job, &ArtifactName::ARCHIVE, archive)?;
        Ok(JobArchive { archive: Some(archive), files: available })
    }

    /// Requires the right to read an artifact. A missing one is left to [`AuthorizedProject::require_available`].
    pub(super) fn require_artifact(&self, artifact: Option<&Artifact>) -> Result<(), AccessError> {
        if let Some(copy) = artifact.filter(|artifact| artifact.is_copy()) {
            return self.require_copy(copy, false);
        }
        let action = Action::ReadArtifact(accessibility(artifact));
        match self.decide(action) {
            Decision::Allow => Ok(()),
            Decision::Forbid | Decision::Hide | Decision::JobTokenNotAllowed => {
                Err(AccessError::Forbidden(action))
            }
        }
    }

    /// Requires that an artifact is available.
    pub(super) fn require_available(
        &self,
        db: &mut Db,
        job: &Job,
        name: &ArtifactName,
        artifact: Option<Artifact>,
    ) -> Result<Artifact, AccessError> {
        let Some(artifact) = artifact else {
            return Err(match (job.erased_at, tombstones::expired_at(db, job.id, name)?) {
                (Some(time), _) => AccessError::ArtifactNotFound(ArtifactAbsence::JobErased(time)),
                (None, Some(time)) => AccessError::ArtifactExpired(time),
                (None, None) => AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName),
            });
        };
        match (latest::availability(db, &self.project, job, &artifact, self.now)?, artifact.expire_at) {
            (Availability::Expired, Some(time)) => Err(AccessError::ArtifactExpired(time)),
            _ => Ok(artifact),
        }
    }

    pub(super) fn record(&self, artifact: Option<&Artifact>) {
        self.audit.update(|event| event.artifact_id = artifact.map(|artifact| artifact.id));
    }
}

/// Returns the accessibility to check. Without an artifact there is nothing to protect.
fn accessibility(artifact: Option<&Artifact>) -> Accessibility {
    artifact.map_or(Accessibility::Public, |artifact| artifact.accessibility)
}
