//! Totals over all artifacts, counted in slices so that no statement takes long.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::Db;
use super::db::MultiBackend;
use crate::domain::Result;

/// Number and bytes of artifacts of one kind.
#[derive(Debug, Clone, QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
pub struct KindTotal {
    /// The kind's name.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// How many there are.
    #[diesel(sql_type = BigInt)]
    pub artifacts: i64,
    /// Their bytes.
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct LastId {
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Counts the readable artifacts among the next `rows` rows after this ID, by kind, and returns the last ID of the
/// slice; `None` at the end.
///
/// # Errors
/// Those of the database.
pub fn slice(db: &mut Db, after: i64, rows: i64) -> Result<(Vec<KindTotal>, Option<i64>)> {
    let last: LastId = diesel::sql_query(
        "SELECT MAX(id) AS id FROM (SELECT id FROM artifacts WHERE id > $1 ORDER BY id LIMIT $2) AS slice",
    )
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(rows)
    .get_result(db)?;
    let Some(last) = last.id else { return Ok((Vec::new(), None)) };
    let totals = diesel::sql_query(
        "SELECT kind, COUNT(*) AS artifacts, CAST(SUM(size_bytes) AS BIGINT) AS bytes FROM artifacts \
         WHERE id > $1 AND id <= $2 AND state = 'finished' GROUP BY kind",
    )
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(last)
    .load(db)?;
    Ok((totals, Some(last)))
}

/// Most deletions that are counted.
const MOST_PENDING: i64 = 100_000;

/// Counts the removed artifacts whose bytes are still to be deleted, up to `MOST_PENDING` of them.
///
/// # Errors
/// Those of the database.
pub fn deletions_pending(db: &mut Db) -> Result<i64> {
    let pending: Count = diesel::sql_query(
        "SELECT COUNT(*) AS count FROM \
         (SELECT id FROM artifacts WHERE remove_after IS NOT NULL LIMIT $1) AS pending",
    )
    .bind::<BigInt, _>(MOST_PENDING)
    .get_result(db)?;
    Ok(pending.count)
}
