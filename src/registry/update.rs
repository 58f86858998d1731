//! One job or pipeline goes on: the small change that a CI coordinator sends when something began or
//! ended.
//!
//! What a field left out means is that of a document. Times that everybody would have to send with a
//! status are set where they are not given.

use serde::{Deserialize, Deserializer};

use super::LoadError;
use super::document::{Patch, named};
use super::parse;
use crate::catalog::Db;
use crate::catalog::jobs::{self, JobRecord, JobUpdate};
use crate::catalog::pipelines::{self, PipelineRecord, PipelineUpdate};
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind, Result, Sha256Digest, Timestamp};

/// The longest reason for a failure, in characters.
const MAX_REASON: usize = 255;

/// What changes of a job.
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
}

/// What changes of a pipeline.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineChange {
    #[serde(default, deserialize_with = "given")]
    status: Option<Status>,
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

    /// The status that it names, if any.
    pub(super) fn status(&self) -> Option<Status> {
        self.status
    }

    /// Changes the job `id`. Needs [`crate::catalog::Catalog::write`].
    ///
    /// # Errors
    /// `NotFound` without such a job; `Conflict` when it ran to its end and would run again.
    pub(super) fn apply(self, db: &mut Db, id: i64, now: Timestamp) -> Result<JobRecord> {
        let job = jobs::lock(db, id)?.ok_or_else(|| no_such("job", id))?;
        if let Some(status) = self.status.filter(|status| job.status.is_final() && !status.is_final()) {
            let why = format!("status: job {id} has ended with {} and cannot be {status} again", job.status);
            return Err(Error::new(ErrorKind::Conflict, why));
        }
        let times = Times { began: job.started_at, ended: job.finished_at };
        let changes = JobUpdate {
            status: self.status.map(Status::as_str),
            allow_failure: self.allow_failure,
            retried: self.retried,
            coverage: self.coverage,
            failure_reason: self.failure_reason,
            started_at: times.began(self.status, self.started_at, now),
            finished_at: times.ended(self.status, self.finished_at, now),
        };
        jobs::update(db, job, changes)
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

    /// The status that it names, if any.
    pub(super) fn status(&self) -> Option<Status> {
        self.status
    }

    /// Changes the pipeline `id`, which may run again after its end: jobs are retried in it. Needs
    /// [`crate::catalog::Catalog::write`].
    ///
    /// # Errors
    /// `NotFound` without such a pipeline.
    pub(super) fn apply(self, db: &mut Db, id: i64, now: Timestamp) -> Result<PipelineRecord> {
        let pipeline = pipelines::lock(db, id)?.ok_or_else(|| no_such("pipeline", id))?;
        let times = Times { began: pipeline.started_at, ended: pipeline.finished_at };
        let changes = PipelineUpdate {
            status: self.status.map(Status::as_str),
            started_at: times.began(self.status, self.started_at, now),
            finished_at: times.ended(self.status, self.finished_at, now),
        };
        pipelines::update(db, pipeline, changes, now)
    }
}

/// Gives a job another token, in place of any that it had. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `NotFound` without such a job; `Conflict` for one that is not about to run or was erased: the
/// token would never be good.
pub(super) fn replace_job_token(db: &mut Db, id: i64, token: Sha256Digest) -> Result<JobRecord> {
    let job = jobs::lock(db, id)?.ok_or_else(|| no_such("job", id))?;
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

/// When something began and ended until now.
struct Times {
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Times {
    /// What runs has begun: now, unless it had already or it is said when.
    fn began(&self, status: Option<Status>, given: Patch<Timestamp>, now: Timestamp) -> Patch<i64> {
        let implied = match status {
            Some(Status::Running) if self.began.is_none() => Some(Some(now)),
            _ => None,
        };
        given.or(implied).map(|time| time.map(Timestamp::as_millis))
    }

    /// What ran to its end has ended: now, unless it had already or it is said when. What goes on
    /// has not.
    fn ended(&self, status: Option<Status>, given: Patch<Timestamp>, now: Timestamp) -> Patch<i64> {
        let implied = match status {
            Some(status) if status.is_final() && self.ended.is_none() => Some(Some(now)),
            Some(status) if !status.is_final() => Some(None),
            _ => None,
        };
        given.or(implied).map(|time| time.map(Timestamp::as_millis))
    }
}

/// A field that has no nothing: `null` is refused, as whoever sends it means something else.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn percentage<'de, D: Deserializer<'de>>(from: D) -> Result<Patch<f64>, D::Error> {
    let coverage: Option<f64> = Option::deserialize(from)?;
    match coverage {
        Some(percent) if !(0.0..=100.0).contains(&percent) => {
            Err(serde::de::Error::custom(format!("{percent} is no percentage, expected 0 to 100")))
        }
        coverage => Ok(Some(coverage)),
    }
}

fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<Patch<String>, D::Error> {
    let reason: Option<String> = Option::deserialize(from)?;
    match reason {
        // PostgreSQL has no NUL in texts.
        Some(text) if text.contains('\0') || text.chars().count() > MAX_REASON => Err(
            serde::de::Error::custom(format!("expected at most {MAX_REASON} characters, none of them NUL")),
        ),
        reason => Ok(Some(reason)),
    }
}
