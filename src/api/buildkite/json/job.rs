//! JSON of a job.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::build::Shown;
use super::graphql_id;
use crate::access::BuildJobs;
use crate::api::buildkite::states;
use crate::catalog::builds::{Build, BuildJob};
use crate::domain::build::{parallel, slug, step_label};
use crate::domain::status::Status;
use crate::domain::{Timestamp, Uuid};

/// A job.
#[derive(Debug, Serialize)]
pub(in crate::api::buildkite) struct JobJson {
    id: String,
    graphql_id: String,
    r#type: &'static str,
    name: String,
    step_key: Option<String>,
    group_key: Option<String>,
    step: Value,
    priority: Value,
    agent_query_rules: Vec<String>,
    state: &'static str,
    build_url: String,
    web_url: String,
    log_url: String,
    raw_log_url: String,
    artifacts_url: String,
    command: Option<String>,
    soft_failed: bool,
    exit_status: Option<i64>,
    signal: Option<String>,
    signal_reason: Option<String>,
    broken_reason: Option<String>,
    artifact_paths: Option<String>,
    agent: Option<Value>,
    created_at: Timestamp,
    scheduled_at: Timestamp,
    runnable_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    expired_at: Option<Timestamp>,
    retried: bool,
    retried_in_job_id: Option<String>,
    retries_count: Option<usize>,
    retry_source: Option<Value>,
    retry_type: Option<&'static str>,
    parallel_group_index: Option<i64>,
    parallel_group_total: Option<i64>,
    matrix: Option<Value>,
    cluster_id: Option<String>,
    cluster_url: Option<String>,
    cluster_queue_id: Option<String>,
    cluster_queue_url: Option<String>,
}

/// The attempts of a job's step before and after it.
struct Attempts {
    number: usize,
    before: Option<Uuid>,
    after: Option<Uuid>,
}

impl JobJson {
    /// About how many bytes the text of some jobs takes.
    pub(in crate::api::buildkite) fn bytes(jobs: &[BuildJob]) -> usize {
        const OF_ITSELF: usize = 2 << 10;
        let command = |job: &BuildJob| job.command.as_ref().map_or(0, String::len);
        let by_agents = |job: &BuildJob| {
            job.by_agents.as_ref().map_or(0, |it| {
                let rules: usize = it.query_rules.0.iter().map(String::len).sum();
                rules + it.artifact_paths.as_ref().map_or(0, String::len)
            })
        };
        jobs.iter().map(|job| OF_ITSELF + command(job) + by_agents(job) + 3 * job.name.len()).sum()
    }

    /// Shows the jobs of a build: of each step the newest attempt, or all.
    pub(in crate::api::buildkite) fn all(build: &Build, shown: &Shown) -> Vec<Self> {
        let attempts =
            build.jobs.iter().map(|job| (job.name.as_str(), Attempt::of(job.id, job.uuid, job.retried)));
        let common = Common::of(build, attempts, shown);
        let is_shown = |job: &&BuildJob| shown.selects(states::of_job(job), job.retried);
        build.jobs.iter().filter(is_shown).map(|job| Self::new(job, &common)).collect()
    }

    /// Shows the jobs that were read of a build, whatever they are.
    pub(in crate::api::buildkite) fn of_page(page: &BuildJobs, shown: &Shown) -> Vec<Self> {
        let attempts =
            page.attempts.iter().map(|job| (job.name.as_str(), Attempt::of(job.id, job.uuid, job.retried)));
        let common = Common::of(&page.build, attempts, shown);
        page.build.jobs.iter().map(|job| Self::new(job, &common)).collect()
    }

    fn new(job: &BuildJob, common: &Common<'_>) -> Self {
        let Common { build, build_url, web_url, .. } = common;
        let uuid = job.uuid.to_string();
        let url = format!("{build_url}/jobs/{uuid}");
        let attempts = common.attempts(job);
        let state = states::of_job(job);
        let parallel = parallel(&job.name);
        let by_agents = job.by_agents.as_ref();
        let is_manual = job.status == Status::Manual;
        let soft = job.soft_failed.unwrap_or(job.status == Status::Failed && job.may_fail());
        let after_success = (job.status == Status::Success).then_some(0);
        Self {
            graphql_id: graphql_id("Job", job.uuid),
            r#type: if is_manual { "manual" } else { "script" },
            name: job.name.clone(),
            step_key: Some(job.step_key.clone().unwrap_or_else(|| step_key(&job.name))),
            group_key: Some(slug(&job.stage)),
            step: json!({ "id": build.build.uuid.within(&job.name).to_string(), "signature": null }),
            priority: json!({ "number": 0 }),
            agent_query_rules: by_agents.map(|it| it.query_rules.0.clone()).unwrap_or_default(),
            state,
            web_url: format!("{web_url}#{uuid}"),
            log_url: format!("{url}/log"),
            raw_log_url: format!("{url}/log.txt"),
            artifacts_url: format!("{url}/artifacts"),
            command: job.command.clone(),
            soft_failed: soft,
            exit_status: job.exit_status.or(after_success),
            signal: by_agents.and_then(|it| it.signal.clone()),
            signal_reason: by_agents.and_then(|it| it.signal_reason.clone()),
            broken_reason: None,
            artifact_paths: by_agents.and_then(|it| it.artifact_paths.clone()),
            agent: job.agent.as_ref().map(|agent| {
                let derived = || build.project.uuid.within(&format!("agent {}", agent.name));
                let id = by_agents.and_then(|it| it.agent_uuid).unwrap_or_else(derived);
                json!({
                    "id": id.to_string(),
                    "graphql_id": graphql_id("Agent", id),
                    "name": agent.name,
                    "hostname": agent.hostname,
                })
            }),
            created_at: job.created_at,
            scheduled_at: job.created_at,
            runnable_at: (!is_manual && job.status != Status::Created).then_some(job.created_at),
            started_at: job.started_at,
            finished_at: job.finished_at,
            expired_at: job.finished_at.filter(|_| state == "expired"),
            retried: job.retried,
            retried_in_job_id: attempts.after.map(|uuid| uuid.to_string()),
            retries_count: (attempts.number > 0).then_some(attempts.number),
            retry_source: attempts
                .before
                .map(|uuid| json!({ "job_id": uuid.to_string(), "retry_type": "manual" })),
            retry_type: job.retried.then_some("manual"),
            parallel_group_index: job.parallel_group_index.or(parallel.map(|(index, _)| index)),
            parallel_group_total: job.parallel_group_total.or(parallel.map(|(_, total)| total)),
            matrix: None,
            cluster_id: None,
            cluster_url: None,
            cluster_queue_id: None,
            cluster_queue_url: None,
            build_url: build_url.clone(),
            id: uuid,
        }
    }
}

/// A job as an attempt of its step.
#[derive(Clone, Copy)]
struct Attempt {
    id: i64,
    uuid: Uuid,
    retried: bool,
}

impl Attempt {
    fn of(id: i64, uuid: Uuid, retried: bool) -> Self {
        Self { id, uuid, retried }
    }
}

/// What the jobs of a build have in common.
struct Common<'a> {
    build: &'a Build,
    build_url: String,
    web_url: String,
    /// The jobs by their names, each in the order of creation: the attempts of one step.
    steps: HashMap<&'a str, Vec<Attempt>>,
}

impl<'a> Common<'a> {
    fn of(build: &'a Build, attempts: impl Iterator<Item = (&'a str, Attempt)>, shown: &Shown) -> Self {
        let mut steps: HashMap<&str, Vec<Attempt>> = HashMap::new();
        for (name, attempt) in attempts {
            steps.entry(name).or_default().push(attempt);
        }
        Self { build, build_url: shown.build_url(build), web_url: shown.web_url(build), steps }
    }

    /// Finds the attempts before and after a job. One that was not tried again has none after it.
    fn attempts(&self, job: &BuildJob) -> Attempts {
        let same = self.steps.get(job.name.as_str()).map_or(&[][..], Vec::as_slice);
        let at = same.partition_point(|other| other.id < job.id);
        let before = same[..at].iter().rev().find(|other| other.retried);
        let number = same[..at].iter().filter(|other| other.retried).count();
        let after = same.get(at + 1).filter(|_| job.retried);
        Attempts { number, before: before.map(|it| it.uuid), after: after.map(|it| it.uuid) }
    }
}

/// The key of a step that has none of its own: that of its name without the number among parallel ones.
fn step_key(name: &str) -> String {
    slug(step_label(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_of_the_label() {
        assert_eq!((step_key("My test 2/5"), step_key("a/b")), ("my-test".into(), "a-b".into()));
    }
}
