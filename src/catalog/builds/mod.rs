//! Builds: pipelines with what their starter said about them, with their meta-data and the steps of their jobs.

mod change;
mod counters;
mod filters;
mod follow;
mod jobs;
mod list;
mod sql;
mod steps;
mod view;

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

pub use change::{
    CancelOutcome, NewBuild, RetryOutcome, cancel, cancel_due, create, end_canceled, is_being_canceled,
    require_not_canceled, require_same_project, retry,
};
pub(super) use change::{END_OF_NUMBERS, FIRST_NUMBER, next as next_given};
pub use counters::{Counters, counters};
pub use follow::follow_jobs;
pub use jobs::{JobGroup, JobOutline, attempts, job_count, jobs_by_id, outlines};
pub use list::{BuildCondition, BuildList, BuildPage, BuildState, listed};
pub use view::{
    Build, BuildJob, BuildProject, BuildView, all, find, find_by_number, ids_of, in_outline, job_by_uuid,
    project,
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

/// The outcome of [`set_value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOutcome {
    /// It is set.
    Set,
    /// The pipeline has as many values as it may have.
    TooMany,
    /// All values, with their names, would be larger than they may be.
    TooLarge,
}

/// Sets one value of a pipeline's meta-data, of which there may be so many values and so many bytes in all. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn set_value(
    db: &mut Db,
    pipeline_id: i64,
    (key, value): (&str, &str),
    (most, most_bytes): (i64, i64),
) -> Result<SetOutcome> {
    // The jobs of a build set values one after the other.
    diesel::update(pipelines::table.find(pipeline_id))
        .set(pipelines::status.eq(pipelines::status))
        .execute(db)?;
    let added = i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX);
    if bytes_of_others(db, pipeline_id, key)?.saturating_add(added) > most_bytes {
        return Ok(SetOutcome::TooLarge);
    }
    let changed = (meta_data::value.eq(value), meta_data::value_start.eq(start_of(value)));
    if diesel::update(meta_data::table.find((pipeline_id, key))).set(changed.clone()).execute(db)? > 0 {
        return Ok(SetOutcome::Set);
    }
    let all = meta_data::table.filter(meta_data::pipeline_id.eq(pipeline_id));
    if all.count().get_result::<i64>(db)? >= most {
        return Ok(SetOutcome::TooMany);
    }
    diesel::insert_into(meta_data::table)
        .values((meta_data::pipeline_id.eq(pipeline_id), meta_data::key.eq(key), changed))
        .execute(db)?;
    Ok(SetOutcome::Set)
}

/// The size of all names and values of a pipeline but those of one key, in bytes.
fn bytes_of_others(db: &mut Db, pipeline_id: i64, key: &str) -> Result<i64> {
    let bytes = match db {
        Db::Sqlite(_) => "COALESCE(SUM(LENGTH(CAST(key AS BLOB)) + LENGTH(CAST(value AS BLOB))), 0)",
        Db::Postgres(_) => "COALESCE(SUM(OCTET_LENGTH(key) + OCTET_LENGTH(value)), 0)",
    };
    let others =
        meta_data::table.filter(meta_data::pipeline_id.eq(pipeline_id)).filter(meta_data::key.ne(key));
    Ok(others.select(diesel::dsl::sql::<diesel::sql_types::BigInt>(bytes)).get_result(db)?)
}

/// Returns the names of the values of a pipeline's meta-data, in their order.
///
/// # Errors
/// Those of the database.
pub fn keys(db: &mut Db, pipeline_id: i64) -> Result<Vec<String>> {
    let all = meta_data::table.filter(meta_data::pipeline_id.eq(pipeline_id)).select(meta_data::key);
    let mut keys: Vec<String> = all.load(db)?;
    // Databases order texts each in its way.
    keys.sort_unstable();
    Ok(keys)
}

/// Returns one value of a pipeline's meta-data.
///
/// # Errors
/// Those of the database.
pub fn value(db: &mut Db, pipeline_id: i64, key: &str) -> Result<Option<String>> {
    Ok(meta_data::table.find((pipeline_id, key)).select(meta_data::value).get_result(db).optional()?)
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
