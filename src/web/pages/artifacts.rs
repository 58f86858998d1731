//! Page of all artifacts of a project: filtered, sorted, and up to 50 of them selected to be deleted.

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to;
use super::file_search::MOST_ARCHIVES;
use super::job::{artifact_link, kind};
use super::pipelines::Choice;
use crate::access::ProjectArtifactsPage;
use crate::catalog::artifacts::{ArtifactOrder, ProjectArtifact, ProjectArtifacts, SEARCHED};
use crate::domain::artifact::ArtifactKind;
use crate::domain::expiry::is_available;
use crate::domain::project::ProjectRef;
use crate::web::address::Project;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, Pager, page};
use crate::web::visit::Visit;
use crate::web::words::{Expiry, Moment, row_size};

/// How many artifacts a page has; so many can be selected.
pub(super) const ARTIFACTS: usize = 50;

#[derive(Template)]
#[template(path = "artifacts.html")]
struct ArtifactsPage {
    layout: Layout,
    links: Project,
    rows: Vec<Row>,
    pager: Pager,
    job_name: String,
    ref_name: String,
    kinds: Vec<Choice>,
    orders: Vec<Choice>,
    is_filtered: bool,
    /// How many artifacts a search looks at.
    searched: i64,
    /// How many archives a search of files looks into.
    most_archives: usize,
    /// Whether some can be selected to be deleted.
    may_delete: bool,
}

struct Row {
    id: i64,
    link: Crumb,
    kind: String,
    job: Crumb,
    ref_name: String,
    size: String,
    created: Moment,
    expiry: Expiry,
    is_deletable: bool,
}

/// `GET …/-/artifacts`
pub(in crate::web) async fn show(visit: &Visit<'_>, project: &str) -> Result<HttpResponse, PageError> {
    let kind = visit.query("type").and_then(|text| text.parse::<ArtifactKind>().ok());
    let list = ProjectArtifacts {
        kind,
        job_name: visit.query("job").map(str::to_owned),
        ref_name: visit.query("ref").map(str::to_owned),
        accessibilities: Vec::new(),
        order: match visit.query("sort") {
            Some("oldest") => ArtifactOrder::Oldest,
            Some("largest") => ArtifactOrder::Largest,
            _ => ArtifactOrder::Newest,
        },
    };
    let (is_filtered, order) = (list.is_search(), list.order);
    let (job_name, ref_name) =
        (list.job_name.clone().unwrap_or_default(), list.ref_name.clone().unwrap_or_default());
    let reference = ProjectRef::Path(project.to_owned());
    let found =
        visit.access().artifacts_of_project(&visit.reader, reference, list, visit.slice(ARTIFACTS)).await?;
    let ProjectArtifactsPage { project, items, locked, more, rights } = found;
    let links = visit.project(&project.path);
    let pager = Pager::new(visit, ARTIFACTS, items.len(), None, more);
    let row = |it: ProjectArtifact| {
        let is_locked = locked.contains(&it.pipeline_id);
        row(visit, &links, it, is_locked)
    };
    let rows: Vec<Row> = items.into_iter().map(row).collect();
    let template = ArtifactsPage {
        layout: visit.layout("Artifacts", crumbs_to(visit, &project.path)),
        may_delete: rights.delete && rows.iter().any(|row| row.is_deletable),
        rows,
        pager,
        job_name,
        ref_name,
        kinds: kinds(kind),
        orders: orders(order),
        is_filtered,
        searched: SEARCHED,
        most_archives: MOST_ARCHIVES,
        links: links.clone(),
    };
    page(visit, &template)
}

fn row(visit: &Visit<'_>, links: &Project, found: ProjectArtifact, is_locked: bool) -> Row {
    let ProjectArtifact { artifact, job_name, ref_name, .. } = found;
    let available = is_available(artifact.expire_at, is_locked, visit.now());
    Row {
        id: artifact.id,
        link: artifact_link(links, &artifact),
        kind: kind(&artifact),
        job: Crumb::new(job_name, links.job(artifact.job_id)),
        size: row_size(artifact.size_bytes),
        created: Moment::new(artifact.created_at, visit.now()),
        expiry: Expiry::new(artifact.expire_at, available, is_locked, &ref_name, visit.now()),
        is_deletable: artifact.is_archive_or_file(),
        ref_name,
    }
}

fn kinds(chosen: Option<ArtifactKind>) -> Vec<Choice> {
    let choice = |kind: &ArtifactKind| Choice {
        value: kind.as_str(),
        word: kind.as_str(),
        is_chosen: chosen == Some(*kind),
    };
    ArtifactKind::ALL.iter().filter(|kind| **kind != ArtifactKind::Trace).map(choice).collect()
}

fn orders(chosen: ArtifactOrder) -> Vec<Choice> {
    [
        ("newest", "newest first", ArtifactOrder::Newest),
        ("oldest", "oldest first", ArtifactOrder::Oldest),
        ("largest", "largest first", ArtifactOrder::Largest),
    ]
    .into_iter()
    .map(|(value, word, order)| Choice { value, word, is_chosen: chosen == order })
    .collect()
}
