//! Authorized project: a project that a principal may use, and the only way to its contents.

use crate::access::{AccessError, JobAbsence, PipelineAbsence, Principal, ProjectAbsence};
use crate::audit::AuditContext;
use crate::auth::{self, Actor};
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::{self, Project};
use crate::catalog::{Db, pipelines};
use crate::domain::Timestamp;
use crate::domain::permissions::{self, Action, Decision, Grant, authorize};
use crate::domain::project::ProjectRef;

/// A project, and a principal's grant in it.
pub(super) struct AuthorizedProject {
    pub(super) project: Project,
    pub(super) actor: Actor,
    grant: Grant,
    pub(super) now: Timestamp,
    pub(super) audit: AuditContext,
}

impl AuthorizedProject {
    /// Authenticates the principal, finds the project and requires the right for `action`, in this order.
    pub(super) fn find(
        db: &mut Db,
        principal: &Principal,
        project: &ProjectRef,
        action: Action,
    ) -> Result<Self, AccessError> {
        let actor = principal.authenticate(db)?;
        Self::find_for(db, principal, actor, project, action)
    }

    /// Like [`AuthorizedProject::find`], for an actor that is authenticated.
    pub(super) fn find_for(
        db: &mut Db,
        principal: &Principal,
        actor: Actor,
        project: &ProjectRef,
        action: Action,
    ) -> Result<Self, AccessError> {
        match find_project(db, project) {
            Ok(found) => Self::new(db, principal, actor, found, action),
            Err(AccessError::ProjectNotFound(why)) => Err(Self::moved(db, principal, actor, project, why)?),
            Err(error) => Err(error),
        }
    }

    /// Returns the error for a project that is not found: that it was moved, to who may see it.
    fn moved(
        db: &mut Db,
        principal: &Principal,
        actor: Actor,
        project: &ProjectRef,
        why: ProjectAbsence,
    ) -> Result<AccessError, AccessError> {
        let ProjectRef::Path(from) = project else { return Ok(AccessError::ProjectNotFound(why)) };
        let Some(found) = projects::find_moved(db, from)? else {
            return Ok(AccessError::ProjectNotFound(why));
        };
        let (id, to) = (found.id, found.path.clone());
        Ok(match Self::new(db, principal, actor, found, Action::SeeProject) {
            Ok(_) => AccessError::ProjectMoved { id, from: from.clone(), to },
            Err(AccessError::Other(error)) => return Err(error.into()),
            Err(_) => AccessError::ProjectNotFound(why),
        })
    }

    /// Requires the right for `action` in a known project.
    pub(super) fn new(
        db: &mut Db,
        principal: &Principal,
        actor: Actor,
        project: Project,
        action: Action,
    ) -> Result<Self, AccessError> {
        principal.audit().set_project(&project);
        let grant = auth::grant_in(db, &actor, &project)?;
        let found = Self::with_grant(principal, actor, grant, project);
        found.require(action)?;
        Ok(found)
    }

    /// Builds one for a caller whose grant was found together with the project.
    pub(super) fn with_grant(principal: &Principal, actor: Actor, grant: Grant, project: Project) -> Self {
        Self { project, actor, grant, now: principal.now, audit: principal.audit().clone() }
    }

    /// Requires the right for `action`.
    pub(super) fn require(&self, action: Action) -> Result<(), AccessError> {
        match self.decide(action) {
            Decision::Allow => Ok(()),
            Decision::Hide => Err(AccessError::ProjectNotFound(ProjectAbsence::Hidden)),
            Decision::Forbid => Err(AccessError::Forbidden(action)),
            Decision::JobTokenNotAllowed => Err(AccessError::JobTokenNotAllowed {
                source: match &self.actor {
                    Actor::Job { project_path, .. } => last_segment(project_path),
                    Actor::Anonymous | Actor::User(_) => String::new(),
                },
                target: last_segment(&self.project.path),
            }),
        }
    }

    pub(super) fn decide(&self, action: Action) -> Decision {
        let Project { visibility, public_jobs, .. } = self.project;
        authorize(self.grant, action, permissions::Project { visibility, public_jobs })
    }

    /// Finds a job of the project. `may_be_told` says whether the principal may read its jobs.
    pub(super) fn job(&self, db: &mut Db, job_id: i64, may_be_told: bool) -> Result<Job, AccessError> {
        let why = match jobs::find(db, job_id)? {
            Some(job) if job.project_id == self.project.id => return Ok(job),
            Some(_) => JobAbsence::InOtherProject,
            None => JobAbsence::Nonexistent,
        };
        Err(AccessError::JobNotFound { why, may_be_told })
    }

    /// Requires that a pipeline is one of the project's.
    pub(super) fn require_pipeline(&self, db: &mut Db, pipeline_id: i64) -> Result<(), AccessError> {
        match pipelines::project_of(db, pipeline_id)? {
            Some(project_id) if project_id == self.project.id => Ok(()),
            Some(_) => Err(AccessError::PipelineNotFound(PipelineAbsence::InOtherProject)),
            None => Err(AccessError::PipelineNotFound(PipelineAbsence::Nonexistent)),
        }
    }
}

/// Finds a project without a permission check.
pub(super) fn find_project(db: &mut Db, project: &ProjectRef) -> Result<Project, AccessError> {
    projects::find(db, project)?.ok_or(AccessError::ProjectNotFound(ProjectAbsence::Nonexistent))
}

fn last_segment(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
