//! How artifacts go: marked first, so that no reader finds them, then their bytes are removed, then
//! the row. A crash anywhere leaves something to go on with, and never a row without bytes.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::latest::locked_among;
use super::schema::{artifacts, jobs, projects, purges};
use super::values::Finished;
use super::{Db, db::MultiBackend};
use crate::domain::artifact::{ArtifactKind, ArtifactName, ArtifactState};
use crate::domain::{Result, Timestamp};

/// How long whoever removes bytes has for a batch before another may try, in milliseconds.
const LEASE_MILLIS: i64 = 10 * 60 * 1000;

/// Where a pass over artifacts has got to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    expire_at: i64,
    id: i64,
}

/// What a batch of a pass did.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// How many artifacts went.
    pub gone: usize,
    /// Where the next batch begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// A tombstone whose bytes are to be removed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = artifacts, check_for_backend(MultiBackend))]
pub struct Tombstone {
    /// The row.
    pub id: i64,
    /// Where the bytes are.
    pub store_key: String,
}

/// An artifact that has expired.
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

/// Takes an artifact away from readers.
///
/// # Errors
/// Only those of the database.
pub fn soft_delete(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    soft_delete_all(db, &[id], ArtifactState::Deleted, now).map(|_| ())
}

/// Takes all artifacts of a job away from readers; its log stays unless `log_too`. Tells how many
/// went.
///
/// # Errors
/// Only those of the database.
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

/// Takes expired artifacts away, as far as they are not locked: at most `limit` of those behind
/// `after` are looked at. Logs never expire.
///
/// # Errors
/// Only those of the database.
pub fn expire_batch(db: &mut Db, after: Cursor, limit: i64, now: Timestamp) -> Result<Batch> {
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
    let ids = still_due(db, &ids, now)?;
    let gone = soft_delete_all(db, &ids, ArtifactState::Expired, now)?;
    Ok(Batch { gone, next: next.filter(|_| due.len() as i64 == limit) })
}

/// Those that are to go still: whoever kept one meanwhile has taken its expiry away.
fn still_due(db: &mut Db, ids: &[i64], now: Timestamp) -> QueryResult<Vec<i64>> {
    artifacts::table
        .filter(artifacts::id.eq_any(ids))
        .filter(artifacts::expire_at.le(now.as_millis()))
        .select(artifacts::id)
        .load(db)
}

/// Takes a job's artifact of a kind away from the catalog if it has expired and is not locked, which a sweep
/// would do later, and tells whether it went. Logs never expire.
///
/// # Errors
/// Only those of the database.
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

/// A job's artifact of a kind that has expired and is not locked, though no sweep has taken it yet: for every
/// reader it is gone.
///
/// # Errors
/// Only those of the database.
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

/// Asks for the removal of all that a project has and that is not locked.
///
/// # Errors
/// Only those of the database.
pub fn request_purge(db: &mut Db, project_id: i64, now: Timestamp) -> Result<()> {
    diesel::update(projects::table.find(project_id))
        .set(projects::purge_requested_at.eq(now.as_millis()))
        .execute(db)?;
    let last: Option<i64> = artifacts::table.select(diesel::dsl::max(artifacts::id)).get_result(db)?;
    diesel::delete(purges::table.find(project_id)).execute(db)?;
    diesel::insert_into(purges::table)
        .values((
            purges::project_id.eq(project_id),
            purges::requested_at.eq(now.as_millis()),
            purges::through_id.eq(last.unwrap_or(0)),
        ))
        .execute(db)?;
    Ok(())
}

/// A request to remove all that a project has and that is not locked.
#[derive(Debug, Clone, Copy)]
pub struct Purge {
    project_id: i64,
    /// By the clock of the node that was asked.
    requested_at: i64,
    /// The last artifact that there was then; a node of the release before does not tell.
    through_id: Option<i64>,
}

/// What was requested and is not done.
///
/// # Errors
/// Only those of the database.
pub fn requested_purges(db: &mut Db) -> Result<Vec<Purge>> {
    let requests: Vec<(i64, Option<i64>)> = projects::table
        .filter(projects::purge_requested_at.is_not_null())
        .order(projects::id.asc())
        .select((projects::id, projects::purge_requested_at))
        .load(db)?;
    let through: Vec<(i64, i64, i64)> =
        purges::table.select((purges::project_id, purges::requested_at, purges::through_id)).load(db)?;
    let purge = |(project_id, requested_at): (i64, Option<i64>)| {
        let requested_at = requested_at?;
        let its = through.iter().find(|(id, at, _)| (*id, *at) == (project_id, requested_at));
        Some(Purge { project_id, requested_at, through_id: its.map(|(.., through)| *through) })
    };
    Ok(requests.into_iter().filter_map(purge).collect())
}

/// Carries out a part of such a request; its end closes it. What came after the request stays, whatever
/// the clock of the node that took it said.
///
/// # Errors
/// Only those of the database.
pub fn purge_batch(db: &mut Db, purge: Purge, after: Cursor, limit: i64, now: Timestamp) -> Result<Batch> {
    let Purge { project_id, requested_at, through_id } = purge;
    let (last, latest) = through_id.map_or((i64::MAX, requested_at), |last| (last, i64::MAX));
    let all: Vec<(i64, i64)> = artifacts::table
        .inner_join(jobs::table)
        .filter(artifacts::project_id.eq(project_id))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::id.gt(after.id))
        .filter(artifacts::id.le(last))
        .filter(artifacts::created_at.le(latest))
        .filter(artifacts::kind.ne(ArtifactKind::Trace.as_str()))
        .order(artifacts::id.asc())
        .limit(limit)
        .select((artifacts::id, jobs::pipeline_id))
        .load(db)?;
    let ids = unlocked(db, all.iter().copied())?;
    let gone = soft_delete_all(db, &ids, ArtifactState::Deleted, now)?;
    if (all.len() as i64) < limit {
        let this_request =
            projects::table.find(project_id).filter(projects::purge_requested_at.eq(requested_at));
        diesel::update(this_request).set(projects::purge_requested_at.eq(None::<i64>)).execute(db)?;
        let its = purges::table.find(project_id).filter(purges::requested_at.eq(requested_at));
        diesel::delete(its).execute(db)?;
        return Ok(Batch { gone, next: None });
    }
    Ok(Batch { gone, next: all.last().map(|(id, _)| Cursor { expire_at: 0, id: *id }) })
}

/// The artifacts among `(artifact, pipeline)` whose pipeline is not locked.
fn unlocked(db: &mut Db, artifacts: impl Iterator<Item = (i64, i64)> + Clone) -> Result<Vec<i64>> {
    let mut pipelines: Vec<i64> = artifacts.clone().map(|(_, pipeline)| pipeline).collect();
    pipelines.sort_unstable();
    pipelines.dedup();
    let locked = locked_among(db, &pipelines)?;
    Ok(artifacts.filter(|(_, pipeline)| !locked.contains(pipeline)).map(|(id, _)| id).collect())
}

/// Takes tombstones to remove the bytes of, at most `limit`; for a while nobody else gets them.
///
/// `leased_too` takes those as well that somebody has, who may be dead. What is due only after much
/// longer than a lease was written under a clock that went wrong, and is due now.
///
/// # Errors
/// Only those of the database.
pub fn lease(db: &mut Db, limit: i64, leased_too: bool, now: Timestamp) -> Result<Vec<Tombstone>> {
    let until = now.as_millis() + LEASE_MILLIS;
    let due = if leased_too { until } else { now.as_millis() };
    let is_due = || artifacts::remove_after.le(due).or(artifacts::remove_after.gt(until + LEASE_MILLIS));
    let next: Vec<i64> = artifacts::table
        .filter(is_due())
        .order(artifacts::remove_after.asc())
        .limit(limit)
        .select(artifacts::id)
        .load(db)?;
    // Of several who chose the same rows, the database lets one at a time past this condition.
    let claimed = artifacts::table.filter(artifacts::id.eq_any(next)).filter(is_due());
    Ok(diesel::update(claimed)
        .set(artifacts::remove_after.eq(until))
        .returning(<Tombstone as Selectable<MultiBackend>>::construct_selection())
        .get_results(db)?)
}

/// Records that the bytes of tombstones are deleted. Those of expired artifacts keep name, size and digest until
/// `keep_for` after the expiry; all others are deleted.
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
                // No key, and another for each row: the column is unique. What the store may bring back under
                // the old key is then named by no row.
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

/// When an artifact of a job expired, of which only the tombstone is left; the newest one of that name.
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
