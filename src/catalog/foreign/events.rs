//! Events that hooks delivered: remembered for a week, so that none is taken twice, and as the list of the pipelines
//! that an upstream is to be asked about.

use diesel::prelude::*;

use super::ReportedProject;
use super::projects::known_project;
use crate::catalog::Db;
use crate::catalog::schema::feed_events;
use crate::domain::{Result, Sha256Digest, Timestamp};

/// How long events are remembered, in milliseconds.
const MEMORY_MILLIS: i64 = 7 * 86_400 * 1000;

/// Most events of which the hints are returned at once.
const MAX_PENDING: i64 = 500;

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
/// remembers nothing, for a project that is not kept here. Needs [`crate::catalog::Catalog::write`].
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
    diesel::insert_into(feed_events::table)
        .values((
            feed_events::sha256.eq(key.0.as_bytes().to_vec()),
            feed_events::upstream.eq(&project.upstream),
            feed_events::project_id.eq(known.id),
            feed_events::pipeline_id.eq(hint),
            feed_events::hint.eq(hint.is_some()),
            feed_events::received_at.eq(now.as_millis()),
        ))
        .execute(db)?;
    Ok(true)
}

/// Pipelines that hints of an upstream are about since a time, those of the oldest first; at most a few hundred.
///
/// # Errors
/// Those of the database.
pub fn pending(db: &mut Db, upstream: &str, since: Timestamp) -> Result<Vec<Hint>> {
    type Row = (Sha256Digest, i64, Option<i64>);
    let rows: Vec<Row> = feed_events::table
        .filter(feed_events::upstream.eq(upstream))
        .filter(feed_events::hint.eq(true))
        .filter(feed_events::received_at.ge(since.as_millis()))
        .order(feed_events::received_at.asc())
        .limit(MAX_PENDING)
        .select((feed_events::sha256, feed_events::project_id, feed_events::pipeline_id))
        .load(db)?;
    let mut hints: Vec<Hint> = Vec::new();
    for (sha256, project_id, pipeline_id) in rows {
        let Some(pipeline_id) = pipeline_id else { continue };
        let is_same = |hint: &&mut Hint| (hint.project_id, hint.pipeline_id) == (project_id, pipeline_id);
        match hints.iter_mut().find(is_same) {
            Some(hint) => hint.events.push(EventKey(sha256)),
            None => hints.push(Hint { project_id, pipeline_id, events: vec![EventKey(sha256)] }),
        }
    }
    Ok(hints)
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
