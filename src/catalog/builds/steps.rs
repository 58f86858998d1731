//! Steps of a created build: each becomes a job that waits for an agent.

use diesel::prelude::*;

use super::NewBuild;
use super::change::{END_OF_NUMBERS, next};
use crate::catalog::schema::jobs;
use crate::catalog::values::new_uuid;
use crate::catalog::{Db, agents, projects};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// The stage of jobs that are created here.
const DEFAULT_STAGE: &str = "test";

/// Creates a job for each step of a build's project. Jobs are numbered under the lock of [`super::create`].
pub(super) fn add_jobs(db: &mut Db, new: &NewBuild, pipeline_id: i64, now: Timestamp) -> Result<()> {
    let Some(steps) = projects::steps(db, new.project_id)? else { return Ok(()) };
    let given = jobs::table.filter(jobs::id.lt(END_OF_NUMBERS));
    let last: Option<i64> = given.select(diesel::dsl::max(jobs::id)).first(db)?;
    for (id, step) in (next(last)?..).zip(&steps.0) {
        diesel::insert_into(jobs::table)
            .values((
                (
                    jobs::id.eq(id),
                    jobs::uuid.eq(new_uuid()),
                    jobs::project_id.eq(new.project_id),
                    jobs::pipeline_id.eq(pipeline_id),
                    jobs::name.eq(step.name()),
                    jobs::stage.eq(DEFAULT_STAGE),
                    jobs::status.eq(Status::Pending.as_str()),
                ),
                (
                    jobs::allow_failure.eq(step.soft_fail),
                    jobs::retried.eq(false),
                    jobs::user_id.eq(new.user_id),
                    jobs::created_at.eq(now.as_millis()),
                    jobs::command.eq(&step.command),
                    jobs::step_key.eq(&step.key),
                ),
            ))
            .execute(db)?;
        agents::add_job(db, id, step)?;
    }
    Ok(())
}
