//! Job views: a job with everything that belongs to it, as dialects show it.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::catalog::Db;
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::commits::CommitView;
use crate::catalog::db::MultiBackend;
use crate::catalog::pipelines::PipelineView;
use crate::catalog::schema::{commits, jobs, pipelines, users};
use crate::catalog::users::UserView;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp, Uuid};

/// A job and what belongs to it.
#[derive(Debug, Clone)]
pub struct JobDetails {
    /// The job.
    pub job: JobView,
    /// Its pipeline.
    pub pipeline: PipelineView,
    /// The commit it ran on, if anybody told.
    pub commit: Option<CommitView>,
    /// Whose rights it had.
    pub user: Option<UserView>,
    /// Its finished artifacts, expired or not, oldest first.
    pub artifacts: Vec<Artifact>,
}

/// What is known of a job.
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
    /// Where it stands.
    pub status: Status,
    /// Whether its pipeline may succeed without it.
    pub allow_failure: bool,
    /// Test coverage, in percent.
    pub coverage: Option<f64>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its results were erased.
    pub erased_at: Option<Timestamp>,
}

/// A job by number.
///
/// # Errors
/// Only those of the database.
pub fn find_details(db: &mut Db, id: i64) -> Result<Option<JobDetails>> {
    Ok(all_details(db, &[id])?.pop())
}

/// The jobs with these numbers, as far as there are any, in this order: two statements, however many
/// they are.
///
/// # Errors
/// Only those of the database.
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
