//! Artifacts past their expiry, in the order in which they expired.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Db;
use super::db::MultiBackend;
use super::tombstones::unlocked;
use crate::domain::{Result, Timestamp};

/// The position of a pass over artifacts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    pub(super) expire_at: i64,
    pub(super) id: i64,
}

/// An artifact that is past its expiry, locked or not.
#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
pub(super) struct Due {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = BigInt)]
    expire_at: i64,
    #[diesel(sql_type = BigInt)]
    size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) pipeline_id: i64,
}

impl Due {
    /// Returns the position after it.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { expire_at: self.expire_at, id: self.id }
    }
}

/// Artifacts past their expiry that the next sweep takes.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Their IDs.
    pub ids: Vec<i64>,
    /// Their bytes.
    pub bytes: i64,
    /// When the first of them expired.
    pub oldest: Option<Timestamp>,
    /// Where the next batch begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Returns what a sweep would take of the next artifacts past their expiry.
///
/// # Errors
/// Those of the database.
pub fn waiting_batch(db: &mut Db, after: Cursor, limit: i64, now: Timestamp) -> Result<Waiting> {
    let due = due_batch(db, after, limit, now)?;
    let next = due.last().map(|last| last.cursor());
    let ids = unlocked(db, due.iter().map(|due| (due.id, due.pipeline_id)))?;
    let ids: HashSet<i64> = ids.into_iter().collect();
    let waiting: Vec<&Due> = due.iter().filter(|due| ids.contains(&due.id)).collect();
    Ok(Waiting {
        ids: waiting.iter().map(|due| due.id).collect(),
        bytes: waiting.iter().map(|due| due.size_bytes).sum(),
        oldest: waiting.first().map(|due| Timestamp::from_millis(due.expire_at)),
        next: next.filter(|_| due.len() as i64 == limit),
    })
}

/// Reads the next artifacts past their expiry, locked or not.
pub(super) fn due_batch(db: &mut Db, after: Cursor, limit: i64, now: Timestamp) -> QueryResult<Vec<Due>> {
    diesel::sql_query(
        "SELECT artifacts.id, artifacts.expire_at, artifacts.size_bytes, jobs.pipeline_id \
         FROM artifacts JOIN jobs ON jobs.id = artifacts.job_id \
         WHERE artifacts.state = 'finished' AND artifacts.expire_at <= $1 \
         AND (artifacts.expire_at, artifacts.id) > ($2, $3) AND artifacts.kind <> 'trace' \
         ORDER BY artifacts.expire_at, artifacts.id LIMIT $4",
    )
    .bind::<BigInt, _>(now.as_millis())
    .bind::<BigInt, _>(after.expire_at)
    .bind::<BigInt, _>(after.id)
    .bind::<BigInt, _>(limit)
    .load(db)
}
