//! Changes of artifacts: kept for ever, or deleted after a page that says what will go.

use actix_web::HttpResponse;
use askama::Template;

use super::artifacts::ARTIFACTS;
use super::job::{kind, shown_name};
use super::{crumbs_to, crumbs_to_pipeline};
use crate::access::AccessError;
use crate::catalog::artifacts::Artifact;
use crate::domain::project::ProjectRef;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, page};
use crate::web::visit::Visit;
use crate::web::words::row_size;

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    layout: Layout,
    rows: Vec<Row>,
    total: String,
    /// Whether the person may delete them.
    may_delete: bool,
    /// Where the form is sent to.
    action: String,
    back: String,
}

struct Row {
    name: String,
    kind: String,
    size: String,
}

fn row(artifact: &Artifact) -> Row {
    Row { name: shown_name(artifact), kind: kind(artifact), size: row_size(artifact.size_bytes) }
}

/// `POST …/-/jobs/ID/artifacts/keep`
pub(in crate::web) async fn keep(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
) -> Result<HttpResponse, PageError> {
    let reference = ProjectRef::Path(project.to_owned());
    visit.access().keep_artifacts(&visit.writer(), reference, job_id).await?;
    visit.see_other(&format!("{}?done=kept#status", visit.project(project).job(job_id)))
}

/// `GET …/-/jobs/ID/artifacts/delete`: what would go.
pub(in crate::web) async fn confirm(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
) -> Result<HttpResponse, PageError> {
    let reference = ProjectRef::Path(project.to_owned());
    let found = visit.access().job_overview(&visit.reader, reference, job_id).await?;
    let links = visit.project(&found.project.path);
    let mut crumbs = crumbs_to_pipeline(visit, &found.project.path, found.details.pipeline.id);
    crumbs.push(Crumb::new(format!("Job {}", found.details.job.name), links.job(job_id)));
    let artifacts: Vec<&Artifact> =
        found.artifacts.iter().filter(|it| it.is_available).map(|it| &it.artifact).collect();
    let template = DeletePage {
        layout: visit.layout("Delete artifacts", crumbs),
        total: row_size(artifacts.iter().map(|artifact| artifact.size_bytes).sum()),
        rows: artifacts.into_iter().map(row).collect(),
        may_delete: found.rights.delete,
        action: links.delete(job_id),
        back: links.job(job_id),
    };
    page(visit, &template)
}

/// `POST …/-/jobs/ID/artifacts/delete`
pub(in crate::web) async fn delete(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
) -> Result<HttpResponse, PageError> {
    let reference = ProjectRef::Path(project.to_owned());
    visit.access().delete_artifacts(&visit.writer(), reference, job_id).await?;
    visit.see_other(&format!("{}?done=deleted#status", visit.project(project).job(job_id)))
}

/// The IDs of the artifacts that a person has selected; at most as many as a page has.
fn selected(visit: &Visit<'_>) -> Vec<i64> {
    visit.ctx.query.all("id").filter_map(|id| id.parse().ok()).take(ARTIFACTS).collect()
}

/// `GET …/-/artifacts/delete?id=…`: what would go.
pub(in crate::web) async fn confirm_some(
    visit: &Visit<'_>,
    project: &str,
) -> Result<HttpResponse, PageError> {
    let reference = ProjectRef::Path(project.to_owned());
    let (ids, links) = (selected(visit), visit.project(project));
    let mut artifacts = Vec::new();
    for id in &ids {
        match visit.access().named_artifact(&visit.reader, reference.clone(), *id).await {
            Ok(found) => artifacts.push(found.named.artifact),
            // It may have gone since the list was shown.
            Err(AccessError::ArtifactNotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let rights = visit.access().rights(&visit.reader, reference).await?;
    let mut crumbs = crumbs_to(visit, project);
    crumbs.push(Crumb::new("Artifacts", links.artifacts()));
    let chosen: Vec<String> = artifacts.iter().map(|artifact| format!("id={}", artifact.id)).collect();
    let template = DeletePage {
        layout: visit.layout("Delete artifacts", crumbs),
        total: row_size(artifacts.iter().map(|artifact| artifact.size_bytes).sum()),
        rows: artifacts.iter().map(row).collect(),
        may_delete: rights.delete,
        action: format!("{}?{}", links.delete_some(), chosen.join("&")),
        back: links.artifacts(),
    };
    page(visit, &template)
}

/// `POST …/-/artifacts/delete?id=…`
pub(in crate::web) async fn delete_some(visit: &Visit<'_>, project: &str) -> Result<HttpResponse, PageError> {
    let (reference, writer) = (ProjectRef::Path(project.to_owned()), visit.writer());
    for id in selected(visit) {
        match visit.access().delete_named_artifact(&writer, reference.clone(), id).await {
            Ok(()) | Err(AccessError::ArtifactNotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    visit.see_other(&visit.project(project).artifacts())
}
