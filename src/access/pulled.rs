//! Archives that the upstream has: a copy of one is read by whom the upstream lets fetch it, and one that is not here
//! may be fetched by him.

use std::sync::Arc;

use super::artifacts::{ArchiveLookup, JobArchive};
use super::project::{AuthorizedProject, Rights, find_project};
use super::{Access, AccessError, ArtifactAbsence, JobAbsence, Principal};
use crate::auth::Actor;
use crate::catalog::artifacts::Artifact;
use crate::catalog::{Db, copies, jobs};
use crate::domain::Timestamp;
use crate::domain::artifact::Accessibility;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;
use crate::upstream::Refusal;

/// How long the use of a copy is not noted again, in milliseconds.
const USE_MILLIS: i64 = 3_600_000;

/// Most copies of which it is known when their use was noted.
const USED: usize = 10_000;

/// Copies whose use this node has noted lately. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct UsedCopies(Arc<quick_cache::sync::Cache<i64, Timestamp>>);

impl Default for UsedCopies {
    fn default() -> Self {
        Self(Arc::new(quick_cache::sync::Cache::new(USED)))
    }
}

impl Access {
    /// Notes that a copy is read, once an hour, so that others give way before it.
    pub(super) async fn note_use(&self, artifact: Option<&Artifact>) {
        let Some(copy) = artifact.filter(|artifact| artifact.is_copy()) else { return };
        let (id, now) = (copy.id, self.now());
        let is_recent = |at: Timestamp| (0..USE_MILLIS).contains(&(now.as_millis() - at.as_millis()));
        // A new one counts as used when it came.
        if is_recent(copy.created_at) || self.used.0.get(&id).is_some_and(is_recent) {
            return;
        }
        self.used.0.insert(id, now);
        if let Err(error) = self.catalog.write(move |db| copies::touch(db, id, now)).await {
            // Nobody is refused an archive because of it.
            tracing::warn!(causes = error.source_chain(), "the use of a copy is not noted");
        }
    }

    /// Notes that what stands for an archive is read, if it is a copy.
    pub(super) async fn note_use_of(&self, found: ArchiveLookup) -> ArchiveLookup {
        if let ArchiveLookup::Here(JobArchive { archive, .. }) = &found {
            self.note_use(archive.as_ref()).await;
        }
        found
    }
}

impl AuthorizedProject {
    /// Requires that the upstream lets the principal fetch the archive of which there is a copy here: nothing else is
    /// known of its readers.
    pub(super) fn require_copy(&self, copy: &Artifact, as_dependency: bool) -> Result<(), AccessError> {
        let forbidden = AccessError::Forbidden(Action::ReadArtifact(Accessibility::None));
        let Rights::Foreign(rights) = &self.rights else { return Err(forbidden) };
        match rights.may_fetch(copy.job_id, as_dependency) {
            Some(Ok(())) => Ok(()),
            Some(Err(Refusal::NotFound)) => Err(AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName)),
            Some(Err(_)) | None => Err(forbidden),
        }
    }

    /// Whether the archive of a job is fetched from the upstream if the principal asks for it.
    pub(super) fn may_fetch(&self, job_id: i64) -> bool {
        match &self.rights {
            Rights::Foreign(rights) => {
                rights.order(job_id, false, None).is_some()
                    && matches!(rights.may_fetch(job_id, false), Some(Ok(())))
            }
            Rights::Registered(_) => false,
        }
    }

    /// Returns the job to which a ref leads at the upstream, if it has told that.
    pub(super) fn newest_job(&self, ref_name: &str, job_name: &str) -> Option<i64> {
        match &self.rights {
            Rights::Foreign(rights) => rights.newest_job(ref_name, job_name),
            Rights::Registered(_) => None,
        }
    }

    /// Looks at the upstream for the archive of a job if there is none here.
    pub(super) fn or_upstream(
        &self,
        found: Result<JobArchive, AccessError>,
        job_id: i64,
    ) -> Result<ArchiveLookup, AccessError> {
        self.look_further(found, job_id, false, None)
    }

    /// Like [`AuthorizedProject::or_upstream`], for the archive of a job on which the job `own` depends.
    pub(super) fn dependency_or_upstream(
        &self,
        db: &mut Db,
        found: Result<JobArchive, AccessError>,
        own: Option<i64>,
        job_id: i64,
    ) -> Result<ArchiveLookup, AccessError> {
        let own = own.map(|id| jobs::find(db, id)).transpose()?.flatten();
        self.look_further(found, job_id, true, own.map(|own| own.pipeline_id))
    }

    fn look_further(
        &self,
        found: Result<JobArchive, AccessError>,
        job_id: i64,
        as_dependency: bool,
        pipeline_id: Option<i64>,
    ) -> Result<ArchiveLookup, AccessError> {
        let absent = match found {
            Ok(found) => return Ok(ArchiveLookup::Here(found)),
            Err(error) => error,
        };
        let is_absent = matches!(
            absent,
            AccessError::JobNotFound { why: JobAbsence::Nonexistent, .. }
                | AccessError::ArtifactNotFound(_)
                | AccessError::ArtifactExpired(_)
                | AccessError::ArtifactOfRefNotFound { .. }
        );
        let Rights::Foreign(rights) = &self.rights else { return Err(absent) };
        let order = rights.order(job_id, as_dependency, pipeline_id).filter(|_| is_absent);
        let Some(order) = order else { return Err(absent) };
        match rights.may_fetch(job_id, as_dependency) {
            Some(Ok(())) => Ok(ArchiveLookup::Upstream(order)),
            Some(Err(_)) | None => Err(absent),
        }
    }
}

/// Looks at the upstream for the archive of a job that nobody knows here, on which the job `own` depends: it can
/// only be one of the same project.
pub(super) fn unknown_dependency(
    db: &mut Db,
    principal: &Principal,
    actor: Actor,
    own: Option<i64>,
    job_id: i64,
) -> Result<ArchiveLookup, AccessError> {
    let missing = || AccessError::JobNotFound { why: JobAbsence::Nonexistent, may_be_told: false };
    let known = own.map(|id| jobs::find(db, id)).transpose()?.flatten().ok_or_else(missing)?;
    let project = find_project(db, &ProjectRef::Id(known.project_id))?;
    if project.upstream.is_none() {
        return Err(missing());
    }
    let project = AuthorizedProject::new(db, principal, actor, project, Action::ReadJobs)?;
    project.dependency_or_upstream(db, Err(missing()), own, job_id)
}
