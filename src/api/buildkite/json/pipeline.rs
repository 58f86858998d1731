//! JSON of pipelines and organizations.

use serde::Serialize;
use serde_json::{Value, json};

use super::build::Shown;
use super::graphql_id;
use crate::access::ListedPipeline;
use crate::catalog::builds::{Build, Counters};
use crate::domain::build::Slugs;
use crate::domain::{Timestamp, Uuid};

/// A pipeline, which is a project.
#[derive(Debug, Serialize)]
pub(in crate::api::buildkite) struct PipelineJson {
    id: String,
    graphql_id: String,
    url: String,
    web_url: String,
    name: String,
    slug: String,
    repository: String,
    branch_configuration: Option<String>,
    default_branch: Option<String>,
    provider: Value,
    skip_queued_branch_builds: bool,
    skip_queued_branch_builds_filter: Option<String>,
    cancel_running_branch_builds: bool,
    cancel_running_branch_builds_filter: Option<String>,
    builds_url: String,
    badge_url: String,
    created_at: Timestamp,
    scheduled_builds_count: i64,
    running_builds_count: i64,
    scheduled_jobs_count: i64,
    running_jobs_count: i64,
    waiting_jobs_count: i64,
}

/// What a pipeline's JSON is made of.
struct Parts<'a> {
    uuid: Uuid,
    path: &'a str,
    name: &'a str,
    default_branch: Option<&'a str>,
    created_at: Timestamp,
    slugs: &'a Slugs,
    counters: Counters,
}

impl PipelineJson {
    /// Shows the project of a build.
    pub(super) fn of_build(build: &Build, shown: &Shown) -> Self {
        let project = &build.project;
        Self::new(
            Parts {
                uuid: project.uuid,
                path: &project.path,
                name: &project.name,
                default_branch: project.default_branch.as_deref(),
                created_at: project.created_at,
                slugs: &project.slugs(),
                counters: build.counters,
            },
            shown,
        )
    }

    /// Shows a project of a list.
    pub(in crate::api::buildkite) fn listed(listed: &ListedPipeline, shown: &Shown) -> Self {
        let details = &listed.details;
        Self::new(
            Parts {
                uuid: details.uuid,
                path: &details.project.path,
                name: &details.name,
                default_branch: details.default_branch.as_deref(),
                created_at: details.created_at,
                slugs: &listed.slugs,
                counters: listed.counters,
            },
            shown,
        )
    }

    fn new(parts: Parts<'_>, shown: &Shown) -> Self {
        let Parts { uuid, path, name, default_branch, created_at, slugs, counters } = parts;
        let url = shown.pipeline_url(slugs);
        let web_url = format!("{}/{path}", shown.base_url);
        Self {
            id: uuid.to_string(),
            graphql_id: graphql_id("Pipeline", uuid),
            name: name.to_owned(),
            slug: slugs.pipeline.clone(),
            repository: format!("{web_url}.git"),
            branch_configuration: None,
            default_branch: default_branch.map(str::to_owned),
            provider: json!({ "id": "gitlab", "webhook_url": "", "settings": { "repository": path } }),
            skip_queued_branch_builds: false,
            skip_queued_branch_builds_filter: None,
            cancel_running_branch_builds: false,
            cancel_running_branch_builds_filter: None,
            builds_url: format!("{url}/builds"),
            badge_url: format!("{web_url}/badges/{}/pipeline.svg", default_branch.unwrap_or("main")),
            created_at,
            scheduled_builds_count: counters.scheduled_builds,
            running_builds_count: counters.running_builds,
            scheduled_jobs_count: counters.scheduled_jobs,
            running_jobs_count: counters.running_jobs,
            waiting_jobs_count: counters.waiting_jobs,
            url,
            web_url,
        }
    }
}

/// An organization, which is the first part of the paths of its projects.
#[derive(Debug, Serialize)]
pub(in crate::api::buildkite) struct OrganizationJson {
    id: String,
    graphql_id: String,
    url: String,
    web_url: String,
    name: String,
    slug: String,
    pipelines_url: String,
}

/// The namespace of the IDs of organizations, which have no rows: any UUID, as long as it stays the same.
const ORGANIZATIONS: &str = "6f1c3a52-5f0e-4e1b-9d0c-3c1a8c9b7a10";

impl OrganizationJson {
    pub(in crate::api::buildkite) fn new(name: &str, shown: &Shown) -> Self {
        let uuid =
            ORGANIZATIONS.parse::<Uuid>().map(|all| all.within(name)).unwrap_or_else(|_| unreachable!());
        let url = shown.organization_url(name);
        Self {
            id: uuid.to_string(),
            graphql_id: graphql_id("Organization", uuid),
            web_url: format!("{}/{name}", shown.base_url),
            name: name.to_owned(),
            slug: name.to_owned(),
            pipelines_url: format!("{url}/pipelines"),
            url,
        }
    }
}
