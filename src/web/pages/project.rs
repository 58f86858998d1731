//! Page of a project: its branches and tags, each with what its newest successful pipeline left.

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to;
use super::job::artifact_link;
use crate::access::RefOverview;
use crate::catalog::pipelines::PipelineView;
use crate::domain::project::ProjectRef;
use crate::web::address::Project;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, page};
use crate::web::visit::Visit;
use crate::web::words::{Expiry, Moment, State, row_size, short_sha};

#[derive(Template)]
#[template(path = "project.html")]
struct ProjectPage {
    layout: Layout,
    path: String,
    /// `None` if the person may not read the project's jobs.
    refs: Option<Vec<RefRow>>,
    keeps_latest: bool,
    links: Project,
    /// The base of the addresses of the API, for the example of a first upload.
    base_url: String,
}

struct RefRow {
    name: String,
    kind: &'static str,
    pipelines: String,
    newest: PipelineCell,
    successful: Option<PipelineCell>,
    artifacts: Vec<ArtifactCell>,
    more: bool,
}

/// A pipeline in a few words.
pub(super) struct PipelineCell {
    pub(super) id: i64,
    pub(super) address: String,
    pub(super) state: State,
    pub(super) sha: String,
    pub(super) at: Moment,
}

struct ArtifactCell {
    job_name: String,
    job: String,
    link: Crumb,
    size: String,
    expiry: Expiry,
}

/// `GET /GROUP/PROJECT`
pub(super) async fn show(visit: &Visit<'_>, path: &str) -> Result<HttpResponse, PageError> {
    let found = visit.access().project_overview(&visit.reader, ProjectRef::Path(path.to_owned())).await?;
    let project = found.details.project;
    let links = visit.project(&project.path);
    let mut crumbs = crumbs_to(visit, &project.path);
    crumbs.pop();
    let keeps = project.keep_latest_artifact;
    let refs = found.refs.map(|refs| refs.into_iter().map(|it| row(visit, &links, it, keeps)).collect());
    let layout = visit.layout(found.details.name, crumbs);
    let base_url = visit.ctx.base_url();
    page(visit, &ProjectPage { layout, path: project.path, refs, keeps_latest: keeps, links, base_url })
}

fn row(visit: &Visit<'_>, links: &Project, found: RefOverview, keeps_latest: bool) -> RefRow {
    let RefOverview { active, artifacts, more } = found;
    let name = active.newest.ref_name.clone();
    let cell = |artifact: crate::catalog::artifacts::PipelineArtifact| ArtifactCell {
        job: links.job(artifact.artifact.job_id),
        link: artifact_link(links, &artifact.artifact),
        size: row_size(artifact.artifact.size_bytes),
        expiry: Expiry::new(artifact.artifact.expire_at, true, keeps_latest, &name, visit.now()),
        job_name: artifact.job_name,
    };
    let artifacts = artifacts.into_iter().map(cell).collect();
    RefRow {
        kind: if active.newest.tag { "tag" } else { "branch" },
        pipelines: links.pipelines_of_ref(&name),
        newest: pipeline_cell(visit, links, &active.newest),
        successful: active.successful.as_ref().map(|pipeline| pipeline_cell(visit, links, pipeline)),
        artifacts,
        more,
        name,
    }
}

/// Describes a pipeline in a few words.
pub(super) fn pipeline_cell(visit: &Visit<'_>, links: &Project, pipeline: &PipelineView) -> PipelineCell {
    PipelineCell {
        id: pipeline.id,
        address: links.pipeline(pipeline.id),
        state: pipeline.status.into(),
        sha: short_sha(&pipeline.sha).to_owned(),
        at: Moment::new(pipeline.created_at, visit.now()),
    }
}
