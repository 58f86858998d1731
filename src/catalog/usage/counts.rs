//! Counts that take too long on request, because they read the rows of artifacts: made from time to time, by one node for
//! all, and kept with their time.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DueArtifact, Stored};
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::domain::{Error, Result, Timestamp};

/// The names of the two kinds of counts.
const ARTIFACTS: &str = "artifacts";
const COLLECTION: &str = "collection";

/// What is counted of the rows of artifacts. What another release does not count is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageCounts {
    /// What is past its date and waits for a sweep: the ones that are locked stay after it.
    pub expired: Stored,
    /// Of it, when the first was due.
    pub expired_since: Option<Timestamp>,
    /// Of it, what is not locked.
    pub overdue: Stored,
    /// When the first of that was due.
    pub overdue_since: Option<Timestamp>,
    /// What is due within a day, locked or not.
    pub expiring_in_a_day: Stored,
    /// What is due within seven days, locked or not.
    pub expiring_in_a_week: Stored,
    /// What the next sweep deletes: overdue or requested to be deleted, and not locked; copies of what an upstream has that
    /// others need the room of; and what projects have that their upstream deleted a week ago.
    pub next_sweep: Stored,
    /// The first ones of these, in the order of the sweep.
    pub next_sweep_first: Vec<DueArtifact>,
    /// What is kept whatever its expiry, because it is the newest of its ref.
    pub locked: Stored,
    /// How many uploads have failed whose end is still told to their clients.
    pub failed_uploads: i64,
    /// How many uploads have begun and may still become artifacts.
    pub unfinished_uploads: i64,
    /// Of these, when the first began.
    pub unfinished_since: Option<Timestamp>,
    /// Of the deleted artifacts whose bytes are not removed yet, when the first was deleted.
    pub waiting_since: Option<Timestamp>,
    /// The blobs of deleted projects that are not removed yet.
    pub leftovers: Stored,
    /// Projects and groups whose quotas are nearly used up.
    pub nearly_full: Vec<String>,
}

/// What the last garbage collection found: blobs and uploads that no row referenced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastCollection {
    /// How many.
    pub orphans: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// When the oldest was stored, by the store's clock.
    pub oldest_at: Option<Timestamp>,
    /// Whether they were deleted; otherwise they were more than half of the store.
    pub deleted: bool,
}

/// Keeps counts. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn keep_counts(db: &mut Db, counts: &StorageCounts, now: Timestamp) -> Result<()> {
    keep(db, ARTIFACTS, counts, now)
}

/// Keeps what a garbage collection found. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn keep_collection(db: &mut Db, found: &LastCollection, now: Timestamp) -> Result<()> {
    keep(db, COLLECTION, found, now)
}

/// Returns the counts that were kept last, and when they were made.
///
/// # Errors
/// Those of the database.
pub fn counts(db: &mut Db) -> Result<Option<(StorageCounts, Timestamp)>> {
    kept(db, ARTIFACTS)
}

/// Returns what the last garbage collection found, and when.
pub(super) fn collection(db: &mut Db) -> Result<Option<(LastCollection, Timestamp)>> {
    kept(db, COLLECTION)
}

fn keep(db: &mut Db, name: &str, counts: &impl Serialize, now: Timestamp) -> Result<()> {
    let text = serde_json::to_string(counts).map_err(Error::internal)?;
    diesel::sql_query(
        "INSERT INTO storage_counts (name, counts, counted_at) VALUES ($1, $2, $3) ON CONFLICT (name) \
         DO UPDATE SET counts = excluded.counts, counted_at = excluded.counted_at",
    )
    .bind::<Text, _>(name)
    .bind::<Text, _>(text)
    .bind::<BigInt, _>(now.as_millis())
    .execute(db)?;
    Ok(())
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Kept {
    #[diesel(sql_type = Text)]
    counts: String,
    #[diesel(sql_type = BigInt)]
    counted_at: i64,
}

fn kept<T: DeserializeOwned>(db: &mut Db, name: &str) -> Result<Option<(T, Timestamp)>> {
    let query = diesel::sql_query("SELECT counts, counted_at FROM storage_counts WHERE name = $1");
    let row: Option<Kept> = query.bind::<Text, _>(name).get_result(db).optional()?;
    let Some(row) = row else { return Ok(None) };
    let counts = serde_json::from_str(&row.counts).map_err(Error::internal)?;
    Ok(Some((counts, Timestamp::from_millis(row.counted_at))))
}
