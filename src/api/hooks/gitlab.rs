//! Events of GitLab: pipelines, jobs, and of system hooks the renames and deletions of projects and the changes of who may
//! read them.
//!
//! The ref of a merge request's pipeline is its source branch here, which may be another project's, so it is unknown.

use serde::Deserialize;

use super::EventFault;
use super::times::{EventTime, newest};
use crate::access::News;
use crate::auth::oidc::plain_ref;
use crate::catalog::foreign::{
    ForeignId, Report, ReportedJob, ReportedPipeline, ReportedProject, ReportedState,
};
use crate::domain::Timestamp;
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::domain::project::is_valid_path;
use crate::domain::status::Status;

/// Most jobs that are read of one event.
const MAX_JOBS: usize = 5_000;

#[derive(Deserialize)]
struct Kind {
    object_kind: Option<String>,
    event_name: Option<String>,
}

#[derive(Deserialize)]
struct PipelineEvent {
    object_attributes: PipelineAttributes,
    merge_request: Option<serde::de::IgnoredAny>,
    project: Project,
    #[serde(default)]
    builds: Vec<Build>,
    source_pipeline: Option<SourcePipeline>,
}

#[derive(Deserialize)]
struct PipelineAttributes {
    id: i64,
    iid: Option<i64>,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    #[serde(default)]
    tag: bool,
    sha: String,
    source: Option<String>,
    status: String,
    #[serde(default)]
    created_at: EventTime,
    #[serde(default)]
    finished_at: EventTime,
}

#[derive(Deserialize)]
struct Project {
    id: i64,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct Build {
    id: i64,
    stage: Option<String>,
    name: Option<String>,
    status: String,
    allow_failure: Option<bool>,
    #[serde(default)]
    created_at: EventTime,
    #[serde(default)]
    started_at: EventTime,
    #[serde(default)]
    finished_at: EventTime,
}

#[derive(Deserialize)]
struct SourcePipeline {
    project: SourceProject,
    pipeline_id: i64,
}

#[derive(Deserialize)]
struct SourceProject {
    id: i64,
}

#[derive(Deserialize)]
struct JobEvent {
    build_id: i64,
    build_name: Option<String>,
    build_stage: Option<String>,
    build_status: String,
    build_allow_failure: Option<bool>,
    #[serde(default)]
    build_created_at: EventTime,
    #[serde(default)]
    build_started_at: EventTime,
    #[serde(default)]
    build_finished_at: EventTime,
    pipeline_id: i64,
    project_id: i64,
    project: Option<Project>,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    homepage: Option<String>,
}

#[derive(Deserialize)]
struct SystemEvent {
    project_id: i64,
    path_with_namespace: String,
    old_path_with_namespace: Option<String>,
    #[serde(default)]
    updated_at: EventTime,
}

/// A change of a project itself, or of one of its members.
#[derive(Deserialize)]
struct RightsEvent {
    project_id: i64,
    path_with_namespace: Option<String>,
    project_path_with_namespace: Option<String>,
    user_id: Option<i64>,
}

/// The events after which other users may read a project.
const OF_RIGHTS: &[&str] =
    &["project_update", "user_add_to_team", "user_update_for_team", "user_remove_from_team"];

/// Reads the news out of an event; `None` if it is of no use. The kind is the body's, whatever `event` says.
///
/// # Errors
/// [`EventFault`] for a body that is no such event.
pub fn read(upstream: &str, event: &str, body: &[u8]) -> Result<Option<News>, EventFault> {
    if !["Pipeline Hook", "Job Hook", "System Hook"].contains(&event) {
        return Ok(None);
    }
    let kind: Kind = parse(body)?;
    match (kind.object_kind.as_deref(), kind.event_name.as_deref()) {
        (Some("pipeline"), _) => Ok(pipeline(upstream, parse(body)?)),
        (Some("build"), _) => Ok(job(upstream, parse(body)?)),
        (None, Some(name @ ("project_rename" | "project_transfer" | "project_destroy"))) => {
            Ok(moved(upstream, parse(body)?, name == "project_destroy"))
        }
        (None, Some(name)) if OF_RIGHTS.contains(&name) => Ok(rights(upstream, parse(body)?)),
        _ => Ok(None),
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EventFault> {
    serde_json::from_slice(body).map_err(|error| {
        // The text of a wrong value may hold anything; its place says enough.
        format!("the event cannot be read at line {}, column {}", error.line(), error.column())
    })
}

fn pipeline(upstream: &str, event: PipelineEvent) -> Option<News> {
    let PipelineEvent { object_attributes: pipeline, merge_request, project, builds, source_pipeline } =
        event;
    let source = pipeline.source.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Source::Unknown);
    let is_request = merge_request.is_some()
        || matches!(source, Source::MergeRequestEvent | Source::ExternalPullRequestEvent);
    let ref_name = match pipeline.ref_name {
        Some(name) if !is_request => plain_ref(&name),
        _ => UNKNOWN_REF.to_owned(),
    };
    let of_builds =
        builds.iter().filter_map(|job| newest([job.created_at, job.started_at, job.finished_at])).max();
    let clock = newest([pipeline.created_at, pipeline.finished_at]).max(of_builds)?;
    let state = ReportedState {
        status: pipeline.status.parse().ok()?,
        clock,
        created_at: pipeline.created_at.0,
        started_at: builds.iter().filter_map(|job| job.started_at.0).min(),
        finished_at: pipeline.finished_at.0,
    };
    let jobs = builds.into_iter().take(MAX_JOBS).filter_map(|job| build(job, clock)).collect();
    let parent =
        source_pipeline.filter(|source| source.project.id == project.id).map(|source| source.pipeline_id);
    let id = ForeignId::Number(positive(pipeline.id)?);
    Some(News::Report(Box::new(Report {
        project: reported(upstream, project.id, &project.path_with_namespace)?,
        foreign_path: project.path_with_namespace,
        of_pipeline: Some((
            ReportedPipeline {
                id: id.clone(),
                iid: pipeline.iid.and_then(positive),
                tag: Some(pipeline.tag && ref_name != UNKNOWN_REF),
                ref_name,
                sha: text(pipeline.sha)?,
                source,
            },
            state,
        )),
        pipeline: id,
        ref_is_foreign: false,
        parent,
        jobs,
    })))
}

fn build(job: Build, of_pipeline: Timestamp) -> Option<ReportedJob> {
    Some(ReportedJob {
        id: ForeignId::Number(positive(job.id)?),
        name: job.name.and_then(text),
        stage: job.stage.and_then(text),
        allow_failure: job.allow_failure,
        state: ReportedState {
            status: job.status.parse::<Status>().ok()?,
            clock: newest([job.created_at, job.started_at, job.finished_at]).unwrap_or(of_pipeline),
            created_at: job.created_at.0,
            started_at: job.started_at.0,
            finished_at: job.finished_at.0,
        },
    })
}

fn job(upstream: &str, event: JobEvent) -> Option<News> {
    let path = match (event.project, event.repository.and_then(|repository| repository.homepage)) {
        (Some(project), _) => project.path_with_namespace,
        (None, Some(homepage)) => homepage.split_once("://")?.1.split_once('/')?.1.to_owned(),
        (None, None) => return None,
    };
    let job = Build {
        id: event.build_id,
        stage: event.build_stage,
        name: event.build_name,
        status: event.build_status,
        allow_failure: event.build_allow_failure,
        created_at: event.build_created_at,
        started_at: event.build_started_at,
        finished_at: event.build_finished_at,
    };
    let clock = newest([job.created_at, job.started_at, job.finished_at])?;
    Some(News::Report(Box::new(Report {
        project: reported(upstream, event.project_id, &path)?,
        foreign_path: path,
        pipeline: ForeignId::Number(positive(event.pipeline_id)?),
        of_pipeline: None,
        ref_is_foreign: false,
        parent: None,
        jobs: vec![build(job, clock)?],
    })))
}

fn moved(upstream: &str, event: SystemEvent, is_deleted: bool) -> Option<News> {
    let from = event.old_path_with_namespace.as_ref().unwrap_or(&event.path_with_namespace);
    let project = reported(upstream, event.project_id, from)?;
    let to = Some(event.path_with_namespace).filter(|path| !is_deleted && is_valid_path(path));
    (is_deleted || to.is_some()).then_some(News::Moved { project, to, at: event.updated_at.0 })
}

fn rights(upstream: &str, event: RightsEvent) -> Option<News> {
    let path = event.project_path_with_namespace.or(event.path_with_namespace)?;
    let project = reported(upstream, event.project_id, &path)?;
    Some(News::Rights { project, user: event.user_id.and_then(positive) })
}

fn reported(upstream: &str, id: i64, path: &str) -> Option<ReportedProject> {
    let id = ForeignId::Number(positive(id)?);
    is_valid_path(path).then(|| ReportedProject { upstream: upstream.to_owned(), id, path: path.to_owned() })
}

pub(super) fn positive(number: i64) -> Option<i64> {
    Some(number).filter(|number| *number > 0)
}

/// Returns a text that can be stored.
pub(super) fn text(text: String) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= 1024 && !text.contains('\0');
    fits.then_some(text)
}
