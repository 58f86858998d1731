//! Repository JSON: branches, tags and commits.
//!
//! There is no repository here: all of it is reported by pipelines, and the rest is as GitLab has it for a
//! plain, unprotected ref.

use std::collections::BTreeMap;

use serde::Serialize;

use super::JsonContext;
use super::commit::CommitJson;
use super::pipeline::PipelineJson;
use crate::catalog::refs::{Head, Revision};

/// A commit of a ref or in a list.
#[derive(Debug, Serialize)]
pub(in super::super) struct RepositoryCommit {
    #[serde(flatten)]
    commit: CommitJson,
    trailers: BTreeMap<String, String>,
    extended_trailers: BTreeMap<String, Vec<String>>,
}

/// A branch.
#[derive(Debug, Serialize)]
pub(in super::super) struct Branch {
    name: String,
    commit: RepositoryCommit,
    merged: bool,
    protected: bool,
    developers_can_push: bool,
    developers_can_merge: bool,
    can_push: bool,
    default: bool,
    web_url: String,
}

/// A tag without a message of its own.
#[derive(Debug, Serialize)]
pub(in super::super) struct Tag {
    name: String,
    message: &'static str,
    target: String,
    commit: RepositoryCommit,
    release: Option<()>,
    protected: bool,
    created_at: Option<()>,
}

/// A commit alone.
#[derive(Debug, Serialize)]
pub(in super::super) struct SingleCommit {
    #[serde(flatten)]
    commit: RepositoryCommit,
    status: &'static str,
    project_id: i64,
    last_pipeline: PipelineJson,
}

impl Branch {
    /// Converts a branch; `default_branch` is the project's, if it has one.
    pub(in super::super) fn new(
        head: Head,
        default_branch: Option<&str>,
        json_ctx: &JsonContext<'_>,
    ) -> Self {
        Self {
            default: default_branch == Some(&head.name),
            web_url: format!("{}/-/tree/{}", json_ctx.project_url(), head.name),
            name: head.name,
            commit: RepositoryCommit::new(head.revision, json_ctx),
            merged: false,
            protected: false,
            developers_can_push: false,
            developers_can_merge: false,
            can_push: false,
        }
    }
}

impl Tag {
    pub(in super::super) fn new(head: Head, json_ctx: &JsonContext<'_>) -> Self {
        Self {
            name: head.name,
            message: "",
            target: head.revision.pipeline.sha.clone(),
            commit: RepositoryCommit::new(head.revision, json_ctx),
            release: None,
            protected: false,
            created_at: None,
        }
    }
}

impl SingleCommit {
    pub(in super::super) fn new(revision: Revision, json_ctx: &JsonContext<'_>) -> Self {
        let pipeline = revision.pipeline.clone();
        Self {
            commit: RepositoryCommit::new(revision, json_ctx),
            status: pipeline.status.as_str(),
            project_id: pipeline.project_id,
            last_pipeline: PipelineJson::new(pipeline, &json_ctx.project_url()),
        }
    }
}

impl RepositoryCommit {
    pub(in super::super) fn new(revision: Revision, json_ctx: &JsonContext<'_>) -> Self {
        let Revision { pipeline, commit } = revision;
        Self {
            commit: CommitJson::new(commit, pipeline.created_at, &json_ctx.project_url()),
            trailers: BTreeMap::new(),
            extended_trailers: BTreeMap::new(),
        }
    }
}
