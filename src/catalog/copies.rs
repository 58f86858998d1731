//! Copies: artifacts that were fetched from an upstream, which has them too. They are given up oldest first when they
//! take too much room.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Db;
use super::schema::artifacts;
use super::values::Finished;
use crate::domain::artifact::{ArtifactName, ArtifactState};
use crate::domain::{Result, Timestamp};

/// The origin of a copy.
const UPSTREAM: &str = "upstream";

/// Makes an artifact that was just inserted a copy of what the upstream has.
///
/// # Errors
/// Those of the database.
pub fn mark(db: &mut Db, id: i64) -> Result<()> {
    diesel::update(artifacts::table.find(id)).set(artifacts::origin.eq(Some(UPSTREAM))).execute(db)?;
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

/// Marks the oldest copies as deleted until the others take at most `limit_bytes`; at most `limit` of them, and
/// returns how many. A copy that somebody keeps has no expiry: it neither counts nor goes.
///
/// # Errors
/// Those of the database.
pub fn evict_batch(db: &mut Db, limit_bytes: u64, limit: i64, now: Timestamp) -> Result<usize> {
    let copies = || {
        artifacts::table
            .filter(artifacts::origin.is_not_null())
            .filter(artifacts::state.eq(Finished))
            .filter(artifacts::expire_at.is_not_null())
    };
    // PostgreSQL has sums of such numbers in a type of their own.
    let total: i64 =
        copies().select(sql::<BigInt>("CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT)")).get_result(db)?;
    let mut excess = total.saturating_sub(i64::try_from(limit_bytes).unwrap_or(i64::MAX));
    if excess <= 0 {
        return Ok(0);
    }
    let oldest: Vec<(i64, i64)> = copies()
        .order((artifacts::created_at.asc(), artifacts::id.asc()))
        .limit(limit)
        .select((artifacts::id, artifacts::size_bytes))
        .load(db)?;
    let mut ids = Vec::new();
    for (id, size_bytes) in oldest {
        if excess <= 0 {
            break;
        }
        ids.push(id);
        excess -= size_bytes;
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
