//! JSON of a build.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::graphql_id;
use super::job::JobJson;
use super::pipeline::PipelineJson;
use super::user::UserJson;
use crate::access::JobDetail;
use crate::api::buildkite::{PREFIX, states};
use crate::catalog::builds::Build;
use crate::domain::Timestamp;
use crate::domain::build::Slugs;
use crate::domain::pipeline::Source;
use crate::http::context::RequestContext;

/// Which parts of a build are shown, and the base of all its URLs.
#[derive(Debug, Clone)]
pub(in crate::api::buildkite) struct Shown {
    pub(super) base_url: String,
    /// Whether jobs that a later attempt replaced are shown.
    retried: bool,
    jobs: bool,
    pipeline: bool,
    /// States of the jobs that are shown; all when empty.
    job_states: Vec<String>,
}

impl Shown {
    /// Reads from the query what is shown.
    pub(in crate::api::buildkite) fn of(ctx: &RequestContext) -> Self {
        let flag = |name| ctx.query.flag(name).unwrap_or(false);
        Self {
            base_url: ctx.base_url(),
            retried: flag("include_retried_jobs"),
            jobs: !flag("exclude_jobs"),
            pipeline: !flag("exclude_pipeline"),
            job_states: ctx.query.list("job_states").into_iter().map(str::to_owned).collect(),
        }
    }

    /// Whether the jobs have to be read.
    pub(in crate::api::buildkite) fn detail(&self) -> JobDetail {
        if self.jobs { JobDetail::All } else { JobDetail::None }
    }

    /// Whether a job of this state is shown in lists.
    pub(in crate::api::buildkite) fn selects(&self, state: &str, retried: bool) -> bool {
        let is_wanted = || self.job_states.is_empty() || self.job_states.iter().any(|it| it == state);
        (self.retried || !retried) && is_wanted()
    }

    pub(super) fn organization_url(&self, organization: &str) -> String {
        format!("{}{PREFIX}/organizations/{organization}", self.base_url)
    }

    pub(super) fn pipeline_url(&self, slugs: &Slugs) -> String {
        format!("{}/pipelines/{}", self.organization_url(&slugs.organization), slugs.pipeline)
    }

    /// The URL of a build in the API.
    pub(super) fn build_url(&self, build: &Build) -> String {
        format!("{}/builds/{}", self.pipeline_url(&build.project.slugs()), build.build.iid)
    }

    /// The URL of a build's page.
    pub(super) fn web_url(&self, build: &Build) -> String {
        format!("{}/{}/-/pipelines/{}", self.base_url, build.project.path, build.build.id)
    }
}

/// A build, which is a pipeline.
#[derive(Debug, Serialize)]
pub(in crate::api::buildkite) struct BuildJson {
    id: String,
    graphql_id: String,
    url: String,
    web_url: String,
    number: i64,
    state: &'static str,
    cancel_reason: Option<String>,
    blocked: bool,
    message: Option<String>,
    commit: String,
    branch: String,
    tag: Option<String>,
    env: BTreeMap<String, String>,
    source: &'static str,
    author: Option<Value>,
    creator: Option<UserJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Vec<JobJson>>,
    created_at: Timestamp,
    scheduled_at: Timestamp,
    started_at: Option<Timestamp>,
    failing_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    meta_data: BTreeMap<String, String>,
    pull_request: Option<Value>,
    merge_queue: Option<Value>,
    rebuilt_from: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<PipelineJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_state_counts: Option<Value>,
}

impl BuildJson {
    /// About how many bytes the text of a build takes.
    pub(in crate::api::buildkite) fn bytes(build: &Build) -> usize {
        const OF_ITSELF: usize = 4 << 10;
        let texts = |map: &BTreeMap<String, String>| -> usize {
            map.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        let env = build.build.env.as_ref().map_or(0, |env| texts(&env.0));
        let message = build.build.message.as_ref().map_or(0, String::len);
        OF_ITSELF + env + message + texts(&build.meta_data.0) + JobJson::bytes(&build.jobs)
    }

    pub(in crate::api::buildkite) fn new(build: &Build, shown: &Shown) -> Self {
        let view = &build.build;
        let (state, blocked) = states::of_build(build);
        let hard_failures = build.groups.iter().filter(|group| group.fails);
        let pipeline_url = shown.pipeline_url(&build.project.slugs());
        let url = format!("{pipeline_url}/builds/{}", view.iid);
        Self {
            id: view.uuid.to_string(),
            graphql_id: graphql_id("Build", view.uuid),
            web_url: shown.web_url(build),
            number: view.iid,
            state,
            cancel_reason: view.cancel_reason.clone(),
            blocked,
            message: view.message.clone().or_else(|| build.commit_title.clone()),
            commit: view.sha.clone(),
            branch: view.ref_name.clone(),
            tag: view.tag.then(|| view.ref_name.clone()),
            env: view.env.clone().unwrap_or_default().0,
            source: source(view.source),
            author: view.author.as_ref().map(|author| json!(author)),
            creator: build.creator.as_ref().map(UserJson::new),
            // A build that was read without its jobs has some all the same.
            jobs: (shown.jobs && build.jobs.is_empty() == build.groups.is_empty())
                .then(|| JobJson::all(build, shown)),
            created_at: view.created_at,
            scheduled_at: view.created_at,
            started_at: view.started_at,
            failing_at: hard_failures.filter_map(|group| group.first_finished).min(),
            finished_at: view.finished_at,
            meta_data: build.meta_data.0.clone(),
            pull_request: view.pull_request.as_ref().map(|it| {
                json!({ "id": it.id, "base": it.base, "repository": it.repository, "labels": it.labels })
            }),
            merge_queue: None,
            rebuilt_from: build.rebuilt_from.map(|(uuid, number)| {
                json!({ "id": uuid.to_string(), "number": number, "url": format!("{pipeline_url}/builds/{number}") })
            }),
            pipeline: shown.pipeline.then(|| PipelineJson::of_build(build, shown)),
            job_state_counts: None,
            url,
        }
    }

    /// Like [`BuildJson::new`], with the number of jobs in each state, whatever is left out of the list.
    pub(in crate::api::buildkite) fn with_counts(build: &Build, shown: &Shown) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for group in build.groups.iter().filter(|group| shown.retried || !group.retried) {
            *counts.entry(states::of_group(group)).or_default() += group.count;
        }
        let total: usize = counts.values().sum();
        let counts = json!({ "total": total, "states": counts });
        Self { job_state_counts: Some(counts), ..Self::new(build, shown) }
    }
}

/// The source of a build, of those that Buildkite knows.
pub(in crate::api::buildkite) fn source(source: Source) -> &'static str {
    match source {
        Source::Push
        | Source::External
        | Source::MergeRequestEvent
        | Source::ExternalPullRequestEvent
        | Source::ContainerRegistryPush => "webhook",
        Source::Web | Source::Webide | Source::Chat => "ui",
        Source::Trigger
        | Source::Api
        | Source::OndemandDastScan
        | Source::OndemandDastValidation
        | Source::DuoWorkflow
        | Source::Unknown => "api",
        Source::Schedule | Source::SecurityOrchestrationPolicy | Source::PipelineExecutionPolicySchedule => {
            "schedule"
        }
        Source::Pipeline | Source::ParentPipeline => "trigger_job",
    }
}
