//! GitLab's JSON, field by field. Clients in typed languages take numbers, nulls and times at their
//! word, so every field has one type.

use serde::Serialize;

use crate::catalog::artifacts::Artifact;
use crate::catalog::details::{CommitFacts, JobDetails, PipelineFacts, UserFacts};
use crate::domain::Timestamp;
use crate::domain::artifact::ArtifactKind;
use crate::domain::status::Status;

/// A job, as `GET …/jobs/:id`, `keep` and `erase` show it.
#[derive(Debug, Serialize)]
pub(super) struct Job {
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
    user: Option<User>,
    commit: Option<Commit>,
    pipeline: Pipeline,
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

#[derive(Debug, Serialize)]
struct User {
    id: i64,
    username: String,
    name: String,
    state: &'static str,
    locked: bool,
    avatar_url: Option<String>,
    web_url: String,
    created_at: Timestamp,
    bio: &'static str,
    location: &'static str,
    public_email: Option<String>,
}

#[derive(Debug, Serialize)]
struct Commit {
    id: String,
    short_id: String,
    created_at: Option<Timestamp>,
    parent_ids: Vec<String>,
    title: String,
    message: String,
    author_name: String,
    author_email: String,
    authored_date: Option<Timestamp>,
    committer_name: String,
    committer_email: String,
    committed_date: Option<Timestamp>,
    web_url: String,
}

#[derive(Debug, Serialize)]
struct Pipeline {
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

/// What a job's JSON is told besides its details.
pub(super) struct Surroundings<'a> {
    /// The base of absolute URLs.
    pub(super) base_url: &'a str,
    /// The full path of the project.
    pub(super) project_path: &'a str,
    /// Now.
    pub(super) now: Timestamp,
}

impl Job {
    /// `details` holds only artifacts that can be read.
    pub(super) fn new(details: JobDetails, around: &Surroundings<'_>) -> Self {
        let JobDetails { job, pipeline, commit, user, artifacts } = details;
        let project_url = format!("{}/{}", around.base_url, around.project_path);
        let end = job.finished_at.or_else(|| job.status.is_executing().then_some(around.now));
        let archive = artifacts.iter().find(|artifact| artifact.kind == ArtifactKind::Archive);
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
            user: user.map(|user| User::new(user, around.base_url)),
            commit: commit.map(|commit| Commit::new(commit, &project_url)),
            failure_reason: job.failure_reason.filter(|_| job.status == Status::Failed),
            web_url: format!("{project_url}/-/jobs/{}", job.id),
            pipeline: Pipeline::new(pipeline, &project_url),
            project: JobProject { ci_job_token_scope_enabled: false },
            artifacts_file: archive.map(|archive| ArtifactsFile {
                filename: archive.filename.clone(),
                size: archive.size_bytes,
            }),
            artifacts_expire_at: expiry(&artifacts),
            artifacts: artifacts.into_iter().map(JobArtifact::new).collect(),
            runner: None,
            runner_manager: None,
            archived: false,
            tag_list: Vec::new(),
        }
    }
}

/// The archive's, or without one the latest of the others, where never is later than any time.
fn expiry(artifacts: &[Artifact]) -> Option<Timestamp> {
    match artifacts.iter().find(|artifact| artifact.kind == ArtifactKind::Archive) {
        Some(archive) => archive.expire_at,
        None if artifacts.iter().any(|artifact| artifact.expire_at.is_none()) => None,
        None => artifacts.iter().filter_map(|artifact| artifact.expire_at).max(),
    }
}

fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    Some((to?.as_millis() - from?.as_millis()) as f64 / 1000.0)
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

impl User {
    fn new(user: UserFacts, base_url: &str) -> Self {
        Self {
            id: user.id,
            web_url: format!("{base_url}/{}", user.username),
            username: user.username,
            name: user.name,
            state: "active",
            locked: false,
            avatar_url: None,
            created_at: user.created_at,
            bio: "",
            location: "",
            public_email: None,
        }
    }
}

impl Commit {
    fn new(commit: CommitFacts, project_url: &str) -> Self {
        Self {
            web_url: format!("{project_url}/-/commit/{}", commit.sha),
            short_id: commit.sha.chars().take(8).collect(),
            id: commit.sha,
            created_at: commit.created_at,
            parent_ids: Vec::new(),
            title: commit.title,
            message: commit.message,
            author_name: commit.author_name.clone(),
            author_email: commit.author_email.clone(),
            authored_date: commit.created_at,
            committer_name: commit.author_name,
            committer_email: commit.author_email,
            committed_date: commit.created_at,
        }
    }
}

impl Pipeline {
    fn new(pipeline: PipelineFacts, project_url: &str) -> Self {
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
