//! Search: the artifacts of a build that a running job may read, in the jobs of one step or of all.

use std::collections::{HashMap, HashSet};

use super::builds::{BuildArtifact, BuildArtifacts};
use super::project::AuthorizedProject;
use super::{Access, AccessError, RunningJob};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::builds::{self, Build, BuildJob};
use crate::catalog::uploads;
use crate::catalog::{Db, latest, projects};
use crate::domain::artifact::{Accessibility, ArtifactState, UploadState};
use crate::domain::build::{parallel, slug, step_label};
use crate::domain::expiry::is_available;
use crate::domain::permissions::{Action, Decision};
use crate::domain::project::ProjectRef;
use crate::domain::{RowId, Uuid};

/// Which jobs of a build are searched.
#[derive(Debug, Clone, Default)]
pub struct SearchScope {
    /// A job's UUID, or a step's key or label; all jobs if `None`.
    pub step: Option<String>,
    /// Whether jobs that a later attempt replaced are searched.
    pub retried_too: bool,
}

/// What is searched.
#[derive(Debug)]
pub struct SearchedBuild {
    /// Its available artifacts, and the uploads that are being made artifacts.
    pub found: BuildArtifacts,
    /// Whether the scope is a step whose jobs run in parallel.
    pub is_parallel: bool,
}

/// Why a search is refused.
#[derive(Debug)]
pub enum SearchError {
    /// Catalog or store failed.
    Access(AccessError),
    /// There is no such build that the job may read.
    NoBuild,
    /// The build has no such step.
    NoStep,
}

impl<E: Into<AccessError>> From<E> for SearchError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

impl Access {
    /// Finds the artifacts of a build that a running job may read: of its own project, or of one that its token
    /// reaches.
    ///
    /// # Errors
    /// [`SearchError::NoBuild`], [`SearchError::NoStep`].
    pub async fn searched_build(
        &self,
        running: &RunningJob,
        build: RowId,
        scope: SearchScope,
    ) -> Result<SearchedBuild, SearchError> {
        let running = running.clone();
        self.read(running.principal.asked(), move |db| {
            let (id, project_id) = builds::ids_of(db, &build)?.ok_or(SearchError::NoBuild)?;
            let reader = Reader::of(db, running, project_id)?;
            let build = builds::find(db, id)?.ok_or(SearchError::NoBuild)?;
            let jobs = scope.jobs(&build)?;
            let is_parallel = scope.step.is_some() && are_parallel(&jobs);
            Ok(SearchedBuild { found: reader.artifacts(db, &build, &jobs)?, is_parallel })
        })
        .await
    }
}

impl Access {
    /// Whether some of these uploads are still being made artifacts.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn are_being_assembled(&self, uploads: Vec<Uuid>) -> Result<bool, AccessError> {
        self.catalog.read(move |db| Ok(uploads::are_ordered(db, &uploads)?)).await
    }
}

impl SearchScope {
    /// Returns the jobs that are searched, in the order of creation.
    fn jobs<'a>(&self, build: &'a Build) -> Result<Vec<&'a BuildJob>, SearchError> {
        let current: Vec<&BuildJob> =
            build.jobs.iter().filter(|job| self.retried_too || !job.retried).collect();
        let Some(step) = &self.step else { return Ok(current) };
        let uuid = step.parse::<Uuid>().ok();
        if let Some(job) = build.jobs.iter().find(|job| Some(job.uuid) == uuid || job.id.to_string() == *step)
        {
            return Ok(vec![job]);
        }
        // A step without a key is shown with one that is made of its label.
        let has_key = |job: &&BuildJob| match job.step_key.as_deref() {
            Some(key) => key == step,
            None => slug(step_label(&job.name)) == *step,
        };
        let has_label = |job: &&BuildJob| job.name == *step || step_label(&job.name) == *step;
        let with = |is_wanted: &dyn Fn(&&BuildJob) -> bool| -> Vec<&BuildJob> {
            current.iter().copied().filter(|job| is_wanted(job)).collect()
        };
        let found = [with(&has_key), with(&has_label)].into_iter().find(|found| !found.is_empty());
        if let Some(found) = found {
            return Ok(found);
        }
        // A step whose jobs were all replaced is there.
        let is_there = build.jobs.iter().any(|job| has_key(&job) || has_label(&job));
        if is_there { Ok(Vec::new()) } else { Err(SearchError::NoStep) }
    }
}

/// Whether these are several jobs of one step that run in parallel: each has another number.
fn are_parallel(jobs: &[&BuildJob]) -> bool {
    let number = |job: &BuildJob| job.parallel_group_index.or_else(|| Some(parallel(&job.name)?.0));
    let numbers: Option<HashSet<i64>> = jobs.iter().map(|job| number(job)).collect();
    jobs.len() > 1 && numbers.is_some_and(|numbers| numbers.len() == jobs.len())
}

/// A running job, and what it may read of a project.
struct Reader {
    running: RunningJob,
    /// The project, if that is not its own.
    other: Option<AuthorizedProject>,
}

impl Reader {
    fn of(db: &mut Db, running: RunningJob, project_id: i64) -> Result<Self, SearchError> {
        if project_id == running.project.id {
            return Ok(Self { running, other: None });
        }
        let project = projects::find(db, &ProjectRef::Id(project_id))?.ok_or(SearchError::NoBuild)?;
        let actor = running.actor.clone().ok_or(SearchError::NoBuild)?;
        match AuthorizedProject::new(db, &running.principal, actor, project, Action::ReadJobs) {
            Ok(other) => Ok(Self { running, other: Some(other) }),
            Err(
                AccessError::ProjectNotFound(_)
                | AccessError::Forbidden(_)
                | AccessError::JobTokenNotAllowed { .. },
            ) => Err(SearchError::NoBuild),
            Err(other) => Err(other.into()),
        }
    }

    fn may_read(&self, job_id: i64, accessibility: Accessibility) -> bool {
        match &self.other {
            None => self.running.may_read(job_id, accessibility),
            Some(other) => other.decide(Action::FetchDependency(accessibility)) == Decision::Allow,
        }
    }

    fn artifacts(
        &self,
        db: &mut Db,
        build: &Build,
        jobs: &[&BuildJob],
    ) -> Result<BuildArtifacts, SearchError> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        // Uploads before artifacts: one that is completed meanwhile is found in one of the two.
        let mut ordered = uploads::of_jobs(db, &ids, &[UploadState::Ordered])?;
        ordered.retain(|upload| self.may_read(upload.job_id, upload.accessibility));
        let mut all = artifacts::of_jobs_in(db, &ids, &[ArtifactState::Finished])?;
        // Who may read a copy of what the upstream has is asked there, for one at a time.
        all.retain(|it| !it.is_copy() && self.may_read(it.job_id, it.accessibility));
        let complete: HashSet<Uuid> = all.iter().map(|artifact| artifact.uuid).collect();
        ordered.retain(|upload| !complete.contains(&upload.uuid));
        let is_due = |artifact: &Artifact| !is_available(artifact.expire_at, false, self.running.now);
        if all.iter().any(is_due) && latest::locked_among(db, &[build.build.id])?.is_empty() {
            all.retain(|artifact| !is_due(artifact));
        }
        let places: HashMap<i64, (usize, Uuid)> =
            jobs.iter().enumerate().map(|(at, job)| (job.id, (at, job.uuid))).collect();
        all.sort_by_key(|artifact| (places.get(&artifact.job_id).map(|(at, _)| *at), artifact.id));
        let uuid_of = |job_id: i64| places.get(&job_id).map(|(_, uuid)| *uuid);
        let artifacts = all.into_iter().filter_map(|artifact| {
            let job_uuid = uuid_of(artifact.job_id)?;
            Some(BuildArtifact { artifact, job_uuid, state: ArtifactState::Finished })
        });
        let ordered = ordered.into_iter();
        let ordered = ordered.filter_map(|upload| uuid_of(upload.job_id).map(|uuid| (upload, uuid)));
        Ok(BuildArtifacts {
            slugs: build.project.slugs(),
            number: build.build.iid,
            artifacts: artifacts.collect(),
            uploads: ordered.collect(),
        })
    }
}
