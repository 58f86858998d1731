//! Page of a pipeline: its jobs by stage with what they left, and its family.

use std::collections::HashMap;

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to;
use super::job::artifact_link;
use super::pipelines::{PipelineRow, row};
use crate::access::{PipelineOverview, Total};
use crate::catalog::jobs::{JobDetails, PipelineJobs};
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;
use crate::web::address::Project;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, Pager, page};
use crate::web::visit::Visit;
use crate::web::words::{State, duration, row_size};

/// How many jobs a page has.
const JOBS: usize = 100;

/// How many artifacts of a job are named.
const ARTIFACTS: usize = 10;

#[derive(Template)]
#[template(path = "pipeline.html")]
struct PipelinePage {
    layout: Layout,
    pipeline: PipelineRow,
    commit: Option<String>,
    sha: String,
    user: Option<String>,
    duration: Option<String>,
    coverage: Option<String>,
    is_running: bool,
    parent: Option<PipelineRow>,
    children: Vec<PipelineRow>,
    child_count: i64,
    stages: Vec<Stage>,
    pager: Pager,
    with_retried: bool,
    toggle: String,
}

struct Stage {
    name: String,
    jobs: Vec<JobRow>,
}

struct JobRow {
    name: String,
    address: String,
    state: State,
    may_fail: bool,
    duration: Option<String>,
    artifacts: Vec<(Crumb, String)>,
    more: usize,
}

/// `GET …/-/pipelines/ID`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    id: i64,
) -> Result<HttpResponse, PageError> {
    let with_retried = visit.query("retried").is_some();
    let list = PipelineJobs { pipeline_id: id, statuses: Vec::new(), include_retried: with_retried };
    let reference = ProjectRef::Path(project.to_owned());
    let found = visit.access().pipeline_overview(&visit.reader, reference, list, visit.slice(JOBS)).await?;
    let PipelineOverview { project, details, commit, parent, children, child_count, jobs } = found;
    let links = visit.project(&project.path);
    let mut crumbs = crumbs_to(visit, &project.path);
    crumbs.push(Crumb::new("Pipelines", links.pipelines()));
    let total = match jobs.total {
        Total::Known(total) => Some(total),
        Total::Unknown { .. } => None,
    };
    let none = HashMap::new();
    let template = PipelinePage {
        layout: visit.layout(format!("Pipeline {id}"), crumbs),
        pipeline: row(visit, &links, &details.pipeline, &none),
        commit: commit.map(|commit| commit.title).filter(|title| !title.is_empty()),
        sha: details.pipeline.sha.clone(),
        user: details.user.map(|user| user.name),
        duration: duration(details.started_at, details.finished_at),
        coverage: details.coverage.map(|percent| format!("{percent:.1} %")),
        is_running: !details.pipeline.status.is_finished(),
        parent: parent.map(|parent| row(visit, &links, &parent, &none)),
        children: children.iter().map(|child| row(visit, &links, child, &none)).collect(),
        child_count,
        pager: Pager::new(visit, JOBS, jobs.items.len(), total, false),
        stages: stages(&links, jobs.items),
        with_retried,
        toggle: visit.with("retried", if with_retried { "" } else { "1" }),
    };
    page(visit, &template)
}

/// Groups jobs by stage, both in the order in which they were created.
fn stages(links: &Project, mut jobs: Vec<JobDetails>) -> Vec<Stage> {
    jobs.sort_by_key(|details| details.job.id);
    let mut stages: Vec<Stage> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for details in jobs {
        let name = details.job.stage.clone();
        let number = *numbers.entry(name.clone()).or_insert_with(|| {
            stages.push(Stage { name, jobs: Vec::new() });
            stages.len() - 1
        });
        stages[number].jobs.push(job_row(links, details));
    }
    stages
}

fn job_row(links: &Project, details: JobDetails) -> JobRow {
    let JobDetails { job, mut artifacts, .. } = details;
    artifacts.retain(|artifact| !matches!(artifact.kind, ArtifactKind::Trace | ArtifactKind::Metadata));
    let more = artifacts.len().saturating_sub(ARTIFACTS);
    artifacts.truncate(ARTIFACTS);
    let shown = artifacts.iter();
    JobRow {
        address: links.job(job.id),
        state: job.status.into(),
        may_fail: job.allow_failure,
        duration: duration(job.started_at, job.finished_at),
        artifacts: shown.map(|it| (artifact_link(links, it), row_size(it.size_bytes))).collect(),
        more,
        name: job.name,
    }
}
