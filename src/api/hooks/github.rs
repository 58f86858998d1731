//! Events of GitHub: `workflow_run` and `workflow_job`.
//!
//! An event names a branch, but not whether it is a branch, a tag or somebody's fork, so the ref of a run is known only
//! by the ID token of one of its jobs.

use serde::Deserialize;

use super::EventFault;
use super::gitlab::{parse, positive, text};
use super::times::{EventTime, newest};
use crate::access::News;
use crate::auth::oidc::{path_below, text_id};
use crate::catalog::foreign::{Report, ReportedJob, ReportedPipeline, ReportedProject, ReportedState};
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::domain::status::Status;

#[derive(Deserialize)]
struct RunEvent {
    workflow_run: Run,
    repository: Repository,
}

#[derive(Deserialize)]
struct JobEvent {
    workflow_job: Job,
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    id: i64,
    full_name: String,
}

#[derive(Deserialize)]
struct Run {
    id: i64,
    run_number: Option<i64>,
    head_sha: String,
    status: Option<String>,
    conclusion: Option<String>,
    #[serde(default)]
    created_at: EventTime,
    #[serde(default)]
    run_started_at: EventTime,
    #[serde(default)]
    updated_at: EventTime,
}

#[derive(Deserialize)]
struct Job {
    id: i64,
    run_id: i64,
    check_run_url: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    #[serde(default)]
    created_at: EventTime,
    #[serde(default)]
    started_at: EventTime,
    #[serde(default)]
    completed_at: EventTime,
}

/// Reads the news out of an event; `None` if it is of no use. Projects are below `prefix`.
///
/// # Errors
/// [`EventFault`] for a body that is no such event.
pub fn read(upstream: &str, prefix: &str, event: &str, body: &[u8]) -> Result<Option<News>, EventFault> {
    match event {
        "workflow_run" => Ok(run(upstream, prefix, parse(body)?)),
        "workflow_job" => Ok(job(upstream, prefix, parse(body)?)),
        _ => Ok(None),
    }
}

fn run(upstream: &str, prefix: &str, event: RunEvent) -> Option<News> {
    let RunEvent { workflow_run: run, repository } = event;
    let status = status(run.status.as_deref(), run.conclusion.as_deref())?;
    let state = ReportedState {
        status,
        clock: newest([run.updated_at, run.run_started_at, run.created_at])?,
        created_at: run.created_at.0,
        started_at: run.run_started_at.0,
        finished_at: run.updated_at.0.filter(|_| status.is_final()),
    };
    let pipeline = ReportedPipeline {
        id: text_id(positive(run.id)?),
        iid: run.run_number.and_then(positive),
        ref_name: UNKNOWN_REF.to_owned(),
        tag: Some(false),
        sha: text(run.head_sha)?,
        source: Source::Unknown,
    };
    report(upstream, prefix, repository, pipeline.id.clone(), Some((pipeline, state)), Vec::new())
}

fn job(upstream: &str, prefix: &str, event: JobEvent) -> Option<News> {
    let JobEvent { workflow_job: job, repository } = event;
    let check_run = job.check_run_url.as_deref().and_then(|url| url.rsplit('/').next()?.parse().ok());
    let state = ReportedState {
        status: status(job.status.as_deref(), job.conclusion.as_deref())?,
        clock: newest([job.created_at, job.started_at, job.completed_at])?,
        created_at: job.created_at.0,
        started_at: job.started_at.0,
        finished_at: job.completed_at.0,
    };
    let id = text_id(positive(check_run.unwrap_or(job.id))?);
    let job_of_run = ReportedJob { id, name: None, stage: None, allow_failure: None, state };
    report(upstream, prefix, repository, text_id(positive(job.run_id)?), None, vec![job_of_run])
}

fn report(
    upstream: &str,
    prefix: &str,
    repository: Repository,
    pipeline: crate::catalog::foreign::ForeignId,
    of_pipeline: Option<(ReportedPipeline, ReportedState)>,
    jobs: Vec<ReportedJob>,
) -> Option<News> {
    let id = positive(repository.id)?;
    let names: Vec<&str> = repository.full_name.split('/').collect();
    let project = ReportedProject {
        upstream: upstream.to_owned(),
        id: text_id(id),
        path: path_below(prefix, &names, &format!("repository-{id}")),
    };
    let foreign_path = repository.full_name.clone();
    let report =
        Report { project, foreign_path, pipeline, of_pipeline, ref_is_foreign: false, parent: None, jobs };
    Some(News::Report(Box::new(report)))
}

fn status(status: Option<&str>, conclusion: Option<&str>) -> Option<Status> {
    Some(match (status?, conclusion) {
        ("completed", Some("success" | "neutral")) => Status::Success,
        ("completed", Some("cancelled" | "stale")) => Status::Canceled,
        ("completed", Some("skipped")) => Status::Skipped,
        ("completed", Some(_)) => Status::Failed,
        ("in_progress", _) => Status::Running,
        ("queued" | "requested" | "waiting" | "pending", _) => Status::Pending,
        _ => return None,
    })
}
