//! Overview of a project's artifacts: all of them in one list.

use std::collections::HashSet;

use super::super::lists::{one_more, take_page};
use super::super::{Access, AccessError, ArtifactAbsence, Principal};
use super::Rights;
use crate::access::project::AuthorizedProject;
use crate::catalog::artifacts::{self, Artifact, ArtifactOrder, ProjectArtifact, ProjectArtifacts};
use crate::catalog::latest;
use crate::catalog::projects::Project;
use crate::catalog::slice::Slice;
use crate::domain::expiry::is_available;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;

/// A page of the artifacts of a project.
#[derive(Debug)]
pub struct ProjectArtifactsPage {
    /// The project.
    pub project: Project,
    /// The artifacts of the page, those among them that have expired and are not swept yet included.
    pub items: Vec<ProjectArtifact>,
    /// The pipelines among theirs that keep their artifacts whatever their expiry.
    pub locked: HashSet<i64>,
    /// Whether there are more after the page.
    pub more: bool,
    /// What the principal may do with the artifacts.
    pub rights: Rights,
}

/// The artifacts of a project whose files are searched by name.
#[derive(Debug)]
pub struct SearchedArtifacts {
    /// The project.
    pub project: Project,
    /// Its newest archives, and its newest files that are artifacts themselves, the newest first.
    pub items: Vec<ProjectArtifact>,
}

impl Access {
    /// Lists a page of a project's artifacts that the principal may read, logs left out.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`].
    pub async fn artifacts_of_project(
        &self,
        principal: &Principal,
        project: ProjectRef,
        mut list: ProjectArtifacts,
        page: Slice,
    ) -> Result<ProjectArtifactsPage, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            list.accessibilities = project.readable();
            let mut items = artifacts::of_project(db, project.project.id, &list, one_more(page))?;
            let more = take_page(&mut items, page);
            let dated = items.iter().filter(|it| it.artifact.expire_at.is_some());
            let dated: Vec<i64> = dated.map(|it| it.pipeline_id).collect();
            let locked = latest::locked_among(db, &dated)?;
            let rights = project.rights(db, &principal)?;
            Ok(ProjectArtifactsPage { project: project.project, items, locked, more, rights })
        })
        .await
    }

    /// Finds the artifacts of a project whose files the principal may search by name: of its `looked_at` newest artifacts the
    /// first `most` archives, and the files among them. Copies of what an upstream has are left out, as who may read one is
    /// asked there, for one at a time.
    ///
    /// # Errors
    /// As [`Access::jobs_of_project`].
    pub async fn searched_artifacts(
        &self,
        principal: &Principal,
        project: ProjectRef,
        most: usize,
        looked_at: i64,
    ) -> Result<SearchedArtifacts, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = AuthorizedProject::find(db, &principal, &project, Action::ReadJobs)?;
            let list = ProjectArtifacts {
                kind: None,
                job_name: None,
                ref_name: None,
                accessibilities: project.readable(),
                order: ArtifactOrder::Newest,
            };
            let newest = Slice { offset: 0, limit: looked_at };
            let mut items = artifacts::of_project(db, project.project.id, &list, newest)?;
            items.retain(|it| it.artifact.is_archive_or_file() && !it.artifact.is_copy());
            let is_there =
                |it: &ProjectArtifact, locked| is_available(it.artifact.expire_at, locked, principal.now);
            let due: Vec<i64> =
                items.iter().filter(|it| !is_there(it, false)).map(|it| it.pipeline_id).collect();
            let locked = latest::locked_among(db, &due)?;
            items.retain(|it| is_there(it, locked.contains(&it.pipeline_id)));
            let mut archives = 0;
            items.retain(|it| {
                let is_archive = it.artifact.name.file_path().is_none();
                archives += usize::from(is_archive);
                !is_archive || archives <= most
            });
            Ok(SearchedArtifacts { project: project.project, items })
        })
        .await
    }

    /// Finds an artifact of a job by its ID, if the principal may read it and it is available.
    ///
    /// # Errors
    /// As [`Access::artifact_of_job`].
    pub async fn artifact_by_id(
        &self,
        principal: &Principal,
        project: ProjectRef,
        job_id: i64,
        id: i64,
    ) -> Result<Artifact, AccessError> {
        let found = principal.clone();
        let in_project = project.clone();
        let name = self
            .read(found.asked(), move |db| {
                let project = AuthorizedProject::find(db, &found, &in_project, Action::ReadJobs)?;
                let job = project.job(db, job_id, true)?;
                let artifact = artifacts::of_job(db, job.id)?.into_iter().find(|artifact| artifact.id == id);
                let missing = AccessError::ArtifactNotFound(ArtifactAbsence::NoneOfName);
                let artifact = artifact.ok_or(missing)?;
                Ok::<_, AccessError>(artifact.name)
            })
            .await?;
        self.artifact_of_job(principal, project, job_id, name).await
    }
}
