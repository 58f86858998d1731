//! GitLab's JSON, field by field. Typed clients rely on numbers, nulls and times, so every field has one
//! type.

mod account;
mod commit;
mod job;
mod pipeline;
mod project;
mod repository;

use crate::domain::Timestamp;

pub(super) use account::{CurrentUser, Metadata, PersonalAccessToken, Version};
pub(super) use job::{Bridge, JobJson};
pub(super) use pipeline::{ListedPipeline, SinglePipeline};
pub(super) use project::{Permissions, ProjectJson};
pub(super) use repository::{Branch, RepositoryCommit, SingleCommit, Tag};

/// Context of the JSON of what is in a project, besides its details.
pub(super) struct JsonContext<'a> {
    /// The base of absolute URLs.
    pub(super) base_url: &'a str,
    /// The full path of the project.
    pub(super) project_path: &'a str,
    /// The time of the request.
    pub(super) now: Timestamp,
}

impl JsonContext<'_> {
    /// Returns the browser URL of the project.
    fn project_url(&self) -> String {
        format!("{}/{}", self.base_url, self.project_path)
    }
}

fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    Some((to?.as_millis() - from?.as_millis()) as f64 / 1000.0)
}
