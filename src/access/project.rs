//! Authorized project: a project that a principal may use, and the only way to its contents.

use crate::access::foreign::{ForeignRights, find_meant, rights_in};
use crate::access::{AccessError, JobAbsence, PipelineAbsence, Principal, ProjectAbsence};
use crate::audit::AuditContext;
use crate::auth::Actor;
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::{self, Project};
use crate::catalog::{Db, pipelines};
use crate::domain::permissions::{self, Action, Decision, Grant, authorize};
use crate::domain::project::ProjectRef;
use crate::domain::{Error, ErrorKind, Timestamp};

/// A project, and a principal's grant in it.
pub(super) struct AuthorizedProject {
    pub(super) project: Project,
    pub(super) actor: Actor,
    pub(super) rights: Rights,
    pub(super) now: Timestamp,
    pub(super) audit: AuditContext,
}

/// What a principal may do in a project.
#[derive(Debug)]
pub(super) enum Rights {
    /// By what is registered here.
    Registered(Grant),
    /// By what the upstream tells.
    Foreign(ForeignRights),
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
        let why = match find_meant(db, principal, &actor, project) {
            Ok(found) => return Self::new(db, principal, actor, found, action),
            Err(AccessError::ProjectNotFound(why)) => why,
            Err(error) => return Err(error),
        };
        let is_vouched = matches!(actor, Actor::VouchedJob { .. });
        match Self::moved(db, principal, actor, project, why)? {
            // It is not the job's own.
            AccessError::ProjectNotFound(_) if is_vouched => Err(AccessError::Forbidden(action)),
            error => Err(error),
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
        let rights = rights_in(db, principal, &actor, &project)?;
        let found = Self::with_rights(principal, actor, rights, project);
        found.require(action)?;
        Ok(found)
    }

    /// Builds one for a caller whose rights were found together with the project.
    pub(super) fn with_rights(principal: &Principal, actor: Actor, rights: Rights, project: Project) -> Self {
        Self { project, actor, rights, now: principal.now, audit: principal.audit().clone() }
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
                    Actor::Anonymous | Actor::User(_) | Actor::Foreign(_) | Actor::VouchedJob { .. } => {
                        String::new()
                    }
                },
                target: last_segment(&self.project.path),
            }),
        }
    }

    pub(super) fn decide(&self, action: Action) -> Decision {
        let Project { visibility, public_jobs, .. } = self.project;
        match &self.rights {
            Rights::Registered(grant) => {
                authorize(*grant, action, permissions::Project { visibility, public_jobs })
            }
            Rights::Foreign(rights) => rights.decide(action),
        }
    }

    /// Has the upstream tell what a ref leads to in its project, so that the catalog knows it.
    pub(super) fn learn_ref(&self, ref_name: &str, job_name: &str) -> Result<(), AccessError> {
        match &self.rights {
            Rights::Foreign(rights) if !rights.ask_newest(ref_name, job_name) => {
                Err(AccessError::ProjectNotFound(ProjectAbsence::Hidden))
            }
            Rights::Foreign(_) | Rights::Registered(_) => Ok(()),
        }
    }

    /// Whether the upstream has told that a ref leads to no successful pipeline in its project.
    pub(super) fn leads_nowhere(&self, ref_name: &str, job_name: &str) -> bool {
        matches!(&self.rights, Rights::Foreign(rights) if rights.leads_nowhere(ref_name, job_name))
    }

    /// Returns the number of the principal's user, if it is a user in person.
    pub(super) fn user_id(&self) -> Option<i64> {
        match (&self.actor, &self.rights) {
            (Actor::User(user), _) => Some(user.id),
            (Actor::Foreign(_), Rights::Foreign(rights)) => rights.user_id(),
            _ => None,
        }
    }

    /// Requires that the project is registered here: what an upstream creates is created there.
    pub(super) fn require_registered(&self) -> Result<(), AccessError> {
        match &self.project.upstream {
            None => Ok(()),
            Some(upstream) => Err(of_upstream("project", &self.project.path, upstream)),
        }
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

/// Returns the error for a change of something that belongs to an upstream.
pub(super) fn of_upstream(what: &str, name: impl std::fmt::Display, upstream: &str) -> AccessError {
    let why = format!("{what} {name} belongs to the upstream {upstream}, and is changed there");
    Error::new(ErrorKind::Unprocessable, why).into()
}

fn last_segment(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
