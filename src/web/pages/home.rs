//! Home page: the projects that a person may see, and those below a group.

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to;
use crate::access::{ListedProject, Total};
use crate::domain::project::Visibility;
use crate::web::error::PageError;
use crate::web::layout::{Layout, Pager, page};
use crate::web::visit::Visit;
use crate::web::words::{Moment, State};

/// How many projects a page has.
const PROJECTS: usize = 50;

#[derive(Template)]
#[template(path = "projects.html")]
struct ProjectsPage {
    layout: Layout,
    search: String,
    projects: Vec<ProjectRow>,
    pager: Pager,
    is_signed_in: bool,
}

struct ProjectRow {
    path: String,
    name: String,
    address: String,
    visibility: &'static str,
    newest: Option<NewestPipeline>,
}

struct NewestPipeline {
    state: State,
    ref_name: String,
    address: String,
    at: Moment,
}

/// `GET /`
pub(in crate::web) async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    list(visit, None).await
}

/// `GET /GROUP`
pub(super) async fn list(visit: &Visit<'_>, group: Option<String>) -> Result<HttpResponse, PageError> {
    let search = visit.query("search").map(str::to_owned);
    let found = visit
        .access()
        .projects_by_activity(&visit.reader, search.clone(), group.clone(), visit.slice(PROJECTS))
        .await?;
    let more = found.total == Total::Unknown { more: true };
    let layout = match &group {
        None => visit.layout("Projects", Vec::new()),
        Some(group) => {
            let mut crumbs = crumbs_to(visit, group);
            let heading = crumbs.pop().map_or_else(|| group.clone(), |own| own.name);
            visit.layout(heading, crumbs)
        }
    };
    let pager = Pager::new(visit, PROJECTS, found.items.len(), None, more);
    let projects = found.items.into_iter().map(|listed| row(visit, listed)).collect();
    let is_signed_in = visit.is_signed_in();
    let search = search.unwrap_or_default();
    page(visit, &ProjectsPage { layout, search, projects, pager, is_signed_in })
}

fn row(visit: &Visit<'_>, listed: ListedProject) -> ProjectRow {
    let ListedProject { details, newest } = listed;
    let project = visit.project(&details.project.path);
    ProjectRow {
        name: details.name,
        address: project.home(),
        visibility: match details.project.visibility {
            Visibility::Private => "private",
            Visibility::Internal => "internal",
            Visibility::Public => "public",
        },
        newest: newest.map(|pipeline| NewestPipeline {
            state: pipeline.status.into(),
            address: project.pipeline(pipeline.id),
            at: Moment::new(pipeline.created_at, visit.now()),
            ref_name: pipeline.ref_name,
        }),
        path: details.project.path,
    }
}
