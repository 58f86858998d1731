//! Lists of pipelines: of a project, and the child pipelines of one.

use super::{Listed, known, one_more, take_page, total};
use crate::access::project::AuthorizedProject;
use crate::access::{Access, AccessError, PipelineAbsence, Principal};
use crate::catalog::commits::{self, CommitView};
use crate::catalog::pipelines::{self, ProjectPipelines};
use crate::catalog::pipelines::{PipelineDetails, PipelineView};
use crate::catalog::slice::Slice;
use crate::catalog::{projects, users};
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;

/// A pipeline and a page of its child pipelines.
#[derive(Debug)]
pub struct ChildPipelines {
    /// The pipeline.
    pub parent: PipelineView,
    /// The commit of the parent, if it is known.
    pub commit: Option<CommitView>,
    /// The page of child pipelines.
    pub children: Listed<PipelineDetails>,
}

impl Access {
    /// Lists a page of a project's pipelines, with `username` those of a user. Counted up to a bound.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`].
    pub async fn pipelines_of_project(
        &self,
        principal: &Principal,
        project: ProjectRef,
        mut list: ProjectPipelines,
        username: Option<String>,
        page: Slice,
    ) -> Result<Listed<PipelineView>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            if let Some(username) = &username {
                list.user_id = users::id_by_username(db, username)?;
                if list.user_id.is_none() {
                    return Ok(Listed::nothing(project.path));
                }
            }
            let (mut ids, count) = pipelines::of_project(db, project.id, &list, one_more(page))?;
            let more = take_page(&mut ids, page);
            let total = total(count, more);
            Ok(Listed { items: pipelines::all_views(db, &ids)?, total, project_path: project.path })
        })
        .await
    }

    /// Returns the empty list of a project, for a principal that may read its jobs.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`].
    pub async fn nothing_of_project<T: Send + 'static>(
        &self,
        principal: &Principal,
        project: ProjectRef,
    ) -> Result<Listed<T>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            Ok(Listed::nothing(project.path))
        })
        .await
    }

    /// Finds a pipeline, with its project's full path.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`], then [`AccessError::PipelineNotFound`].
    pub async fn pipeline(
        &self,
        principal: &Principal,
        project: ProjectRef,
        pipeline_id: i64,
    ) -> Result<(PipelineDetails, String), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            if let Some(found) = pipelines::find_details(db, project.project.id, pipeline_id)? {
                return Ok((found, project.project.path));
            }
            project.require_pipeline(db, pipeline_id)?;
            Err(AccessError::PipelineNotFound(PipelineAbsence::Nonexistent))
        })
        .await
    }

    /// Finds the newest pipeline that ran for itself on a ref or, without one, on the default branch; with
    /// its project's full path.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`], then [`AccessError::NoDefaultBranch`],
    /// [`AccessError::RefWithoutPipeline`].
    pub async fn latest_pipeline(
        &self,
        principal: &Principal,
        project: ProjectRef,
        ref_name: Option<String>,
    ) -> Result<(PipelineDetails, String), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?.project;
            let ref_name = match ref_name {
                Some(ref_name) => ref_name,
                None => projects::default_branch(db, project.id)?.ok_or(AccessError::NoDefaultBranch)?,
            };
            let id = pipelines::latest_of_ref(db, project.id, &ref_name)?;
            let id = id.ok_or(AccessError::RefWithoutPipeline)?;
            let found = pipelines::find_details(db, project.id, id)?;
            Ok((found.ok_or(AccessError::RefWithoutPipeline)?, project.path))
        })
        .await
    }

    /// Lists a page of a pipeline's child pipelines, in any of `statuses`; in all if there are none.
    ///
    /// # Errors
    /// As [`Access::pipeline`].
    pub async fn child_pipelines(
        &self,
        principal: &Principal,
        project: ProjectRef,
        pipeline_id: i64,
        statuses: Vec<Status>,
        page: Slice,
    ) -> Result<ChildPipelines, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let found = pipelines::all_views(db, &[pipeline_id])?.pop();
            let Some(parent) = found.filter(|parent| parent.project_id == project.project.id) else {
                project.require_pipeline(db, pipeline_id)?;
                return Err(AccessError::PipelineNotFound(PipelineAbsence::Nonexistent));
            };
            let project = project.project;
            let (ids, total) = pipelines::children(db, parent.id, &statuses, page)?;
            let commit = commits::find(db, project.id, &parent.sha)?;
            let items = pipelines::all_details(db, &ids)?;
            let children = Listed { items, total: known(total), project_path: project.path };
            Ok(ChildPipelines { parent, commit, children })
        })
        .await
    }
}
