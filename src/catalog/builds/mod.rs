//! Builds: pipelines with what their starter said about them, with their meta-data and the steps of their jobs.

mod change;
mod counters;
mod filters;
mod jobs;
mod list;
mod sql;
mod view;

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

pub use change::{
    CancelOutcome, NewBuild, RetryOutcome, cancel, cancel_due, create, end_canceled, is_being_canceled,
    require_not_canceled, require_same_project, retry,
};
pub use counters::{Counters, counters};
pub use jobs::{JobGroup, JobOutline, attempts, job_count, jobs_by_id, outlines};
pub use list::{BuildCondition, BuildList, BuildPage, BuildState, listed};
pub use view::{
    Build, BuildJob, BuildProject, BuildView, all, find, find_by_number, in_outline, job_by_uuid, project,
};

use super::Db;
use super::schema::{jobs as job_rows, meta_data, pipelines};
use crate::domain::Result;
use crate::domain::build::TextMap;

/// How many characters of a value an index holds.
const VALUE_START_CHARS: usize = 100;

/// The columns of a pipeline that say what its starter said; `None` leaves a column unchanged.
#[derive(Debug, Default, Clone, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = pipelines)]
pub struct BuildFields {
    /// The message.
    pub message: Option<Option<String>>,
    /// Environment variables, as JSON.
    pub env: Option<Option<String>>,
    /// The author, as JSON.
    pub author: Option<Option<String>>,
    /// The pull request, as JSON.
    pub pull_request: Option<Option<String>>,
    /// Why it was canceled.
    pub cancel_reason: Option<Option<String>>,
    /// The pipeline of which it is a repetition.
    pub rebuilt_from: Option<Option<i64>>,
}

/// The columns of a job that say what its step is; `None` leaves a column unchanged.
#[derive(Debug, Default, Clone, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = job_rows)]
pub struct StepFields {
    /// The command.
    pub command: Option<Option<String>>,
    /// The exit status of the command.
    pub exit_status: Option<Option<i64>>,
    /// The name of the step that stays the same when its label changes.
    pub step_key: Option<Option<String>>,
    /// Whether it failed in a way that fails nothing else.
    pub soft_failed: Option<Option<bool>>,
    /// Its number among the parallel jobs of its step.
    pub parallel_group_index: Option<Option<i64>>,
    /// The number of parallel jobs of its step.
    pub parallel_group_total: Option<Option<i64>>,
    /// The agent that runs it, as JSON.
    pub agent: Option<Option<String>>,
}

/// Sets what the starter of a pipeline said.
///
/// # Errors
/// Those of the database.
pub fn set_fields(db: &mut Db, pipeline_id: i64, fields: &BuildFields) -> Result<()> {
    if *fields != BuildFields::default() {
        diesel::update(pipelines::table.find(pipeline_id)).set(fields).execute(db)?;
    }
    Ok(())
}

/// Sets what the step of a job is.
///
/// # Errors
/// Those of the database.
pub fn set_step(db: &mut Db, job_id: i64, fields: &StepFields) -> Result<()> {
    if *fields != StepFields::default() {
        diesel::update(job_rows::table.find(job_id)).set(fields).execute(db)?;
    }
    Ok(())
}

/// Replaces all meta-data of a pipeline.
///
/// # Errors
/// Those of the database.
pub fn set_meta_data(db: &mut Db, pipeline_id: i64, values: &TextMap) -> Result<()> {
    diesel::delete(meta_data::table.filter(meta_data::pipeline_id.eq(pipeline_id))).execute(db)?;
    for (key, value) in &values.0 {
        diesel::insert_into(meta_data::table)
            .values((
                meta_data::pipeline_id.eq(pipeline_id),
                meta_data::key.eq(key),
                meta_data::value.eq(value),
                meta_data::value_start.eq(start_of(value)),
            ))
            .execute(db)?;
    }
    Ok(())
}

/// Returns the meta-data of some pipelines.
///
/// # Errors
/// Those of the database.
pub fn meta_data(db: &mut Db, pipeline_ids: &[i64]) -> Result<HashMap<i64, TextMap>> {
    let rows: Vec<(i64, String, String)> = meta_data::table
        .filter(meta_data::pipeline_id.eq_any(pipeline_ids))
        .select((meta_data::pipeline_id, meta_data::key, meta_data::value))
        .load(db)?;
    let mut found: HashMap<i64, BTreeMap<String, String>> = HashMap::new();
    for (id, key, value) in rows {
        found.entry(id).or_default().insert(key, value);
    }
    Ok(found.into_iter().map(|(id, values)| (id, TextMap(values))).collect())
}

/// The part of a value that is in the index.
fn start_of(value: &str) -> String {
    value.chars().take(VALUE_START_CHARS).collect()
}
