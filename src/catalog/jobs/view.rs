//! Job views: a job with its pipeline, commit, user and artifacts, as dialects show it.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::catalog::Db;
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::commits::CommitView;
use crate::catalog::db::MultiBackend;
use crate::catalog::latest::eligible_sql;
use crate::catalog::pipelines::PipelineView;
use crate::catalog::schema::{commits, jobs, pipelines, users};
use crate::catalog::users::UserView;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp, Uuid};

/// A job and the rows that belong to it.
#[derive(Debug, Clone)]
pub struct JobDetails {
    /// The job.
    pub job: JobView,
    /// Its pipeline.
    pub pipeline: PipelineView,
    /// The commit it ran on, if it was registered.
    pub commit: Option<CommitView>,
    /// The user whose permissions its token had.
    pub user: Option<UserView>,
    /// Its finished artifacts, expired or not, oldest first.
    pub artifacts: Vec<Artifact>,
}

/// The columns of a job that dialects show.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
pub struct JobView {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// The status that was registered last.
    pub status: Status,
    /// Whether its pipeline may succeed without it.
    pub allow_failure: bool,
    /// Test coverage, in percent.
    pub coverage: Option<f64>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// When its results were erased.
    pub erased_at: Option<Timestamp>,
}

/// Where a job stands: what its pages tell of the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    /// Its name.
    pub name: String,
    /// Its pipeline.
    pub pipeline_id: i64,
    /// The branch, tag or merge request on which that ran.
    pub ref_name: String,
    /// Whether an address by ref and name leads to it, or to a newer one: it and its pipeline succeeded.
    pub has_newest: bool,
}

/// Finds where a job stands.
///
/// # Errors
/// Those of the database.
pub fn place(db: &mut Db, id: i64) -> Result<Option<JobPlace>> {
    let is_eligible = sql::<Bool>(&format!("({})", eligible_sql("pipelines")));
    let row: Option<(String, Status, i64, String, bool)> = jobs::table
        .inner_join(pipelines::table)
        .filter(jobs::id.eq(id))
        .select((jobs::name, jobs::status, pipelines::id, pipelines::ref_name, is_eligible))
        .get_result(db)
        .optional()?;
    Ok(row.map(|(name, status, pipeline_id, ref_name, is_eligible)| JobPlace {
        name,
        pipeline_id,
        ref_name,
        has_newest: status == Status::Success && is_eligible,
    }))
}

/// Finds a job by ID, with the rows that belong to it.
///
/// # Errors
/// Those of the database.
pub fn find_details(db: &mut Db, id: i64) -> Result<Option<JobDetails>> {
    Ok(all_details(db, &[id])?.pop())
}

/// Finds the jobs with these IDs, in this order, without those that do not exist: two statements, however
/// many there are.
///
/// # Errors
/// Those of the database.
pub fn all_details(db: &mut Db, ids: &[i64]) -> Result<Vec<JobDetails>> {
    type Row = (JobView, PipelineView, Option<UserView>, Option<CommitView>);
    let of_pipeline = commits::project_id.eq(pipelines::project_id).and(commits::sha.eq(pipelines::sha));
    let rows: Vec<Row> = jobs::table
        .inner_join(pipelines::table)
        .left_join(users::table.on(users::id.nullable().eq(jobs::user_id)))
        .left_join(commits::table.on(of_pipeline))
        .filter(jobs::id.eq_any(ids))
        .select((
            JobView::as_select(),
            PipelineView::as_select(),
            Option::<UserView>::as_select(),
            Option::<CommitView>::as_select(),
        ))
        .load(db)?;
    let mut artifacts = artifacts::of_jobs(db, ids)?;
    let mut found: HashMap<i64, JobDetails> = HashMap::with_capacity(rows.len());
    for (job, pipeline, user, commit) in rows {
        let artifacts = artifacts.remove(&job.id).unwrap_or_default();
        found.insert(job.id, JobDetails { job, pipeline, commit, user, artifacts });
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}
