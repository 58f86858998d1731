//! Routes: the endpoints that a path of GitLab may address.
//!
//! A ref, a project and a file may each hold slashes, encoded or not, so one path can have several candidate
//! routes. They are listed in GitLab's order: the longest ref first, an encoded project before one that is
//! not.

mod browser;
mod parse;

use crate::domain::pipeline::RefKind;
use crate::domain::project::ProjectRef;

pub use browser::browser_candidates;
pub use parse::{Segments, candidate_routes};

/// A meaning of a path. IDs are still text, as an invalid one has an error of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/projects/:id/jobs/:job_id/artifacts`
    ArchiveOfJob {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
    },
    /// `/projects/:id/jobs/artifacts/:ref_name/download`
    ArchiveOfRef {
        /// The project.
        project: ProjectRef,
        /// The ref.
        ref_name: String,
    },
    /// `/projects/:id/jobs/:job_id/artifacts/*artifact_path`
    FileOfJob {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
        /// The path in the archive, decoded.
        path: Vec<u8>,
    },
    /// `/projects/:id/jobs/artifacts/:ref_name/raw/*artifact_path`
    FileOfRef {
        /// The project.
        project: ProjectRef,
        /// The ref.
        ref_name: String,
        /// The path in the archive, decoded.
        path: Vec<u8>,
    },
    /// `/projects/:id/jobs/:job_id/artifacts/tree`; it hides a file of that name.
    Tree {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
    },
    /// `/projects/:id/jobs/:job_id/artifacts/keep`
    Keep {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
    },
    /// `/projects/:id/jobs/:job_id/erase`
    Erase {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
    },
    /// `/projects/:id/artifacts`
    ProjectArtifacts {
        /// The project.
        project: ProjectRef,
    },
    /// `/jobs/:id/artifacts`, for runners.
    JobArtifacts {
        /// The job's ID.
        job_id: String,
    },
    /// `/jobs/request`, for runners.
    JobRequests,
    /// `/jobs/:id/artifacts/authorize`, for GitLab's proxy.
    AuthorizeUpload {
        /// The job's ID.
        job_id: String,
    },
    /// `/projects`
    Projects,
    /// `/projects/:id`
    Project {
        /// The project.
        project: ProjectRef,
    },
    /// `/projects/:id/jobs`
    Jobs {
        /// The project.
        project: ProjectRef,
    },
    /// `/projects/:id/jobs/:job_id`
    Job {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
    },
    /// `/projects/:id/jobs/:job_id/trace`
    Trace {
        /// The project.
        project: ProjectRef,
        /// The job's ID.
        job_id: String,
    },
    /// `/projects/:id/repository/branches` or `/tags`
    Refs {
        /// The project.
        project: ProjectRef,
        /// Branches or tags.
        kind: RefKind,
    },
    /// `/projects/:id/repository/branches/:name` or `/tags/:name`
    Ref {
        /// The project.
        project: ProjectRef,
        /// Branches or tags.
        kind: RefKind,
        /// The name.
        name: String,
    },
    /// `/projects/:id/repository/commits`
    Commits {
        /// The project.
        project: ProjectRef,
    },
    /// `/projects/:id/repository/commits/:sha`
    Commit {
        /// The project.
        project: ProjectRef,
        /// The commit's ID, its beginning, or a ref.
        name: String,
    },
    /// `/projects/:id/pipelines`
    Pipelines {
        /// The project.
        project: ProjectRef,
    },
    /// `/projects/:id/pipelines/latest`
    LatestPipeline {
        /// The project.
        project: ProjectRef,
    },
    /// `/projects/:id/pipelines/:pipeline_id`
    Pipeline {
        /// The project.
        project: ProjectRef,
        /// The pipeline's ID.
        pipeline_id: String,
    },
    /// `/projects/:id/pipelines/:pipeline_id/jobs`
    PipelineJobs {
        /// The project.
        project: ProjectRef,
        /// The pipeline's ID.
        pipeline_id: String,
    },
    /// `/projects/:id/pipelines/:pipeline_id/bridges`
    Bridges {
        /// The project.
        project: ProjectRef,
        /// The pipeline's ID.
        pipeline_id: String,
    },
    /// `/job`
    CurrentJob,
    /// `/user`
    CurrentUser,
    /// `/personal_access_tokens/self`
    CurrentToken,
    /// `/version`
    Version,
    /// `/metadata`
    Metadata,
}

impl Route {
    /// Returns the template of its path.
    pub fn template(&self) -> &'static str {
        match self {
            Self::ArchiveOfJob { .. } => "/api/v4/projects/:id/jobs/:job_id/artifacts",
            Self::ArchiveOfRef { .. } => "/api/v4/projects/:id/jobs/artifacts/:ref_name/download",
            Self::FileOfJob { .. } => "/api/v4/projects/:id/jobs/:job_id/artifacts/*artifact_path",
            Self::FileOfRef { .. } => "/api/v4/projects/:id/jobs/artifacts/:ref_name/raw/*artifact_path",
            Self::Tree { .. } => "/api/v4/projects/:id/jobs/:job_id/artifacts/tree",
            Self::Keep { .. } => "/api/v4/projects/:id/jobs/:job_id/artifacts/keep",
            Self::Erase { .. } => "/api/v4/projects/:id/jobs/:job_id/erase",
            Self::ProjectArtifacts { .. } => "/api/v4/projects/:id/artifacts",
            Self::JobArtifacts { .. } => "/api/v4/jobs/:id/artifacts",
            Self::JobRequests => "/api/v4/jobs/request",
            Self::AuthorizeUpload { .. } => "/api/v4/jobs/:id/artifacts/authorize",
            Self::Projects => "/api/v4/projects",
            Self::Project { .. } => "/api/v4/projects/:id",
            Self::Jobs { .. } => "/api/v4/projects/:id/jobs",
            Self::Job { .. } => "/api/v4/projects/:id/jobs/:job_id",
            Self::Trace { .. } => "/api/v4/projects/:id/jobs/:job_id/trace",
            Self::Refs { .. } => "/api/v4/projects/:id/repository/:refs",
            Self::Ref { .. } => "/api/v4/projects/:id/repository/:refs/:name",
            Self::Commits { .. } => "/api/v4/projects/:id/repository/commits",
            Self::Commit { .. } => "/api/v4/projects/:id/repository/commits/:sha",
            Self::Pipelines { .. } => "/api/v4/projects/:id/pipelines",
            Self::LatestPipeline { .. } => "/api/v4/projects/:id/pipelines/latest",
            Self::Pipeline { .. } => "/api/v4/projects/:id/pipelines/:pipeline_id",
            Self::PipelineJobs { .. } => "/api/v4/projects/:id/pipelines/:pipeline_id/jobs",
            Self::Bridges { .. } => "/api/v4/projects/:id/pipelines/:pipeline_id/bridges",
            Self::CurrentJob => "/api/v4/job",
            Self::CurrentUser => "/api/v4/user",
            Self::CurrentToken => "/api/v4/personal_access_tokens/self",
            Self::Version => "/api/v4/version",
            Self::Metadata => "/api/v4/metadata",
        }
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
