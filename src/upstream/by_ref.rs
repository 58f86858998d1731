//! What a ref leads to: the newest successful pipeline, and the jobs of one name in it or below it.
//!
//! GitLab is asked lazily and within bounds: so many pages, so many levels, so many pipelines. Lists that it makes by a
//! ref may also hold pipelines of merge requests whose source has that name, so every row is compared again.

use std::sync::Arc;

use super::Upstream;
use super::answer::{Answer, Outage};
use super::ask::refusal;
use super::client::Errand;
use super::question::{Asker, RefJob};
use super::route::Route;
use super::wire;
use crate::catalog::foreign::{ForeignPipeline, ForeignRef, ListedForeignJob, ListedForeignPipeline};
use crate::domain::status::Status;

/// Most pages of jobs that are read of a pipeline or a project.
const PAGES: usize = 3;

/// Rows of a page.
const ROWS: usize = 100;

/// Levels of pipelines that are read below the newest one.
const LEVELS: usize = 3;

/// Pipelines that are read below the newest one.
const BELOW: usize = 20;

/// Pipelines of a ref that are known here and asked about, where they may not be listed.
const KNOWN: usize = 5;

/// Longest ref that is asked for, in bytes: each may take three in an address.
const MAX_REF_BYTES: usize = 1024;

/// What is told of a pipeline in the list of its jobs.
struct Told {
    /// The pipeline itself, if it has jobs.
    pipeline: Option<ForeignPipeline>,
    /// Its jobs of a name.
    jobs: Vec<ListedForeignJob>,
    /// Whether all its jobs were read.
    is_all: bool,
}

/// The newest successful pipeline of a ref, and its jobs if they were told with it.
type Newest = (ForeignPipeline, Option<Told>);

impl Upstream {
    /// Whether what a ref leads to is asked with the caller's own token, which may not list pipelines.
    pub(crate) fn asks_of_refs_as(&self, asker: &Asker) -> bool {
        self.0.service.is_none() && asker.is_job()
    }

    pub(super) async fn newest(
        &self,
        errand: Errand<'_>,
        project_id: i64,
        wanted: &RefJob,
    ) -> Result<Answer, Outage> {
        let errand = match &self.0.service {
            Some(service) => Errand { asker: service, client: None, ..errand },
            None => errand,
        };
        let is_of_job = errand.asker.is_job();
        let newest = if wanted.ref_name.len() > MAX_REF_BYTES {
            None
        } else if is_of_job {
            self.newest_for_job(errand, project_id, wanted).await?
        } else {
            match self.newest_for_user(errand, project_id, &wanted.ref_name).await? {
                Ok(newest) => newest.map(|newest| (newest, None)),
                Err(refused) => return Ok(refused),
            }
        };
        let mut found = ForeignRef {
            project_id,
            ref_name: wanted.ref_name.clone(),
            job_name: wanted.job_name.clone(),
            is_complete: !is_of_job,
            pipelines: Vec::new(),
        };
        let Some((newest, mut told)) = newest else { return Ok(Answer::Newest(Arc::new(found))) };
        let mut level = vec![(newest, None)];
        for depth in 0..=LEVELS {
            let mut below = Vec::new();
            let has_one =
                |it: &ListedForeignPipeline| it.jobs.iter().any(|job| job.status == Status::Success);
            for (pipeline, parent) in level {
                let id = pipeline.id;
                let told = match told.take() {
                    Some(told) => Some(told),
                    None => self.jobs_named(errand, project_id, id, &wanted.job_name).await?,
                };
                let (jobs, has_all_jobs) = told.map_or((Vec::new(), false), |told| (told.jobs, told.is_all));
                found.pipelines.push(ListedForeignPipeline { pipeline, parent, jobs, has_all_jobs });
                if !is_of_job && depth < LEVELS && !found.pipelines.last().is_some_and(has_one) {
                    below.extend(self.children(errand, project_id, id).await?);
                }
            }
            // The nearest one wins, so nothing below it is of interest.
            if below.is_empty() || found.pipelines.iter().any(has_one) {
                break;
            }
            let known: Vec<i64> = found.pipelines.iter().map(|it| it.pipeline.id).collect();
            below.retain(|(child, _)| !known.contains(&child.id));
            below.truncate((BELOW + 1).saturating_sub(known.len()));
            level = below;
        }
        Ok(Answer::Newest(Arc::new(found)))
    }

    /// Finds the newest successful pipeline of a ref that ran for itself; the inner error is a refusal.
    async fn newest_for_user(
        &self,
        errand: Errand<'_>,
        project_id: i64,
        ref_name: &str,
    ) -> Result<Result<Option<ForeignPipeline>, Answer>, Outage> {
        let reply = self.get(errand, Route::Successful(project_id, ref_name)).await?;
        if let Some(refusal) = refusal(&reply)? {
            return Ok(Err(Answer::Refused(refusal)));
        }
        let mut newest: Option<ForeignPipeline> = None;
        for row in wire::rows(&reply.json)? {
            let pipeline = wire::pipeline(row, project_id)?;
            if is_newest(&pipeline, ref_name, newest.as_ref()) {
                newest = Some(pipeline);
            }
        }
        Ok(Ok(newest))
    }

    /// Finds it among the newest successful jobs, and then among the pipelines that are known here: a job's token may ask
    /// for nothing else.
    async fn newest_for_job(
        &self,
        errand: Errand<'_>,
        project_id: i64,
        wanted: &RefJob,
    ) -> Result<Option<Newest>, Outage> {
        for page in 1..=PAGES {
            let reply = self.get(errand, Route::SuccessfulJobs(project_id, page)).await?;
            if refusal(&reply)?.is_some() {
                break;
            }
            let rows = wire::rows(&reply.json)?;
            let mut newest: Option<ForeignPipeline> = None;
            for row in rows {
                let pipeline = wire::pipeline(&row["pipeline"], project_id)?;
                if is_newest(&pipeline, &wanted.ref_name, newest.as_ref()) {
                    newest = Some(pipeline);
                }
            }
            if let Some(newest) = newest {
                return Ok(Some((newest, None)));
            }
            if rows.len() < ROWS {
                // These were all successful jobs there are.
                return Ok(None);
            }
        }
        for id in wanted.known.iter().take(KNOWN) {
            let Some(told) = self.jobs_named(errand, project_id, *id, &wanted.job_name).await? else {
                continue;
            };
            let pipeline = told.pipeline.clone();
            if let Some(pipeline) = pipeline.filter(|it| is_newest(it, &wanted.ref_name, None)) {
                return Ok(Some((pipeline, Some(told))));
            }
        }
        Ok(None)
    }

    /// Lists the jobs of this name in a pipeline; those that were tried again are not among them. `None` if the asker may
    /// not list them.
    async fn jobs_named(
        &self,
        errand: Errand<'_>,
        project_id: i64,
        pipeline_id: i64,
        name: &str,
    ) -> Result<Option<Told>, Outage> {
        let mut told = Told { pipeline: None, jobs: Vec::new(), is_all: false };
        for page in 1..=PAGES {
            let reply = self.get(errand, Route::PipelineJobs(project_id, pipeline_id, page)).await?;
            if refusal(&reply)?.is_some() {
                return Ok(None);
            }
            let rows = wire::rows(&reply.json)?;
            if let Some(first) = rows.first() {
                let pipeline = wire::pipeline(&first["pipeline"], project_id)?;
                if pipeline.id != pipeline_id {
                    return Err(Outage::broken("another pipeline's job"));
                }
                told.pipeline = Some(pipeline);
            }
            for row in rows.iter().filter(|row| row["name"] == name) {
                told.jobs.push(wire::listed_job(row)?);
            }
            if rows.len() < ROWS {
                told.is_all = true;
                break;
            }
        }
        Ok(Some(told))
    }

    /// Lists the pipelines of the same project that a pipeline has started, with it as their parent.
    pub(super) async fn children(
        &self,
        errand: Errand<'_>,
        project_id: i64,
        pipeline_id: i64,
    ) -> Result<Vec<(ForeignPipeline, Option<i64>)>, Outage> {
        let reply = self.get(errand, Route::Bridges(project_id, pipeline_id)).await?;
        if refusal(&reply)?.is_some() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for row in wire::rows(&reply.json)? {
            let child = &row["downstream_pipeline"];
            if child["project_id"].as_i64() == Some(project_id) {
                found.push((wire::pipeline(child, project_id)?, Some(pipeline_id)));
            }
        }
        found.sort_by_key(|(child, _)| child.id);
        Ok(found)
    }
}

/// Whether a pipeline is a successful one of the ref that ran for itself, and newer than the one that is known.
fn is_newest(pipeline: &ForeignPipeline, ref_name: &str, known: Option<&ForeignPipeline>) -> bool {
    pipeline.ref_name == ref_name
        && pipeline.status == Status::Success
        && !pipeline.source.is_dangling()
        && known.is_none_or(|known| known.id < pipeline.id)
}
