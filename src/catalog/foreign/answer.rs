//! Answer: what an upstream says of a job, a pipeline and a user when it is asked. Its numbers are those of the rows.

use super::{ForeignId, ReportedJob, ReportedPipeline, ReportedProject, ReportedState};
use crate::domain::Timestamp;
use crate::domain::pipeline::Source;
use crate::domain::status::Status;

/// A running job as its upstream describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignJob {
    /// Its number.
    pub id: i64,
    /// Its name in the pipeline.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// Its status.
    pub status: Status,
    /// Whether its failure does not fail the pipeline.
    pub allow_failure: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// The number of its project.
    pub project_id: i64,
    /// The full path of its project.
    pub project_path: String,
    /// Its pipeline.
    pub pipeline: ForeignPipeline,
    /// The user whose rights it has.
    pub user: Option<ForeignUser>,
}

/// A pipeline as its upstream describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignPipeline {
    /// Its number.
    pub id: i64,
    /// Its number in the project; old servers do not tell it.
    pub iid: Option<i64>,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag, if that is known.
    pub tag: Option<bool>,
    /// The commit.
    pub sha: String,
    /// Its status.
    pub status: Status,
    /// Its source.
    pub source: Source,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub updated_at: Option<Timestamp>,
}

/// A user as an upstream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignUser {
    /// Its number.
    pub id: i64,
    /// Its unique short name.
    pub username: String,
    /// Its display name.
    pub name: String,
}

/// A job in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedForeignJob {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// Its status.
    pub status: Status,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
}

impl ForeignJob {
    /// Returns its project as reports name it.
    pub(super) fn reported_project(&self, upstream: &str) -> ReportedProject {
        let id = ForeignId::Number(self.project_id);
        ReportedProject { upstream: upstream.to_owned(), id, path: self.project_path.clone() }
    }

    /// Returns it as a report would tell it at the time `now`.
    pub(super) fn reported(&self, now: Timestamp) -> ReportedJob {
        let times = [self.finished_at, self.started_at, self.created_at];
        ReportedJob {
            id: ForeignId::Number(self.id),
            name: Some(self.name.clone()),
            stage: Some(self.stage.clone()),
            allow_failure: Some(self.allow_failure),
            state: ReportedState {
                status: self.status,
                clock: clock(times, now),
                created_at: self.created_at,
                started_at: self.started_at,
                finished_at: self.finished_at,
            },
        }
    }
}

impl ListedForeignJob {
    /// Returns it as a report would tell it at the time `now`.
    pub(super) fn reported(&self, now: Timestamp) -> ReportedJob {
        ReportedJob {
            id: ForeignId::Number(self.id),
            name: Some(self.name.clone()),
            stage: Some(self.stage.clone()),
            allow_failure: None,
            state: ReportedState {
                status: self.status,
                clock: clock([self.finished_at], now),
                created_at: None,
                started_at: None,
                finished_at: self.finished_at,
            },
        }
    }
}

impl ForeignPipeline {
    /// Returns it as a report would tell it at the time `now`.
    pub(super) fn reported(&self, now: Timestamp) -> (ReportedPipeline, ReportedState) {
        let pipeline = ReportedPipeline {
            id: ForeignId::Number(self.id),
            iid: self.iid,
            ref_name: self.ref_name.clone(),
            tag: self.tag,
            sha: self.sha.clone(),
            source: self.source,
        };
        let state = ReportedState {
            status: self.status,
            clock: clock([self.updated_at], now),
            created_at: self.created_at,
            started_at: None,
            finished_at: None,
        };
        (pipeline, state)
    }
}

/// Returns the time of an answer by the upstream's clock: the first that is told, and else that of this server. Hooks
/// tell whole seconds, and what happens in the same one is to compare equal.
fn clock<const N: usize>(times: [Option<Timestamp>; N], now: Timestamp) -> Timestamp {
    let told = times.into_iter().flatten().next().unwrap_or(now).as_millis();
    Timestamp::from_millis(told - told.rem_euclid(1000))
}
