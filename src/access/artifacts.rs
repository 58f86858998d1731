//! Artifacts that a principal may read: by job, by ref and job name, and for a job that depends on another.

use crate::access::project::{AuthorizedProject, find_project};
use crate::access::{AcceptedCredentials, Access, AccessError, ArtifactAbsence, JobAbsence, Principal};
use crate::auth::{self, Actor};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::jobs::{self, Job};
use crate::catalog::standing::{self, Standing};
use crate::catalog::{Db, absence, lookup};
use crate::domain::access::{Action, Verdict};
use crate::domain::artifact::{Accessibility, ArtifactKind};
use crate::domain::project::ProjectRef;
use crate::domain::{self, Kind, Sha256Digest};

/// What an artifact is looked up by, instead of its job's ID.
#[derive(Debug, Clone)]
pub struct RefLookup {
    /// The branch or tag.
    pub ref_name: String,
    /// The name of the job.
    pub job_name: String,
    /// Which pipelines are searched.
    pub search: RefSearch,
}

/// Which pipelines of a ref are searched for an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefSearch {
    /// The newest successful one and its descendants.
    Newest,
    /// The newest 100 successful ones.
    Recent,
}

impl Access {
    /// Finds a job's artifact of a kind that the principal may read. The accessibility of the archive is that
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
        kind: ArtifactKind,
    ) -> Result<Artifact, AccessError> {
        let principal = principal.clone();
        self.glance(move |db| {
            if kind == ArtifactKind::Archive
                && let Some(archive) = archive_fast_path(db, &principal, &project, job_id)?
            {
                return Ok(archive);
            }
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let job = project.job(db, job_id, true)?;
            project.artifact(db, &job, kind)
        })
        .await
    }

    /// Finds the archive that a ref and a job's name lead to.
    ///
    /// # Errors
    /// As [`Access::artifact_of_job`]; [`AccessError::ArtifactOfRefNotFound`] when the ref leads to none.
    pub async fn archive_of_ref(
        &self,
        principal: &Principal,
        project: ProjectRef,
        lookup: RefLookup,
    ) -> Result<Artifact, AccessError> {
        let (principal, RefLookup { ref_name, job_name, search }) = (principal.clone(), lookup);
        let find = move |db: &mut Db| {
            if search == RefSearch::Newest
                && let Some(archive) =
                    archive_of_ref_fast_path(db, &principal, &project, (&ref_name, &job_name))?
            {
                return Ok(archive);
            }
            let found = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let (project, now) = (&found.project, principal.now);
            let job = match search {
                RefSearch::Newest => lookup::job_by_ref(db, project, &ref_name, &job_name, now)?,
                RefSearch::Recent => lookup::job_by_recent_ref(db, project, &ref_name, &job_name, now)?,
            };
            let Some(job) = job else {
                let recent = search == RefSearch::Recent;
                let why = absence::by_ref(db, project.id, &ref_name, &job_name, recent)?;
                return Err(AccessError::ArtifactOfRefNotFound { why, recent });
            };
            found.artifact(db, &job, ArtifactKind::Archive)
        };
        match search {
            RefSearch::Newest => self.glance(find).await,
            RefSearch::Recent => self.read(find).await,
        }
    }

    /// Finds the archive of a job on which the principal's own job depends. Only a running job may ask, and
    /// its user needs the right to read the other job; the accessibility is asked only of jobs that the
    /// project does not let in.
    ///
    /// # Errors
    /// [`AccessError::JobTokenRequired`] for a user; as [`Access::artifact_of_job`] otherwise.
    pub async fn archive_for_dependent_job(
        &self,
        principal: &Principal,
        job_id: i64,
    ) -> Result<Artifact, AccessError> {
        let principal = Principal { accepted: AcceptedCredentials::UserOrJob, ..principal.clone() };
        self.read(move |db| {
            let actor = principal.authenticate(db)?;
            if !matches!(actor, Actor::Job { .. }) {
                return Err(AccessError::JobTokenRequired);
            }
            principal.audit().job(job_id);
            let missing = AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: false };
            let job = jobs::find(db, job_id)?.ok_or(missing)?;
            let project = find_project(db, &ProjectRef::Id(job.project_id))?;
            let project = AuthorizedProject::new(db, &principal, actor, project, Action::ReadJobs)?;
            let archive = artifacts::find(db, job.id, ArtifactKind::Archive)?;
            project.require(Action::FetchDependency(accessibility(archive.as_ref())))?;
            let archive = project.require_available(db, &job, archive)?;
            project.record(Some(&archive));
            Ok(archive)
        })
        .await
    }

    /// Finds a job's log, `None` when nobody stored one. Logs never expire.
    ///
    /// # Errors
    /// As [`Access::artifact_of_job`].
    pub async fn log_of_job(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
    ) -> Result<Option<Artifact>, AccessError> {
        let principal = principal.clone();
        self.read(move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let job = project.job(db, job_id, true)?;
            project.audit.job(job.id);
            let log = artifacts::find(db, job.id, ArtifactKind::Trace)?;
            project.require_artifact(log.as_ref())?;
            Ok(log)
        })
        .await
    }
}

impl AuthorizedProject {
    /// Finds a job's artifact of a kind, when the principal may read it and it has not expired.
    fn artifact(&self, db: &mut Db, job: &Job, kind: ArtifactKind) -> Result<Artifact, AccessError> {
        self.audit.job(job.id);
        let archive = artifacts::find(db, job.id, ArtifactKind::Archive)?;
        self.require_artifact(archive.as_ref())?;
        let artifact = match kind {
            ArtifactKind::Archive => archive,
            other => artifacts::find(db, job.id, other)?,
        };
        self.require_artifact(artifact.as_ref())?;
        self.record(artifact.as_ref());
        self.require_available(db, job, artifact)
    }

    /// Requires the right to read an artifact. A missing one is left to [`AuthorizedProject::require_available`].
    fn require_artifact(&self, artifact: Option<&Artifact>) -> Result<(), AccessError> {
        let action = Action::ReadArtifact(accessibility(artifact));
        match self.decide(action) {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden | Verdict::Hidden | Verdict::OutOfReach => Err(AccessError::Forbidden(action)),
        }
    }

    /// Requires that an artifact is there and has not expired, or is locked.
    pub(super) fn require_available(
        &self,
        db: &mut Db,
        job: &Job,
        artifact: Option<Artifact>,
    ) -> Result<Artifact, AccessError> {
        let artifact = artifact.ok_or(AccessError::ArtifactNotFound(match job.erased_at {
            Some(time) => ArtifactAbsence::JobErased(time),
            None => ArtifactAbsence::NoneOfKind,
        }))?;
        let available = lookup::can_be_read(db, &self.project, job, &artifact, self.now)?;
        match (available, artifact.expire_at) {
            (false, Some(time)) => Err(AccessError::ArtifactExpired(time)),
            (true, _) | (false, None) => Ok(artifact),
        }
    }

    fn record(&self, artifact: Option<&Artifact>) {
        self.audit.tell(|facts| facts.artifact_id = artifact.map(|artifact| artifact.id));
    }
}

/// The accessibility that a reader is asked for. Where there is no artifact, nothing has to be protected.
fn accessibility(artifact: Option<&Artifact>) -> Accessibility {
    artifact.map_or(Accessibility::Public, |artifact| artifact.accessibility)
}

/// Whether one statement can find out who the principal is: by a personal token, or anonymous. What a job
/// token reaches takes more.
fn has_fast_path(principal: &Principal) -> bool {
    let credentials = &principal.credentials;
    auth::personal_digest(credentials).is_some() || credentials.job.is_none()
}

/// Finds a job's archive and everything that the permission check needs in one statement. `None` when
/// something is missing: the slow path then finds out what, in the order in which clients are told.
fn archive_fast_path(
    db: &mut Db,
    principal: &Principal,
    project: &ProjectRef,
    job_id: i64,
) -> Result<Option<Artifact>, AccessError> {
    let found = fast_path(db, principal, |db, digest| {
        standing::of_artifact(db, project, job_id, ArtifactKind::Archive, digest)
    })?;
    let Some((project, job, archive)) = found else { return Ok(None) };
    project.record(Some(&archive));
    project.require_available(db, &job, Some(archive)).map(Some)
}

/// As [`archive_fast_path`], for the archive that a ref and a job's name lead to.
fn archive_of_ref_fast_path(
    db: &mut Db,
    principal: &Principal,
    project: &ProjectRef,
    (ref_name, job_name): (&str, &str),
) -> Result<Option<Artifact>, AccessError> {
    let found = fast_path(db, principal, |db, digest| {
        standing::of_ref(db, project, ref_name, job_name, digest, principal.now)
    })?;
    let Some((project, _, archive)) = found else { return Ok(None) };
    project.record(Some(&archive));
    Ok(Some(archive))
}

/// Decides about what one statement found, in the order of the slow path. Nothing is recorded and nothing
/// refused before all of it is known to be there.
fn fast_path(
    db: &mut Db,
    principal: &Principal,
    find: impl FnOnce(&mut Db, Option<Sha256Digest>) -> domain::Result<Option<Standing>>,
) -> Result<Option<(AuthorizedProject, Job, Artifact)>, AccessError> {
    if !has_fast_path(principal) {
        return Ok(None);
    }
    let digest = auth::personal_digest(&principal.credentials);
    let found = match find(db, digest) {
        // A text that no column can hold; the slow path reports it after the credential.
        Err(error) if error.kind() == Kind::Invalid => None,
        found => found?,
    };
    let Some(Standing { project, job, artifact, token, role }) = found else { return Ok(None) };
    let Principal { scopes, now, .. } = principal;
    let (actor, caller) = match (digest, token) {
        (None, _) => {
            let actor = principal.authenticate(db)?;
            let caller = auth::caller_in(db, &actor, &project)?;
            (actor, caller)
        }
        (Some(_), None) => return Ok(None),
        (Some(digest), Some((token, user))) => {
            let audit = principal.audit();
            let caller = auth::caller_with((token, digest), &user, role, scopes, *now, audit)?;
            let Some(caller) = caller else { return Ok(None) };
            (Actor::User(user), caller)
        }
    };
    principal.audit().project(&project);
    let project = AuthorizedProject::with_caller(principal, actor, caller, project);
    project.require(Action::ReadJobs)?;
    principal.audit().job(job.id);
    project.require_artifact(Some(&artifact))?;
    Ok(Some((project, job, artifact)))
}
