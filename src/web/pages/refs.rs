//! Pages of all branches and of all tags of a project, each with its newest success.

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to;
use super::pipelines::Choice;
use super::project::{PipelineCell, pipeline_cell};
use crate::access::{RefList, RefOrder, RefSearchText, Total};
use crate::catalog::refs::ActiveRef;
use crate::catalog::slice::Direction;
use crate::domain::pipeline::RefKind;
use crate::domain::project::ProjectRef;
use crate::web::address::Project;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, Pager, page};
use crate::web::visit::Visit;

/// How many refs a page has.
const REFS: usize = 50;

#[derive(Template)]
#[template(path = "refs.html")]
struct RefsPage {
    layout: Layout,
    /// What they are, in the plural.
    what: &'static str,
    one: &'static str,
    search: String,
    orders: [Choice; 2],
    /// The list without a search.
    all: String,
    /// The refs of the other kind.
    others: Crumb,
    rows: Vec<Row>,
    /// Whether it is the first page.
    is_first: bool,
    pager: Pager,
}

struct Row {
    name: String,
    pipelines: String,
    newest: PipelineCell,
    successful: Option<PipelineCell>,
}

/// `GET …/-/branches`, `GET …/-/tags`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    kind: RefKind,
) -> Result<HttpResponse, PageError> {
    let search = visit.query("search").unwrap_or_default().to_owned();
    let (order, direction) = match visit.query("sort") {
        Some("name") => (RefOrder::Name, Direction::Ascending),
        _ => (RefOrder::Updated, Direction::Descending),
    };
    let list = RefList { kind, search: RefSearchText::read(&search), order, direction };
    let (reference, slice) = (ProjectRef::Path(project.to_owned()), visit.slice(REFS));
    let found = visit.access().refs_with_successes(&visit.reader, reference, list, slice).await?;
    let links = visit.project(&found.project_path);
    let (total, more) = match found.total {
        Total::Known(total) => (Some(total), false),
        Total::Unknown { more } => (None, more),
    };
    let branches = Crumb::new("Branches", links.branches());
    let tags = Crumb::new("Tags", links.tags());
    let (what, one, own, others) = match kind {
        RefKind::Branch => ("branches", "branch", branches, tags),
        RefKind::Tag => ("tags", "tag", tags, branches),
    };
    let by_name = order == RefOrder::Name;
    let template = RefsPage {
        layout: visit.layout(own.name, crumbs_to(visit, &found.project_path)),
        what,
        one,
        search,
        orders: [
            Choice { value: "updated", word: "newest pipeline first", is_chosen: !by_name },
            Choice { value: "name", word: "by name", is_chosen: by_name },
        ],
        all: own.address,
        others,
        pager: Pager::new(visit, REFS, found.items.len(), total, more),
        is_first: visit.page_number() == 1,
        rows: found.items.into_iter().map(|it| row(visit, &links, it)).collect(),
    };
    page(visit, &template)
}

fn row(visit: &Visit<'_>, links: &Project, found: ActiveRef) -> Row {
    let ActiveRef { newest, successful } = found;
    Row {
        pipelines: links.pipelines_of_ref(&newest.ref_name),
        newest: pipeline_cell(visit, links, &newest),
        successful: successful.map(|pipeline| pipeline_cell(visit, links, &pipeline)),
        name: newest.ref_name,
    }
}
