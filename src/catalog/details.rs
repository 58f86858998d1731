//! A job with all that belongs to it, as a dialect shows it.

use diesel::prelude::*;

use super::artifacts::{self, Artifact};
use super::schema::{commits, jobs, pipelines, users};
use super::{Db, db::MultiBackend};
use crate::domain::pipeline::Source;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// A job and what belongs to it.
#[derive(Debug, Clone)]
pub struct JobDetails {
    /// The job.
    pub job: JobFacts,
    /// Its pipeline.
    pub pipeline: PipelineFacts,
    /// The commit it ran on, if anybody told.
    pub commit: Option<CommitFacts>,
    /// Whose rights it had.
    pub user: Option<UserFacts>,
    /// Its finished artifacts, expired or not, oldest first.
    pub artifacts: Vec<Artifact>,
}

/// What is known of a job.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
#[allow(missing_docs)]
pub struct JobFacts {
    pub id: i64,
    pub name: String,
    pub stage: String,
    pub status: Status,
    pub allow_failure: bool,
    pub coverage: Option<f64>,
    pub failure_reason: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub erased_at: Option<Timestamp>,
}

/// What is known of a pipeline.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pipelines, check_for_backend(MultiBackend))]
#[allow(missing_docs)]
pub struct PipelineFacts {
    pub id: i64,
    pub iid: i64,
    pub project_id: i64,
    pub ref_name: String,
    pub tag: bool,
    pub sha: String,
    pub status: Status,
    pub source: Source,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What is known of a commit.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = commits, check_for_backend(MultiBackend))]
#[allow(missing_docs)]
pub struct CommitFacts {
    pub sha: String,
    pub title: String,
    pub message: String,
    pub author_name: String,
    pub author_email: String,
    pub created_at: Option<Timestamp>,
}

/// What is known of a user.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
#[allow(missing_docs)]
pub struct UserFacts {
    pub id: i64,
    pub username: String,
    pub name: String,
    pub created_at: Timestamp,
}

/// A job by number.
///
/// # Errors
/// Only those of the database.
pub fn job(db: &mut Db, id: i64) -> Result<Option<JobDetails>> {
    type Row = (JobFacts, PipelineFacts, Option<UserFacts>);
    let found: Option<Row> = jobs::table
        .inner_join(pipelines::table)
        .left_join(users::table.on(users::id.nullable().eq(jobs::user_id)))
        .filter(jobs::id.eq(id))
        .select((JobFacts::as_select(), PipelineFacts::as_select(), Option::<UserFacts>::as_select()))
        .first(db)
        .optional()?;
    let Some((job, pipeline, user)) = found else { return Ok(None) };
    let commit = commits::table
        .find((pipeline.project_id, &pipeline.sha))
        .select(CommitFacts::as_select())
        .first(db)
        .optional()?;
    let artifacts = artifacts::of_job(db, id)?;
    Ok(Some(JobDetails { job, pipeline, commit, user, artifacts }))
}
