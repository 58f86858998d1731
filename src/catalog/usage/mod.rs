//! Usage: how many artifacts projects have, and the bytes of these.
//!
//! Triggers of the database keep the numbers in the transaction that adds, changes or deletes a row, so that they are
//! right whatever changes it, nodes of the release before included, and are read without a visit to the artifacts. An
//! artifact counts until a deletion marks its row; from then on its bytes wait to be removed, until they are.

mod check;
mod counts;
mod days;
mod due;
mod view;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use serde::{Deserialize, Serialize};

pub use check::{WrongCounter, mend, wrong_counters};
pub use counts::{LastCollection, StorageCounts, counts, keep_collection, keep_counts};
pub use days::{keep_day, start_of};
pub use due::{
    DueArtifact, DueReason, described, expiring, failed_uploads, locked, size_of, unfinished_uploads,
    waiting_since,
};
pub use view::{GroupStorage, Growth, ProjectStorage, StorageView, view};

use super::Db;
use super::db::MultiBackend;
use super::schema::uploads;
use crate::domain::Result;
use crate::domain::artifact::{ArtifactKind, UploadState};

/// The advisory lock under which PostgreSQL transactions merge the rows of counters.
const MERGING: i64 = 7_238;

/// A number of artifacts, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// How many.
    pub artifacts: i64,
    /// Their size in bytes.
    pub bytes: i64,
}

impl Stored {
    /// Adds others.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { artifacts: self.artifacts + other.artifacts, bytes: self.bytes + other.bytes }
    }
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct StoredRow {
    #[diesel(sql_type = BigInt)]
    artifacts: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

impl From<StoredRow> for Stored {
    fn from(StoredRow { artifacts, bytes }: StoredRow) -> Self {
        Self { artifacts, bytes }
    }
}

/// The columns of [`StoredRow`], of what projects have; PostgreSQL's sum of BIGINTs is a NUMERIC, hence the casts.
const STORED: &str = "CAST(COALESCE(SUM(project_usage.stored), 0) AS BIGINT) AS artifacts, \
                      CAST(COALESCE(SUM(project_usage.stored_bytes), 0) AS BIGINT) AS bytes";

/// Returns what a project has.
///
/// # Errors
/// Those of the database.
pub fn of_project(db: &mut Db, project_id: i64) -> Result<Stored> {
    let query = format!("SELECT {STORED} FROM project_usage WHERE project_id = $1");
    let row: StoredRow = diesel::sql_query(query).bind::<BigInt, _>(project_id).get_result(db)?;
    Ok(row.into())
}

/// Returns what the projects of a group have, those of nested groups included. `path` is the group's, in lower case.
///
/// # Errors
/// Those of the database.
pub fn of_group(db: &mut Db, path: &str) -> Result<Stored> {
    let below = format!("{path}/");
    let length = i64::try_from(below.len()).unwrap_or(i64::MAX);
    // Paths are ASCII, so that characters are bytes.
    let query = format!(
        "SELECT {STORED} FROM project_usage JOIN projects ON projects.id = project_usage.project_id \
         WHERE substr(projects.path_lower, 1, CAST($1 AS INTEGER)) = $2"
    );
    let row: StoredRow =
        diesel::sql_query(query).bind::<BigInt, _>(length).bind::<Text, _>(below).get_result(db)?;
    Ok(row.into())
}

/// Returns what all projects have together.
///
/// # Errors
/// Those of the database.
pub fn of_all(db: &mut Db) -> Result<Stored> {
    let row: StoredRow = diesel::sql_query(format!("SELECT {STORED} FROM project_usage")).get_result(db)?;
    Ok(row.into())
}

/// Returns what all projects have of each kind of artifacts, the kinds that they have none of left out.
///
/// # Errors
/// Those of the database.
pub fn by_kind(db: &mut Db) -> Result<Vec<(ArtifactKind, Stored)>> {
    #[derive(QueryableByName)]
    #[diesel(check_for_backend(MultiBackend))]
    struct Row {
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(embed)]
        stored: StoredRow,
    }
    let query = format!(
        "SELECT kind, {STORED} FROM project_usage GROUP BY kind HAVING SUM(project_usage.stored) > 0 ORDER BY kind"
    );
    let rows: Vec<Row> = diesel::sql_query(query).load(db)?;
    // A newer release may know more kinds.
    Ok(rows.into_iter().filter_map(|row| Some((row.kind.parse().ok()?, row.stored.into()))).collect())
}

/// Returns the artifacts whose rows are marked and whose bytes are not removed yet, as the counters say.
///
/// # Errors
/// Those of the database.
pub fn marked(db: &mut Db) -> Result<Stored> {
    let marked: StoredRow = diesel::sql_query(
        "SELECT CAST(COALESCE(SUM(waiting), 0) AS BIGINT) AS artifacts, \
         CAST(COALESCE(SUM(waiting_bytes), 0) AS BIGINT) AS bytes FROM project_usage",
    )
    .get_result(db)?;
    Ok(marked.into())
}

/// Counts the blobs of deleted projects, one by one: not for requests.
///
/// # Errors
/// Those of the database.
pub fn leftovers(db: &mut Db) -> Result<Stored> {
    let left: StoredRow = diesel::sql_query(
        "SELECT count(*) AS artifacts, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM leftover_blobs",
    )
    .get_result(db)?;
    Ok(left.into())
}

/// Counts the uploads of a project that may still become artifacts.
///
/// # Errors
/// Those of the database.
pub fn under_way(db: &mut Db, project_id: i64) -> Result<i64> {
    Ok(uploads::table
        .filter(uploads::project_id.eq(project_id))
        .filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)))
        .count()
        .get_result(db)?)
}

/// Forgets the counters of a project that is deleted, which are 0. On PostgreSQL [`merge_rows`] does that later: it may
/// be about to put one row in the place of those that are seen here.
pub(super) fn forget(db: &mut Db, project_id: i64) -> Result<()> {
    if matches!(db, Db::Postgres(_)) {
        return Ok(());
    }
    diesel::sql_query("DELETE FROM project_usage WHERE project_id = $1")
        .bind::<BigInt, _>(project_id)
        .execute(db)?;
    Ok(())
}

/// Makes one row of several of a project and kind, which triggers add on PostgreSQL, or none if they add up to nothing.
///
/// Does nothing while another transaction does this: the two would wait for each other.
/// The sums stay the same at any moment: rows are deleted and their sum is inserted by one statement.
///
/// # Errors
/// Those of the database.
pub fn merge_rows(db: &mut Db) -> Result<()> {
    if matches!(db, Db::Sqlite(_)) || !take_merging(db)? {
        return Ok(());
    }
    diesel::sql_query(
        "WITH merged AS (DELETE FROM project_usage WHERE (project_id, kind) IN \
         (SELECT project_id, kind FROM project_usage GROUP BY project_id, kind HAVING count(*) > 1) \
         RETURNING project_id, kind, stored, stored_bytes, waiting, waiting_bytes) \
         INSERT INTO project_usage (project_id, kind, stored, stored_bytes, waiting, waiting_bytes) \
         SELECT project_id, kind, SUM(stored), SUM(stored_bytes), SUM(waiting), SUM(waiting_bytes) \
         FROM merged GROUP BY project_id, kind HAVING SUM(stored) <> 0 OR SUM(stored_bytes) <> 0 \
         OR SUM(waiting) <> 0 OR SUM(waiting_bytes) <> 0",
    )
    .execute(db)?;
    Ok(())
}

/// Takes the advisory lock of whoever merges, until the transaction ends, unless another one has it.
fn take_merging(db: &mut Db) -> Result<bool> {
    #[derive(QueryableByName)]
    #[diesel(check_for_backend(MultiBackend))]
    struct Row {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    let query = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS taken");
    Ok(query.bind::<BigInt, _>(MERGING).get_result::<Row>(db)?.taken)
}
