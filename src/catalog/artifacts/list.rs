//! Artifact lists: the finished artifacts of jobs, and of the whole catalog.

use std::collections::HashMap;

use diesel::prelude::*;

use super::Artifact;
use crate::catalog::Db;
use crate::catalog::schema::artifacts;
use crate::catalog::values::Finished;
use crate::domain::Result;

/// Lists all finished artifacts of a job, oldest first.
///
/// # Errors
/// Those of the database.
pub fn of_job(db: &mut Db, job_id: i64) -> Result<Vec<Artifact>> {
    Ok(artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(Finished))
        .order(artifacts::id.asc())
        .select(Artifact::as_select())
        .load(db)?)
}

/// Lists all finished artifacts of some jobs, by job, oldest first.
///
/// # Errors
/// Those of the database.
pub fn of_jobs(db: &mut Db, job_ids: &[i64]) -> Result<HashMap<i64, Vec<Artifact>>> {
    let rows: Vec<Artifact> = match job_ids {
        // PostgreSQL does not know the length of a list, so it would plan again for each.
        [job_id] => of_job(db, *job_id)?,
        _ => artifacts::table
            .filter(artifacts::job_id.eq_any(job_ids))
            .filter(artifacts::state.eq(Finished))
            .order(artifacts::id.asc())
            .select(Artifact::as_select())
            .load(db)?,
    };
    let mut by_job: HashMap<i64, Vec<Artifact>> = HashMap::new();
    for artifact in rows {
        by_job.entry(artifact.job_id).or_default().push(artifact);
    }
    Ok(by_job)
}

/// Lists finished artifacts by ID, at most `limit` after the ID `after`.
///
/// # Errors
/// Those of the database.
pub fn page(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Artifact>> {
    Ok(artifacts::table
        .filter(artifacts::id.gt(after))
        .filter(artifacts::state.eq(Finished))
        .order(artifacts::id.asc())
        .limit(limit)
        .select(Artifact::as_select())
        .load(db)?)
}

/// Counts the finished artifacts.
///
/// # Errors
/// Those of the database.
pub fn count(db: &mut Db) -> Result<i64> {
    Ok(artifacts::table.filter(artifacts::state.eq(Finished)).count().get_result(db)?)
}
