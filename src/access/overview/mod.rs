//! Overview: what a person sees at a glance of a group, a project, a pipeline or a job, and what the principal may do
//! there.
//!
//! Everything here is for reading. What may be done is decided again when it is done.

mod artifacts;
mod job;
mod names;
mod pipeline;
mod project;

pub use artifacts::{ProjectArtifactsPage, SearchedArtifacts};
pub use job::{JobOverview, OverviewArtifact};
pub use names::Named;
pub use pipeline::PipelineOverview;
pub use project::{ListedProject, ProjectOverview, RefOverview};

use super::project::AuthorizedProject;
use super::{AcceptedCredentials, Access, AccessError, Principal};
use crate::auth::Actor;
use crate::catalog::Db;
use crate::catalog::artifacts::Artifact;
use crate::domain::permissions::{Action, Decision};
use crate::domain::project::ProjectRef;
use crate::domain::scope::Scopes;

/// What the principal may change in a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether it may remove the expiry of artifacts.
    pub keep: bool,
    /// Whether it may delete artifacts.
    pub delete: bool,
}

impl Access {
    /// Returns what the principal may change in a project whose jobs it may read.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`].
    pub async fn rights(&self, principal: &Principal, project: ProjectRef) -> Result<Rights, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.rights(db, &principal)
        })
        .await
    }
}

impl AuthorizedProject {
    /// Returns what the principal may change: its user needs the role, and its token a scope to write.
    fn rights(&self, db: &mut Db, principal: &Principal) -> Result<Rights, AccessError> {
        if !matches!(self.actor, Actor::User(_) | Actor::Foreign(_)) {
            return Ok(Rights::default());
        }
        let writer =
            Principal { accepted: AcceptedCredentials::UserOnly, scopes: Scopes::WRITE, ..principal.clone() };
        match writer.authenticate_alone(db) {
            Ok(_) => {}
            Err(AccessError::Credential(_)) => return Ok(Rights::default()),
            Err(other) => return Err(other),
        }
        let may = |action| self.decide(action) == Decision::Allow;
        Ok(Rights { keep: may(Action::KeepArtifacts), delete: may(Action::DeleteArtifacts) })
    }

    /// Whether the principal may read an artifact; for a copy of what an upstream has, that decides.
    fn may_read(&self, artifact: &Artifact) -> bool {
        self.require_artifact(Some(artifact)).is_ok()
    }
}
