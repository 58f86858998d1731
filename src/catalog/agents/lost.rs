//! Lost agents: what becomes of the jobs of agents that are gone, or that do not begin with what they took.

use diesel::prelude::*;

use super::jobs::{ACCEPT_MILLIS, JobEnd, end_job, held};
use crate::catalog::Db;
use crate::catalog::schema::{access_tokens, agent_jobs, agents, jobs, pipelines};
use crate::domain::status::Status;
use crate::domain::tags::Tags;
use crate::domain::{Result, Timestamp, Uuid};

/// How long an agent may take to start a job that it accepted, in milliseconds.
const START_MILLIS: i64 = 5 * 60 * 1000;

/// How many jobs are looked at in one transaction.
const BATCH: i64 = 100;

/// What [`end_lost`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Agents that are gone.
    pub agents: usize,
    /// Their jobs, which have ended.
    pub jobs: usize,
}

/// Takes its jobs from an agent and forgets it: those that it had not accepted wait again, the others have ended.
/// Returns how many ended. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn disconnect(db: &mut Db, agent: Uuid, now: Timestamp) -> Result<usize> {
    let mut ended = 0;
    for (job_id, pipeline_id, _) in held(db, agent)? {
        match lock(db, pipeline_id, job_id)? {
            Status::Pending => {
                put_back(db, job_id, i64::MAX)?;
            }
            status => ended += usize::from(end_unseen(db, (pipeline_id, job_id), status, now)?),
        }
    }
    diesel::delete(agents::table.find(agent.as_bytes().as_slice())).execute(db)?;
    Ok(ended)
}

/// Finds an agent that is connected with a token of a user, if any is.
///
/// # Errors
/// Those of the database.
pub fn first_of_user(db: &mut Db, user_id: i64) -> Result<Option<Uuid>> {
    Ok(agents::table
        .inner_join(access_tokens::table)
        .filter(access_tokens::user_id.eq(user_id))
        .order(agents::seen_at.asc())
        .select(agents::uuid)
        .first(db)
        .optional()?)
}

/// Locks a job after its pipeline, and returns its status.
fn lock(db: &mut Db, pipeline_id: i64, job_id: i64) -> Result<Status> {
    let pipeline = diesel::update(pipelines::table.find(pipeline_id));
    pipeline.set(pipelines::status.eq(pipelines::status)).execute(db)?;
    let job = diesel::update(jobs::table.find(job_id)).set(jobs::status.eq(jobs::status));
    Ok(job.returning(jobs::status).get_result(db)?)
}

/// Ends a locked job that an agent had accepted, whose end nobody saw; returns whether it did.
fn end_unseen(db: &mut Db, ids: (i64, i64), status: Status, now: Timestamp) -> Result<bool> {
    let status = match status {
        Status::Canceling => Status::Canceled,
        Status::Preparing | Status::Running => Status::Failed,
        _ => return Ok(false),
    };
    end_job(db, ids, status, &JobEnd::unseen(now), now)?;
    Ok(true)
}

/// Disconnects the agent that was not heard of for longest, if its last heartbeat was at `cutoff` or before.
///
/// It is one in a transaction, because the pipelines of several would be locked in an order of their own. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn end_lost(db: &mut Db, cutoff: Timestamp, now: Timestamp) -> Result<Lost> {
    let silent: Option<Uuid> = agents::table
        .filter(agents::seen_at.le(cutoff.as_millis()))
        .order(agents::seen_at.asc())
        .select(agents::uuid)
        .first(db)
        .optional()?;
    let Some(agent) = silent else { return Ok(Lost::default()) };
    // Pipelines are locked before agents, as when a job ends.
    for (job_id, pipeline_id, _) in held(db, agent)? {
        lock(db, pipeline_id, job_id)?;
    }
    // It may have been heard of meanwhile.
    let locked =
        agents::table.find(agent.as_bytes().as_slice()).filter(agents::seen_at.le(cutoff.as_millis()));
    let is_silent = diesel::update(locked).set(agents::takes_jobs.eq(false)).execute(db)? > 0;
    let jobs = if is_silent { disconnect(db, agent, now)? } else { 0 };
    Ok(Lost { agents: 1, jobs })
}

/// Lets jobs wait again that an agent was given and did not accept within a minute. Returns how many changed.
///
/// Those that were accepted and did not start within five minutes have failed: their agent has their token, and might
/// still start them. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn return_unstarted(db: &mut Db, now: Timestamp) -> Result<usize> {
    let earliest = now.as_millis() - ACCEPT_MILLIS;
    let mut late: Vec<(i64, i64, Option<i64>)> = agent_jobs::table
        .inner_join(jobs::table)
        .filter(agent_jobs::holder.is_not_null())
        .filter(agent_jobs::assigned_at.le(earliest))
        .filter(jobs::status.eq_any([Status::Pending.as_str(), Status::Preparing.as_str()]))
        .order(agent_jobs::job_id.asc())
        .limit(BATCH)
        .select((jobs::id, jobs::pipeline_id, agent_jobs::assigned_at))
        .load(db)?;
    // All lock several pipelines in this order.
    late.sort_unstable_by_key(|(job_id, pipeline_id, _)| (*pipeline_id, *job_id));
    let mut changed = 0;
    for (job_id, pipeline_id, assigned_at) in late {
        let is_done = match lock(db, pipeline_id, job_id)? {
            Status::Pending => put_back(db, job_id, earliest)?,
            status @ Status::Preparing if assigned_at <= Some(now.as_millis() - START_MILLIS) => {
                end_unseen(db, (pipeline_id, job_id), status, now)?
            }
            _ => false,
        };
        changed += usize::from(is_done);
    }
    Ok(changed)
}

/// Lets a job wait for any agent that was given to one until `limit`, in milliseconds; returns whether it does.
fn put_back(db: &mut Db, job_id: i64, limit: i64) -> Result<bool> {
    let job = agent_jobs::table.find(job_id);
    let rules: Tags = job.select(agent_jobs::query_rules).get_result(db)?;
    let returned = diesel::update(job.filter(agent_jobs::assigned_at.le(limit))).set((
        agent_jobs::waiting_queue.eq(rules.queue()),
        agent_jobs::holder.eq(None::<Vec<u8>>),
        agent_jobs::agent_uuid.eq(None::<Vec<u8>>),
        agent_jobs::assigned_at.eq(None::<i64>),
    ));
    Ok(returned.execute(db)? > 0)
}
