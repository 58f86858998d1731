//! Overviews of projects: the list that a person begins with, and one project with its branches and tags.

use std::collections::HashMap;

use super::super::lists::{Listed, one_more, take_page, total, viewer};
use super::super::{Access, AccessError, Principal, ProjectAbsence};
use crate::access::project::{AuthorizedProject, Rights as GrantedRights};
use crate::auth::Actor;
use crate::catalog::artifacts::{self, PipelineArtifact};
use crate::catalog::pipelines::{self, PipelineView};
use crate::catalog::projects::{self, Order, ProjectDetails, VisibleProjects};
use crate::catalog::refs::{self, ActiveRef};
use crate::catalog::slice::{Count, Direction, Slice};
use crate::domain::permissions::{Action, Decision, Grant, TokenReach};
use crate::domain::project::ProjectRef;

/// How many branches and tags an overview has.
const REFS: usize = 20;

/// How many artifacts an overview has of each branch or tag.
const ARTIFACTS: usize = 8;

/// A project of a list.
#[derive(Debug)]
pub struct ListedProject {
    /// The project.
    pub details: ProjectDetails,
    /// Its newest pipeline, if the principal may read its jobs.
    pub newest: Option<PipelineView>,
}

/// A project with the branches and tags in use.
#[derive(Debug)]
pub struct ProjectOverview {
    /// The project.
    pub details: ProjectDetails,
    /// The default branch, then those that ran last; `None` if the principal may not read the project's jobs.
    pub refs: Option<Vec<RefOverview>>,
}

/// A branch or tag with what its newest successful pipeline left.
#[derive(Debug)]
pub struct RefOverview {
    /// Its newest pipelines.
    pub active: ActiveRef,
    /// Artifacts of the newest successful pipeline that the principal may read.
    pub artifacts: Vec<PipelineArtifact>,
    /// Whether there may be more of them.
    pub more: bool,
}

impl Access {
    /// Lists a page of the projects that the principal sees, those first in which something ran last: all, or those below
    /// a group, and with `search` only those whose path or name contains it.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn projects_by_activity(
        &self,
        principal: &Principal,
        search: Option<String>,
        group: Option<String>,
        page: Slice,
    ) -> Result<Listed<ListedProject>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let actor = principal.authenticate_alone(db)?;
            let list = projects_by_activity(search, group.clone(), Direction::Descending);
            let mut items = projects::visible(db, viewer(&actor), &list, one_more(page))?;
            let more = take_page(&mut items, page);
            let ids: Vec<i64> = items.iter().map(|details| details.project.id).collect();
            let mut newest = pipelines::newest_of_projects(db, &ids)?;
            let roles = match &actor {
                Actor::User(user) => projects::roles(db, user.id, &ids)?,
                Actor::Anonymous | Actor::Job { .. } | Actor::Foreign(_) | Actor::VouchedJob { .. } => {
                    HashMap::new()
                }
            };
            let listed = items.into_iter().map(|details| {
                let project = details.project.clone();
                let id = project.id;
                let grant = match &actor {
                    Actor::User(user) => {
                        let role = roles.get(&id).copied();
                        Grant::User { admin: user.admin, role, reach: TokenReach::Unrestricted }
                    }
                    Actor::Anonymous | Actor::Job { .. } | Actor::Foreign(_) | Actor::VouchedJob { .. } => {
                        Grant::Anonymous
                    }
                };
                let rights = GrantedRights::Registered(grant);
                let found = AuthorizedProject::with_rights(&principal, actor.clone(), rights, project);
                let reads = found.decide(Action::ReadJobs) == Decision::Allow;
                ListedProject { details, newest: newest.remove(&id).filter(|_| reads) }
            });
            let items = listed.collect();
            Ok(Listed { items, total: total(Count::TooMany, more), project_path: group.unwrap_or_default() })
        })
        .await
    }

    /// Finds a project with the branches and tags on which its newest pipelines ran.
    ///
    /// # Errors
    /// In this order: the credential, the project.
    pub async fn project_overview(
        &self,
        principal: &Principal,
        project: ProjectRef,
    ) -> Result<ProjectOverview, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::SeeProject)?;
            let id = project.project.id;
            let missing = AccessError::ProjectNotFound(ProjectAbsence::Nonexistent);
            let details = projects::details(db, Some(id))?.pop().ok_or(missing)?;
            if project.decide(Action::ReadJobs) != Decision::Allow {
                return Ok(ProjectOverview { details, refs: None });
            }
            let active = refs::active(db, id, details.default_branch.as_deref(), REFS)?;
            let successful: Vec<i64> =
                active.iter().filter_map(|it| it.successful.as_ref().map(|pipeline| pipeline.id)).collect();
            let readable = project.readable();
            let found = artifacts::first_of_pipelines(db, &successful, &readable, ARTIFACTS + 1)?;
            let overview = |active: ActiveRef| {
                let id = active.successful.as_ref().map(|pipeline| pipeline.id);
                let mut artifacts = id.and_then(|id| found.get(&id)).cloned().unwrap_or_default();
                let more = artifacts.len() > ARTIFACTS;
                artifacts.truncate(ARTIFACTS);
                if !details.project.keep_latest_artifact {
                    let now = principal.now;
                    artifacts.retain(|it| it.artifact.expire_at.is_none_or(|expiry| now < expiry));
                }
                RefOverview { active, artifacts, more }
            };
            let refs = active.into_iter().map(overview).collect();
            Ok(ProjectOverview { refs: Some(refs), details })
        })
        .await
    }
}

/// The list of projects in the order of what ran in them.
pub(super) fn projects_by_activity(
    search: Option<String>,
    group: Option<String>,
    direction: Direction,
) -> VisibleProjects {
    VisibleProjects {
        visibility: None,
        roles: Vec::new(),
        search,
        search_groups: true,
        group,
        id_after: None,
        id_before: None,
        order: if direction == Direction::Descending { Order::Activity } else { Order::Id },
        direction,
    }
}
