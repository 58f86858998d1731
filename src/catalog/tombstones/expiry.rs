//! Expired artifacts: found and marked in batches, as far as they are not locked. Logs never expire.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{Batch, Cursor, Doomed, soft_delete_all, unlocked};
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::artifacts;
use crate::domain::artifact::ArtifactState;
use crate::domain::{Result, Timestamp};

/// An artifact that is past its expiry, locked or not.
#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Due {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    expire_at: i64,
    #[diesel(sql_type = BigInt)]
    pipeline_id: i64,
}

/// Returns the artifacts that [`expire_batch`] marks: at most `limit` rows after `after` are read.
///
/// # Errors
/// Those of the database.
pub fn expired_batch(db: &mut Db, after: Cursor, limit: i64, now: Timestamp) -> Result<Doomed> {
    let due: Vec<Due> = diesel::sql_query(
        "SELECT artifacts.id, artifacts.expire_at, jobs.pipeline_id \
         FROM artifacts JOIN jobs ON jobs.id = artifacts.job_id \
         WHERE artifacts.state = 'finished' AND artifacts.expire_at <= $1 \
         AND (artifacts.expire_at, artifacts.id) > ($2, $3) AND artifacts.kind <> 'trace' \
         ORDER BY artifacts.expire_at, artifacts.id LIMIT $4",
    )
    .bind::<BigInt, _>(now.as_millis())
    .bind::<BigInt, _>(after.expire_at)
    .bind::<BigInt, _>(after.id)
    .bind::<BigInt, _>(limit)
    .load(db)?;
    let next = due.last().map(|last| Cursor { expire_at: last.expire_at, id: last.id });
    let ids = unlocked(db, due.iter().map(|due| (due.id, due.pipeline_id)))?;
    Ok(Doomed { ids, next: next.filter(|_| due.len() as i64 == limit) })
}

/// Marks expired artifacts, as far as they are not locked: at most `limit` rows after `after` are read.
///
/// # Errors
/// Those of the database.
pub fn expire_batch(db: &mut Db, after: Cursor, limit: i64, now: Timestamp) -> Result<Batch> {
    let Doomed { ids, next } = expired_batch(db, after, limit, now)?;
    let ids = still_due(db, &ids, now)?;
    let gone = soft_delete_all(db, &ids, ArtifactState::Expired, now)?;
    Ok(Batch { gone, next })
}

/// Returns those that are still due: an artifact that was kept meanwhile has no expiry any more.
///
/// # Errors
/// Those of the database.
pub fn still_due(db: &mut Db, ids: &[i64], now: Timestamp) -> Result<Vec<i64>> {
    Ok(artifacts::table
        .filter(artifacts::id.eq_any(ids))
        .filter(artifacts::expire_at.le(now.as_millis()))
        .select(artifacts::id)
        .load(db)?)
}
