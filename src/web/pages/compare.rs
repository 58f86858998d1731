//! Page that compares two jobs' archives by the checksums and sizes of their files.

use actix_web::HttpResponse;
use askama::Template;

use super::archive::Opened;
use crate::archive::Difference;
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, ErrorKind};
use crate::web::address::Archive;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, Pager, long_page, page};
use crate::web::visit::Visit;
use crate::web::words::size;

/// How many differences a page has.
const DIFFERENCES: usize = 500;

/// About how many bytes of HTML a row takes besides its name and its address.
const ROW_BYTES: usize = 200;

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    layout: Layout,
    this: Crumb,
    other: Crumb,
    added: usize,
    removed: usize,
    changed: usize,
    same: usize,
    rows: Vec<Row>,
    pager: Pager,
}

struct Row {
    path: String,
    address: String,
    what: &'static str,
    class: &'static str,
    before: String,
    after: String,
}

/// The form that asks for the other job.
#[derive(Template)]
#[template(path = "compare_form.html")]
struct FormPage {
    layout: Layout,
    job_id: i64,
}

/// `GET …/-/jobs/ID/artifacts/compare/OTHER`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
    other: Option<i64>,
) -> Result<HttpResponse, PageError> {
    let links = visit.project(project);
    let Some(other) = other else {
        if let Some(number) = visit.query("other").and_then(|text| text.trim().parse::<i64>().ok()) {
            return visit.redirect(&links.compare_with(job_id, number));
        }
        let opened = Opened::find(visit, project, job_id).await?;
        let layout = visit.layout("Compare", opened.crumbs_to_job(visit, project));
        return page(visit, &FormPage { layout, job_id });
    };
    let (later, earlier) =
        (Opened::find(visit, project, job_id).await?, Opened::find(visit, project, other).await?);
    let begin = (visit.page_number() - 1) * DIFFERENCES;
    let (before, after) = (archive(&earlier)?, archive(&later)?);
    let window = begin..begin + DIFFERENCES;
    let found =
        visit.ctx.app.deliver.compared(before, after, window).await.map_err(|error| later.refused(error))?;
    let rows: Vec<Row> = found.differences.iter().map(|it| row(it, &earlier.links, &later.links)).collect();
    let bytes =
        rows.iter().map(|row| row.path.len() + row.address.len()).sum::<usize>() * 2 + rows.len() * ROW_BYTES;
    let template = ComparePage {
        layout: visit.layout(format!("Compared with job {other}"), later.crumbs_to_job(visit, project)),
        this: Crumb::new(format!("job {job_id}"), links.job(job_id)),
        other: Crumb::new(format!("job {other}"), links.job(other)),
        pager: Pager::new(visit, DIFFERENCES, rows.len(), Some(found.total()), false),
        added: found.added,
        removed: found.removed,
        changed: found.changed,
        same: found.same,
        rows,
    };
    long_page(visit, bytes, move || template.render()).await
}

fn archive(opened: &Opened) -> Result<&Artifact, Error> {
    let none =
        || Error::new(ErrorKind::Unprocessable, format!("job {} has no archive to compare", opened.job_id));
    opened.found.archive.as_ref().ok_or_else(none)
}

fn row(difference: &Difference, earlier: &Archive, later: &Archive) -> Row {
    let Difference { path, before, after } = difference;
    let (what, class, address) = match (before, after) {
        (None, _) => ("added", "good", later.view(path)),
        (Some(_), None) => ("removed", "bad", earlier.view(path)),
        (Some(_), Some(_)) => ("changed", "busy", later.view(path)),
    };
    let shown = |bytes: &Option<u64>| bytes.map(size).unwrap_or_default();
    Row { path: cut(path), address, what, class, before: shown(before), after: shown(after) }
}

/// Cuts a path that is longer than anybody reads.
fn cut(path: &str) -> String {
    match path.char_indices().nth(500) {
        None => path.to_owned(),
        Some((end, _)) => format!("{}…", &path[..end]),
    }
}
