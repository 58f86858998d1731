//! Update of one job or pipeline: the small change that a CI coordinator sends when a job starts or ends.
//!
//! An absent field leaves the value as it is, as in a document. `started_at` and `finished_at` follow from a
//! new status if the change does not give them.

use serde::{Deserialize, Deserializer};

use super::LoadError;
use super::document::{Patch, named};
use super::fields::{of_job, of_pipeline};
use super::parse;
use crate::catalog::jobs::{self, JobRecord, JobUpdate};
use crate::catalog::pipelines::{self, PipelineRecord, PipelineUpdate};
use crate::catalog::{Db, builds, foreign};
use crate::domain::build::{Agent, Author, PullRequest, TextMap};
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind, Result, Sha256Digest, Timestamp};

/// The longest reason for a failure, in characters.
const MAX_REASON: usize = 255;

/// The changes of a job.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobChange {
    #[serde(default, deserialize_with = "given")]
    status: Option<Status>,
    #[serde(default, deserialize_with = "given")]
    allow_failure: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    retried: Option<bool>,
    #[serde(default, deserialize_with = "percentage")]
    coverage: Patch<f64>,
    #[serde(default, deserialize_with = "reason")]
    failure_reason: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    started_at: Patch<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    finished_at: Patch<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    command: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    exit_status: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    step_key: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    soft_failed: Patch<bool>,
    #[serde(default, deserialize_with = "named")]
    parallel_group_index: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    parallel_group_total: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    agent: Patch<Agent>,
}

/// The changes of a pipeline.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineChange {
    #[serde(default, deserialize_with = "given")]
    status: Option<Status>,
    #[serde(default, deserialize_with = "named")]
    message: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    env: Patch<TextMap>,
    #[serde(default, deserialize_with = "named")]
    meta_data: Patch<TextMap>,
    #[serde(default, deserialize_with = "named")]
    author: Patch<Author>,
    #[serde(default, deserialize_with = "named")]
    pull_request: Patch<PullRequest>,
    #[serde(default, deserialize_with = "named")]
    cancel_reason: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    rebuilt_from: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    started_at: Patch<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    finished_at: Patch<Timestamp>,
}

impl JobChange {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`LoadError::Malformed`], which names the field.
    pub(super) fn read(body: &[u8]) -> Result<Self, LoadError> {
        parse::json_value(body)
    }

    /// Returns the new status, if the change has one.
    pub(super) fn status(&self) -> Option<Status> {
        self.status
    }

    /// Applies the change to the job `id`. Needs [`crate::catalog::Catalog::write`].
    ///
    /// # Errors
    /// `NotFound` if the job does not exist; `Conflict` if it has ended and the new status is not final.
    pub(super) fn apply(self, db: &mut Db, id: i64, now: Timestamp) -> Result<JobRecord> {
        let job = jobs::lock_with_pipeline(db, id)?.ok_or_else(|| no_such("job", id))?;
        require_registered("job", id, foreign::upstream_of_job(db, id)?)?;
        if let Some(status) = self.status.filter(|status| job.status.is_final() && !status.is_final()) {
            let why = format!("status: job {id} has ended with {} and cannot be {status} again", job.status);
            return Err(Error::new(ErrorKind::Conflict, why));
        }
        // A late report that it runs does not undo a cancellation.
        let is_canceling = job.status == Status::Canceling && builds::is_being_canceled(db, job.pipeline_id)?;
        let status = self.status.filter(|status| !is_canceling || status.is_final());
        let times = Times { began: job.started_at, ended: job.finished_at };
        of_job!(self).store(db, id)?;
        let changes = JobUpdate {
            status: status.map(Status::as_str),
            allow_failure: self.allow_failure,
            retried: self.retried,
            coverage: self.coverage,
            failure_reason: self.failure_reason,
            started_at: times.began(status, self.started_at, now),
            finished_at: times.ended(status, self.finished_at, now),
        };
        let job = jobs::update(db, job, changes)?;
        builds::follow_jobs(db, job.pipeline_id, now)?;
        Ok(job)
    }
}

impl PipelineChange {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`LoadError::Malformed`], which names the field.
    pub(super) fn read(body: &[u8]) -> Result<Self, LoadError> {
        parse::json_value(body)
    }

    /// Returns the new status, if the change has one.
    pub(super) fn status(&self) -> Option<Status> {
        self.status
    }

    /// Applies the change to the pipeline `id`. An ended pipeline may run again, because its jobs can be
    /// retried. Needs [`crate::catalog::Catalog::write`].
    ///
    /// # Errors
    /// `NotFound` if the pipeline does not exist; `Conflict` if it was created here and canceled; `Invalid` if it is said
    /// to be rebuilt from one of another project.
    pub(super) fn apply(self, db: &mut Db, id: i64, now: Timestamp) -> Result<PipelineRecord> {
        let pipeline = pipelines::lock(db, id)?.ok_or_else(|| no_such("pipeline", id))?;
        require_registered("pipeline", id, foreign::upstream_of_pipeline(db, id)?)?;
        builds::require_not_canceled(db, id, pipeline.status, self.status)?;
        // A cancellation ends when its jobs have ended, whatever is reported meanwhile.
        let is_canceling = builds::is_being_canceled(db, id)?;
        let status = self.status.filter(|_| !is_canceling);
        let times = Times { began: pipeline.started_at, ended: pipeline.finished_at };
        if let Some(Some(original)) = self.rebuilt_from {
            builds::require_same_project(db, id, original)?;
        }
        of_pipeline!(self).store(db, id)?;
        let changes = PipelineUpdate {
            status: status.map(Status::as_str),
            started_at: times.began(status, self.started_at, now),
            finished_at: times.ended(status, self.finished_at, now),
        };
        let pipeline = pipelines::update(db, pipeline, changes, now)?;
        if is_canceling {
            builds::end_canceled(db, id, now)?;
            return pipelines::lock(db, id)?.ok_or_else(|| no_such("pipeline", id));
        }
        if status.is_some_and(Status::is_finished) {
            builds::follow_jobs(db, id, now)?;
        }
        Ok(pipeline)
    }
}

/// Replaces the token of a job. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `NotFound` if the job does not exist; `Conflict` if the job is not pending, running or canceling, or was
/// erased: its token would never be valid.
pub(super) fn replace_job_token(db: &mut Db, id: i64, token: Sha256Digest) -> Result<JobRecord> {
    let job = jobs::lock(db, id)?.ok_or_else(|| no_such("job", id))?;
    require_registered("job", id, foreign::upstream_of_job(db, id)?)?;
    if !job.status.awaits_token() || job.erased_at.is_some() {
        let state = if job.erased_at.is_some() { "erased" } else { job.status.as_str() };
        let why = format!("job {id} is {state}; only a pending, running or canceling job can have a token");
        return Err(Error::new(ErrorKind::Conflict, why));
    }
    jobs::set_token(db, id, token)?;
    Ok(job)
}

fn no_such(what: &str, id: i64) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} {id}"))
}

/// Requires that a job or pipeline is registered here: an upstream's own are changed there.
fn require_registered(what: &str, id: i64, upstream: Option<String>) -> Result<()> {
    let Some(upstream) = upstream else { return Ok(()) };
    let why = format!("{what} {id} belongs to the upstream {upstream}, and is changed there");
    Err(Error::new(ErrorKind::Unprocessable, why))
}

/// The stored times of a job or pipeline.
struct Times {
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Times {
    /// Returns the new `started_at`: the given time, else `now` if the new status is `running` and no time is
    /// stored.
    fn began(&self, status: Option<Status>, given: Patch<Timestamp>, now: Timestamp) -> Patch<i64> {
        let implied = match status {
            Some(Status::Running) if self.began.is_none() => Some(Some(now)),
            _ => None,
        };
        given.or(implied).map(|time| time.map(Timestamp::as_millis))
    }

    /// Returns the new `finished_at`: the given time, else `now` if the new status is final and no time is
    /// stored, else `null` if the new status is not final.
    fn ended(&self, status: Option<Status>, given: Patch<Timestamp>, now: Timestamp) -> Patch<i64> {
        let implied = match status {
            Some(status) if status.is_final() && self.ended.is_none() => Some(Some(now)),
            Some(status) if !status.is_final() => Some(None),
            _ => None,
        };
        given.or(implied).map(|time| time.map(Timestamp::as_millis))
    }
}

/// Reads a field that cannot be cleared. Rejects `null`, because its sender expects it to clear the field.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn percentage<'de, D: Deserializer<'de>>(from: D) -> Result<Patch<f64>, D::Error> {
    let coverage: Option<f64> = Option::deserialize(from)?;
    match coverage {
        Some(percent) if !(0.0..=100.0).contains(&percent) => {
            Err(serde::de::Error::custom(format!("{percent} is not a valid percentage, expected 0 to 100")))
        }
        coverage => Ok(Some(coverage)),
    }
}

fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<Patch<String>, D::Error> {
    let reason: Option<String> = Option::deserialize(from)?;
    match reason {
        // PostgreSQL stores no NUL in text.
        Some(text) if text.contains('\0') || text.chars().count() > MAX_REASON => {
            Err(serde::de::Error::custom(format!("expected at most {MAX_REASON} characters without NUL")))
        }
        reason => Ok(Some(reason)),
    }
}
