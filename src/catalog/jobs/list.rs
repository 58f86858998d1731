//! Job lists: the IDs of the jobs on a page.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::catalog::Db;
use crate::catalog::schema::jobs;
use crate::catalog::slice::{Direction, Slice};
use crate::domain::Result;
use crate::domain::status::Status;

/// The conditions of a list of a project's jobs.
#[derive(Debug, Clone)]
pub struct ProjectJobs {
    /// Allowed statuses; all when empty.
    pub statuses: Vec<Status>,
    /// Only jobs after the one with this ID, in the list's direction.
    pub behind: Option<i64>,
    /// The direction of the list, which is sorted by ID.
    pub direction: Direction,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Returns the IDs of the jobs in a slice of the list. Each status has its own run in the index; both
/// databases merge the runs as they read them, so a rare status beside a frequent one costs nothing.
///
/// PostgreSQL merges them only if each run states its order.
///
/// # Errors
/// Those of the database.
pub fn of_project(db: &mut Db, project_id: i64, list: &ProjectJobs, slice: Slice) -> Result<Vec<i64>> {
    let (order, comparison, start) = match list.direction {
        Direction::Ascending => ("ASC", '>', i64::MIN),
        Direction::Descending => ("DESC", '<', i64::MAX),
    };
    let run = |status: &str| {
        format!(
            "SELECT id FROM (SELECT id FROM jobs WHERE project_id = $1{status} AND id {comparison} $2 \
             ORDER BY id {order}) AS run"
        )
    };
    let mut statuses = list.statuses.clone();
    statuses.sort_unstable();
    statuses.dedup();
    let runs: Vec<String> = match statuses[..] {
        [] => vec![run("")],
        // The statuses are constants and need no quoting.
        _ => statuses.iter().map(|status| run(&format!(" AND status = '{status}'"))).collect(),
    };
    // SQLite numbers parameters as they appear, so they are used in order.
    let text = format!("{} ORDER BY id {order} LIMIT $3 OFFSET $4", runs.join(" UNION ALL "));
    let rows: Vec<Row> = diesel::sql_query(text)
        .bind::<BigInt, _>(project_id)
        .bind::<BigInt, _>(list.behind.unwrap_or(start))
        .bind::<BigInt, _>(slice.limit)
        .bind::<BigInt, _>(slice.offset)
        .load(db)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The conditions of a list of a pipeline's jobs, newest first.
#[derive(Debug, Clone)]
pub struct PipelineJobs {
    /// The pipeline of the jobs.
    pub pipeline_id: i64,
    /// Allowed statuses; all when empty.
    pub statuses: Vec<Status>,
    /// Whether retried attempts are included.
    pub include_retried: bool,
}

/// Returns the IDs of the jobs in a slice of the list, and the size of the whole list.
///
/// # Errors
/// Those of the database.
pub fn of_pipeline(db: &mut Db, list: &PipelineJobs, slice: Slice) -> Result<(Vec<i64>, i64)> {
    let listed = || {
        let mut query = jobs::table.filter(jobs::pipeline_id.eq(list.pipeline_id)).into_boxed();
        if !list.statuses.is_empty() {
            let names = list.statuses.iter().map(|status| status.as_str());
            query = query.filter(jobs::status.eq_any(names));
        }
        if !list.include_retried {
            query = query.filter(jobs::retried.eq(false));
        }
        query
    };
    let ids =
        listed().order(jobs::id.desc()).offset(slice.offset).limit(slice.limit).select(jobs::id).load(db)?;
    Ok((ids, listed().count().get_result(db)?))
}
