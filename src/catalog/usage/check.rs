//! Check of the counters against the artifacts that they count.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::domain::Result;

/// A project's counter that is not what a count of its artifacts of a kind gives: by how much it is too high.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
pub struct WrongCounter {
    /// The project.
    #[diesel(sql_type = BigInt)]
    pub project_id: i64,
    /// The kind of artifacts.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Too many artifacts.
    #[diesel(sql_type = BigInt)]
    pub artifacts: i64,
    /// Too many of their bytes.
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
    /// Too many artifacts whose bytes wait to be removed.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// Too many of their bytes.
    #[diesel(sql_type = BigInt)]
    pub waiting_bytes: i64,
}

/// Compares all counters with the artifacts, in one statement: both are of one moment.
///
/// # Errors
/// Those of the database.
pub fn wrong_counters(db: &mut Db) -> Result<Vec<WrongCounter>> {
    Ok(diesel::sql_query(
        "SELECT project_id, kind, CAST(SUM(stored) AS BIGINT) AS artifacts, \
         CAST(SUM(stored_bytes) AS BIGINT) AS bytes, CAST(SUM(waiting) AS BIGINT) AS waiting, \
         CAST(SUM(waiting_bytes) AS BIGINT) AS waiting_bytes FROM ( \
         SELECT project_id, kind, stored, stored_bytes, waiting, waiting_bytes FROM project_usage \
         UNION ALL \
         SELECT project_id, kind, -SUM(CASE WHEN state = 'finished' THEN 1 ELSE 0 END), \
         -SUM(CASE WHEN state = 'finished' THEN size_bytes ELSE 0 END), \
         -SUM(CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN 1 ELSE 0 END), \
         -SUM(CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN size_bytes ELSE 0 END) \
         FROM artifacts GROUP BY project_id, kind) AS differences \
         GROUP BY project_id, kind HAVING SUM(stored) <> 0 OR SUM(stored_bytes) <> 0 OR SUM(waiting) <> 0 \
         OR SUM(waiting_bytes) <> 0 ORDER BY project_id, kind",
    )
    .load(db)?)
}

/// Takes from counters by how much they are too high. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn mend(db: &mut Db, wrong: &[WrongCounter]) -> Result<()> {
    // Several rows of a project and kind are added up; SQLite has one, which its triggers change.
    let or_change = match db {
        Db::Sqlite(_) => {
            " ON CONFLICT (project_id, kind) DO UPDATE SET stored = stored + excluded.stored, \
             stored_bytes = stored_bytes + excluded.stored_bytes, waiting = waiting + excluded.waiting, \
             waiting_bytes = waiting_bytes + excluded.waiting_bytes"
        }
        Db::Postgres(_) => "",
    };
    for it in wrong {
        diesel::sql_query(format!(
            "INSERT INTO project_usage (project_id, kind, stored, stored_bytes, waiting, waiting_bytes) \
             VALUES ($1, $2, $3, $4, $5, $6){or_change}"
        ))
        .bind::<BigInt, _>(it.project_id)
        .bind::<Text, _>(&it.kind)
        .bind::<BigInt, _>(-it.artifacts)
        .bind::<BigInt, _>(-it.bytes)
        .bind::<BigInt, _>(-it.waiting)
        .bind::<BigInt, _>(-it.waiting_bytes)
        .execute(db)?;
    }
    Ok(())
}
