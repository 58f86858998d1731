//! Overviews of pipelines: how much the pipelines of a list hold, and one pipeline with its family.

use std::collections::HashMap;

use super::super::lists::{Listed, known};
use super::super::{Access, AccessError, PipelineAbsence, Principal};
use crate::access::project::AuthorizedProject;
use crate::catalog::artifacts::{self, Volume};
use crate::catalog::commits::{self, CommitView};
use crate::catalog::jobs::{self, JobDetails, PipelineJobs};
use crate::catalog::latest;
use crate::catalog::pipelines::{self, PipelineDetails, PipelineView};
use crate::catalog::projects::Project;
use crate::catalog::slice::Slice;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

/// How many child pipelines an overview has.
const CHILDREN: i64 = 50;

/// A pipeline with a page of its jobs, its children and its parent.
#[derive(Debug)]
pub struct PipelineOverview {
    /// The project.
    pub project: Project,
    /// The pipeline.
    pub details: PipelineDetails,
    /// The commit it ran on, if it was registered.
    pub commit: Option<CommitView>,
    /// The pipeline that started it.
    pub parent: Option<PipelineView>,
    /// The newest of the pipelines that it started, at most 50.
    pub children: Vec<PipelineView>,
    /// How many pipelines it started.
    pub child_count: i64,
    /// A page of its jobs, with artifacts that have not expired.
    pub jobs: Listed<JobDetails>,
}

impl Access {
    /// Finds a pipeline with a page of its jobs, newest first, and its family.
    ///
    /// # Errors
    /// As [`Access::pipeline`].
    pub async fn pipeline_overview(
        &self,
        principal: &Principal,
        project: ProjectRef,
        list: PipelineJobs,
        page: Slice,
    ) -> Result<PipelineOverview, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let (project_id, id) = (project.project.id, list.pipeline_id);
            let Some(details) = pipelines::find_details(db, project_id, id)? else {
                project.require_pipeline(db, id)?;
                return Err(AccessError::PipelineNotFound(PipelineAbsence::Nonexistent));
            };
            let parent = pipelines::parent_of(db, id)?;
            let parent = pipelines::all_views(db, &parent.into_iter().collect::<Vec<_>>())?.pop();
            let first = Slice { offset: 0, limit: CHILDREN };
            let (children, child_count) = pipelines::children(db, id, &[], first)?;
            let children = pipelines::all_views(db, &children)?;
            let (ids, count) = jobs::of_pipeline(db, &list, page)?;
            let mut items = jobs::all_details(db, &ids)?;
            latest::retain_readable(db, &mut items, principal.now)?;
            let commit = commits::find(db, project_id, &details.pipeline.sha)?;
            let jobs = Listed { items, total: known(count), project_path: project.project.path.clone() };
            Ok(PipelineOverview {
                project: project.project,
                details,
                commit,
                parent,
                children,
                child_count,
                jobs,
            })
        })
        .await
    }

    /// Sums up the artifacts of some pipelines of a project, by pipeline; pipelines of other projects are left out.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`].
    pub async fn volumes_of_pipelines(
        &self,
        principal: &Principal,
        project: ProjectRef,
        pipeline_ids: Vec<i64>,
    ) -> Result<HashMap<i64, Volume>, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let views = pipelines::all_views(db, &pipeline_ids)?;
            let own = views.iter().filter(|view| view.project_id == project.project.id);
            let own: Vec<i64> = own.map(|view| view.id).collect();
            Ok(artifacts::volumes_of_pipelines(db, &own)?)
        })
        .await
    }
}
