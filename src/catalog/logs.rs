//! Logs that grow: the pieces of a running job's log, until the log is whole and becomes an artifact.
//!
//! A piece is small, comes about once a second and lives as long as its job runs, so it is a row and not a blob.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::Db;
use super::schema::{agent_jobs, jobs, log_chunks};
use crate::domain::Result;
use crate::domain::status::Status;

/// How many pieces are read at a time.
const BATCH: i64 = 16;

/// What a piece counts at least, in bytes: a row of its own takes room, however short its text.
const MIN_CHARGE: i64 = 1 << 10;

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// Where it begins in the log, in bytes.
    pub starts_at: i64,
    /// Its size in bytes, uncompressed.
    pub size_bytes: i64,
    /// Its bytes, compressed with gzip.
    pub data: Vec<u8>,
}

/// The outcome of [`add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddOutcome {
    /// It is there, or was before.
    Added,
    /// The log would be longer than it may be.
    TooLong,
    /// The job does not run.
    NotRunning,
}

/// Adds a piece to the log of a job that runs; one that begins where another does is there already. Each counts as at
/// least 1 KiB of the `max_bytes` that a log may have. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn add(db: &mut Db, job_id: i64, chunk: &LogChunk, max_bytes: i64) -> Result<AddOutcome> {
    let job =
        diesel::update(agent_jobs::table.find(job_id)).set(agent_jobs::log_bytes.eq(agent_jobs::log_bytes));
    let Some(log_bytes) = job.returning(agent_jobs::log_bytes).get_result::<i64>(db).optional()? else {
        return Ok(AddOutcome::NotRunning);
    };
    let status: Status = jobs::table.find(job_id).select(jobs::status).get_result(db)?;
    if !status.is_executing() {
        return Ok(AddOutcome::NotRunning);
    }
    let known = log_chunks::table.find((job_id, chunk.starts_at)).select(log_chunks::job_id);
    if known.get_result::<i64>(db).optional()?.is_some() {
        return Ok(AddOutcome::Added);
    }
    let log_bytes = log_bytes.saturating_add(chunk.size_bytes.max(MIN_CHARGE));
    if log_bytes > max_bytes {
        return Ok(AddOutcome::TooLong);
    }
    diesel::insert_into(log_chunks::table)
        .values((
            log_chunks::job_id.eq(job_id),
            log_chunks::starts_at.eq(chunk.starts_at),
            log_chunks::size_bytes.eq(chunk.size_bytes),
            log_chunks::data.eq(&chunk.data),
        ))
        .execute(db)?;
    diesel::update(agent_jobs::table.find(job_id)).set(agent_jobs::log_bytes.eq(log_bytes)).execute(db)?;
    Ok(AddOutcome::Added)
}

/// Returns the size of the pieces of a job's log, in bytes; `None` if there are none.
///
/// # Errors
/// Those of the database.
pub fn size(db: &mut Db, job_id: i64) -> Result<Option<i64>> {
    let pieces = log_chunks::table.filter(log_chunks::job_id.eq(job_id));
    let bytes = sql::<Nullable<BigInt>>("CAST(SUM(size_bytes) AS BIGINT)");
    Ok(pieces.select(bytes).get_result(db)?)
}

/// Reads some pieces of a log that begin after `after`, in the order of the log.
///
/// # Errors
/// Those of the database.
pub fn chunks(db: &mut Db, job_id: i64, after: i64) -> Result<Vec<LogChunk>> {
    let rows: Vec<(i64, i64, Vec<u8>)> = log_chunks::table
        .filter(log_chunks::job_id.eq(job_id))
        .filter(log_chunks::starts_at.gt(after))
        .order(log_chunks::starts_at.asc())
        .limit(BATCH)
        .select((log_chunks::starts_at, log_chunks::size_bytes, log_chunks::data))
        .load(db)?;
    let chunk = |(starts_at, size_bytes, data)| LogChunk { starts_at, size_bytes, data };
    Ok(rows.into_iter().map(chunk).collect())
}

/// Deletes all pieces of a log.
///
/// # Errors
/// Those of the database.
pub fn delete(db: &mut Db, job_id: i64) -> Result<()> {
    diesel::delete(log_chunks::table.filter(log_chunks::job_id.eq(job_id))).execute(db)?;
    Ok(())
}

/// Lists jobs that have ended with pieces of logs left.
///
/// # Errors
/// Those of the database.
pub fn of_ended_jobs(db: &mut Db) -> Result<Vec<i64>> {
    Ok(log_chunks::table
        .inner_join(jobs::table)
        .filter(jobs::status.eq_any(Status::words(Status::is_finished)))
        .select(log_chunks::job_id)
        .distinct()
        .load(db)?)
}
