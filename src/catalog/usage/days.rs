//! Days: what projects had at the beginning of each of the last days, to tell by how much they grow.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::StoredRow;
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::domain::{Result, Timestamp};

/// Over how many days growth is shown.
const DAYS: i64 = 30;

/// A day in milliseconds.
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// Keeps what projects have now as what they had at the beginning of this day, unless that is known, and forgets days that
/// are too long ago. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn keep_day(db: &mut Db, now: Timestamp) -> Result<()> {
    let today = now.as_millis().div_euclid(DAY_MILLIS);
    if !is_kept(db, today)? {
        // Of a project that is deleted meanwhile the row goes with it.
        diesel::sql_query(
            "INSERT INTO usage_days (day, project_id, artifacts, bytes) \
             SELECT $1, projects.id, COALESCE(SUM(project_usage.stored), 0), \
             COALESCE(SUM(project_usage.stored_bytes), 0) FROM projects \
             LEFT JOIN project_usage ON project_usage.project_id = projects.id WHERE TRUE GROUP BY projects.id \
             ON CONFLICT DO NOTHING",
        )
        .bind::<BigInt, _>(today)
        .execute(db)?;
    }
    diesel::sql_query("DELETE FROM usage_days WHERE day < $1").bind::<BigInt, _>(today - DAYS).execute(db)?;
    Ok(())
}

fn is_kept(db: &mut Db, day: i64) -> Result<bool> {
    let query = diesel::sql_query("SELECT min(day) AS day FROM usage_days WHERE day = $1");
    Ok(query.bind::<BigInt, _>(day).get_result::<DayRow>(db)?.day.is_some())
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct DayRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    day: Option<i64>,
}

/// Returns the day since which growth is shown: that of 30 days ago, or else the first one that is known.
pub(super) fn first(db: &mut Db, now: Timestamp) -> Result<Option<i64>> {
    let earliest = now.as_millis().div_euclid(DAY_MILLIS) - DAYS;
    let query = diesel::sql_query("SELECT min(day) AS day FROM usage_days WHERE day >= $1");
    Ok(query.bind::<BigInt, _>(earliest).get_result::<DayRow>(db)?.day)
}

/// Returns what all projects had on a day.
pub(super) fn total(db: &mut Db, day: i64) -> Result<super::Stored> {
    let row: StoredRow = diesel::sql_query(
        "SELECT CAST(COALESCE(SUM(artifacts), 0) AS BIGINT) AS artifacts, \
         CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM usage_days WHERE day = $1",
    )
    .bind::<BigInt, _>(day)
    .get_result(db)?;
    Ok(row.into())
}

/// Returns when a day begins.
pub fn start_of(day: i64) -> Timestamp {
    Timestamp::from_millis(day.saturating_mul(DAY_MILLIS))
}
