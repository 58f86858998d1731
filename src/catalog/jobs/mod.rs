//! Jobs, and the digests of the tokens they run with.

mod list;
mod update;
mod view;

use diesel::prelude::*;

pub use list::{PipelineJobs, ProjectJobs, of_pipeline, of_project};
pub use update::{JobRecord, JobUpdate, lock, lock_with_pipeline, set_token, update};
pub use view::{JobDetails, JobPlace, JobView, all_details, find_details, place};

use super::db::MultiBackend;
use super::schema::{jobs, projects, users};
use super::users::User;
use super::values::new_uuid;
use super::{Db, artifacts, pipelines};
use crate::domain::status::Status;
use crate::domain::{Result, RowId, Sha256Digest, Timestamp, Uuid};

/// A job, with the columns that lookups and permission checks need.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
pub struct Job {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// The project it belongs to.
    pub project_id: i64,
    /// The pipeline it belongs to.
    pub pipeline_id: i64,
    /// Its name in the pipeline.
    pub name: String,
    /// The status that was registered last.
    pub status: Status,
    /// The user whose permissions its token has.
    pub user_id: Option<i64>,
    /// When its results were erased.
    pub erased_at: Option<Timestamp>,
}

impl Job {
    /// Whether this is the job that a request names.
    pub fn is_named(&self, id: &RowId) -> bool {
        match id {
            RowId::Number(number) => self.id == *number,
            RowId::Uuid(uuid) => self.uuid == *uuid,
        }
    }
}

/// A job that was found by its token.
#[derive(Debug, Clone)]
pub struct TokenJob {
    /// The digest by which it was found.
    pub token_sha256: Sha256Digest,
    /// The job.
    pub job: Job,
    /// The full path of its project.
    pub project_path: String,
    /// Its project's own upload limit in bytes.
    pub max_artifact_bytes: Option<i64>,
    /// The user whose permissions its token has.
    pub user: Option<User>,
}

/// The columns of a job that a registry file sets; `None` leaves a column unchanged, or at its default in a
/// new row.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = jobs)]
pub struct JobChanges {
    /// The name in the pipeline.
    pub name: String,
    /// The stage; `test` by default.
    pub stage: Option<String>,
    /// The status, by GitLab's name.
    pub status: &'static str,
    /// Whether its failure does not fail the pipeline; `false` by default.
    pub allow_failure: Option<bool>,
    /// Whether a later attempt replaced it; `false` by default.
    pub retried: Option<bool>,
    /// The user whose permissions its token has; the pipeline's user by default.
    pub user_id: Option<Option<i64>>,
    /// The digest of its token; none by default.
    pub token_sha256: Option<Option<Vec<u8>>>,
    /// Coverage in percent; none by default.
    pub coverage: Option<Option<f64>>,
    /// Why it failed; none by default.
    pub failure_reason: Option<Option<String>>,
    /// When it was created, in milliseconds; now by default.
    pub created_at: Option<i64>,
    /// When it started, in milliseconds; never by default.
    pub started_at: Option<Option<i64>>,
    /// When it finished, in milliseconds; never by default.
    pub finished_at: Option<Option<i64>>,
    /// When its results were erased, in milliseconds.
    pub erased_at: Option<Option<i64>>,
}

/// Finds a job by ID.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, id: i64) -> Result<Option<Job>> {
    Ok(jobs::table.find(id).select(Job::as_select()).get_result(db).optional()?)
}

/// Finds a job by the digest of its token, whatever its status.
///
/// # Errors
/// Those of the database.
pub fn find_by_token(db: &mut Db, digest: Sha256Digest) -> Result<Option<TokenJob>> {
    type Row = (Option<Sha256Digest>, Job, String, Option<i64>, Option<User>);
    let found: Option<Row> = jobs::table
        .inner_join(projects::table)
        .left_join(users::table)
        .filter(jobs::token_sha256.eq(digest.as_bytes().as_slice()))
        .select((
            jobs::token_sha256,
            Job::as_select(),
            projects::path,
            projects::max_artifact_bytes,
            Option::<User>::as_select(),
        ))
        .get_result(db)
        .optional()?;
    Ok(found.and_then(|(token_sha256, job, project_path, max_artifact_bytes, user)| {
        Some(TokenJob { token_sha256: token_sha256?, job, project_path, max_artifact_bytes, user })
    }))
}

/// Records that a job's results were erased.
///
/// # Errors
/// Those of the database.
pub fn mark_erased(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    diesel::update(jobs::table.find(id)).set(jobs::erased_at.eq(now.as_millis())).execute(db)?;
    Ok(())
}

/// Gives a job another name. Needs [`crate::catalog::Catalog::write`], and that nobody else renames jobs meanwhile
/// (`Db::lock_whole_catalog`).
///
/// # Errors
/// Those of the database.
pub fn rename(db: &mut Db, id: i64, name: &str) -> Result<()> {
    artifacts::keep_from_showing(db, id)?;
    diesel::update(jobs::table.find(id)).set(jobs::name.eq(name)).execute(db)?;
    artifacts::job_was_renamed(db, id, name)
}

/// Creates or updates the job `id` of a pipeline. Needs [`crate::catalog::Catalog::write`], and that nobody else
/// renames jobs meanwhile (`Db::lock_whole_catalog`).
///
/// # Errors
/// `Conflict` when another job has the token.
pub fn upsert(
    db: &mut Db,
    id: i64,
    project_id: i64,
    pipeline_id: i64,
    changes: &JobChanges,
    now: Timestamp,
) -> Result<()> {
    let mine = jobs::table.find(id).filter(jobs::pipeline_id.eq(pipeline_id));
    let before: Option<String> = mine.select(jobs::name).get_result(db).optional()?;
    if let Some(before) = before {
        let is_renamed = before != changes.name;
        if is_renamed {
            artifacts::keep_from_showing(db, id)?;
        }
        diesel::update(mine).set(changes).execute(db)?;
        return if is_renamed { artifacts::job_was_renamed(db, id, &changes.name) } else { Ok(()) };
    }
    let user_id = match changes.user_id {
        Some(user_id) => user_id,
        None => pipelines::user_of(db, pipeline_id)?,
    };
    diesel::insert_into(jobs::table)
        .values((
            (
                jobs::id.eq(id),
                jobs::uuid.eq(new_uuid()),
                jobs::project_id.eq(project_id),
                jobs::pipeline_id.eq(pipeline_id),
                jobs::name.eq(&changes.name),
                jobs::stage.eq(changes.stage.as_deref().unwrap_or("test")),
                jobs::status.eq(changes.status),
                jobs::allow_failure.eq(changes.allow_failure.unwrap_or(false)),
                jobs::retried.eq(changes.retried.unwrap_or(false)),
            ),
            (
                jobs::user_id.eq(user_id),
                jobs::token_sha256.eq(changes.token_sha256.clone().flatten()),
                jobs::coverage.eq(changes.coverage.flatten()),
                jobs::failure_reason.eq(changes.failure_reason.clone().flatten()),
                jobs::created_at.eq(changes.created_at.unwrap_or(now.as_millis())),
                jobs::started_at.eq(changes.started_at.flatten()),
                jobs::finished_at.eq(changes.finished_at.flatten()),
                jobs::erased_at.eq(changes.erased_at.flatten()),
            ),
        ))
        .execute(db)?;
    Ok(())
}
