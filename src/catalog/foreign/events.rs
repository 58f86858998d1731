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

/// What tells one delivery from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKey(pub Sha256Digest);

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

/// Returns the projects and pipelines that hints of an upstream are about since a time, the newest last.
///
/// # Errors
/// Those of the database.
pub fn pending(db: &mut Db, upstream: &str, since: Timestamp) -> Result<Vec<(i64, i64)>> {
    let rows: Vec<(i64, Option<i64>)> = feed_events::table
        .filter(feed_events::upstream.eq(upstream))
        .filter(feed_events::hint.eq(true))
        .filter(feed_events::received_at.ge(since.as_millis()))
        .order(feed_events::received_at.asc())
        .select((feed_events::project_id, feed_events::pipeline_id))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(project, pipeline)| Some((project, pipeline?))).collect())
}
