//! Job updates: the few columns of a job that change while it runs.
//!
//! A job is locked, read and then changed, so that no other transaction changes it between the decision and
//! the update.

use diesel::prelude::*;

use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{jobs, users};
use crate::catalog::{Db, pipelines};
use crate::domain::status::Status;
use crate::domain::{Result, Sha256Digest, Timestamp};

/// A job as the registry API returns it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
pub struct JobRecord {
    /// Its ID.
    pub id: i64,
    /// The project it belongs to.
    pub project_id: i64,
    /// The pipeline it belongs to.
    pub pipeline_id: i64,
    /// Its name in the pipeline.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// The status that was registered last.
    pub status: Status,
    /// Whether its pipeline may succeed without it.
    pub allow_failure: bool,
    /// Whether a later attempt replaced it.
    pub retried: bool,
    /// The username of the user whose permissions its token has.
    #[diesel(select_expression = users::username.nullable())]
    pub user: Option<String>,
    /// Test coverage, in percent.
    pub coverage: Option<f64>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// When its results were erased.
    pub erased_at: Option<Timestamp>,
}

/// The changes of a running job; `None` leaves a column unchanged.
#[derive(Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = jobs)]
pub struct JobUpdate {
    /// The status, by GitLab's name.
    pub status: Option<&'static str>,
    /// Whether its failure does not fail the pipeline.
    pub allow_failure: Option<bool>,
    /// Whether a later attempt replaced it.
    pub retried: Option<bool>,
    /// Coverage in percent.
    pub coverage: Option<Option<f64>>,
    /// Why it failed.
    pub failure_reason: Option<Option<String>>,
    /// When it started, in milliseconds.
    pub started_at: Option<Option<i64>>,
    /// When it finished, in milliseconds.
    pub finished_at: Option<Option<i64>>,
}

/// Finds a job by ID and locks it until this transaction ends. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn lock(db: &mut Db, id: i64) -> Result<Option<JobRecord>> {
    // A write that changes nothing takes the lock in both databases.
    match diesel::update(jobs::table.find(id)).set(jobs::status.eq(jobs::status)).execute(db)? {
        0 => Ok(None),
        _ => find_record(db, id).map(Some),
    }
}

/// Finds a job by ID and locks its pipeline and then the job until this transaction ends: whoever ends a pipeline with
/// its jobs locks in this order too. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn lock_with_pipeline(db: &mut Db, id: i64) -> Result<Option<JobRecord>> {
    let known: Option<i64> = jobs::table.find(id).select(jobs::pipeline_id).first(db).optional()?;
    let Some(pipeline_id) = known else { return Ok(None) };
    pipelines::lock(db, pipeline_id)?;
    lock(db, id)
}

/// Changes a locked job and returns the result.
///
/// # Errors
/// Those of the database.
pub fn update(db: &mut Db, job: JobRecord, changes: JobUpdate) -> Result<JobRecord> {
    if changes == JobUpdate::default() {
        return Ok(job);
    }
    diesel::update(jobs::table.find(job.id)).set(changes).execute(db)?;
    find_record(db, job.id)
}

/// Replaces the token of a job by the one with the digest `token`.
///
/// # Errors
/// Those of the database.
pub fn set_token(db: &mut Db, id: i64, token: Sha256Digest) -> Result<()> {
    diesel::update(jobs::table.find(id))
        .set(jobs::token_sha256.eq(Some(token.as_bytes().to_vec())))
        .execute(db)?;
    Ok(())
}

fn find_record(db: &mut Db, id: i64) -> Result<JobRecord> {
    let user = users::table.on(users::id.nullable().eq(jobs::user_id));
    let job = jobs::table.left_join(user).filter(jobs::id.eq(id));
    Ok(job.select(JobRecord::as_select()).first(db)?)
}
