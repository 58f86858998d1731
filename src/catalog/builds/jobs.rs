//! Jobs of builds, as far as a list needs them: counted by what decides the state of their build, in outline, or whole.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::BuildJob;
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{agent_jobs, jobs};
use crate::domain::status::Status;
use crate::domain::{Error, Result, Timestamp, Uuid};

/// The reasons of failures that are told apart, because dialects have states for them.
const REASONS: [&str; 2] = ["job_execution_timeout", "stuck_or_timeout_failure"];

/// How many jobs a statement asks for by name.
const NAMES_AT_A_TIME: usize = 10_000;

/// Jobs of a build that are alike in what decides its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobGroup {
    /// Their status.
    pub status: Status,
    /// Why they failed, if that has a state of its own.
    pub failure_reason: Option<String>,
    /// Whether later attempts replaced them.
    pub retried: bool,
    /// Whether they failed, and fail their build.
    pub fails: bool,
    /// Whether agents hold them.
    pub is_held: bool,
    /// How many they are.
    pub count: usize,
    /// When the first of them finished.
    pub first_finished: Option<Timestamp>,
}

/// A job as a list selects it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
pub struct JobOutline {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name, which all attempts of a step have.
    pub name: String,
    /// The status that was registered last.
    pub status: Status,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// Whether a later attempt replaced it.
    pub retried: bool,
    /// Of a job that agents run: which one holds it.
    #[diesel(embed)]
    pub by_agents: Option<Holder>,
}

/// The agent that holds a job.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = agent_jobs, check_for_backend(MultiBackend))]
pub struct Holder {
    /// Its UUID; `None` while the job waits, and after it ended.
    pub holder: Option<Uuid>,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct GroupRow {
    #[diesel(sql_type = BigInt)]
    pipeline_id: i64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    failure_reason: Option<String>,
    #[diesel(sql_type = Bool)]
    retried: bool,
    #[diesel(sql_type = Bool)]
    fails: bool,
    #[diesel(sql_type = Bool)]
    is_held: bool,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    first_finished: Option<i64>,
}

impl JobGroup {
    /// Groups the jobs of a build.
    pub(super) fn of(all: &[BuildJob]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for job in all {
            let reason = job.failure_reason.as_deref().filter(|reason| REASONS.contains(reason));
            let fails = job.fails_the_build();
            let is_held = job.by_agents.as_ref().is_some_and(|it| it.holder.is_some());
            let is_alike = |group: &&mut Self| {
                let own = (
                    group.status,
                    group.failure_reason.as_deref(),
                    group.retried,
                    group.fails,
                    group.is_held,
                );
                own == (job.status, reason, job.retried, fails, is_held)
            };
            match groups.iter_mut().find(is_alike) {
                Some(group) => {
                    group.count += 1;
                    group.first_finished = group.first_finished.into_iter().chain(job.finished_at).min();
                }
                None => groups.push(Self {
                    status: job.status,
                    failure_reason: reason.map(str::to_owned),
                    retried: job.retried,
                    fails,
                    is_held,
                    count: 1,
                    first_finished: job.finished_at,
                }),
            }
        }
        groups
    }
}

/// Groups the jobs of some builds without reading them one by one.
///
/// # Errors
/// Those of the database.
pub(super) fn groups(db: &mut Db, pipeline_ids: &[i64]) -> Result<HashMap<i64, Vec<JobGroup>>> {
    if pipeline_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let reasons = REASONS.map(|reason| format!("'{reason}'")).join(", ");
    // PostgreSQL needs no name for what is grouped, SQLite takes numbers of columns, too.
    let text = format!(
        "SELECT pipeline_id, status, CASE WHEN failure_reason IN ({reasons}) THEN failure_reason END AS failure_reason, \
         retried, (status = 'failed' AND NOT retried AND NOT allow_failure AND NOT COALESCE(soft_failed, FALSE)) AS fails, \
         (holder IS NOT NULL) AS is_held, count(*) AS count, min(finished_at) AS first_finished \
         FROM jobs LEFT JOIN agent_jobs ON agent_jobs.job_id = jobs.id WHERE pipeline_id IN ({}) GROUP BY 1, 2, 3, 4, 5, 6",
        listed(pipeline_ids)
    );
    let rows: Vec<GroupRow> = diesel::sql_query(text).load(db)?;
    let mut found: HashMap<i64, Vec<JobGroup>> = HashMap::new();
    for row in rows {
        found.entry(row.pipeline_id).or_default().push(JobGroup {
            status: row.status.parse().map_err(Error::internal)?,
            failure_reason: row.failure_reason,
            retried: row.retried,
            fails: row.fails,
            is_held: row.is_held,
            count: usize::try_from(row.count).unwrap_or(0),
            first_finished: row.first_finished.map(Timestamp::from_millis),
        });
    }
    Ok(found)
}

/// Writes numbers with commas between them; numbers need no quoting.
pub(super) fn listed(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Counts the jobs of some builds, retried ones too.
///
/// # Errors
/// Those of the database.
pub fn job_count(db: &mut Db, pipeline_ids: &[i64]) -> Result<i64> {
    Ok(jobs::table.filter(jobs::pipeline_id.eq_any(pipeline_ids)).count().get_result(db)?)
}

/// Lists the jobs of a build in the order of creation.
///
/// # Errors
/// Those of the database.
pub fn outlines(db: &mut Db, pipeline_id: i64) -> Result<Vec<JobOutline>> {
    Ok(jobs::table
        .left_join(agent_jobs::table)
        .filter(jobs::pipeline_id.eq(pipeline_id))
        .order(jobs::id.asc())
        .select(JobOutline::as_select())
        .load(db)?)
}

/// Lists the jobs of a build that have one of these names, in the order of creation: all attempts of these steps.
///
/// # Errors
/// Those of the database.
pub fn attempts(db: &mut Db, pipeline_id: i64, names: &[&str]) -> Result<Vec<JobOutline>> {
    let mut found = Vec::new();
    for some in names.chunks(NAMES_AT_A_TIME) {
        found.extend(
            jobs::table
                .left_join(agent_jobs::table)
                .filter(jobs::pipeline_id.eq(pipeline_id))
                .filter(jobs::name.eq_any(some))
                .select(JobOutline::as_select())
                .load::<JobOutline>(db)?,
        );
    }
    found.sort_unstable_by_key(|job| job.id);
    Ok(found)
}

/// Finds jobs by their IDs, in the order of creation.
///
/// # Errors
/// Those of the database.
pub fn jobs_by_id(db: &mut Db, ids: &[i64]) -> Result<Vec<BuildJob>> {
    Ok(jobs::table
        .left_join(agent_jobs::table)
        .filter(jobs::id.eq_any(ids))
        .order(jobs::id.asc())
        .select(BuildJob::as_select())
        .load(db)?)
}
