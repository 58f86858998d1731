//! Jobs that agents run: they wait in a queue, are assigned to an agent, accepted, started and finished by it.
//!
//! What was assigned waits on until it is accepted: the answer that named it may have been lost. Changes lock the
//! pipeline first, then the job, as a cancellation does.

use diesel::dsl::exists;
use diesel::prelude::*;

use super::Agent;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{agent_jobs, jobs, pipelines, project_members};
use crate::catalog::{Db, builds};
use crate::domain::build::{Agent as RanOn, as_json};
use crate::domain::status::Status;
use crate::domain::step::Step;
use crate::domain::tags::Tags;
use crate::domain::{Result, Timestamp, Uuid};

/// How long an agent may take to accept a job, in milliseconds; after that others may have it.
pub(super) const ACCEPT_MILLIS: i64 = 60 * 1000;

/// How many waiting jobs are read at a time.
const BATCH: i64 = 100;

/// What a job that agents run has beside other jobs.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = agent_jobs, check_for_backend(MultiBackend))]
pub struct AgentJob {
    /// What its agent must have.
    pub query_rules: Tags,
    /// Patterns of the files that its agent uploads after it.
    pub artifact_paths: Option<String>,
    /// The agent that it is assigned to, that accepted it or runs it.
    pub holder: Option<Uuid>,
    /// The agent that runs it or ran it.
    pub agent_uuid: Option<Uuid>,
    /// The signal that ended its command.
    pub signal: Option<String>,
    /// Why its command was ended, or not run.
    pub signal_reason: Option<String>,
}

/// The outcome of what an agent does with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// It is done, or was done before.
    Done,
    /// The job is not, or no longer, this agent's.
    NotHeld,
    /// The job has this status, which does not allow it.
    Refused(Status),
    /// The pipeline of the job has this status, in which none of its jobs begins.
    BuildRefused(Status),
}

/// How a job ended, as its agent reports it.
#[derive(Debug, Clone)]
pub struct JobEnd {
    /// The exit status of its command; `None` if it has none.
    pub exit_status: Option<i64>,
    /// The signal that ended its command.
    pub signal: Option<String>,
    /// Why its command was ended, or not run.
    pub signal_reason: Option<String>,
    /// When it ended.
    pub finished_at: Timestamp,
}

impl JobEnd {
    /// The end of a job that nobody saw end.
    pub(super) const fn unseen(now: Timestamp) -> Self {
        Self { exit_status: Some(-1), signal: None, signal_reason: None, finished_at: now }
    }
}

/// Makes a job one that agents run.
///
/// # Errors
/// Those of the database.
pub fn add_job(db: &mut Db, job_id: i64, step: &Step) -> Result<()> {
    insert(db, job_id, &step.rules(), step.artifact_paths.as_deref())
}

fn insert(db: &mut Db, job_id: i64, rules: &Tags, artifact_paths: Option<&str>) -> Result<()> {
    diesel::insert_into(agent_jobs::table)
        .values((
            agent_jobs::job_id.eq(job_id),
            agent_jobs::query_rules.eq(as_json(rules)?),
            agent_jobs::artifact_paths.eq(artifact_paths),
            agent_jobs::waiting_queue.eq(rules.queue()),
            agent_jobs::log_bytes.eq(0),
        ))
        .execute(db)?;
    Ok(())
}

/// Makes `new_id` another attempt of a job that agents run; nothing for any other job.
///
/// # Errors
/// Those of the database.
pub fn retry(db: &mut Db, job_id: i64, new_id: i64) -> Result<()> {
    let original = agent_jobs::table.find(job_id);
    let known: Option<(Tags, Option<String>)> =
        original.select((agent_jobs::query_rules, agent_jobs::artifact_paths)).get_result(db).optional()?;
    let Some((rules, artifact_paths)) = known else { return Ok(()) };
    insert(db, new_id, &rules, artifact_paths.as_deref())
}

/// A job that waits in a queue.
#[derive(Debug, Clone, Queryable)]
pub struct WaitingJob {
    /// Its ID.
    pub id: i64,
    /// What its agent must have.
    pub rules: Tags,
    assigned_at: Option<i64>,
    status: Status,
    pipeline: Status,
    /// Whether the user who was asked for has one of the roles in its project.
    pub is_of_member: bool,
}

impl WaitingJob {
    /// Whether an agent may have it now.
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.assigned_at.is_none_or(|time| time <= now.as_millis() - ACCEPT_MILLIS)
            && self.status == Status::Pending
            && is_open(self.pipeline)
    }
}

/// Whether jobs of a pipeline with this status begin.
const fn is_open(pipeline: Status) -> bool {
    matches!(pipeline, Status::Pending | Status::Running)
}

/// Lists up to 100 jobs in a queue after the job `after`, in the order of creation, whether or not they are free and of
/// a project where the user has one of the roles: so many rows are read at most.
///
/// # Errors
/// Those of the database.
pub fn waiting(
    db: &mut Db,
    queue: &str,
    (user_id, roles): (i64, &[&'static str]),
    after: i64,
) -> Result<Vec<WaitingJob>> {
    let membership = project_members::table
        .filter(project_members::project_id.eq(jobs::project_id))
        .filter(project_members::user_id.eq(user_id))
        .filter(project_members::role.eq_any(roles.to_vec()));
    Ok(agent_jobs::table
        .inner_join(jobs::table.inner_join(pipelines::table))
        .filter(agent_jobs::waiting_queue.eq(queue))
        .filter(agent_jobs::job_id.gt(after))
        .order(agent_jobs::job_id.asc())
        .limit(BATCH)
        .select((
            agent_jobs::job_id,
            agent_jobs::query_rules,
            agent_jobs::assigned_at,
            jobs::status,
            pipelines::status,
            exists(membership),
        ))
        .load(db)?)
}

/// Assigns a waiting job to an agent; returns whether it did. Of agents that try at once, on any node, one does:
/// it is one statement.
///
/// # Errors
/// Those of the database.
pub fn claim(db: &mut Db, job_id: i64, agent: Uuid, now: Timestamp) -> Result<bool> {
    let pending = jobs::table
        .inner_join(pipelines::table)
        .filter(jobs::id.eq(job_id))
        .filter(jobs::status.eq(Status::Pending.as_str()))
        .filter(pipelines::status.eq_any(Status::words(is_open)));
    let free = agent_jobs::table
        .find(job_id)
        .filter(agent_jobs::waiting_queue.is_not_null())
        .filter(agent_jobs::holder.is_null().or(agent_jobs::assigned_at.le(now.as_millis() - ACCEPT_MILLIS)))
        .filter(exists(pending));
    let claimed = diesel::update(free).set((
        agent_jobs::holder.eq(agent.as_bytes().as_slice()),
        agent_jobs::agent_uuid.eq(agent.as_bytes().as_slice()),
        agent_jobs::assigned_at.eq(now.as_millis()),
    ));
    Ok(claimed.execute(db)? == 1)
}

/// Lists the jobs that an agent holds: each with its pipeline and its status, in the order of the pipelines, in which all
/// lock several.
///
/// # Errors
/// Those of the database.
pub fn held(db: &mut Db, agent: Uuid) -> Result<Vec<(i64, i64, Status)>> {
    Ok(agent_jobs::table
        .inner_join(jobs::table)
        .filter(agent_jobs::holder.eq(agent.as_bytes().as_slice()))
        .order((jobs::pipeline_id.asc(), jobs::id.asc()))
        .select((jobs::id, jobs::pipeline_id, jobs::status))
        .load(db)?)
}

/// Finds the job that an agent runs.
///
/// # Errors
/// Those of the database.
pub fn job_run_by(db: &mut Db, agent: Uuid) -> Result<Option<i64>> {
    let held = held(db, agent)?;
    Ok(held.into_iter().find(|(.., status)| status.is_executing()).map(|(id, ..)| id))
}

/// Finds the agent that holds a job, and the one that held it last; `None` for a job that agents do not run.
///
/// # Errors
/// Those of the database.
pub fn holder_of(db: &mut Db, job_id: i64) -> Result<Option<(Option<Uuid>, Option<Uuid>)>> {
    let job = agent_jobs::table.find(job_id);
    Ok(job.select((agent_jobs::holder, agent_jobs::agent_uuid)).get_result(db).optional()?)
}

/// Locks a job after its pipeline, and returns both statuses; `None` if the agent does not hold the job.
fn lock(db: &mut Db, (pipeline_id, job_id): (i64, i64), agent: Uuid) -> Result<Option<(Status, Status)>> {
    let pipeline = diesel::update(pipelines::table.find(pipeline_id));
    let pipeline: Status =
        pipeline.set(pipelines::status.eq(pipelines::status)).returning(pipelines::status).get_result(db)?;
    let job = diesel::update(jobs::table.find(job_id));
    let job: Status = job.set(jobs::status.eq(jobs::status)).returning(jobs::status).get_result(db)?;
    let holder = holder_of(db, job_id)?.and_then(|(holder, _)| holder);
    Ok((holder == Some(agent)).then_some((pipeline, job)))
}

/// Records that an agent accepts a job that was assigned to it. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn accept(db: &mut Db, ids: (i64, i64), agent: &Agent, now: Timestamp) -> Result<Assignment> {
    match lock(db, ids, agent.uuid)? {
        None => return Ok(Assignment::NotHeld),
        Some((pipeline, Status::Pending | Status::Preparing)) if !is_open(pipeline) => {
            return Ok(Assignment::BuildRefused(pipeline));
        }
        Some((_, Status::Pending)) => {}
        // The answer was lost.
        Some((_, Status::Preparing)) => return Ok(Assignment::Done),
        Some((_, status)) => return Ok(Assignment::Refused(status)),
    }
    let ran_on = RanOn { name: agent.name.clone(), hostname: agent.hostname.clone() };
    diesel::update(jobs::table.find(ids.1))
        .set((jobs::status.eq(Status::Preparing.as_str()), jobs::agent.eq(as_json(&ran_on)?)))
        .execute(db)?;
    diesel::update(agent_jobs::table.find(ids.1))
        .set((agent_jobs::waiting_queue.eq(None::<String>), agent_jobs::assigned_at.eq(now.as_millis())))
        .execute(db)?;
    Ok(Assignment::Done)
}

/// Records that an agent runs a job that it accepted, since when it was created at the earliest, because the agent's
/// clock may be behind. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn start(
    db: &mut Db,
    ids: (i64, i64),
    agent: Uuid,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<Assignment> {
    match lock(db, ids, agent)? {
        None => return ended_by_others(db, ids.1, agent),
        Some((pipeline, Status::Preparing)) if !is_open(pipeline) => {
            return Ok(Assignment::BuildRefused(pipeline));
        }
        Some((_, Status::Preparing)) => {}
        Some((_, Status::Running | Status::Canceling)) => return Ok(Assignment::Done),
        Some((_, status)) => return Ok(Assignment::Refused(status)),
    }
    let created_at: i64 = jobs::table.find(ids.1).select(jobs::created_at).first(db)?;
    let started_at = started_at.as_millis().max(created_at);
    diesel::update(jobs::table.find(ids.1))
        .set((jobs::status.eq(Status::Running.as_str()), jobs::started_at.eq(started_at)))
        .execute(db)?;
    builds::follow_jobs(db, ids.0, now)?;
    Ok(Assignment::Done)
}

/// Records how a job ended; a job that its agent has ended in this way is left as it is. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn finish(db: &mut Db, ids: (i64, i64), agent: Uuid, end: &JobEnd, now: Timestamp) -> Result<Assignment> {
    let status = match lock(db, ids, agent)? {
        None => return ended_before(db, ids.1, agent, end),
        Some((_, Status::Canceling)) => Status::Canceled,
        Some((_, Status::Preparing | Status::Running)) if end.exit_status == Some(0) => Status::Success,
        Some((_, Status::Preparing | Status::Running)) => Status::Failed,
        Some((_, status)) if status.is_finished() => return ended_before(db, ids.1, agent, end),
        Some((_, status)) => return Ok(Assignment::Refused(status)),
    };
    end_job(db, ids, status, end, now)?;
    Ok(Assignment::Done)
}

/// Tells an agent that does not hold a job any more why it does not.
fn ended_by_others(db: &mut Db, job_id: i64, agent: Uuid) -> Result<Assignment> {
    let status: Status = jobs::table.find(job_id).select(jobs::status).first(db)?;
    let was_held = holder_of(db, job_id)?.is_some_and(|(_, last)| last == Some(agent));
    Ok(if was_held && status.is_finished() { Assignment::Refused(status) } else { Assignment::NotHeld })
}

/// Compares how an agent says that its job ended with how it has ended.
fn ended_before(db: &mut Db, job_id: i64, agent: Uuid, end: &JobEnd) -> Result<Assignment> {
    type Ended = (Status, Option<i64>, Option<Uuid>, Option<String>, Option<String>);
    let (status, exit_status, last, signal, signal_reason): Ended = agent_jobs::table
        .find(job_id)
        .inner_join(jobs::table)
        .select((
            jobs::status,
            jobs::exit_status,
            agent_jobs::agent_uuid,
            agent_jobs::signal,
            agent_jobs::signal_reason,
        ))
        .get_result(db)?;
    if last != Some(agent) || !status.is_finished() {
        return Ok(Assignment::NotHeld);
    }
    let is_same =
        exit_status == end.exit_status && signal == end.signal && signal_reason == end.signal_reason;
    Ok(if is_same { Assignment::Done } else { Assignment::Refused(status) })
}

/// Ends a locked job, not before it began.
pub(super) fn end_job(
    db: &mut Db,
    (pipeline_id, job_id): (i64, i64),
    status: Status,
    end: &JobEnd,
    now: Timestamp,
) -> Result<()> {
    // A command that did not run is the agent's fault, not the script's.
    let reason = match (status, end.exit_status) {
        (Status::Failed, Some(1..)) => Some("script_failure"),
        (Status::Failed, _) => Some("runner_system_failure"),
        _ => None,
    };
    type Began = (i64, Option<i64>);
    let (created_at, started_at): Began =
        jobs::table.find(job_id).select((jobs::created_at, jobs::started_at)).first(db)?;
    let finished_at = end.finished_at.as_millis().max(started_at.unwrap_or(created_at));
    diesel::update(jobs::table.find(job_id))
        .set((
            jobs::status.eq(status.as_str()),
            jobs::exit_status.eq(end.exit_status),
            jobs::failure_reason.eq(reason),
            jobs::finished_at.eq(finished_at),
        ))
        .execute(db)?;
    diesel::update(agent_jobs::table.find(job_id))
        .set((
            agent_jobs::waiting_queue.eq(None::<String>),
            agent_jobs::holder.eq(None::<Vec<u8>>),
            agent_jobs::signal.eq(&end.signal),
            agent_jobs::signal_reason.eq(&end.signal_reason),
        ))
        .execute(db)?;
    builds::follow_jobs(db, pipeline_id, now)
}

/// Cancels the jobs of an ended pipeline that agents have not begun. The pipeline is locked.
///
/// # Errors
/// Those of the database.
pub fn cancel_unbegun(db: &mut Db, pipeline_id: i64, now: Timestamp) -> Result<()> {
    let by_agents = agent_jobs::table.select(agent_jobs::job_id);
    let unbegun = jobs::table
        .filter(jobs::pipeline_id.eq(pipeline_id))
        .filter(jobs::status.eq_any([Status::Pending.as_str(), Status::Preparing.as_str()]))
        .filter(jobs::id.eq_any(by_agents));
    diesel::update(unbegun)
        .set((jobs::status.eq(Status::Canceled.as_str()), jobs::finished_at.eq(now.as_millis())))
        .execute(db)?;
    release_ended(db, pipeline_id)
}

/// Takes the jobs of a pipeline that have ended from their agents and queues, however they ended.
///
/// # Errors
/// Those of the database.
pub fn release_ended(db: &mut Db, pipeline_id: i64) -> Result<()> {
    let ended = jobs::table
        .filter(jobs::pipeline_id.eq(pipeline_id))
        .filter(jobs::status.eq_any(Status::words(Status::is_finished)))
        .select(jobs::id);
    let occupied = agent_jobs::holder.is_not_null().or(agent_jobs::waiting_queue.is_not_null());
    diesel::update(agent_jobs::table.filter(agent_jobs::job_id.eq_any(ended)).filter(occupied))
        .set((agent_jobs::waiting_queue.eq(None::<String>), agent_jobs::holder.eq(None::<Vec<u8>>)))
        .execute(db)?;
    Ok(())
}
