//! Report: what an upstream says of its own accord of a project, a pipeline and jobs, by the ID token of a job or by a
//! hook.

use crate::domain::Timestamp;
use crate::domain::pipeline::Source;
use crate::domain::status::Status;

/// How an upstream calls a project, pipeline or job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignId {
    /// By a number that is that of the row, too.
    Number(i64),
    /// By a text. One of both is there.
    Text {
        /// A text that stays the same whatever happens.
        id: Option<String>,
        /// A name, which may come to mean another thing.
        name: Option<String>,
    },
}

/// A project as its upstream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedProject {
    /// The upstream, by its name in the settings.
    pub upstream: String,
    /// How the upstream calls it.
    pub id: ForeignId,
    /// Its full path here.
    pub path: String,
}

/// A pipeline as its upstream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedPipeline {
    /// How the upstream calls it, among those of its project.
    pub id: ForeignId,
    /// Its number in the project.
    pub iid: Option<i64>,
    /// The ref that it ran on; [`crate::domain::pipeline::UNKNOWN_REF`] if it only claims one.
    pub ref_name: String,
    /// Whether the ref is a tag, if that is known.
    pub tag: Option<bool>,
    /// The commit.
    pub sha: String,
    /// Its source.
    pub source: Source,
}

/// A job as its upstream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedJob {
    /// How the upstream calls it, among those of its pipeline.
    pub id: ForeignId,
    /// Its name in the pipeline; `None` if it is not known.
    pub name: Option<String>,
    /// Its stage, if that is known.
    pub stage: Option<String>,
    /// Whether its failure does not fail the pipeline, if that is known.
    pub allow_failure: Option<bool>,
    /// What is told of its state.
    pub state: ReportedState,
}

/// The state of a pipeline or job, as an upstream tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedState {
    /// The status.
    pub status: Status,
    /// The time of the report by the upstream's clock: the newest time in it.
    pub clock: Timestamp,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
}

/// The news of a pipeline and some of its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The project.
    pub project: ReportedProject,
    /// The path of the project at its upstream.
    pub foreign_path: String,
    /// The pipeline, of which a job's own report may tell nothing but which it is.
    pub pipeline: ForeignId,
    /// The pipeline and its state.
    pub of_pipeline: Option<(ReportedPipeline, ReportedState)>,
    /// Whether the ref is another project's, whatever is known of it.
    pub ref_is_foreign: bool,
    /// The parent of the pipeline in the same project.
    pub parent: Option<i64>,
    /// Jobs.
    pub jobs: Vec<ReportedJob>,
}
