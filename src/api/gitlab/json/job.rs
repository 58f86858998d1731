//! Job JSON: jobs, and the bridges from a pipeline to its children.

use serde::Serialize;

use super::account::UserJson;
use super::commit::CommitJson;
use super::pipeline::PipelineJson;
use super::{JsonContext, seconds};
use crate::catalog::artifacts::Artifact;
use crate::catalog::commits::CommitView;
use crate::catalog::jobs::JobDetails;
use crate::catalog::pipelines::{PipelineDetails, PipelineView};
use crate::domain::Timestamp;
use crate::domain::status::Status;

/// A job, alone or in a list.
#[derive(Debug, Serialize)]
pub(in super::super) struct JobJson {
    id: i64,
    status: &'static str,
    stage: String,
    name: String,
    #[serde(rename = "ref")]
    ref_name: String,
    tag: bool,
    coverage: Option<f64>,
    allow_failure: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    duration: Option<f64>,
    queued_duration: Option<f64>,
    user: Option<UserJson>,
    commit: Option<CommitJson>,
    pipeline: PipelineJson,
    /// GitLab has the key only in failed jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    web_url: String,
    project: JobProject,
    /// GitLab has the key only while there is an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts_file: Option<ArtifactsFile>,
    artifacts: Vec<JobArtifact>,
    runner: Option<()>,
    runner_manager: Option<()>,
    artifacts_expire_at: Option<Timestamp>,
    archived: bool,
    tag_list: Vec<String>,
}

#[derive(Debug, Serialize)]
struct JobProject {
    ci_job_token_scope_enabled: bool,
}

#[derive(Debug, Serialize)]
struct ArtifactsFile {
    filename: String,
    size: i64,
}

#[derive(Debug, Serialize)]
struct JobArtifact {
    file_type: &'static str,
    size: i64,
    filename: String,
    file_format: &'static str,
}

impl JobJson {
    /// Converts a job; `details` holds only readable artifacts.
    pub(in super::super) fn new(details: JobDetails, json_ctx: &JsonContext<'_>) -> Self {
        let JobDetails { job, pipeline, commit, user, artifacts } = details;
        let project_url = json_ctx.project_url();
        let end = job.finished_at.or_else(|| job.status.is_executing().then_some(json_ctx.now));
        let archive = Artifact::archive_among(&artifacts);
        Self {
            id: job.id,
            status: job.status.as_str(),
            stage: job.stage,
            name: job.name,
            ref_name: pipeline.ref_name.clone(),
            tag: pipeline.tag,
            coverage: job.coverage,
            allow_failure: job.allow_failure,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            erased_at: job.erased_at,
            duration: seconds(job.started_at, end),
            queued_duration: seconds(Some(job.created_at), job.started_at),
            user: user.map(|user| UserJson::new(user, json_ctx.base_url)),
            commit: commit.map(|commit| CommitJson::new(commit, pipeline.created_at, &project_url)),
            failure_reason: job.failure_reason.filter(|_| job.status == Status::Failed),
            web_url: format!("{project_url}/-/jobs/{}", job.id),
            pipeline: PipelineJson::new(pipeline, &project_url),
            project: JobProject { ci_job_token_scope_enabled: false },
            artifacts_file: archive.map(|archive| ArtifactsFile {
                filename: archive.filename.clone(),
                size: archive.size_bytes,
            }),
            artifacts_expire_at: expiry(&artifacts),
            artifacts: typed(artifacts).map(JobArtifact::new).collect(),
            runner: None,
            runner_manager: None,
            archived: false,
            tag_list: Vec::new(),
        }
    }
}

/// Returns the archive's expiry or, without an archive, the latest of the others, where never is later than
/// any time.
fn expiry(artifacts: &[Artifact]) -> Option<Timestamp> {
    match Artifact::archive_among(artifacts) {
        Some(archive) => archive.expire_at,
        None if artifacts.iter().any(|artifact| artifact.expire_at.is_none()) => None,
        None => artifacts.iter().filter_map(|artifact| artifact.expire_at).max(),
    }
}

/// The artifacts that have one of GitLab's types, among them what stands for the archive.
fn typed(artifacts: Vec<Artifact>) -> impl Iterator<Item = Artifact> {
    let archive = Artifact::archive_among(&artifacts).map(|archive| archive.id);
    let is_typed = move |artifact: &Artifact| {
        let name = &artifact.name;
        Some(artifact.id) == archive || name.named_archive().is_none() && name.file_path().is_none()
    };
    artifacts.into_iter().filter(is_typed)
}

impl JobArtifact {
    fn new(artifact: Artifact) -> Self {
        Self {
            file_type: artifact.kind.as_str(),
            size: artifact.size_bytes,
            filename: artifact.filename,
            file_format: artifact.format.as_str(),
        }
    }
}

/// A bridge job, which started a child pipeline. Bridge jobs are not registered, so the JSON is derived from
/// the child and has its ID.
#[derive(Debug, Serialize)]
pub(in super::super) struct Bridge {
    id: i64,
    status: &'static str,
    stage: &'static str,
    name: String,
    #[serde(rename = "ref")]
    ref_name: String,
    tag: bool,
    coverage: Option<f64>,
    allow_failure: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    duration: Option<f64>,
    queued_duration: Option<f64>,
    user: Option<UserJson>,
    commit: Option<CommitJson>,
    pipeline: PipelineJson,
    web_url: String,
    project: JobProject,
    downstream_pipeline: PipelineJson,
}

impl Bridge {
    /// Builds the bridge from a parent to one of its children.
    pub(in super::super) fn new(
        parent: PipelineView,
        child: PipelineDetails,
        commit: Option<CommitView>,
        json_ctx: &JsonContext<'_>,
    ) -> Self {
        let project_url = json_ctx.project_url();
        let PipelineDetails { pipeline: child, user, started_at, finished_at, .. } = child;
        let end = finished_at.or_else(|| child.status.is_executing().then_some(json_ctx.now));
        Self {
            id: child.id,
            status: child.status.as_str(),
            stage: "test",
            name: format!("pipeline {}", child.id),
            ref_name: parent.ref_name.clone(),
            tag: parent.tag,
            coverage: None,
            allow_failure: false,
            created_at: child.created_at,
            started_at,
            finished_at,
            erased_at: None,
            duration: seconds(started_at, end),
            queued_duration: seconds(Some(child.created_at), started_at),
            user: user.map(|user| UserJson::new(user, json_ctx.base_url)),
            commit: commit.map(|commit| CommitJson::new(commit, parent.created_at, &project_url)),
            web_url: format!("{project_url}/-/pipelines/{}", child.id),
            pipeline: PipelineJson::new(parent, &project_url),
            project: JobProject { ci_job_token_scope_enabled: false },
            downstream_pipeline: PipelineJson::new(child, &project_url),
        }
    }
}
