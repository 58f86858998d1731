//! Tombstones are the rows of deleted artifacts, whose blobs are still to be deleted or whose name and digest
//! are kept for a while.
//!
//! Deletion marks the row, so that no reader finds it, then deletes the blob, then the row. An interrupted
//! deletion can be resumed, and no readable row is ever without its blob.

mod expiry;
mod purges;
mod taken;

use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::artifacts::{Artifact, REPLACED_MILLIS};
use super::latest::locked_among;
use super::schema::{artifacts, jobs};
use super::values::Finished;
use super::{Db, db::MultiBackend};
use crate::domain::artifact::{ArtifactKind, ArtifactName, ArtifactState};
use crate::domain::{Result, Timestamp};

pub use super::due::Cursor;
pub use expiry::{expire_batch, still_due};
pub use purges::{Purge, Purgeable, purge_batch, purgeable_batch, request_purge, requested_purges};
pub use taken::taken_among;

/// How long a batch of tombstones is leased to a node that deletes their blobs, in milliseconds.
const LEASE_MILLIS: i64 = 10 * 60 * 1000;

/// The result of one batch of a pass.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// How many artifacts were marked.
    pub gone: usize,
    /// Where the next batch begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// A tombstone whose blob is to be deleted.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = artifacts, check_for_backend(MultiBackend))]
pub struct Tombstone {
    /// The ID of the row.
    pub id: i64,
    /// The key of the blob in the store.
    pub store_key: String,
    /// Its size.
    pub size_bytes: i64,
}

/// Lists expired artifacts of a job whose rows are kept, oldest first; at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn expired_of_job(db: &mut Db, job_id: i64, limit: i64) -> Result<Vec<Artifact>> {
    Ok(artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(ArtifactState::Expired.as_str()))
        .order(artifacts::id.asc())
        .limit(limit)
        .select(Artifact::as_select())
        .load(db)?)
}

/// Marks an artifact as deleted, so that no reader finds it.
///
/// # Errors
/// Those of the database.
pub fn soft_delete(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    soft_delete_all(db, &[id], ArtifactState::Deleted, now).map(|_| ())
}

/// Marks all artifacts of a job as deleted, its log only with `log_too`, and returns how many.
///
/// # Errors
/// Those of the database.
pub fn soft_delete_job(db: &mut Db, job_id: i64, log_too: bool, now: Timestamp) -> Result<usize> {
    let spared = if log_too { vec![] } else { vec![ArtifactKind::Trace.as_str()] };
    let ids: Vec<i64> = artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::kind.ne_all(spared))
        .select(artifacts::id)
        .load(db)?;
    soft_delete_all(db, &ids, ArtifactState::Deleted, now)
}

/// Returns the IDs and sizes of the next artifacts of a project that would be deleted with it, logs and locked ones too.
///
/// # Errors
/// Those of the database.
pub fn of_project(db: &mut Db, project_id: i64, after: i64, limit: i64) -> Result<Vec<(i64, i64)>> {
    Ok(artifacts::table
        .filter(artifacts::project_id.eq(project_id))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::id.gt(after))
        .order(artifacts::id.asc())
        .limit(limit)
        .select((artifacts::id, artifacts::size_bytes))
        .load(db)?)
}

/// Marks at most `limit` artifacts of a project as deleted, logs and locked ones too, and returns how many.
///
/// # Errors
/// Those of the database.
pub fn soft_delete_project(db: &mut Db, project_id: i64, limit: i64, now: Timestamp) -> Result<usize> {
    let ids: Vec<i64> = artifacts::table
        .filter(artifacts::project_id.eq(project_id))
        .filter(artifacts::state.eq(Finished))
        .order(artifacts::id.asc())
        .limit(limit)
        .select(artifacts::id)
        .load(db)?;
    soft_delete_all(db, &ids, ArtifactState::Deleted, now)
}

fn soft_delete_all(db: &mut Db, ids: &[i64], state: ArtifactState, now: Timestamp) -> Result<usize> {
    let finished = artifacts::table.filter(artifacts::id.eq_any(ids)).filter(artifacts::state.eq(Finished));
    Ok(diesel::update(finished)
        .set((
            artifacts::state.eq(state.as_str()),
            artifacts::updated_at.eq(now.as_millis()),
            artifacts::remove_after.eq(now.as_millis()),
        ))
        .execute(db)?)
}

/// Marks a job's artifact of a name as expired if it is past its expiry and not locked, ahead of the next
/// sweep, and returns whether it did. Logs never expire.
///
/// # Errors
/// Those of the database.
pub(super) fn soft_delete_expired(
    db: &mut Db,
    job_id: i64,
    name: &ArtifactName,
    now: Timestamp,
) -> Result<bool> {
    let Some(id) = expired(db, job_id, name, now)? else { return Ok(false) };
    let ids = still_due(db, &[id], now)?;
    Ok(soft_delete_all(db, &ids, ArtifactState::Expired, now)? > 0)
}

/// Finds a job's artifact of a name that has expired and is not locked, although no sweep has marked it yet:
/// no reader finds it any more.
///
/// # Errors
/// Those of the database.
pub(super) fn expired(db: &mut Db, job_id: i64, name: &ArtifactName, now: Timestamp) -> Result<Option<i64>> {
    let due: Option<(i64, i64)> = artifacts::table
        .inner_join(jobs::table)
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::name.eq(name.as_str()))
        .filter(artifacts::kind.ne(ArtifactKind::Trace.as_str()))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::expire_at.le(now.as_millis()))
        .select((artifacts::id, jobs::pipeline_id))
        .get_result(db)
        .optional()?;
    Ok(unlocked(db, due.into_iter())?.pop())
}

/// Returns the artifacts among `(artifact, pipeline)` whose pipeline is not locked.
pub(super) fn unlocked(db: &mut Db, artifacts: impl Iterator<Item = (i64, i64)> + Clone) -> Result<Vec<i64>> {
    let pipelines: Vec<i64> = artifacts.clone().map(|(_, pipeline)| pipeline).collect();
    let locked = locked_among(db, &pipelines)?;
    Ok(artifacts.filter(|(_, pipeline)| !locked.contains(pipeline)).map(|(id, _)| id).collect())
}

/// Leases at most `limit` tombstones for the deletion of their blobs; no other caller gets them until the
/// lease expires.
///
/// `leased_too` includes leased tombstones, whose holder may be dead. Bytes that readers may still read are left until
/// their time is over by `shared`, the time that all nodes agree on. A time much further ahead than a lease, or than
/// bytes are kept, was written under a wrong clock, and is due now.
///
/// # Errors
/// Those of the database.
pub fn lease(
    db: &mut Db,
    limit: i64,
    leased_too: bool,
    now: Timestamp,
    shared: Timestamp,
) -> Result<Vec<Tombstone>> {
    let until = now.as_millis() + LEASE_MILLIS;
    let due = if leased_too { until } else { now.as_millis() };
    let shared = shared.as_millis();
    let is_due = || {
        let is_free = artifacts::remove_after.le(due).or(artifacts::remove_after.gt(until + LEASE_MILLIS));
        let kept_until = artifacts::bytes_kept_until;
        let is_over = kept_until.le(shared).or(kept_until.gt(shared + REPLACED_MILLIS));
        is_free.and(kept_until.is_null().or(is_over))
    };
    let next: Vec<i64> = artifacts::table
        .filter(is_due())
        .order(artifacts::remove_after.asc())
        .limit(limit)
        .select(artifacts::id)
        .load(db)?;
    // The database lets only one at a time of several transactions with the same rows past this condition.
    let claimed = artifacts::table.filter(artifacts::id.eq_any(next)).filter(is_due());
    Ok(diesel::update(claimed)
        .set(artifacts::remove_after.eq(until))
        .returning(<Tombstone as Selectable<MultiBackend>>::construct_selection())
        .get_results(db)?)
}

/// Deletes an artifact on request; the tombstone of an expired one, too.
///
/// # Errors
/// Those of the database.
pub fn delete(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    soft_delete(db, id, now)?;
    let expired = artifacts::table.find(id).filter(artifacts::state.eq(ArtifactState::Expired.as_str()));
    diesel::update(expired).set(artifacts::state.eq(ArtifactState::Deleted.as_str())).execute(db)?;
    let without_bytes = artifacts::table
        .find(id)
        .filter(artifacts::state.eq(ArtifactState::Deleted.as_str()))
        .filter(artifacts::forget_after.is_not_null());
    diesel::delete(without_bytes).execute(db)?;
    Ok(())
}

/// Records that the blobs of tombstones are deleted. Tombstones of expired artifacts keep name, size and
/// digest until `keep_for` after the expiry; all others are deleted.
///
/// # Errors
/// Those of the database.
pub fn finish(db: &mut Db, ids: &[i64], keep_for: Duration) -> Result<()> {
    let keep_millis = i64::try_from(keep_for.as_millis()).unwrap_or(i64::MAX / 2);
    if keep_millis > 0 {
        let expired = artifacts::table
            .filter(artifacts::id.eq_any(ids))
            .filter(artifacts::state.eq(ArtifactState::Expired.as_str()));
        diesel::update(expired)
            .set((
                artifacts::remove_after.eq(None::<i64>),
                artifacts::forget_after.eq((artifacts::updated_at + keep_millis).nullable()),
                // This is no valid key, and differs for each row: the column is unique. A blob that the store
                // may bring back under the old key is then referenced by no row.
                artifacts::store_key.eq(sql::<Text>("'-' || CAST(id AS TEXT)")),
            ))
            .execute(db)?;
    }
    let gone = artifacts::table
        .filter(artifacts::id.eq_any(ids))
        .filter(artifacts::state.ne(ArtifactState::Finished.as_str()))
        .filter(artifacts::forget_after.is_null());
    diesel::delete(gone).execute(db)?;
    Ok(())
}

/// Deletes tombstones that were kept long enough, at most `limit`, and returns how many.
///
/// # Errors
/// Those of the database.
pub fn delete_old(db: &mut Db, limit: i64, now: Timestamp) -> Result<usize> {
    let due: Vec<i64> = artifacts::table
        .filter(artifacts::forget_after.le(now.as_millis()))
        .order(artifacts::forget_after.asc())
        .limit(limit)
        .select(artifacts::id)
        .load(db)?;
    Ok(diesel::delete(artifacts::table.filter(artifacts::id.eq_any(due))).execute(db)?)
}

/// Returns when a job's artifact of that name expired, from its tombstone; the newest one if there are
/// several.
///
/// # Errors
/// Those of the database.
pub fn expired_at(db: &mut Db, job_id: i64, name: &ArtifactName) -> Result<Option<Timestamp>> {
    let expired: Option<Option<i64>> = artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(ArtifactState::Expired.as_str()))
        .filter(artifacts::name.eq(name.as_str()))
        .order(artifacts::id.desc())
        .select(artifacts::expire_at)
        .first(db)
        .optional()?;
    Ok(expired.flatten().map(Timestamp::from_millis))
}
