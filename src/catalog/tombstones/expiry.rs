//! Expired artifacts: found and marked in batches, as far as they are not locked. Logs never expire.

use diesel::prelude::*;

use super::{Batch, Cursor, soft_delete_all, unlocked};
use crate::catalog::Db;
use crate::catalog::due::due_batch;
use crate::catalog::schema::artifacts;
use crate::domain::artifact::ArtifactState;
use crate::domain::{Result, Timestamp};

/// Marks expired artifacts, as far as they are not locked: at most `limit` rows after `after` are read. Logs
/// never expire.
///
/// # Errors
/// Those of the database.
pub fn expire_batch(db: &mut Db, after: Cursor, limit: i64, now: Timestamp) -> Result<Batch> {
    let due = due_batch(db, after, limit, now)?;
    let next = due.last().map(|last| last.cursor());
    let ids = unlocked(db, due.iter().map(|due| (due.id, due.pipeline_id)))?;
    let ids = still_due(db, &ids, now)?;
    let gone = soft_delete_all(db, &ids, ArtifactState::Expired, now)?;
    Ok(Batch { gone, next: next.filter(|_| due.len() as i64 == limit) })
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
