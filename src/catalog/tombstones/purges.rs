//! Purges: requests to delete all artifacts of a project that are not locked, which the next sweep carries out.

use diesel::prelude::*;

use super::{Batch, Cursor, soft_delete_all, unlocked};
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs, projects, purges};
use crate::catalog::values::Finished;
use crate::domain::artifact::{ArtifactKind, ArtifactState};
use crate::domain::{Result, Timestamp};

/// Requests the deletion of all artifacts of a project that are not locked.
///
/// # Errors
/// Those of the database.
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

/// A request to delete all artifacts of a project that are not locked.
#[derive(Debug, Clone, Copy)]
pub struct Purge {
    project_id: i64,
    /// The time by the clock of the node that took the request.
    requested_at: i64,
    /// The last artifact at that time; a node of the release before does not record it.
    through_id: Option<i64>,
}

impl Purge {
    /// Whether it is about an artifact of a project: one that came after the request stays.
    pub(super) fn is_about(&self, project_id: i64, artifact_id: i64, created_at: i64) -> bool {
        let came_before = match self.through_id {
            Some(last) => artifact_id <= last,
            None => created_at <= self.requested_at,
        };
        project_id == self.project_id && came_before
    }
}

/// A part of what a purge will mark.
#[derive(Debug, Clone)]
pub struct Purgeable {
    /// The IDs of artifacts that are not locked.
    pub ids: Vec<i64>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Lists the purges that are requested and not complete.
///
/// # Errors
/// Those of the database.
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

/// Returns the artifacts that a part of a purge deletes: at most `limit` rows after `after` are read. Artifacts that came
/// after the request stay, whatever the clock of the node that took it said.
///
/// # Errors
/// Those of the database.
pub fn purgeable_batch(db: &mut Db, purge: Purge, after: Cursor, limit: i64) -> Result<Purgeable> {
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
    let last = all.last().filter(|_| all.len() as i64 == limit);
    Ok(Purgeable { ids, next: last.map(|(id, _)| Cursor { expire_at: 0, id: *id }) })
}

/// Runs a part of a purge; the last part closes the request.
///
/// # Errors
/// Those of the database.
pub fn purge_batch(db: &mut Db, purge: Purge, after: Cursor, limit: i64, now: Timestamp) -> Result<Batch> {
    let Purgeable { ids, next } = purgeable_batch(db, purge, after, limit)?;
    let gone = soft_delete_all(db, &ids, ArtifactState::Deleted, now)?;
    if next.is_none() {
        let Purge { project_id, requested_at, .. } = purge;
        let this_request =
            projects::table.find(project_id).filter(projects::purge_requested_at.eq(requested_at));
        diesel::update(this_request).set(projects::purge_requested_at.eq(None::<i64>)).execute(db)?;
        let its = purges::table.find(project_id).filter(purges::requested_at.eq(requested_at));
        diesel::delete(its).execute(db)?;
    }
    Ok(Batch { gone, next })
}
