//! Pipeline JSON: short inside of other objects, in lists, and alone.

use serde::Serialize;

use super::account::UserBasic;
use super::{JsonContext, seconds};
use crate::catalog::pipelines::{PipelineDetails, PipelineView};
use crate::domain::Timestamp;
use crate::domain::status::Status;

/// Previous commit, if it is unknown.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// A pipeline, as a job shows its own.
#[derive(Debug, Serialize)]
pub(super) struct PipelineJson {
    id: i64,
    iid: i64,
    project_id: i64,
    sha: String,
    #[serde(rename = "ref")]
    ref_name: String,
    status: &'static str,
    source: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    web_url: String,
}

/// A pipeline in a list.
#[derive(Debug, Serialize)]
pub(in super::super) struct ListedPipeline {
    #[serde(flatten)]
    pipeline: PipelineJson,
    name: Option<String>,
}

/// A pipeline alone.
#[derive(Debug, Serialize)]
pub(in super::super) struct SinglePipeline {
    #[serde(flatten)]
    listed: ListedPipeline,
    before_sha: &'static str,
    tag: bool,
    yaml_errors: Option<String>,
    user: Option<UserBasic>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    committed_at: Option<Timestamp>,
    /// Whole seconds here, as in GitLab, but not for jobs.
    duration: Option<i64>,
    queued_duration: Option<i64>,
    /// Text here, as in GitLab, but not for jobs.
    coverage: Option<String>,
    detailed_status: DetailedStatus,
}

#[derive(Debug, Serialize)]
struct DetailedStatus {
    icon: String,
    text: &'static str,
    label: &'static str,
    group: &'static str,
    tooltip: &'static str,
    has_details: bool,
    details_path: String,
    illustration: Option<String>,
    favicon: String,
}

impl PipelineJson {
    pub(super) fn new(pipeline: PipelineView, project_url: &str) -> Self {
        Self {
            web_url: format!("{project_url}/-/pipelines/{}", pipeline.id),
            id: pipeline.id,
            iid: pipeline.iid,
            project_id: pipeline.project_id,
            sha: pipeline.sha,
            ref_name: pipeline.ref_name,
            status: pipeline.status.as_str(),
            source: pipeline.source.as_str(),
            created_at: pipeline.created_at,
            updated_at: pipeline.updated_at,
        }
    }
}

impl ListedPipeline {
    pub(in super::super) fn new(pipeline: PipelineView, json_ctx: &JsonContext<'_>) -> Self {
        Self { pipeline: PipelineJson::new(pipeline, &json_ctx.project_url()), name: None }
    }
}

impl SinglePipeline {
    pub(in super::super) fn new(details: PipelineDetails, json_ctx: &JsonContext<'_>) -> Self {
        let PipelineDetails { pipeline, user, started_at, finished_at, coverage } = details;
        let whole = |seconds: Option<f64>| seconds.map(|seconds| seconds as i64);
        Self {
            before_sha: NO_COMMIT,
            tag: pipeline.tag,
            yaml_errors: None,
            user: user.map(|user| UserBasic::new(user, json_ctx.base_url)),
            started_at,
            finished_at,
            committed_at: None,
            duration: whole(seconds(started_at, finished_at)),
            queued_duration: whole(seconds(Some(pipeline.created_at), started_at)),
            coverage: coverage.map(|percent| format!("{percent:.2}")),
            detailed_status: DetailedStatus::new(&pipeline, json_ctx.project_path),
            listed: ListedPipeline::new(pipeline, json_ctx),
        }
    }
}

impl DetailedStatus {
    fn new(pipeline: &PipelineView, project_path: &str) -> Self {
        let group = pipeline.status.as_str();
        let (text, label) = words(pipeline.status);
        Self {
            icon: format!("status_{group}"),
            text,
            label,
            group,
            tooltip: label,
            has_details: true,
            details_path: format!("/{project_path}/-/pipelines/{}", pipeline.id),
            illustration: None,
            favicon: format!("/assets/ci_favicons/favicon_status_{group}.png"),
        }
    }
}

/// Returns a status for people: as a title, and in a sentence.
fn words(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Created => ("Created", "created"),
        Status::WaitingForResource => ("Waiting", "waiting for resource"),
        Status::Preparing => ("Preparing", "preparing"),
        Status::WaitingForCallback => ("Waiting", "waiting for callback"),
        Status::Pending => ("Pending", "pending"),
        Status::Running => ("Running", "running"),
        Status::Canceling => ("Canceling", "canceling"),
        Status::Success => ("Passed", "passed"),
        Status::Failed => ("Failed", "failed"),
        Status::Canceled => ("Canceled", "canceled"),
        Status::Skipped => ("Skipped", "skipped"),
        Status::Manual => ("Manual", "waiting for manual action"),
        Status::Scheduled => ("Scheduled", "scheduled"),
    }
}
