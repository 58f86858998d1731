//! Commit JSON, as far as pipelines report the commit.

use serde::Serialize;

use crate::catalog::commits::CommitView;
use crate::domain::Timestamp;

/// A commit, as a job shows its own. GitLab leaves no field of it empty but the parents, so nothing is `null`
/// here.
#[derive(Debug, Serialize)]
pub(super) struct CommitJson {
    id: String,
    short_id: String,
    created_at: Timestamp,
    parent_ids: Vec<String>,
    title: String,
    message: String,
    author_name: String,
    author_email: String,
    authored_date: Timestamp,
    committer_name: String,
    committer_email: String,
    committed_date: Timestamp,
    web_url: String,
}

impl CommitJson {
    /// Converts a commit. `ran_at` is when a pipeline was created for it: the commit is at least that old,
    /// and about that old if no time was reported.
    pub(super) fn new(commit: CommitView, ran_at: Timestamp, project_url: &str) -> Self {
        let made_at = commit.created_at.unwrap_or(ran_at);
        Self {
            web_url: format!("{project_url}/-/commit/{}", commit.sha),
            short_id: commit.sha.chars().take(8).collect(),
            id: commit.sha,
            created_at: made_at,
            parent_ids: Vec::new(),
            title: commit.title,
            message: commit.message,
            author_name: commit.author_name.clone(),
            author_email: commit.author_email.clone(),
            authored_date: made_at,
            committer_name: commit.author_name,
            committer_email: commit.author_email,
            committed_date: made_at,
        }
    }
}
