//! Counters: how many builds and jobs of a project wait and run.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::jobs::listed;
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::slice::COUNT_LIMIT;
use crate::domain::Result;
use crate::domain::status::Status;

/// How many builds and jobs of a project wait and run; each is counted up to [`COUNT_LIMIT`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Builds that wait to be run.
    pub scheduled_builds: i64,
    /// Builds that run.
    pub running_builds: i64,
    /// Jobs that wait to be run.
    pub scheduled_jobs: i64,
    /// Jobs that run.
    pub running_jobs: i64,
    /// Jobs that wait for others.
    pub waiting_jobs: i64,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    scheduled_builds: i64,
    #[diesel(sql_type = BigInt)]
    running_builds: i64,
    #[diesel(sql_type = BigInt)]
    scheduled_jobs: i64,
    #[diesel(sql_type = BigInt)]
    running_jobs: i64,
    #[diesel(sql_type = BigInt)]
    waiting_jobs: i64,
}

fn is_waiting(status: Status) -> bool {
    matches!(
        status,
        Status::WaitingForResource
            | Status::Preparing
            | Status::WaitingForCallback
            | Status::Pending
            | Status::Scheduled
    )
}

/// Counts for some projects.
///
/// # Errors
/// Those of the database.
pub fn counters(db: &mut Db, project_ids: &[i64]) -> Result<HashMap<i64, Counters>> {
    if project_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let count = |table: &str, is_wanted: fn(Status) -> bool, name: &str| {
        let words: Vec<String> = Status::words(is_wanted).map(|word| format!("'{word}'")).collect();
        let words = words.join(", ");
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM {table} AS counted WHERE counted.project_id = projects.id \
             AND counted.status IN ({words}) LIMIT {COUNT_LIMIT}) AS few) AS {name}"
        )
    };
    let counts = [
        count("pipelines", is_waiting, "scheduled_builds"),
        count("pipelines", |status| status == Status::Running, "running_builds"),
        count("jobs", is_waiting, "scheduled_jobs"),
        count("jobs", |status| status == Status::Running, "running_jobs"),
        count("jobs", |status| status == Status::Created, "waiting_jobs"),
    ];
    let (counts, ids) = (counts.join(", "), listed(project_ids));
    let text = format!("SELECT projects.id, {counts} FROM projects WHERE projects.id IN ({ids})");
    let rows: Vec<Row> = diesel::sql_query(text).load(db)?;
    let counters = |row: &Row| Counters {
        scheduled_builds: row.scheduled_builds,
        running_builds: row.running_builds,
        scheduled_jobs: row.scheduled_jobs,
        running_jobs: row.running_jobs,
        waiting_jobs: row.waiting_jobs,
    };
    Ok(rows.iter().map(|row| (row.id, counters(row))).collect())
}
