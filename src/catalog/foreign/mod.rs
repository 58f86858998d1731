//! Foreign rows: projects, pipelines, jobs and users of upstreams, which were asked about them, or told of them by the ID
//! token of a job or by a hook.
//!
//! A row that is registered here is never changed by what is told, and what is known is only filled or moved forward: a
//! job that has ended stays as it ended, and nothing is taken from a report that is older than the last.

mod answer;
mod asked;
mod events;
mod gone;
mod numbers;
mod projects;
mod refs;
mod report;
mod rows;
mod vouched;

use diesel::prelude::*;

pub use answer::{ForeignJob, ForeignPipeline, ForeignUser, ListedForeignJob};
pub use asked::{find_stored, store_job};
pub use events::{EventKey, Hint, is_new_event, pending, postpone, remember_event, settle};
pub use gone::{
    HiddenProject, ReturnedProject, check_soon, claim_check, confirm, contradicted, due_checks, due_removals,
    hide, hide_if_seen, is_due_for_removal, is_of_gone_project, kept_until, postpone_check, tell_again,
};
pub use projects::{known_project, move_project};
pub use refs::{ForeignRef, ListedForeignPipeline, newest_of_ref, store_facts, store_ref};
pub use report::{ForeignId, Report, ReportedJob, ReportedPipeline, ReportedProject, ReportedState};
pub use rows::apply_report;
pub use vouched::{VouchedRows, find_vouched, finish_vouched, store_vouched};

use self::numbers::Kind;
use super::Db;
use super::jobs::{self, Job};
use super::pipelines;
use super::projects::Project;
use super::schema::{jobs as jobs_table, pipelines as pipelines_table, projects as projects_table};
use crate::domain::Result;

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It changed something, or confirmed it.
    Taken,
    /// What is known is newer.
    Older,
    /// Nothing of the project is kept here, or the report contradicts what is.
    Ignored(&'static str),
}

/// What became of the rows of a job.
#[derive(Debug, Clone)]
pub enum StoreOutcome {
    /// They say so now.
    Stored(Job, Project),
    /// A row that is registered here, or belongs elsewhere, is in the way: nothing was changed. The text says which.
    InTheWay(String),
}

/// Returns what keeps a job from being stored, in a few words: one of its numbers or its path is another's here.
fn rows_in_the_way(
    db: &mut Db,
    project: &ReportedProject,
    pipeline: &ForeignId,
    job: &ForeignId,
) -> Result<Option<String>> {
    if let Some(why) = projects::in_the_way(db, project)? {
        return Ok(Some(why));
    }
    let upstream = &project.upstream;
    let Some(project_id) = numbers::find(db, upstream, Kind::Project, &project.id)? else { return Ok(None) };
    let Some(pipeline_id) = numbers::find(db, upstream, Kind::Pipeline(project_id), pipeline)? else {
        return Ok(None);
    };
    if pipelines::project_of(db, pipeline_id)?.is_some_and(|owner| owner != project_id) {
        return Ok(Some(format!("pipeline {pipeline_id} belongs to another project here")));
    }
    let Some(job_id) = numbers::find(db, upstream, Kind::Job(pipeline_id), job)? else { return Ok(None) };
    let known = jobs::find(db, job_id)?;
    let is_others =
        known.is_some_and(|known| known.project_id != project_id || known.pipeline_id != pipeline_id);
    Ok(is_others.then(|| format!("job {job_id} belongs to another pipeline here")))
}

/// Returns the upstream of the project of a job.
///
/// # Errors
/// Those of the database.
pub fn upstream_of_job(db: &mut Db, id: i64) -> Result<Option<String>> {
    let found: Option<Option<String>> = jobs_table::table
        .inner_join(projects_table::table)
        .filter(jobs_table::id.eq(id))
        .select(projects_table::upstream)
        .first(db)
        .optional()?;
    Ok(found.flatten())
}

/// Returns the upstream of the project of a pipeline.
///
/// # Errors
/// Those of the database.
pub fn upstream_of_pipeline(db: &mut Db, id: i64) -> Result<Option<String>> {
    let found: Option<Option<String>> = pipelines_table::table
        .inner_join(projects_table::table)
        .filter(pipelines_table::id.eq(id))
        .select(projects_table::upstream)
        .first(db)
        .optional()?;
    Ok(found.flatten())
}
