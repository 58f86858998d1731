//! Copies: artifacts that were fetched from an upstream, which has them too. When they take too much room, those are given
//! up first that were not used for longest.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Db;
use super::db::MultiBackend;
use super::schema::artifacts;
use super::values::Finished;
use crate::domain::artifact::{ArtifactName, ArtifactState};
use crate::domain::{Result, Timestamp};

/// The origin of a copy.
const UPSTREAM: &str = "upstream";

/// Makes an artifact that was just inserted a copy of what the upstream has, which counts as used at that time.
///
/// # Errors
/// Those of the database.
pub fn mark(db: &mut Db, id: i64, used_at: Timestamp) -> Result<()> {
    let columns = (artifacts::origin.eq(Some(UPSTREAM)), artifacts::used_at.eq(Some(used_at.as_millis())));
    diesel::update(artifacts::table.find(id)).set(columns).execute(db)?;
    Ok(())
}

/// Notes that a copy was read. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn touch(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    let copy = artifacts::table.find(id).filter(artifacts::origin.is_not_null());
    diesel::update(copy).set(artifacts::used_at.eq(Some(now.as_millis()))).execute(db)?;
    Ok(())
}

/// Returns those of some jobs that have an archive here.
///
/// # Errors
/// Those of the database.
pub fn jobs_with_archive(db: &mut Db, job_ids: &[i64]) -> Result<Vec<i64>> {
    Ok(artifacts::table
        .filter(artifacts::job_id.eq_any(job_ids))
        .filter(artifacts::name.eq(ArtifactName::ARCHIVE.as_str()))
        .filter(artifacts::state.eq(Finished))
        .select(artifacts::job_id)
        .load(db)?)
}

/// Returns the bytes of all copies that count. One that somebody keeps has no expiry, and does not.
///
/// # Errors
/// Those of the database.
pub fn total_bytes(db: &mut Db) -> Result<u64> {
    let copies = artifacts::table
        .filter(artifacts::origin.is_not_null())
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::expire_at.is_not_null());
    // PostgreSQL has sums of such numbers in a type of their own.
    let sum = sql::<BigInt>("CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT)");
    let total: i64 = copies.select(sum).get_result(db)?;
    Ok(u64::try_from(total).unwrap_or(0))
}

/// A copy that counts, and its place among the others.
#[derive(Debug, Clone, Copy, QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
pub struct IdleCopy {
    /// Its ID.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Its size in bytes.
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    idle_since: i64,
    #[diesel(sql_type = BigInt)]
    job_id: i64,
}

/// Returns the next copies in the order in which they are given up: those first that were not used for longest, and of those
/// that were fetched ahead in one go, the oldest jobs'.
///
/// # Errors
/// Those of the database.
pub fn idle_batch(db: &mut Db, after: Option<IdleCopy>, limit: i64) -> Result<Vec<IdleCopy>> {
    let (idle_since, job_id, id) =
        after.map_or((i64::MIN, 0, 0), |after| (after.idle_since, after.job_id, after.id));
    Ok(diesel::sql_query(
        "SELECT id, size_bytes, COALESCE(used_at, created_at) AS idle_since, job_id FROM artifacts \
         WHERE origin IS NOT NULL AND state = 'finished' AND expire_at IS NOT NULL \
         AND (COALESCE(used_at, created_at), job_id, id) > ($1, $2, $3) \
         ORDER BY COALESCE(used_at, created_at), job_id, id LIMIT $4",
    )
    .bind::<BigInt, _>(idle_since)
    .bind::<BigInt, _>(job_id)
    .bind::<BigInt, _>(id)
    .bind::<BigInt, _>(limit)
    .load(db)?)
}

/// Marks the copies that were not used for longest as deleted until the others take at most `limit_bytes`.
///
/// At most `limit` of them; returns how many. A copy that somebody keeps has no expiry: it neither counts nor goes.
///
/// # Errors
/// Those of the database.
pub fn evict_batch(db: &mut Db, limit_bytes: u64, limit: i64, now: Timestamp) -> Result<usize> {
    let mut excess = total_bytes(db)?.saturating_sub(limit_bytes);
    if excess == 0 {
        return Ok(0);
    }
    let mut ids = Vec::new();
    for IdleCopy { id, size_bytes, .. } in idle_batch(db, None, limit)? {
        if excess == 0 {
            break;
        }
        ids.push(id);
        excess = excess.saturating_sub(u64::try_from(size_bytes).unwrap_or(0));
    }
    let gone = artifacts::table.filter(artifacts::id.eq_any(ids)).filter(artifacts::state.eq(Finished));
    Ok(diesel::update(gone)
        .set((
            artifacts::state.eq(ArtifactState::Deleted.as_str()),
            artifacts::updated_at.eq(now.as_millis()),
            artifacts::remove_after.eq(now.as_millis()),
        ))
        .execute(db)?)
}
