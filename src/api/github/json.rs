//! JSON of the REST API, with GitHub's fields.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use crate::access::ListedArtifact;
use crate::catalog::pipelines::PipelineView;
use crate::catalog::projects::ProjectDetails;
use crate::domain::Timestamp;
use crate::domain::artifact::Availability;
use crate::domain::project::Visibility;
use crate::domain::status::Status;

/// A page of artifacts. Clients take the second key for the list.
#[derive(Debug, Serialize)]
pub(super) struct ArtifactListJson {
    pub(super) total_count: usize,
    pub(super) artifacts: Vec<ArtifactJson>,
}

/// A page of workflow runs.
#[derive(Debug, Serialize)]
pub(super) struct RunListJson {
    pub(super) total_count: usize,
    pub(super) workflow_runs: Vec<RunJson>,
}

/// An artifact.
#[derive(Debug, Serialize)]
pub(super) struct ArtifactJson {
    id: i64,
    node_id: String,
    name: String,
    size_in_bytes: i64,
    url: String,
    archive_download_url: String,
    expired: bool,
    digest: String,
    created_at: String,
    updated_at: String,
    expires_at: Option<String>,
    workflow_run: RunOfArtifactJson,
}

#[derive(Debug, Serialize)]
struct RunOfArtifactJson {
    id: i64,
    repository_id: i64,
    head_repository_id: i64,
    head_branch: String,
    head_sha: String,
}

/// A workflow run.
#[derive(Debug, Serialize)]
pub(super) struct RunJson {
    id: i64,
    name: String,
    node_id: String,
    head_branch: String,
    head_sha: String,
    run_number: i64,
    run_attempt: i64,
    event: &'static str,
    status: &'static str,
    conclusion: Option<&'static str>,
    url: String,
    artifacts_url: String,
    created_at: String,
    updated_at: String,
}

/// A repository.
#[derive(Debug, Serialize)]
pub(super) struct RepositoryJson {
    id: i64,
    node_id: String,
    name: String,
    full_name: String,
    private: bool,
    visibility: &'static str,
    owner: OwnerJson,
    url: String,
    default_branch: Option<String>,
    created_at: String,
}

#[derive(Debug, Serialize)]
struct OwnerJson {
    login: String,
}

impl ArtifactJson {
    /// Describes an artifact, whose repository is at `url`.
    pub(super) fn new(listed: &ListedArtifact, url: &str) -> Self {
        let named = &listed.named;
        let artifact = &named.artifact;
        let url = format!("{url}/actions/artifacts/{}", artifact.id);
        Self {
            id: artifact.id,
            node_id: node_id("Artifact", artifact.id),
            name: named.name.clone(),
            size_in_bytes: artifact.size_bytes,
            archive_download_url: format!("{url}/zip"),
            url,
            expired: listed.availability == Availability::Expired,
            digest: format!("sha256:{}", artifact.sha256),
            created_at: seconds(artifact.created_at),
            updated_at: seconds(artifact.created_at),
            expires_at: artifact.expire_at.map(seconds),
            workflow_run: RunOfArtifactJson {
                id: named.pipeline_id,
                repository_id: named.project_id,
                head_repository_id: named.project_id,
                head_branch: named.ref_name.clone(),
                head_sha: named.sha.clone(),
            },
        }
    }
}

impl RunJson {
    /// Describes a pipeline of the repository at `url`.
    pub(super) fn new(pipeline: &PipelineView, url: &str) -> Self {
        let url = format!("{url}/actions/runs/{}", pipeline.id);
        let (status, conclusion) = states(pipeline.status);
        Self {
            id: pipeline.id,
            name: "CI".to_owned(),
            node_id: node_id("WorkflowRun", pipeline.id),
            head_branch: pipeline.ref_name.clone(),
            head_sha: pipeline.sha.clone(),
            run_number: pipeline.iid,
            run_attempt: 1,
            event: pipeline.source.as_str(),
            status,
            conclusion,
            artifacts_url: format!("{url}/artifacts"),
            url,
            created_at: seconds(pipeline.created_at),
            updated_at: seconds(pipeline.updated_at),
        }
    }
}

impl RepositoryJson {
    /// Describes a project whose repository is at `url`.
    pub(super) fn new(details: &ProjectDetails, url: String) -> Self {
        let project = &details.project;
        let (owner, name) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
        let private = project.visibility != Visibility::Public;
        Self {
            id: project.id,
            node_id: node_id("Repository", project.id),
            name: name.to_owned(),
            full_name: project.path.clone(),
            private,
            visibility: project.visibility.as_str(),
            owner: OwnerJson { login: owner.to_owned() },
            url,
            default_branch: details.default_branch.clone(),
            created_at: seconds(details.created_at),
        }
    }
}

/// GitHub's older form of a node's ID.
fn node_id(kind: &str, id: i64) -> String {
    BASE64_STANDARD.encode(format!("{:02}:{kind}{id}", kind.len()))
}

/// A time in whole seconds: some clients compare times as text.
pub(super) fn seconds(time: Timestamp) -> String {
    let text = Timestamp::from_millis(time.as_millis() - time.as_millis().rem_euclid(1000)).to_string();
    text.replace(".000Z", "Z")
}

/// GitHub's status and conclusion of a run in this state.
const fn states(status: Status) -> (&'static str, Option<&'static str>) {
    match status {
        Status::Running | Status::Canceling => ("in_progress", None),
        Status::Success => ("completed", Some("success")),
        Status::Failed => ("completed", Some("failure")),
        Status::Canceled => ("completed", Some("cancelled")),
        Status::Skipped => ("completed", Some("skipped")),
        Status::Manual => ("completed", Some("action_required")),
        Status::Scheduled => ("waiting", None),
        _ => ("queued", None),
    }
}
