//! Page of a project's pipelines, newest first, with filters.

use std::collections::HashMap;

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to;
use crate::access::Total;
use crate::catalog::artifacts::Volume;
use crate::catalog::pipelines::{Order, Period, PipelineView, ProjectPipelines};
use crate::catalog::slice::Direction;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::web::address::{Project, value};
use crate::web::error::PageError;
use crate::web::layout::{Layout, Pager, page};
use crate::web::visit::Visit;
use crate::web::words::{Moment, State, count, row_size, short_sha};

/// How many pipelines a page has.
const PIPELINES: usize = 20;

#[derive(Template)]
#[template(path = "pipelines.html")]
struct PipelinesPage {
    layout: Layout,
    links: Project,
    pipelines: Vec<PipelineRow>,
    pager: Pager,
    ref_name: String,
    sha: String,
    statuses: Vec<Choice>,
    is_filtered: bool,
}

/// A choice of a filter.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) word: &'static str,
    pub(super) is_chosen: bool,
}

/// A pipeline of a list.
pub(super) struct PipelineRow {
    pub(super) id: i64,
    pub(super) address: String,
    pub(super) state: State,
    pub(super) ref_name: String,
    pub(super) of_ref: String,
    pub(super) sha: String,
    pub(super) source: String,
    pub(super) at: Moment,
    pub(super) volume: Option<String>,
}

/// `GET …/-/pipelines`
pub(in crate::web) async fn show(visit: &Visit<'_>, project: &str) -> Result<HttpResponse, PageError> {
    let status = visit.query("status").and_then(|text| text.parse::<Status>().ok());
    let list = ProjectPipelines {
        statuses: status.into_iter().collect(),
        source: None,
        newest_of_tags: None,
        ref_name: visit.query("ref").map(str::to_owned),
        sha: visit.query("sha").map(str::to_owned),
        user_id: None,
        updated: Period::default(),
        created: Period::default(),
        order: Order::Id,
        direction: Direction::Descending,
    };
    let is_filtered = status.is_some() || list.ref_name.is_some() || list.sha.is_some();
    let (ref_name, sha) = (list.ref_name.clone().unwrap_or_default(), list.sha.clone().unwrap_or_default());
    let (access, reference) = (visit.access(), ProjectRef::Path(project.to_owned()));
    let slice = visit.slice(PIPELINES);
    let found = access.pipelines_of_project(&visit.reader, reference.clone(), list, None, slice).await?;
    let ids = found.items.iter().map(|pipeline| pipeline.id).collect();
    let volumes = access.volumes_of_pipelines(&visit.reader, reference, ids).await?;
    let links = visit.project(&found.project_path);
    let (total, more) = match found.total {
        Total::Known(total) => (Some(total), false),
        Total::Unknown { more } => (None, more),
    };
    let pager = Pager::new(visit, PIPELINES, found.items.len(), total, more);
    let layout = visit.layout("Pipelines", crumbs_to(visit, &found.project_path));
    let pipelines = found.items.iter().map(|it| row(visit, &links, it, &volumes)).collect();
    let statuses = statuses(status);
    page(visit, &PipelinesPage { layout, links, pipelines, pager, ref_name, sha, statuses, is_filtered })
}

/// Sends a person on to the pipelines of a commit or a ref, whose own pages are elsewhere.
pub(in crate::web) fn of_filter(
    visit: &Visit<'_>,
    project: &str,
    filter: &str,
    text: &str,
) -> Result<HttpResponse, PageError> {
    visit.redirect(&format!("{}?{filter}={}", visit.project(project).pipelines(), value(text)))
}

fn statuses(chosen: Option<Status>) -> Vec<Choice> {
    let choice = |status: &Status| Choice {
        value: status.as_str(),
        word: State::from(*status).word,
        is_chosen: chosen == Some(*status),
    };
    Status::ALL.iter().map(choice).collect()
}

/// Describes a pipeline, with how much it holds if that is known.
pub(super) fn row(
    visit: &Visit<'_>,
    links: &Project,
    pipeline: &PipelineView,
    volumes: &HashMap<i64, Volume>,
) -> PipelineRow {
    let volume = volumes.get(&pipeline.id).map(|volume| {
        let artifacts = count(usize::try_from(volume.artifacts).unwrap_or(0), "artifact", "artifacts");
        format!("{artifacts}, {}", row_size(volume.bytes))
    });
    PipelineRow {
        id: pipeline.id,
        address: links.pipeline(pipeline.id),
        state: pipeline.status.into(),
        of_ref: links.pipelines_of_ref(&pipeline.ref_name),
        ref_name: pipeline.ref_name.clone(),
        sha: short_sha(&pipeline.sha).to_owned(),
        source: pipeline.source.as_str().replace('_', " "),
        at: Moment::new(pipeline.created_at, visit.now()),
        volume,
    }
}
