//! Fields of pipelines and jobs that only the dialect of builds shows, from a document or a change.

use serde::Serialize;

use super::document::Patch;
use crate::catalog::Db;
use crate::catalog::builds::{self, BuildFields, StepFields};
use crate::domain::build::{Agent, Author, PullRequest, TextMap, as_json};
use crate::domain::{Error, ErrorKind, Result};

/// What the starter of a pipeline says about it.
#[derive(Debug)]
pub(super) struct OfPipeline<'a> {
    pub(super) message: &'a Patch<String>,
    pub(super) env: &'a Patch<TextMap>,
    pub(super) meta_data: &'a Patch<TextMap>,
    pub(super) author: &'a Patch<Author>,
    pub(super) pull_request: &'a Patch<PullRequest>,
    pub(super) cancel_reason: &'a Patch<String>,
    pub(super) rebuilt_from: &'a Patch<i64>,
}

/// What is known of the step of a job.
#[derive(Debug)]
pub(super) struct OfJob<'a> {
    pub(super) command: &'a Patch<String>,
    pub(super) exit_status: &'a Patch<i64>,
    pub(super) step_key: &'a Patch<String>,
    pub(super) soft_failed: &'a Patch<bool>,
    pub(super) parallel_group_index: &'a Patch<i64>,
    pub(super) parallel_group_total: &'a Patch<i64>,
    pub(super) agent: &'a Patch<Agent>,
}

/// Borrows the fields of a document or a change by their names.
macro_rules! of_pipeline {
    ($from:expr) => {
        $crate::registry::fields::OfPipeline {
            message: &$from.message,
            env: &$from.env,
            meta_data: &$from.meta_data,
            author: &$from.author,
            pull_request: &$from.pull_request,
            cancel_reason: &$from.cancel_reason,
            rebuilt_from: &$from.rebuilt_from,
        }
    };
}

/// Borrows the fields of a document or a change by their names.
macro_rules! of_job {
    ($from:expr) => {
        $crate::registry::fields::OfJob {
            command: &$from.command,
            exit_status: &$from.exit_status,
            step_key: &$from.step_key,
            soft_failed: &$from.soft_failed,
            parallel_group_index: &$from.parallel_group_index,
            parallel_group_total: &$from.parallel_group_total,
            agent: &$from.agent,
        }
    };
}

pub(super) use {of_job, of_pipeline};

impl OfPipeline<'_> {
    /// Stores what is given.
    pub(super) fn store(self, db: &mut Db, pipeline_id: i64) -> Result<()> {
        for (name, map) in [("env", self.env), ("meta_data", self.meta_data)] {
            if let Some(Some(map)) = map {
                let wrong = |why| Error::new(ErrorKind::Invalid, format!("{name}: {why}"));
                map.check().map_err(wrong)?;
            }
        }
        let fields = BuildFields {
            message: self.message.clone(),
            env: json(self.env)?,
            author: json(self.author)?,
            pull_request: json(self.pull_request)?,
            cancel_reason: self.cancel_reason.clone(),
            rebuilt_from: *self.rebuilt_from,
        };
        builds::set_fields(db, pipeline_id, &fields)?;
        match self.meta_data {
            None => Ok(()),
            Some(values) => {
                builds::set_meta_data(db, pipeline_id, values.as_ref().unwrap_or(&TextMap::default()))
            }
        }
    }
}

impl OfJob<'_> {
    /// Stores what is given.
    pub(super) fn store(self, db: &mut Db, job_id: i64) -> Result<()> {
        let fields = StepFields {
            command: self.command.clone(),
            exit_status: *self.exit_status,
            step_key: self.step_key.clone(),
            soft_failed: *self.soft_failed,
            parallel_group_index: *self.parallel_group_index,
            parallel_group_total: *self.parallel_group_total,
            agent: json(self.agent)?,
        };
        builds::set_step(db, job_id, &fields)
    }
}

fn json<T: Serialize>(value: &Patch<T>) -> Result<Patch<String>> {
    value.as_ref().map(|value| value.as_ref().map(as_json).transpose()).transpose()
}
