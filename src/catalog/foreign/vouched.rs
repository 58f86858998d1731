//! Rows of a vouched job: the job that an upstream's ID token is for, its pipeline and its project.
//!
//! The token says that the job was started, so a job that is not known runs; one that is known to have ended has ended,
//! however long its token lives.

use diesel::prelude::*;

use super::numbers::{self, Kind};
use super::projects::store_project;
use super::rows::iid_of;
use super::{ForeignId, ReportedPipeline, ReportedProject, StoreOutcome, rows_in_the_way};
use crate::catalog::Db;
use crate::catalog::jobs::{self, Job, JobChanges};
use crate::catalog::pipelines::{self, PipelineChanges};
use crate::catalog::projects::{self, Project};
use crate::catalog::schema::{jobs as jobs_table, pipelines as pipelines_table};
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// The rows of a vouched job, as far as there are any.
#[derive(Debug, Clone, Default)]
pub struct VouchedRows {
    /// Its project.
    pub project: Option<Project>,
    /// The job.
    pub job: Option<Job>,
}

/// Finds the rows of a vouched job.
///
/// # Errors
/// Those of the database.
pub fn find_vouched(
    db: &mut Db,
    project: &ReportedProject,
    pipeline: &ForeignId,
    job: &ForeignId,
) -> Result<VouchedRows> {
    let upstream = &project.upstream;
    let Some(project_id) = numbers::find(db, upstream, Kind::Project, &project.id)? else {
        return Ok(VouchedRows::default());
    };
    let found = projects::find(db, &ProjectRef::Id(project_id))?;
    let is_its = |found: &Project| found.upstream.as_deref() == Some(upstream) && !found.is_gone();
    let Some(project) = found.filter(is_its) else {
        return Ok(VouchedRows::default());
    };
    let pipeline_id = numbers::find(db, upstream, Kind::Pipeline(project_id), pipeline)?;
    let job_id = match pipeline_id {
        Some(pipeline_id) => numbers::find(db, upstream, Kind::Job(pipeline_id), job)?,
        None => None,
    };
    let job = match job_id {
        Some(job_id) => jobs::find(db, job_id)?,
        None => None,
    };
    let job = job.filter(|job| job.project_id == project.id && Some(job.pipeline_id) == pipeline_id);
    Ok(VouchedRows { project: Some(project), job })
}

/// Stores a vouched job, its pipeline and its project. `name` is what the job calls itself; what a hook or the
/// upstream's own answer told stays. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn store_vouched(
    db: &mut Db,
    project: &ReportedProject,
    pipeline: &ReportedPipeline,
    job: &ForeignId,
    name: (Option<&str>, &str),
    now: Timestamp,
) -> Result<StoreOutcome> {
    // A number is given on one node only.
    db.lock_whole_catalog()?;
    if let Some(why) = rows_in_the_way(db, project, &pipeline.id, job)? {
        return Ok(StoreOutcome::InTheWay(why));
    }
    let project = match store_project(db, project, now)? {
        Ok(project) => project,
        Err(why) => return Ok(StoreOutcome::InTheWay(why)),
    };
    let upstream = project.upstream.clone().unwrap_or_default();
    let pipeline_id = numbers::find_or_give(db, &upstream, Kind::Pipeline(project.id), &pipeline.id)?;
    store_pipeline(db, project.id, pipeline_id, pipeline, now)?;
    let job_id = numbers::find_or_give(db, &upstream, Kind::Job(pipeline_id), job)?;
    match jobs::find(db, job_id)? {
        Some(known) => {
            // One that was only told of may have been pending; its token shows that it runs.
            let waiting = Status::words(|status| !status.is_final() && !status.is_executing());
            diesel::update(jobs_table::table.find(job_id).filter(jobs_table::status.eq_any(waiting)))
                .set(jobs_table::status.eq(Status::Running.as_str()))
                .execute(db)?;
            if let Some(name) = name.0.filter(|name| *name != known.name) {
                let told_at: Option<Timestamp> =
                    jobs_table::table.find(job_id).select(jobs_table::told_at).first(db)?;
                if told_at.is_none() && !known.status.is_final() {
                    jobs::rename(db, job_id, name)?;
                }
            }
        }
        None => {
            let changes = new_job(name.0.unwrap_or(name.1), now);
            jobs::upsert(db, job_id, project.id, pipeline_id, &changes, now)?;
        }
    }
    let job = jobs::find(db, job_id)?.ok_or_else(|| crate::domain::Error::internal("the job has no row"))?;
    Ok(StoreOutcome::Stored(job, project))
}

/// Ends a vouched job and its pipeline as successful, because the job says so. What the upstream told of the end of
/// either stays. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn finish_vouched(db: &mut Db, job: &Job, now: Timestamp) -> Result<()> {
    let unfinished = Status::words(|status| !status.is_final());
    let success = Status::Success.as_str();
    // A pipeline is locked before its jobs, everywhere.
    let pipeline = pipelines_table::table.find(job.pipeline_id);
    diesel::update(pipeline.filter(pipelines_table::status.eq_any(unfinished.clone())))
        .set((
            pipelines_table::status.eq(success),
            pipelines_table::finished_at.eq(Some(now.as_millis())),
            pipelines_table::updated_at.eq(now.as_millis()),
        ))
        .execute(db)?;
    diesel::update(jobs_table::table.find(job.id).filter(jobs_table::status.eq_any(unfinished)))
        .set((jobs_table::status.eq(success), jobs_table::finished_at.eq(Some(now.as_millis()))))
        .execute(db)?;
    Ok(())
}

/// Stores a pipeline that is not known; one that is known is known better.
fn store_pipeline(
    db: &mut Db,
    project_id: i64,
    id: i64,
    pipeline: &ReportedPipeline,
    now: Timestamp,
) -> Result<()> {
    if pipelines::project_of(db, id)?.is_some() {
        // A hook may have told of the pipeline without telling its ref.
        let foreign = [Source::MergeRequestEvent, Source::ExternalPullRequestEvent].map(Source::as_str);
        let untold = pipelines_table::table
            .find(id)
            .filter(pipelines_table::ref_name.eq(UNKNOWN_REF))
            .filter(pipelines_table::source.ne_all(foreign));
        if pipeline.ref_name != UNKNOWN_REF {
            diesel::update(untold)
                .set((
                    pipelines_table::ref_name.eq(&pipeline.ref_name),
                    pipelines_table::tag.eq(pipeline.tag == Some(true)),
                    pipelines_table::source.eq(pipeline.source.as_str()),
                ))
                .execute(db)?;
        }
        return Ok(());
    }
    let changes = PipelineChanges {
        iid: iid_of(db, project_id, id, pipeline)?,
        ref_name: pipeline.ref_name.clone(),
        tag: pipeline.tag,
        sha: pipeline.sha.clone(),
        status: Status::Running.as_str(),
        source: Some(pipeline.source.as_str()),
        user_id: None,
        created_at: None,
        updated_at: now.as_millis(),
        started_at: Some(Some(now.as_millis())),
        finished_at: None,
    };
    pipelines::upsert(db, id, project_id, &changes, now)
}

fn new_job(name: &str, now: Timestamp) -> JobChanges {
    JobChanges {
        name: name.to_owned(),
        stage: None,
        status: Status::Running.as_str(),
        allow_failure: None,
        retried: None,
        user_id: Some(None),
        token_sha256: None,
        coverage: None,
        failure_reason: None,
        created_at: None,
        started_at: Some(Some(now.as_millis())),
        finished_at: None,
        erased_at: None,
    }
}
