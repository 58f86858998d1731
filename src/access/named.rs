//! Named artifacts that a principal may read or delete, for dialects that list artifacts by name.
//!
//! What the principal may not read is not found, and left out of lists.

use super::lists::{Listed, one_more, take_page, total};
use super::project::AuthorizedProject;
use super::{Access, AccessError, ArtifactAbsence, Principal, ProjectAbsence};
use crate::auth::Actor;
use crate::catalog::artifacts::{self, Artifact, NamedArtifact, NamedArtifacts};
use crate::catalog::slice::{Direction, Slice};
use crate::catalog::{Db, foreign, jobs, latest, tombstones};
use crate::domain::artifact::{Accessibility, ArtifactState, Availability};
use crate::domain::expiry::is_available;
use crate::domain::permissions::{Action, Decision};
use crate::domain::project::ProjectRef;
use crate::domain::{Timestamp, Uuid};

/// A named artifact, and whether it can be read.
#[derive(Debug, Clone)]
pub struct ListedArtifact {
    /// The artifact.
    pub named: NamedArtifact,
    /// Whether it is available or has expired.
    pub availability: Availability,
}

impl Access {
    /// Lists a page of the named artifacts of a project that the principal may read.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AccessError::ProjectNotFound`]; so is a project whose jobs the principal may
    /// not read.
    pub async fn named_artifacts(
        &self,
        principal: &Principal,
        project: ProjectRef,
        mut list: NamedArtifacts,
        direction: Direction,
        page: Slice,
    ) -> Result<Listed<ListedArtifact>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let found = readable_project(db, &principal, &project)?;
            list.accessibilities = found.readable();
            if let Some(pipeline_id) = list.pipeline_id {
                found.require_pipeline(db, pipeline_id)?;
            }
            let (mut named, count) =
                artifacts::named_and_count(db, found.project.id, &list, direction, one_more(page))?;
            let more = take_page(&mut named, page);
            let total = total(count, more);
            let items = with_availability(db, named, principal.now)?;
            Ok(Listed { items, total, project_path: found.project.path })
        })
        .await
    }

    /// Finds a named artifact by ID.
    ///
    /// # Errors
    /// As [`Access::named_artifacts`], then [`AccessError::ArtifactNotFound`].
    pub async fn named_artifact(
        &self,
        principal: &Principal,
        project: ProjectRef,
        id: i64,
    ) -> Result<ListedArtifact, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let found = readable_project(db, &principal, &project)?;
            let listed = find(db, &found, id, principal.now)?;
            principal.audit().set_job(listed.named.artifact.job_id);
            principal.audit().update(|event| event.artifact_id = Some(id));
            Ok(listed)
        })
        .await
    }

    /// Deletes a named artifact, expired or not; it is not found any more before this returns.
    ///
    /// # Errors
    /// As [`Access::named_artifact`], then [`AccessError::Forbidden`]; always for a job token.
    pub async fn delete_named_artifact(
        &self,
        principal: &Principal,
        project: ProjectRef,
        id: i64,
    ) -> Result<(), AccessError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| {
            let found = readable_project(db, &principal, &project)?;
            let listed = find(db, &found, id, principal.now)?;
            principal.audit().set_job(listed.named.artifact.job_id);
            principal.audit().update(|event| event.artifact_id = Some(id));
            let forbidden = Err(AccessError::Forbidden(Action::DeleteArtifacts));
            match (&found.actor, found.decide(Action::DeleteArtifacts)) {
                (Actor::User(_) | Actor::Foreign(_), Decision::Allow) => Ok(listed.named.artifact),
                _ => forbidden,
            }
        };
        self.change(asked, allow, move |db, artifact| Ok(tombstones::delete(db, artifact.id, now)?)).await
    }

    /// Finds an artifact by its UUID, for a link that carries the permission.
    ///
    /// # Errors
    /// [`AccessError::ArtifactNotFound`], [`AccessError::ArtifactExpired`].
    pub async fn artifact_of_link(
        &self,
        uuid: Uuid,
        now: Timestamp,
    ) -> Result<(Artifact, String), AccessError> {
        self.catalog
            .read_inline(move |db| {
                let missing = || AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName);
                let artifact = artifacts::find_by_uuid(db, uuid)?.ok_or_else(missing)?;
                if foreign::is_of_gone_project(db, artifact.job_id)? {
                    return Err(missing());
                }
                let job = jobs::find(db, artifact.job_id)?.ok_or_else(missing)?;
                let shown_name = artifacts::shown_name(&artifact.name, job.id, &job.name);
                let expired = artifact.state == ArtifactState::Expired
                    || !is_available(artifact.expire_at, false, now) && {
                        latest::locked_among(db, &[job.pipeline_id])?.is_empty()
                    };
                match (expired, artifact.expire_at) {
                    (true, time) => Err(AccessError::ArtifactExpired(time.unwrap_or(now))),
                    (false, _) => Ok((artifact, shown_name)),
                }
            })
            .await
    }
}

impl AuthorizedProject {
    /// The accessibilities of artifacts that the principal may read.
    pub(super) fn readable(&self) -> Vec<Accessibility> {
        let may_read = |it: &&Accessibility| self.decide(Action::ReadArtifact(**it)) == Decision::Allow;
        Accessibility::ALL.iter().filter(may_read).copied().collect()
    }
}

/// Finds a project whose jobs the principal may read; one that it may only see is not found.
pub(super) fn readable_project(
    db: &mut Db,
    principal: &Principal,
    project: &ProjectRef,
) -> Result<AuthorizedProject, AccessError> {
    AuthorizedProject::find(db, principal, project, Action::ReadJobs).map_err(|error| match error {
        AccessError::Forbidden(_) | AccessError::JobTokenNotAllowed { .. } => {
            AccessError::ProjectNotFound(ProjectAbsence::Hidden)
        }
        other => other,
    })
}

fn find(
    db: &mut Db,
    project: &AuthorizedProject,
    id: i64,
    now: Timestamp,
) -> Result<ListedArtifact, AccessError> {
    let list =
        NamedArtifacts { id: Some(id), accessibilities: project.readable(), ..NamedArtifacts::default() };
    let one = Slice { offset: 0, limit: 1 };
    let named = artifacts::named(db, project.project.id, &list, Direction::Descending, one)?;
    let missing = AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName);
    with_availability(db, named, now)?.pop().ok_or(missing)
}

/// Tells which artifacts of one project have expired: one computation of what is locked for all of them.
pub(super) fn with_availability(
    db: &mut Db,
    named: Vec<NamedArtifact>,
    now: Timestamp,
) -> Result<Vec<ListedArtifact>, AccessError> {
    let is_due = |named: &NamedArtifact| !is_available(named.artifact.expire_at, false, now);
    let in_doubt: Vec<i64> = named.iter().filter(|it| is_due(it)).map(|it| it.pipeline_id).collect();
    let locked = latest::locked_among(db, &in_doubt)?;
    let listed = named.into_iter().map(|named| {
        let expired = named.artifact.state == ArtifactState::Expired
            || is_due(&named) && !locked.contains(&named.pipeline_id);
        let availability = if expired { Availability::Expired } else { Availability::Available };
        let mut named = named;
        if !expired && is_due(&named) {
            // It is locked, and so does not expire.
            named.artifact.expire_at = None;
        }
        ListedArtifact { named, availability }
    });
    Ok(listed.collect())
}
