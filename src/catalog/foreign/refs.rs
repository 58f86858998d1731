//! What an upstream tells of a ref: its newest successful pipeline, those below it, and their jobs of one name.

use diesel::prelude::*;

use super::asked::{store_job, store_pipeline};
use super::rows::{Telling, apply_job};
use super::{ForeignJob, ForeignPipeline, ListedForeignJob, StoreOutcome};
use crate::catalog::Db;
use crate::catalog::pipelines;
use crate::catalog::projects;
use crate::catalog::schema::{jobs as jobs_table, pipelines as pipelines_table};
use crate::domain::pipeline::Source;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// What a ref leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignRef {
    /// The project's number.
    pub project_id: i64,
    /// The branch or tag.
    pub ref_name: String,
    /// The name of the jobs.
    pub job_name: String,
    /// Whether a newer successful pipeline would have been told.
    pub is_complete: bool,
    /// The newest successful pipeline, then those below it, parents first; none if there is no such pipeline.
    pub pipelines: Vec<ListedForeignPipeline>,
}

/// A pipeline and its jobs of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedForeignPipeline {
    /// The pipeline.
    pub pipeline: ForeignPipeline,
    /// Its parent in the same project.
    pub parent: Option<i64>,
    /// Its jobs of the name, without those that were tried again.
    pub jobs: Vec<ListedForeignJob>,
    /// Whether there are no others of the name.
    pub has_all_jobs: bool,
}

/// Stores what is told of a ref, for a project that has a row here: others have nothing to find. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn store_ref(db: &mut Db, upstream: &str, told: &ForeignRef, now: Timestamp) -> Result<()> {
    db.lock_whole_catalog()?;
    let project = projects::find(db, &ProjectRef::Id(told.project_id))?;
    if project.is_none_or(|project| project.upstream.as_deref() != Some(upstream)) {
        return Ok(());
    }
    if told.is_complete {
        reopen_newer(db, told, now)?;
    }
    for listed in &told.pipelines {
        if store_below(db, told.project_id, &listed.pipeline, listed.parent, now)? {
            store_jobs(db, upstream, told, listed, now)?;
        }
    }
    Ok(())
}

/// Returns the newest pipelines of a ref of a project that ran for themselves, newest first, at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn newest_of_ref(db: &mut Db, project_id: i64, ref_name: &str, limit: i64) -> Result<Vec<i64>> {
    let dangling = Source::DANGLING.iter().map(|source| source.as_str());
    Ok(pipelines_table::table
        .filter(pipelines_table::project_id.eq(project_id))
        .filter(pipelines_table::ref_name.eq(ref_name))
        .filter(pipelines_table::source.ne_all(dangling))
        .order(pipelines_table::id.desc())
        .limit(limit)
        .select(pipelines_table::id)
        .load(db)?)
}

/// Stores what is told of a pipeline with its jobs and the pipelines that it started. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn store_facts(
    db: &mut Db,
    upstream: &str,
    (project_id, pipeline_id): (i64, i64),
    (jobs, children): (&[ForeignJob], &[ForeignPipeline]),
    now: Timestamp,
) -> Result<()> {
    db.lock_whole_catalog()?;
    for job in jobs {
        if let StoreOutcome::InTheWay(why) = store_job(db, upstream, job, now)? {
            tracing::warn!(upstream, job.id, why, "a job of the upstream is not taken over");
        }
    }
    if pipelines::project_of(db, pipeline_id)? == Some(project_id) {
        for child in children {
            store_below(db, project_id, child, Some(pipeline_id), now)?;
        }
    }
    Ok(())
}

/// Stores a pipeline below its parent; `false` if its number is that of another project's here.
fn store_below(
    db: &mut Db,
    project_id: i64,
    pipeline: &ForeignPipeline,
    parent: Option<i64>,
    now: Timestamp,
) -> Result<bool> {
    let owner = pipelines::project_of(db, pipeline.id)?;
    if owner.is_some_and(|owner| owner != project_id) {
        return Ok(false);
    }
    store_pipeline(db, project_id, pipeline, None, now)?;
    if parent.is_some() && pipelines::parent_of(db, pipeline.id)? != parent {
        pipelines::set_parent(db, pipeline.id, parent)?;
    }
    Ok(true)
}

/// Takes the success back from pipelines that are newer than the newest successful one: a job of theirs is tried again.
/// Where none is told, all are left as they are: the upstream may have deleted old pipelines, whose artifacts stay here.
fn reopen_newer(db: &mut Db, told: &ForeignRef, now: Timestamp) -> Result<()> {
    let Some(newest) = told.pipelines.first().map(|listed| listed.pipeline.id) else { return Ok(()) };
    let dangling = Source::DANGLING.iter().map(|source| source.as_str());
    diesel::update(
        pipelines_table::table
            .filter(pipelines_table::project_id.eq(told.project_id))
            .filter(pipelines_table::ref_name.eq(&told.ref_name))
            .filter(pipelines_table::status.eq(Status::Success.as_str()))
            .filter(pipelines_table::source.ne_all(dangling))
            .filter(pipelines_table::id.gt(newest)),
    )
    .set((
        pipelines_table::status.eq(Status::Running.as_str()),
        pipelines_table::updated_at.eq(now.as_millis()),
    ))
    .execute(db)?;
    Ok(())
}

fn store_jobs(
    db: &mut Db,
    upstream: &str,
    told: &ForeignRef,
    listed: &ListedForeignPipeline,
    now: Timestamp,
) -> Result<()> {
    let pipeline_id = listed.pipeline.id;
    let telling = Telling { is_current: true, ..Telling::default() };
    for job in &listed.jobs {
        apply_job(db, upstream, (told.project_id, pipeline_id), &job.reported(now), telling, now)?;
    }
    if !listed.has_all_jobs {
        return Ok(());
    }
    // A job that is not told any more was tried again.
    let told_ids = listed.jobs.iter().map(|job| job.id);
    diesel::update(
        jobs_table::table
            .filter(jobs_table::pipeline_id.eq(pipeline_id))
            .filter(jobs_table::name.eq(&told.job_name))
            .filter(jobs_table::retried.eq(false))
            .filter(jobs_table::id.ne_all(told_ids)),
    )
    .set(jobs_table::retried.eq(true))
    .execute(db)?;
    Ok(())
}
