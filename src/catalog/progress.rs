//! How jobs and pipelines go on: the few columns that change while they run.
//!
//! Lock, look, change: what is decided by the state that was found is decided before another can
//! change it.

use diesel::prelude::*;

use super::schema::{jobs, pipelines, users};
use super::{Db, db::MultiBackend};
use crate::domain::pipeline::Source;
use crate::domain::status::Status;
use crate::domain::{Result, Sha256Digest, Timestamp};

/// A job as the registry tells it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
pub struct JobState {
    /// Its number.
    pub id: i64,
    /// Its project.
    pub project_id: i64,
    /// Its pipeline.
    pub pipeline_id: i64,
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// Where it stands.
    pub status: Status,
    /// Whether its pipeline may succeed without it.
    pub allow_failure: bool,
    /// Whether a newer job of its name took its place.
    pub retried: bool,
    /// The username of who started it.
    #[diesel(select_expression = users::username.nullable())]
    pub user: Option<String>,
    /// Test coverage, in percent.
    pub coverage: Option<f64>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its results were erased.
    pub erased_at: Option<Timestamp>,
}

/// A pipeline as the registry tells it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pipelines, check_for_backend(MultiBackend))]
pub struct PipelineState {
    /// Its number.
    pub id: i64,
    /// Its number within the project.
    pub iid: i64,
    /// Its project.
    pub project_id: i64,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag.
    pub tag: bool,
    /// The commit.
    pub sha: String,
    /// Where it stands.
    pub status: Status,
    /// What started it.
    pub source: Source,
    /// The pipeline directly above it.
    pub parent_id: Option<i64>,
    /// The username of who started it.
    #[diesel(select_expression = users::username.nullable())]
    pub user: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What changes of a job; `None` leaves a column as it is.
#[derive(Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = jobs)]
pub struct JobProgress {
    /// Where it stands.
    pub status: Option<&'static str>,
    /// Whether its failure does not fail the pipeline.
    pub allow_failure: Option<bool>,
    /// Whether a later attempt replaced it.
    pub retried: Option<bool>,
    /// Coverage in percent.
    pub coverage: Option<Option<f64>>,
    /// Why it failed.
    pub failure_reason: Option<Option<String>>,
    /// When it began to run, in milliseconds.
    pub started_at: Option<Option<i64>>,
    /// When it ended, in milliseconds.
    pub finished_at: Option<Option<i64>>,
}

/// What changes of a pipeline; `None` leaves a column as it is.
#[derive(Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = pipelines)]
pub struct PipelineProgress {
    /// Where it stands.
    pub status: Option<&'static str>,
    /// When it began to run, in milliseconds.
    pub started_at: Option<Option<i64>>,
    /// When it ended, in milliseconds.
    pub finished_at: Option<Option<i64>>,
}

/// A job by number, which nobody else changes until this transaction ends. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn lock_job(db: &mut Db, id: i64) -> Result<Option<JobState>> {
    // A write that changes nothing takes the lock in both databases.
    match diesel::update(jobs::table.find(id)).set(jobs::status.eq(jobs::status)).execute(db)? {
        0 => Ok(None),
        _ => find_job(db, id).map(Some),
    }
}

/// A pipeline by number, which nobody else changes until this transaction ends. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn lock_pipeline(db: &mut Db, id: i64) -> Result<Option<PipelineState>> {
    let known = pipelines::table.find(id);
    match diesel::update(known).set(pipelines::status.eq(pipelines::status)).execute(db)? {
        0 => Ok(None),
        _ => find_pipeline(db, id).map(Some),
    }
}

/// Changes a job that is locked, and tells what it is now.
///
/// # Errors
/// Only those of the database.
pub fn change_job(db: &mut Db, job: JobState, changes: JobProgress) -> Result<JobState> {
    if changes == JobProgress::default() {
        return Ok(job);
    }
    diesel::update(jobs::table.find(job.id)).set(changes).execute(db)?;
    find_job(db, job.id)
}

/// Changes a pipeline that is locked, and tells what it is now.
///
/// # Errors
/// Only those of the database.
pub fn change_pipeline(
    db: &mut Db,
    pipeline: PipelineState,
    changes: PipelineProgress,
    now: Timestamp,
) -> Result<PipelineState> {
    if changes == PipelineProgress::default() {
        return Ok(pipeline);
    }
    diesel::update(pipelines::table.find(pipeline.id))
        .set((changes, pipelines::updated_at.eq(now.as_millis())))
        .execute(db)?;
    find_pipeline(db, pipeline.id)
}

/// Makes `token` the only token of a job.
///
/// # Errors
/// Only those of the database.
pub fn set_job_token(db: &mut Db, id: i64, token: Sha256Digest) -> Result<()> {
    diesel::update(jobs::table.find(id))
        .set(jobs::token_sha256.eq(Some(token.as_bytes().to_vec())))
        .execute(db)?;
    Ok(())
}

fn find_job(db: &mut Db, id: i64) -> Result<JobState> {
    let user = users::table.on(users::id.nullable().eq(jobs::user_id));
    let job = jobs::table.left_join(user).filter(jobs::id.eq(id));
    Ok(job.select(JobState::as_select()).first(db)?)
}

fn find_pipeline(db: &mut Db, id: i64) -> Result<PipelineState> {
    let user = users::table.on(users::id.nullable().eq(pipelines::user_id));
    let pipeline = pipelines::table.left_join(user).filter(pipelines::id.eq(id));
    Ok(pipeline.select(PipelineState::as_select()).first(db)?)
}
