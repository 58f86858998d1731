//! Events of Buildkite: builds and their jobs.
//!
//! A build of a fork has the fork's branch, which is no branch of this project.

use serde::Deserialize;

use super::EventFault;
use super::gitlab::{parse, positive, text};
use super::times::{EventTime, newest};
use crate::access::News;
use crate::auth::oidc::{path_below, plain_ref, source_of_build, text_id};
use crate::catalog::foreign::{
    ForeignId, Report, ReportedJob, ReportedPipeline, ReportedProject, ReportedState,
};
use crate::domain::pipeline::UNKNOWN_REF;
use crate::domain::status::Status;

#[derive(Deserialize)]
struct BuildEvent {
    build: Build,
    pipeline: Pipeline,
    job: Option<Job>,
}

#[derive(Deserialize)]
struct Pipeline {
    id: Option<String>,
    slug: String,
    url: String,
    repository: Option<String>,
}

#[derive(Deserialize)]
struct Build {
    number: i64,
    state: String,
    #[serde(default)]
    blocked: bool,
    branch: Option<String>,
    tag: Option<String>,
    commit: String,
    source: Option<String>,
    pull_request: Option<PullRequest>,
    #[serde(default)]
    created_at: EventTime,
    #[serde(default)]
    scheduled_at: EventTime,
    #[serde(default)]
    started_at: EventTime,
    #[serde(default)]
    finished_at: EventTime,
}

#[derive(Deserialize)]
struct PullRequest {
    repository: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    state: Option<String>,
    exit_status: Option<i64>,
    soft_failed: Option<bool>,
    #[serde(default)]
    created_at: EventTime,
    #[serde(default)]
    started_at: EventTime,
    #[serde(default)]
    finished_at: EventTime,
}

/// Reads the news out of an event; `None` if it is of no use. Projects are below `prefix`.
///
/// # Errors
/// [`EventFault`] for a body that is no such event.
pub fn read(upstream: &str, prefix: &str, event: &str, body: &[u8]) -> Result<Option<News>, EventFault> {
    if !event.starts_with("build.") && !event.starts_with("job.") {
        return Ok(None);
    }
    let BuildEvent { build, pipeline, job } = parse(body)?;
    Ok(report(upstream, prefix, build, pipeline, job.filter(|_| event.starts_with("job."))))
}

fn report(upstream: &str, prefix: &str, build: Build, pipeline: Pipeline, job: Option<Job>) -> Option<News> {
    let (_, behind) = pipeline.url.split_once("/organizations/")?;
    let organization = behind.split('/').next().filter(|slug| !slug.is_empty())?;
    let foreign_path = format!("{organization}/{}", pipeline.slug);
    let otherwise = format!("pipeline-{}", pipeline.id.as_deref().unwrap_or("unnamed"));
    let project = ReportedProject {
        upstream: upstream.to_owned(),
        path: path_below(prefix, &[organization, &pipeline.slug], &otherwise),
        id: ForeignId::Text { id: pipeline.id.and_then(text), name: Some(text(foreign_path.clone())?) },
    };
    let id = text_id(positive(build.number)?);
    let theirs = build.pull_request.as_ref().and_then(|request| request.repository.as_deref());
    let ref_is_foreign = theirs.is_some_and(|theirs| Some(theirs) != pipeline.repository.as_deref());
    let (of_pipeline, jobs) = match job {
        Some(job) => (None, vec![reported_job(job)?]),
        None => (Some(reported_build(build, id.clone(), ref_is_foreign)?), Vec::new()),
    };
    let report =
        Report { project, foreign_path, pipeline: id, of_pipeline, ref_is_foreign, parent: None, jobs };
    Some(News::Report(Box::new(report)))
}

fn reported_build(
    build: Build,
    id: ForeignId,
    ref_is_foreign: bool,
) -> Option<(ReportedPipeline, ReportedState)> {
    let tag = build.tag.filter(|tag| !tag.is_empty());
    let is_tag = tag.is_some();
    let ref_name = match tag.or(build.branch) {
        // A pull request's branch may be another repository's, of which nothing is said.
        Some(name) if !ref_is_foreign && build.pull_request.is_none() => plain_ref(&name),
        _ => UNKNOWN_REF.to_owned(),
    };
    let pipeline = ReportedPipeline {
        id,
        iid: Some(build.number),
        tag: Some(is_tag && ref_name != UNKNOWN_REF),
        ref_name,
        sha: text(build.commit)?,
        source: source_of_build(build.source.as_deref().unwrap_or_default()),
    };
    let status = match build.state.as_str() {
        // It waits for somebody, and may fail after that.
        _ if build.blocked => Status::Manual,
        "passed" => Status::Success,
        "failed" => Status::Failed,
        "canceled" => Status::Canceled,
        "canceling" => Status::Canceling,
        "skipped" | "not_run" => Status::Skipped,
        "blocked" => Status::Manual,
        "running" | "failing" | "started" => Status::Running,
        "scheduled" | "creating" => Status::Pending,
        _ => return None,
    };
    let state = ReportedState {
        status,
        clock: newest([build.created_at, build.scheduled_at, build.started_at, build.finished_at])?,
        created_at: build.created_at.0,
        started_at: build.started_at.0,
        finished_at: build.finished_at.0,
    };
    Some((pipeline, state))
}

fn reported_job(job: Job) -> Option<ReportedJob> {
    let succeeded = job.exit_status == Some(0) || job.soft_failed == Some(true);
    let status = match job.state.as_deref()? {
        "passed" => Status::Success,
        "finished" if succeeded => Status::Success,
        "failed" | "finished" | "timed_out" | "broken" | "expired" => Status::Failed,
        "canceled" => Status::Canceled,
        "canceling" | "timing_out" => Status::Canceling,
        "skipped" => Status::Skipped,
        "running" | "started" => Status::Running,
        "scheduled" | "assigned" | "accepted" | "limited" | "limiting" | "pending" | "waiting" => {
            Status::Pending
        }
        _ => return None,
    };
    let state = ReportedState {
        status,
        clock: newest([job.created_at, job.started_at, job.finished_at])?,
        created_at: job.created_at.0,
        started_at: job.started_at.0,
        finished_at: job.finished_at.0,
    };
    Some(ReportedJob { id: text_id(text(job.id)?), name: None, stage: None, allow_failure: None, state })
}
