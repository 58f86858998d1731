//! Taken artifacts: those that a sweep marks before it gives up copies and empties projects, because they have expired or
//! their deletion was requested.

use std::collections::HashSet;

use diesel::prelude::*;

use super::{Purge, unlocked};
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs};
use crate::catalog::values::Finished;
use crate::domain::artifact::ArtifactKind;
use crate::domain::{Result, Timestamp};

/// Returns those of some artifacts that are taken.
///
/// # Errors
/// Those of the database.
pub fn taken_among(db: &mut Db, ids: &[i64], requests: &[Purge], now: Timestamp) -> Result<HashSet<i64>> {
    type Row = (i64, i64, i64, Option<i64>, i64);
    let rows: Vec<Row> = artifacts::table
        .inner_join(jobs::table)
        .filter(artifacts::id.eq_any(ids))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::kind.ne(ArtifactKind::Trace.as_str()))
        .select((
            artifacts::id,
            jobs::pipeline_id,
            artifacts::project_id,
            artifacts::expire_at,
            artifacts::created_at,
        ))
        .load(db)?;
    let is_asked_for = |(id, _, project_id, expire_at, created_at): &Row| {
        expire_at.is_some_and(|at| at <= now.as_millis())
            || requests.iter().any(|request| request.is_about(*project_id, *id, *created_at))
    };
    let asked_for: Vec<(i64, i64)> =
        rows.iter().filter(|row| is_asked_for(row)).map(|(id, pipeline, ..)| (*id, *pipeline)).collect();
    Ok(unlocked(db, asked_for.into_iter())?.into_iter().collect())
}
