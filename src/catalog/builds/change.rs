//! Build changes: a build is created, canceled, and its failed jobs are tried again.
//!
//! Numbers that are given here begin above all that a CI coordinator may give, so that the two never meet.

use diesel::prelude::*;

use super::{BuildFields, set_fields, set_meta_data, steps};
use crate::catalog::schema::{agent_jobs, jobs, pipelines};
use crate::catalog::values::new_uuid;
use crate::catalog::{Db, agents};
use crate::domain::build::TextMap;
use crate::domain::pipeline::Source;
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind, Result, Timestamp};

/// The first number of a project, pipeline or job that is given here and that a coordinator has to leave alone.
pub(in crate::catalog) const FIRST_NUMBER: i64 = 1 << 50;

/// The number from which on none is given. A document may name any number, even the largest: those from here on are
/// passed over, so that one of them does not use up all.
pub(in crate::catalog) const END_OF_NUMBERS: i64 = 1 << 62;

/// How long jobs of a build that is being canceled may take to end, in milliseconds.
const CANCEL_MILLIS: i64 = 10 * 60 * 1000;

/// After how long a build that an agent was given a job of is looked at again, in milliseconds.
const AGAIN_MILLIS: i64 = 60 * 1000;

/// How many builds are ended at a time.
const BATCH: i64 = 100;

/// A build to create.
#[derive(Debug, Clone)]
pub struct NewBuild {
    /// The project.
    pub project_id: i64,
    /// The ref that it is for.
    pub ref_name: String,
    /// Whether the ref is a tag.
    pub tag: bool,
    /// The commit.
    pub sha: String,
    /// The user who starts it.
    pub user_id: i64,
    /// What the user says about it.
    pub fields: BuildFields,
    /// Its meta-data.
    pub meta_data: TextMap,
    /// When it is canceled if nobody runs it.
    pub cancel_at: Option<Timestamp>,
}

/// The outcome of [`cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is canceled, or will be as soon as its jobs have ended.
    Canceled,
    /// It had this status already.
    Refused(Status),
}

/// The outcome of [`retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOutcome {
    /// The new job has this ID.
    Retried(i64),
    /// The job did not fail.
    NotFailed,
    /// The job was tried again before.
    Superseded,
    /// The build was canceled.
    BuildCanceled,
}

/// Creates a build that waits for somebody to run it, with a job for each step of its project, and returns the ID of
/// its pipeline. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `Unprocessable` when a document has used up the numbers; those of the database.
pub fn create(db: &mut Db, new: &NewBuild, now: Timestamp) -> Result<i64> {
    // Its number in the project and its ID are the next ones on all nodes.
    db.lock_whole_catalog()?;
    let given = pipelines::table.filter(pipelines::id.lt(END_OF_NUMBERS));
    let id = next(given.select(diesel::dsl::max(pipelines::id)).first(db)?)?;
    let last: Option<i64> = pipelines::table
        .filter(pipelines::project_id.eq(new.project_id))
        .select(diesel::dsl::max(pipelines::iid))
        .first(db)?;
    let iid = last.unwrap_or(0).checked_add(1).ok_or_else(no_number)?;
    diesel::insert_into(pipelines::table)
        .values((
            (
                pipelines::id.eq(id),
                pipelines::uuid.eq(new_uuid()),
                pipelines::project_id.eq(new.project_id),
                pipelines::iid.eq(iid),
                pipelines::ref_name.eq(&new.ref_name),
                pipelines::tag.eq(new.tag),
                pipelines::sha.eq(&new.sha),
                pipelines::status.eq(Status::Pending.as_str()),
            ),
            (
                pipelines::source.eq(Source::Api.as_str()),
                pipelines::root_id.eq(id),
                pipelines::depth.eq(0),
                pipelines::user_id.eq(new.user_id),
                pipelines::created_at.eq(now.as_millis()),
                pipelines::updated_at.eq(now.as_millis()),
                pipelines::cancel_at.eq(new.cancel_at.map(Timestamp::as_millis)),
            ),
        ))
        .execute(db)?;
    set_fields(db, id, &new.fields)?;
    set_meta_data(db, id, &new.meta_data)?;
    steps::add_jobs(db, new, id, now)?;
    Ok(id)
}

/// Returns the number after the last one that was given here or by others.
pub(in crate::catalog) fn next(last: Option<i64>) -> Result<i64> {
    let next = last.map_or(FIRST_NUMBER, |last| last.saturating_add(1).max(FIRST_NUMBER));
    if next < END_OF_NUMBERS { Ok(next) } else { Err(no_number()) }
}

fn no_number() -> Error {
    Error::new(ErrorKind::Unprocessable, "No number is left: the largest possible one is taken")
}

/// Requires that the pipeline `original`, of which the pipeline `id` is said to be a repetition, belongs to the same
/// project, if there is one: readers of one project need not see another.
///
/// # Errors
/// `Invalid`, with a text that names both.
pub fn require_same_project(db: &mut Db, id: i64, original: i64) -> Result<()> {
    let project = |db: &mut Db, id: i64| -> Result<Option<i64>> {
        Ok(pipelines::table.find(id).select(pipelines::project_id).first(db).optional()?)
    };
    match (project(db, id)?, project(db, original)?) {
        (Some(own), Some(other)) if own != other => {
            let why = format!("rebuilt_from: pipeline {original} belongs to another project");
            Err(Error::new(ErrorKind::Invalid, why))
        }
        _ => Ok(()),
    }
}

/// Cancels a pipeline: at once if none of its jobs runs, else as soon as they have ended. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn cancel(db: &mut Db, id: i64, reason: Option<&str>, now: Timestamp) -> Result<CancelOutcome> {
    let locked = diesel::update(pipelines::table.find(id)).set(pipelines::status.eq(pipelines::status));
    let status: Status = locked.returning(pipelines::status).get_result(db)?;
    if status.is_finished() || status == Status::Canceling {
        return Ok(CancelOutcome::Refused(status));
    }
    let running = jobs::table.filter(jobs::pipeline_id.eq(id));
    diesel::update(running.filter(jobs::status.eq(Status::Running.as_str())))
        .set(jobs::status.eq(Status::Canceling.as_str()))
        .execute(db)?;
    cancel_waiting(db, id, now)?;
    diesel::update(pipelines::table.find(id))
        .set((
            pipelines::status.eq(Status::Canceling.as_str()),
            pipelines::finished_at.eq(None::<i64>),
            pipelines::updated_at.eq(now.as_millis()),
            pipelines::cancel_at.eq(Some(now.as_millis() + CANCEL_MILLIS)),
        ))
        .execute(db)?;
    end_canceled(db, id, now)?;
    if let Some(reason) = reason {
        let reason = Some(Some(reason.to_owned()));
        set_fields(db, id, &BuildFields { cancel_reason: reason, ..BuildFields::default() })?;
    }
    Ok(CancelOutcome::Canceled)
}

/// Cancels the jobs of a pipeline that do not run and have not ended.
fn cancel_waiting(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    let ended = Status::words(|status| status.is_finished() || status.is_executing());
    let waiting = jobs::table.filter(jobs::pipeline_id.eq(id)).filter(jobs::status.ne_all(ended));
    diesel::update(waiting)
        .set((jobs::status.eq(Status::Canceled.as_str()), jobs::finished_at.eq(Some(now.as_millis()))))
        .execute(db)?;
    agents::release_ended(db, id)
}

/// Whether a pipeline is being canceled by [`cancel`]: it ends when its jobs have ended, whatever is reported of it
/// meanwhile.
///
/// # Errors
/// Those of the database.
pub fn is_being_canceled(db: &mut Db, id: i64) -> Result<bool> {
    let canceling = pipelines::table
        .find(id)
        .filter(pipelines::status.eq(Status::Canceling.as_str()))
        .filter(pipelines::cancel_at.is_not_null());
    Ok(canceling.select(pipelines::id).first::<i64>(db).optional()?.is_some())
}

/// Requires that a pipeline which was created here, and canceled, is not run after all: whoever runs it may have seen
/// it waiting before.
///
/// # Errors
/// `Conflict`, with a text that names the pipeline.
pub fn require_not_canceled(db: &mut Db, id: i64, known: Status, new: Option<Status>) -> Result<()> {
    if id < FIRST_NUMBER || known != Status::Canceled || new.is_none_or(Status::is_final) {
        return Ok(());
    }
    let jobs: i64 = jobs::table.filter(jobs::pipeline_id.eq(id)).count().get_result(db)?;
    if jobs > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("status: pipeline {id} was canceled before anybody ran it")))
}

/// Ends a pipeline that is being canceled if none of its jobs runs any more.
///
/// # Errors
/// Those of the database.
pub fn end_canceled(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    let executing = Status::words(Status::is_executing);
    let running = jobs::table.filter(jobs::pipeline_id.eq(id)).filter(jobs::status.eq_any(executing));
    let canceling = pipelines::table
        .find(id)
        .filter(pipelines::status.eq(Status::Canceling.as_str()))
        .filter(pipelines::cancel_at.is_not_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(running)));
    diesel::update(canceling)
        .set((
            pipelines::status.eq(Status::Canceled.as_str()),
            pipelines::finished_at.eq(Some(now.as_millis())),
            pipelines::updated_at.eq(now.as_millis()),
            pipelines::cancel_at.eq(None::<i64>),
        ))
        .execute(db)?;
    Ok(())
}

/// Cancels builds that nobody took in time, and ends those whose jobs do not end; returns how many.
///
/// # Errors
/// Those of the database.
pub fn cancel_due(db: &mut Db, now: Timestamp) -> Result<usize> {
    let is_due = pipelines::cancel_at.le(now.as_millis());
    let due = pipelines::table.filter(is_due).order(pipelines::cancel_at.asc()).limit(BATCH);
    let mut due: Vec<i64> = due.select(pipelines::id).load(db)?;
    // All lock several pipelines in this order, and each before its jobs.
    due.sort_unstable();
    for id in &due {
        let locked = diesel::update(pipelines::table.find(id).filter(is_due));
        let locked = locked.set(pipelines::status.eq(pipelines::status)).returning(pipelines::status);
        let Some(status) = locked.get_result::<Status>(db).optional()? else { continue };
        match status {
            Status::Canceling => {
                let executing = Status::words(Status::is_executing);
                let of_pipeline = jobs::table.filter(jobs::pipeline_id.eq(id));
                let running = of_pipeline.filter(jobs::status.eq_any(executing));
                diesel::update(running)
                    .set((
                        jobs::status.eq(Status::Canceled.as_str()),
                        jobs::finished_at.eq(Some(now.as_millis())),
                    ))
                    .execute(db)?;
                agents::release_ended(db, *id)?;
                end_canceled(db, *id, now)?;
            }
            Status::Pending if is_untouched(db, *id)? => {
                cancel(db, *id, Some("expired"), now)?;
            }
            Status::Pending if waits_for_agents(db, *id)? => {
                // An agent that was given a job of it may never accept it.
                let later = Some(now.as_millis() + AGAIN_MILLIS);
                diesel::update(pipelines::table.find(id)).set(pipelines::cancel_at.eq(later)).execute(db)?;
                continue;
            }
            // Somebody runs it.
            _ => {}
        }
        diesel::update(pipelines::table.find(id)).set(pipelines::cancel_at.eq(None::<i64>)).execute(db)?;
    }
    Ok(due.len())
}

/// Whether nobody has taken a pipeline: it has no job but those that wait for an agent.
fn is_untouched(db: &mut Db, id: i64) -> Result<bool> {
    let waiting = agent_jobs::table
        .filter(agent_jobs::waiting_queue.is_not_null())
        .filter(agent_jobs::holder.is_null())
        .select(agent_jobs::job_id);
    let taken = jobs::table.filter(jobs::pipeline_id.eq(id)).filter(jobs::id.ne_all(waiting));
    Ok(taken.count().get_result::<i64>(db)? == 0)
}

/// Whether a job of a pipeline waits for an agent to accept it.
fn waits_for_agents(db: &mut Db, id: i64) -> Result<bool> {
    let waiting = agent_jobs::table
        .inner_join(jobs::table)
        .filter(jobs::pipeline_id.eq(id))
        .filter(jobs::status.eq(Status::Pending.as_str()))
        .filter(agent_jobs::waiting_queue.is_not_null());
    Ok(waiting.select(agent_jobs::job_id).first::<i64>(db).optional()?.is_some())
}

/// Creates another attempt of a job that failed, which waits like a new one. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// As [`create`].
pub fn retry(db: &mut Db, job_id: i64, now: Timestamp) -> Result<RetryOutcome> {
    db.lock_whole_catalog()?;
    let pipeline_id: i64 = jobs::table.find(job_id).select(jobs::pipeline_id).first(db)?;
    // A cancellation is before it or after it.
    super::super::pipelines::lock(db, pipeline_id)?;
    let (status, retried): (Status, bool) =
        jobs::table.find(job_id).select((jobs::status, jobs::retried)).first(db)?;
    let build: Status = pipelines::table.find(pipeline_id).select(pipelines::status).first(db)?;
    if !matches!(status, Status::Failed | Status::Canceled) {
        return Ok(RetryOutcome::NotFailed);
    }
    if retried {
        return Ok(RetryOutcome::Superseded);
    }
    if matches!(build, Status::Canceled | Status::Canceling) {
        return Ok(RetryOutcome::BuildCanceled);
    }
    let given = jobs::table.filter(jobs::id.lt(END_OF_NUMBERS));
    let id = next(given.select(diesel::dsl::max(jobs::id)).first(db)?)?;
    let original = jobs::table.find(job_id).select((
        id.into_sql::<diesel::sql_types::BigInt>(),
        new_uuid().into_sql::<diesel::sql_types::Binary>(),
        jobs::project_id,
        jobs::pipeline_id,
        jobs::name,
        jobs::stage,
        Status::Pending.as_str().into_sql::<diesel::sql_types::Text>(),
        jobs::allow_failure,
        false.into_sql::<diesel::sql_types::Bool>(),
        jobs::user_id,
        now.as_millis().into_sql::<diesel::sql_types::BigInt>(),
        jobs::command,
        jobs::step_key,
        jobs::parallel_group_index,
        jobs::parallel_group_total,
    ));
    diesel::insert_into(jobs::table)
        .values(original)
        .into_columns((
            jobs::id,
            jobs::uuid,
            jobs::project_id,
            jobs::pipeline_id,
            jobs::name,
            jobs::stage,
            jobs::status,
            jobs::allow_failure,
            jobs::retried,
            jobs::user_id,
            jobs::created_at,
            jobs::command,
            jobs::step_key,
            jobs::parallel_group_index,
            jobs::parallel_group_total,
        ))
        .execute(db)?;
    agents::retry(db, job_id, id)?;
    diesel::update(jobs::table.find(job_id)).set(jobs::retried.eq(true)).execute(db)?;
    diesel::update(pipelines::table.find(pipeline_id))
        .set((
            pipelines::status.eq(Status::Running.as_str()),
            pipelines::finished_at.eq(None::<i64>),
            pipelines::updated_at.eq(now.as_millis()),
        ))
        .execute(db)?;
    Ok(RetryOutcome::Retried(id))
}
