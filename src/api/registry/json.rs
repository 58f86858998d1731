//! JSON of this dialect, with the field names of registry documents.

use serde::Serialize;

use crate::catalog::jobs::JobRecord;
use crate::catalog::pipelines::PipelineRecord;
use crate::domain::Timestamp;
use crate::registry::LoadSummary;

/// Number of users, projects, pipelines and jobs in a document.
#[derive(Debug, Serialize)]
pub(super) struct Counts {
    users: usize,
    projects: usize,
    pipelines: usize,
    jobs: usize,
}

/// A job.
#[derive(Debug, Serialize)]
pub(super) struct JobJson {
    id: i64,
    project_id: i64,
    pipeline_id: i64,
    name: String,
    stage: String,
    status: &'static str,
    allow_failure: bool,
    retried: bool,
    user: Option<String>,
    coverage: Option<f64>,
    failure_reason: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
}

/// A pipeline.
#[derive(Debug, Serialize)]
pub(super) struct PipelineJson {
    id: i64,
    iid: i64,
    project_id: i64,
    #[serde(rename = "ref")]
    ref_name: String,
    tag: bool,
    sha: String,
    status: &'static str,
    source: &'static str,
    parent: Option<i64>,
    user: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl From<LoadSummary> for Counts {
    fn from(LoadSummary { users, projects, pipelines, jobs, artifacts: _ }: LoadSummary) -> Self {
        Self { users, projects, pipelines, jobs }
    }
}

impl From<JobRecord> for JobJson {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id,
            project_id: job.project_id,
            pipeline_id: job.pipeline_id,
            name: job.name,
            stage: job.stage,
            status: job.status.as_str(),
            allow_failure: job.allow_failure,
            retried: job.retried,
            user: job.user,
            coverage: job.coverage,
            failure_reason: job.failure_reason,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            erased_at: job.erased_at,
        }
    }
}

impl From<PipelineRecord> for PipelineJson {
    fn from(pipeline: PipelineRecord) -> Self {
        Self {
            id: pipeline.id,
            iid: pipeline.iid,
            project_id: pipeline.project_id,
            ref_name: pipeline.ref_name,
            tag: pipeline.tag,
            sha: pipeline.sha,
            status: pipeline.status.as_str(),
            source: pipeline.source.as_str(),
            parent: pipeline.parent_id,
            user: pipeline.user,
            created_at: pipeline.created_at,
            updated_at: pipeline.updated_at,
            started_at: pipeline.started_at,
            finished_at: pipeline.finished_at,
        }
    }
}
