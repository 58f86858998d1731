//! Rows of a job that the upstream was asked about, with its pipeline, its project and its user.

use diesel::prelude::*;

use super::projects::store_project;
use super::rows::{Telling, apply_job, apply_pipeline};
use super::{ForeignId, ForeignJob, ForeignPipeline, ForeignUser, StoreOutcome, rows_in_the_way};
use crate::catalog::Db;
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::{self, Project};
use crate::catalog::schema::{jobs as jobs_table, pipelines as pipelines_table, users};
use crate::catalog::values::new_uuid;
use crate::domain::project::ProjectRef;
use crate::domain::{Error, Result, Timestamp};

/// Finds the rows of a job if they already say what is told of it, so that no write is needed.
///
/// # Errors
/// Those of the database.
pub fn find_stored(db: &mut Db, upstream: &str, job: &ForeignJob) -> Result<Option<(Job, Project)>> {
    let Some(project) = projects::find(db, &ProjectRef::Id(job.project_id))? else { return Ok(None) };
    let Some(known) = jobs::find(db, job.id)? else { return Ok(None) };
    let pipeline: Option<(i64, String, String)> = pipelines_table::table
        .find(job.pipeline.id)
        .select((pipelines_table::project_id, pipelines_table::status, pipelines_table::ref_name))
        .first(db)
        .optional()?;
    let pipeline_is_same = pipeline.is_some_and(|(project_id, status, ref_name)| {
        project_id == job.project_id
            && status == job.pipeline.status.as_str()
            && ref_name == job.pipeline.ref_name
    });
    let is_its = project.upstream.as_deref() == Some(upstream)
        && !project.is_gone()
        && project.path == job.project_path
        && known.project_id == job.project_id
        && known.pipeline_id == job.pipeline.id
        && pipeline_is_same;
    let is_ended = known.status.is_final();
    if !is_its || !is_ended && known.status != job.status {
        return Ok(None);
    }
    // The name of a job that has ended is final, unless only the job itself has told it.
    let is_named = known.name == job.name || is_ended && is_told(db, job.id)?;
    Ok(is_named.then_some((known, project)))
}

/// Whether the upstream has told the status of a job.
fn is_told(db: &mut Db, job_id: i64) -> Result<bool> {
    let told_at: Option<Option<i64>> =
        jobs_table::table.find(job_id).select(jobs_table::told_at).first(db).optional()?;
    Ok(told_at.flatten().is_some())
}

/// Stores what is told of a job, its pipeline, its project and its user. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn store_job(db: &mut Db, upstream: &str, job: &ForeignJob, now: Timestamp) -> Result<StoreOutcome> {
    // Rows of the same numbers appear on one node only.
    db.lock_whole_catalog()?;
    if let Some((known, project)) = find_stored(db, upstream, job)? {
        return Ok(StoreOutcome::Stored(known, project));
    }
    let (project, pipeline_id) = (job.reported_project(upstream), ForeignId::Number(job.pipeline.id));
    if let Some(why) = rows_in_the_way(db, &project, &pipeline_id, &ForeignId::Number(job.id))? {
        return Ok(StoreOutcome::InTheWay(why));
    }
    let project = match store_project(db, &project, now)? {
        Ok(project) => project,
        Err(why) => return Ok(StoreOutcome::InTheWay(why)),
    };
    let user_id = match &job.user {
        Some(user) => store_user(db, upstream, user, now)?,
        None => None,
    };
    store_pipeline(db, project.id, &job.pipeline, user_id, now)?;
    let telling = Telling { user_id, is_current: true };
    apply_job(db, upstream, (project.id, job.pipeline.id), &job.reported(now), telling, now)?;
    let stored = jobs::find(db, job.id)?.ok_or_else(|| Error::internal("the job has no row"))?;
    Ok(StoreOutcome::Stored(stored, project))
}

/// Stores what is told of a pipeline of a project that is kept here. Needs [`crate::catalog::Catalog::write`] and the lock
/// of the whole catalog.
pub(super) fn store_pipeline(
    db: &mut Db,
    project_id: i64,
    pipeline: &ForeignPipeline,
    user_id: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let (told, state) = pipeline.reported(now);
    // An answer may have been remembered for a while, and a hook has told more since.
    let telling = Telling { user_id, is_current: pipeline.updated_at.is_none() };
    apply_pipeline(db, (project_id, pipeline.id), (&told, &state), telling, now).map(drop)
}

/// Stores a user, and returns its ID; `None` if the number or the name is another's here.
fn store_user(db: &mut Db, upstream: &str, user: &ForeignUser, now: Timestamp) -> Result<Option<i64>> {
    let known: Option<(String, Option<String>)> =
        users::table.find(user.id).select((users::username, users::upstream)).first(db).optional()?;
    let named: Option<i64> = crate::catalog::users::id_by_username(db, &user.username)?;
    let name_is_free = named.is_none_or(|id| id == user.id);
    match known {
        Some((_, of)) if of.as_deref() != Some(upstream) => Ok(None),
        Some((username, _)) => {
            if username != user.username && name_is_free {
                diesel::update(users::table.find(user.id))
                    .set((users::username.eq(&user.username), users::name.eq(&user.name)))
                    .execute(db)?;
            }
            Ok(Some(user.id))
        }
        None if !name_is_free => Ok(None),
        None => {
            diesel::insert_into(users::table)
                .values((
                    users::id.eq(user.id),
                    users::uuid.eq(new_uuid()),
                    users::username.eq(&user.username),
                    users::name.eq(&user.name),
                    users::admin.eq(false),
                    users::created_at.eq(now.as_millis()),
                    users::upstream.eq(Some(upstream)),
                ))
                .execute(db)?;
            Ok(Some(user.id))
        }
    }
}
