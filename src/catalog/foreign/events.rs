//! Events that hooks delivered: remembered for a week, so that none is taken twice, and as the list of the pipelines
//! that an upstream is to be asked about.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

use super::ReportedProject;
use super::projects::known_project;
use crate::catalog::Db;
use crate::catalog::schema::feed_events;
use crate::domain::{Result, Sha256Digest, Timestamp};

/// How long events are remembered, in milliseconds.
const MEMORY_MILLIS: i64 = 7 * 86_400 * 1000;

/// Most events of which the hints are returned at once.
const MAX_PENDING: i64 = 500;

/// How often the upstream is asked in vain about a hint, until it is given up.
const MAX_ATTEMPTS: i64 = 12;

/// The wait after the first of them, in milliseconds; each further one waits for twice as long.
const FIRST_WAIT_MILLIS: i64 = 30_000;

/// The longest wait, in milliseconds.
const LONGEST_WAIT_MILLIS: i64 = 3_600_000;

/// What tells one delivery from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKey(pub Sha256Digest);

/// A pipeline of which events spoke that are not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The number of its project.
    pub project_id: i64,
    /// The number of the pipeline.
    pub pipeline_id: i64,
    /// The events.
    pub events: Vec<EventKey>,
    /// How often it was asked about in vain.
    pub attempts: i64,
}

/// Whether an event was not delivered before.
///
/// # Errors
/// Those of the database.
pub fn is_new_event(db: &mut Db, key: EventKey) -> Result<bool> {
    let known = feed_events::table.find(key.0.as_bytes().as_slice());
    Ok(known.select(feed_events::project_id).first::<i64>(db).optional()?.is_none())
}

/// Remembers an event about a project that is kept here, and forgets those of a week ago.
///
/// `hint` is the pipeline that the upstream is to be asked about, of an event that is not believed. Returns `false`, and
/// remembers nothing, for a project that is not kept here, and for an event that is remembered already, by another node
/// at the same time. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn remember_event(
    db: &mut Db,
    key: EventKey,
    project: &ReportedProject,
    hint: Option<i64>,
    now: Timestamp,
) -> Result<bool> {
    let Some(known) = known_project(db, project)? else { return Ok(false) };
    let since = now.as_millis().saturating_sub(MEMORY_MILLIS);
    diesel::delete(feed_events::table.filter(feed_events::received_at.lt(since))).execute(db)?;
    let inserted = diesel::sql_query(
        "INSERT INTO feed_events (sha256, upstream, project_id, pipeline_id, hint, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind::<Binary, _>(key.0.as_bytes().to_vec())
    .bind::<Text, _>(&project.upstream)
    .bind::<BigInt, _>(known.id)
    .bind::<Nullable<BigInt>, _>(hint)
    .bind::<Bool, _>(hint.is_some())
    .bind::<BigInt, _>(now.as_millis())
    .execute(db)?;
    Ok(inserted > 0)
}

/// Pipelines that hints of an upstream are about since a time and that are to be asked about now; at most a few hundred.
///
/// Those that wait longest come first, and behind them those that were asked about in vain.
///
/// # Errors
/// Those of the database.
pub fn pending(db: &mut Db, upstream: &str, since: Timestamp, now: Timestamp) -> Result<Vec<Hint>> {
    type Row = (Sha256Digest, i64, Option<i64>, i64);
    let next = feed_events::next_attempt_at;
    let rows: Vec<Row> = feed_events::table
        .filter(feed_events::upstream.eq(upstream))
        .filter(feed_events::hint.eq(true))
        .filter(feed_events::received_at.ge(since.as_millis()))
        .filter(next.is_null().or(next.le(now.as_millis())))
        .order((feed_events::attempts.asc(), feed_events::received_at.asc()))
        .limit(MAX_PENDING)
        .select((
            feed_events::sha256,
            feed_events::project_id,
            feed_events::pipeline_id,
            feed_events::attempts,
        ))
        .load(db)?;
    let mut hints: Vec<Hint> = Vec::new();
    for (sha256, project_id, pipeline_id, attempts) in rows {
        let Some(pipeline_id) = pipeline_id else { continue };
        let is_same = |hint: &&mut Hint| (hint.project_id, hint.pipeline_id) == (project_id, pipeline_id);
        match hints.iter_mut().find(is_same) {
            Some(hint) => {
                hint.events.push(EventKey(sha256));
                hint.attempts = hint.attempts.max(attempts);
            }
            None => hints.push(Hint { project_id, pipeline_id, events: vec![EventKey(sha256)], attempts }),
        }
    }
    Ok(hints)
}

/// Puts a hint off that was asked about in vain, for longer each time; gives it up after the last attempt, and returns
/// whether it did. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn postpone(db: &mut Db, hint: &Hint, now: Timestamp) -> Result<bool> {
    let attempts = hint.attempts + 1;
    if attempts >= MAX_ATTEMPTS {
        settle(db, hint)?;
        return Ok(true);
    }
    let doublings = u32::try_from(hint.attempts).unwrap_or(u32::MAX).min(30);
    let wait = FIRST_WAIT_MILLIS.saturating_mul(1 << doublings).min(LONGEST_WAIT_MILLIS);
    let keys = hint.events.iter().map(|key| key.0.as_bytes().to_vec());
    diesel::update(feed_events::table.filter(feed_events::sha256.eq_any(keys)))
        .set((
            feed_events::attempts.eq(attempts),
            feed_events::next_attempt_at.eq(Some(now.as_millis().saturating_add(wait))),
        ))
        .execute(db)?;
    Ok(false)
}

/// Records that a hint was followed. Its events stay known, so that none is taken twice. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn settle(db: &mut Db, hint: &Hint) -> Result<()> {
    let keys = hint.events.iter().map(|key| key.0.as_bytes().to_vec());
    diesel::update(feed_events::table.filter(feed_events::sha256.eq_any(keys)))
        .set(feed_events::hint.eq(false))
        .execute(db)?;
    Ok(())
}
