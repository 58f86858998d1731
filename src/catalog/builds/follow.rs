//! The status of a build whose jobs agents run: it follows theirs, because nobody else reports it.

use diesel::prelude::*;

use super::change::{FIRST_NUMBER, end_canceled};
use crate::catalog::schema::{agent_jobs, jobs, pipelines};
use crate::catalog::{Db, agents};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// Gives a pipeline the status that follows from its jobs.
///
/// One that is being canceled ends with them, and one whose jobs agents run goes with them. Jobs that no agent has begun
/// are canceled when their pipeline has ended without them. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn follow_jobs(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    end_canceled(db, id, now)?;
    // Builds whose jobs agents run have numbers of our own.
    if id < FIRST_NUMBER || !is_run_by_agents(db, id)? {
        return Ok(());
    }
    // Jobs that end at once on two nodes must see each other.
    let locked = diesel::update(pipelines::table.find(id)).set(pipelines::status.eq(pipelines::status));
    let known = locked.returning((pipelines::status, pipelines::started_at)).get_result(db)?;
    let (known, started_at): (Status, Option<Timestamp>) = known;
    agents::release_ended(db, id)?;
    if known.is_finished() {
        return agents::cancel_unbegun(db, id, now);
    }
    if !matches!(known, Status::Pending | Status::Running) {
        return Ok(());
    }
    let Some(status) = status_of_jobs(db, id)?.filter(|status| *status != known) else { return Ok(()) };
    diesel::update(pipelines::table.find(id))
        .set((
            pipelines::status.eq(status.as_str()),
            pipelines::started_at.eq(started_at.unwrap_or(now).as_millis()),
            pipelines::finished_at.eq(status.is_finished().then_some(now.as_millis())),
            pipelines::updated_at.eq(now.as_millis()),
            pipelines::cancel_at.eq(None::<i64>),
        ))
        .execute(db)?;
    // One that is not counted any more may still wait.
    if status.is_finished() { agents::cancel_unbegun(db, id, now) } else { Ok(()) }
}

fn is_run_by_agents(db: &mut Db, id: i64) -> Result<bool> {
    let found = agent_jobs::table.inner_join(jobs::table).filter(jobs::pipeline_id.eq(id));
    Ok(found.select(agent_jobs::job_id).first::<i64>(db).optional()?.is_some())
}

/// The status that follows from the newest attempts of all jobs; `None` while none has begun.
fn status_of_jobs(db: &mut Db, id: i64) -> Result<Option<Status>> {
    let newest: Vec<(Status, bool, Option<bool>)> = jobs::table
        .filter(jobs::pipeline_id.eq(id))
        .filter(jobs::retried.eq(false))
        .select((jobs::status, jobs::allow_failure, jobs::soft_failed))
        .load(db)?;
    let fails = |(status, allow_failure, soft_failed): &(Status, bool, Option<bool>)| {
        *status == Status::Failed && !allow_failure && !soft_failed.unwrap_or(false)
    };
    let any = |wanted: fn(Status) -> bool| newest.iter().any(|(status, ..)| wanted(*status));
    Ok(if !any(|status| status.is_executing() || status.is_finished()) {
        None
    } else if any(|status| !status.is_finished()) {
        Some(Status::Running)
    } else if newest.iter().any(fails) {
        Some(Status::Failed)
    } else if any(|status| status == Status::Canceled) {
        Some(Status::Canceled)
    } else {
        Some(Status::Success)
    })
}
