//! Leftover blobs: those of deleted projects, whose rows are gone, until they are deleted from the store.
//!
//! They are recorded in the transaction that deletes the project, so that a crash leaves none behind. Like the bytes of a
//! tombstone they are leased to a node that deletes them, and kept for a while for readers in the middle of them. All
//! times are those that nodes agree on.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Db;
use super::artifacts::REPLACED_MILLIS;
use super::schema::leftover_blobs;
use crate::domain::{Result, Timestamp};

/// How long a batch is leased to a node, in milliseconds.
const LEASE_MILLIS: i64 = 10 * 60 * 1000;

/// Records all blobs of a project: of artifacts, of tombstones whose bytes are still there, of uploads and of their
/// pieces. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub(super) fn record_of_project(db: &mut Db, project_id: i64, now: Timestamp) -> Result<()> {
    let until = now.as_millis() + REPLACED_MILLIS;
    for blobs in [
        "SELECT store_key, size_bytes, $1, $1 FROM artifacts \
         WHERE project_id = $2 AND (state = 'finished' OR remove_after IS NOT NULL)",
        "SELECT store_key, COALESCE(size_bytes, 0), $1, $1 FROM uploads \
         WHERE project_id = $2 AND store_key IS NOT NULL",
        "SELECT upload_pieces.store_key, upload_pieces.size_bytes, $1, $1 FROM upload_pieces \
         JOIN uploads ON uploads.id = upload_pieces.upload_id WHERE uploads.project_id = $2",
    ] {
        diesel::sql_query(format!(
            "INSERT INTO leftover_blobs (store_key, size_bytes, remove_after, bytes_kept_until) {blobs} \
             ON CONFLICT DO NOTHING"
        ))
        .bind::<BigInt, _>(until)
        .bind::<BigInt, _>(project_id)
        .execute(db)?;
    }
    Ok(())
}

/// Leases at most `limit` blobs that are to be deleted, and returns their keys and sizes in bytes.
///
/// `leased_too` includes leased ones, whose holder may be dead. A time much further ahead than a lease, or than bytes are
/// kept, was written under a wrong clock.
///
/// # Errors
/// Those of the database.
pub fn lease(db: &mut Db, limit: i64, leased_too: bool, now: Timestamp) -> Result<Vec<(String, i64)>> {
    let now = now.as_millis();
    let until = now + LEASE_MILLIS;
    let is_due = || {
        let kept_until = leftover_blobs::bytes_kept_until;
        let is_over = kept_until.le(now).or(kept_until.gt(now + REPLACED_MILLIS));
        let due = if leased_too { until } else { now };
        let remove_after = leftover_blobs::remove_after;
        is_over.and(remove_after.le(due).or(remove_after.gt(now + REPLACED_MILLIS + LEASE_MILLIS)))
    };
    let next: Vec<String> = leftover_blobs::table
        .filter(is_due())
        .order(leftover_blobs::remove_after.asc())
        .limit(limit)
        .select(leftover_blobs::store_key)
        .load(db)?;
    // The database lets only one at a time of several transactions with the same rows past this condition.
    let claimed = leftover_blobs::table.filter(leftover_blobs::store_key.eq_any(next)).filter(is_due());
    Ok(diesel::update(claimed)
        .set(leftover_blobs::remove_after.eq(until))
        .returning((leftover_blobs::store_key, leftover_blobs::size_bytes))
        .get_results(db)?)
}

/// Forgets blobs that are deleted.
///
/// # Errors
/// Those of the database.
pub fn finish(db: &mut Db, keys: &[String]) -> Result<()> {
    diesel::delete(leftover_blobs::table.filter(leftover_blobs::store_key.eq_any(keys))).execute(db)?;
    Ok(())
}
