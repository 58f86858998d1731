//! Lists of projects that a principal sees.

use std::collections::HashMap;

use super::{Total, one_more, take_page, total};
use crate::access::project::AuthorizedProject;
use crate::access::{Access, AccessError, Principal, ProjectAbsence};
use crate::auth::Actor;
use crate::catalog::projects::{self, ProjectDetails};
use crate::catalog::projects::{Viewer, VisibleProjects};
use crate::catalog::slice::{Count, Slice};
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;
use crate::domain::role::Role;

/// A page of projects.
#[derive(Debug)]
pub struct ListedProjects {
    /// The projects of the page.
    pub items: Vec<ProjectDetails>,
    /// Number of projects of the whole list.
    pub total: Total,
    /// The principal's roles in them, by project ID; empty unless requested.
    pub roles: HashMap<i64, Role>,
    /// Whether the principal is anonymous.
    pub is_anonymous: bool,
}

impl Access {
    /// Lists a page of the projects that the principal sees, none without a `list`; with `counted` the number
    /// of all, and with `with_roles` the principal's roles.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn projects(
        &self,
        principal: &Principal,
        list: Option<VisibleProjects>,
        page: Slice,
        (counted, with_roles): (bool, bool),
    ) -> Result<ListedProjects, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let viewer = viewer(&principal.authenticate_alone(db)?);
            let is_anonymous = matches!(viewer, Viewer::Anonymous);
            let Some(list) = list else { return Ok(ListedProjects::nothing(is_anonymous)) };
            let count = if counted { projects::count(db, viewer, &list)? } else { Count::TooMany };
            let mut items = projects::visible(db, viewer, &list, one_more(page))?;
            let more = take_page(&mut items, page);
            let roles = match viewer {
                Viewer::User(id) | Viewer::Admin(id) if with_roles => {
                    let ids: Vec<i64> = items.iter().map(|details| details.project.id).collect();
                    projects::roles(db, id, &ids)?
                }
                _ => HashMap::new(),
            };
            let total = total(count, more);
            Ok(ListedProjects { items, total, roles, is_anonymous })
        })
        .await
    }

    /// Returns the project that a repository's path names: the ending `.git` is dropped from a path that no project
    /// has.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn project_of_repository(&self, repository: ProjectRef) -> Result<ProjectRef, AccessError> {
        let ProjectRef::Path(path) = &repository else { return Ok(repository) };
        let Some(without) = path.strip_suffix(".git").map(|path| ProjectRef::Path(path.to_owned())) else {
            return Ok(repository);
        };
        self.catalog
            .read(move |db| {
                let found = projects::find(db, &repository)?;
                Ok(if found.is_some() { repository } else { without })
            })
            .await
    }

    /// Finds a project that the principal sees and, for a user, the user's role in it.
    ///
    /// # Errors
    /// In this order: the credential, the project.
    pub async fn project(
        &self,
        principal: &Principal,
        project: ProjectRef,
    ) -> Result<(ProjectDetails, Option<Option<Role>>), AccessError> {
        self.project_with_right(principal, project, Action::SeeProject).await
    }

    /// Like [`Access::project`], for a project whose jobs the principal may read.
    ///
    /// # Errors
    /// As [`Access::project`], then [`AccessError::Forbidden`].
    pub async fn project_of_jobs(
        &self,
        principal: &Principal,
        project: ProjectRef,
    ) -> Result<(ProjectDetails, Option<Option<Role>>), AccessError> {
        self.project_with_right(principal, project, Action::ReadJobs).await
    }

    async fn project_with_right(
        &self,
        principal: &Principal,
        project: ProjectRef,
        action: Action,
    ) -> Result<(ProjectDetails, Option<Option<Role>>), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let found = AuthorizedProject::find(db, &principal, &project, action)?;
            let id = found.project.id;
            let role = match found.actor {
                Actor::User(user) => Some(projects::role_of(db, id, user.id)?),
                Actor::Anonymous | Actor::Job { .. } | Actor::Foreign(_) | Actor::VouchedJob { .. } => None,
            };
            let missing = AccessError::ProjectNotFound(ProjectAbsence::Nonexistent);
            Ok((projects::details(db, Some(id))?.pop().ok_or(missing)?, role))
        })
        .await
    }
}

impl ListedProjects {
    fn nothing(is_anonymous: bool) -> Self {
        Self { items: Vec::new(), total: Total::Known(0), roles: HashMap::new(), is_anonymous }
    }
}

/// Returns whose view of the projects an actor has.
pub(in crate::access) fn viewer(actor: &Actor) -> Viewer {
    match actor {
        Actor::User(user) if user.admin => Viewer::Admin(user.id),
        Actor::User(user) => Viewer::User(user.id),
        // Projects of an upstream are listed there.
        Actor::Anonymous | Actor::Job { .. } | Actor::Foreign(_) | Actor::VouchedJob { .. } => {
            Viewer::Anonymous
        }
    }
}
