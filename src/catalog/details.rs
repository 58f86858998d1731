//! A job or a pipeline with all that belongs to it, as a dialect shows it.

use std::collections::HashMap;

use diesel::prelude::*;

use super::artifacts::{self, Artifact};
use super::schema::{commits, jobs, pipelines, users};
use super::users::UserDetails;
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
pub struct JobFacts {
    /// Its number.
    pub id: i64,
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

/// What is known of a pipeline.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pipelines, check_for_backend(MultiBackend))]
pub struct PipelineFacts {
    /// Its number.
    pub id: i64,
    /// Its number within the project.
    pub iid: i64,
    /// Its project.
    pub project_id: i64,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag.
    pub tag: bool,
    /// The commit.
    pub sha: String,
    /// Where it stands.
    pub status: Status,
    /// What started it.
    pub source: Source,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is known of a commit.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = commits, check_for_backend(MultiBackend))]
pub struct CommitFacts {
    /// Its id.
    pub sha: String,
    /// The first line of the message.
    pub title: String,
    /// The whole message.
    pub message: String,
    /// Who wrote it.
    pub author_name: String,
    /// Where to reach them.
    pub author_email: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// What is known of a user.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct UserFacts {
    /// Their number.
    pub id: i64,
    /// The name they sign in with.
    pub username: String,
    /// The name they go by.
    pub name: String,
    /// When they were made known.
    pub created_at: Timestamp,
}

/// A pipeline and what belongs to it.
#[derive(Debug, Clone)]
pub struct PipelineDetails {
    /// The pipeline.
    pub pipeline: PipelineFacts,
    /// Who started it.
    pub user: Option<UserFacts>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The mean coverage in percent of its jobs that tell one; an attempt that was retried is none.
    pub coverage: Option<f64>,
}

/// A job by number.
///
/// # Errors
/// Only those of the database.
pub fn job(db: &mut Db, id: i64) -> Result<Option<JobDetails>> {
    Ok(all_jobs(db, &[id])?.pop())
}

/// The jobs with these numbers, as far as there are any, in this order: two statements, however many
/// they are.
///
/// # Errors
/// Only those of the database.
pub fn all_jobs(db: &mut Db, ids: &[i64]) -> Result<Vec<JobDetails>> {
    type Row = (JobFacts, PipelineFacts, Option<UserFacts>, Option<CommitFacts>);
    let of_pipeline = commits::project_id.eq(pipelines::project_id).and(commits::sha.eq(pipelines::sha));
    let rows: Vec<Row> = jobs::table
        .inner_join(pipelines::table)
        .left_join(users::table.on(users::id.nullable().eq(jobs::user_id)))
        .left_join(commits::table.on(of_pipeline))
        .filter(jobs::id.eq_any(ids))
        .select((
            JobFacts::as_select(),
            PipelineFacts::as_select(),
            Option::<UserFacts>::as_select(),
            Option::<CommitFacts>::as_select(),
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

/// The pipelines with these numbers, as far as there are any, in this order.
///
/// # Errors
/// Only those of the database.
pub fn all_pipelines(db: &mut Db, ids: &[i64]) -> Result<Vec<PipelineFacts>> {
    let rows: Vec<PipelineFacts> =
        pipelines::table.filter(pipelines::id.eq_any(ids)).select(PipelineFacts::as_select()).load(db)?;
    let mut found: HashMap<i64, PipelineFacts> = rows.into_iter().map(|row| (row.id, row)).collect();
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// A pipeline of a project by number.
///
/// # Errors
/// Only those of the database.
pub fn pipeline(db: &mut Db, project_id: i64, id: i64) -> Result<Option<PipelineDetails>> {
    let found =
        all_pipeline_details(db, &[id])?.pop().filter(|found| found.pipeline.project_id == project_id);
    let Some(mut found) = found else { return Ok(None) };
    let covered: Vec<Option<f64>> = jobs::table
        .filter(jobs::pipeline_id.eq(id))
        .filter(jobs::retried.eq(false))
        .filter(jobs::coverage.is_not_null())
        .select(jobs::coverage)
        .load(db)?;
    let covered: Vec<f64> = covered.into_iter().flatten().collect();
    found.coverage = (!covered.is_empty()).then(|| covered.iter().sum::<f64>() / covered.len() as f64);
    Ok(Some(found))
}

/// The pipelines with these numbers, as far as there are any, in this order; without their coverage.
///
/// # Errors
/// Only those of the database.
pub fn all_pipeline_details(db: &mut Db, ids: &[i64]) -> Result<Vec<PipelineDetails>> {
    type Row = (PipelineFacts, Option<UserFacts>, Option<Timestamp>, Option<Timestamp>);
    let rows: Vec<Row> = pipelines::table
        .left_join(users::table)
        .filter(pipelines::id.eq_any(ids))
        .select((
            PipelineFacts::as_select(),
            Option::<UserFacts>::as_select(),
            pipelines::started_at,
            pipelines::finished_at,
        ))
        .load(db)?;
    let mut found: HashMap<i64, PipelineDetails> = HashMap::with_capacity(rows.len());
    for (pipeline, user, started_at, finished_at) in rows {
        let details = PipelineDetails { pipeline, user, started_at, finished_at, coverage: None };
        found.insert(details.pipeline.id, details);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// A commit of a project, if anybody told of it.
///
/// # Errors
/// Only those of the database.
pub fn commit(db: &mut Db, project_id: i64, sha: &str) -> Result<Option<CommitFacts>> {
    Ok(commits::table.find((project_id, sha)).select(CommitFacts::as_select()).first(db).optional()?)
}

/// A user by number.
///
/// # Errors
/// Only those of the database.
pub fn user(db: &mut Db, id: i64) -> Result<Option<UserDetails>> {
    Ok(users::table.find(id).select(UserDetails::as_select()).first(db).optional()?)
}
