//! Pages that compare two jobs' archives by the checksums and sizes of their files, and one file of both by its lines.

use actix_web::HttpResponse;
use askama::Template;

use super::archive::{Opened, path_of};
use super::view::beginning;
use crate::archive::Difference;
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, ErrorKind};
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, Pager, long_page, page};
use crate::web::text::{Html, as_text, difference};
use crate::web::visit::Visit;
use crate::web::words::size;

/// How much of a file is compared by its lines, in bytes.
const MOST_BYTES: u64 = 1 << 20;

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
    /// Where its lines are compared, if both archives have it.
    lines: Option<String>,
}

/// One file of both archives.
#[derive(Template)]
#[template(path = "diff.html")]
struct DiffPage {
    layout: Layout,
    path: String,
    this: Crumb,
    other: Crumb,
    difference: Option<Html>,
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
    let rows: Vec<Row> = found.differences.iter().map(|it| row(it, &earlier, &later)).collect();
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

fn row(difference: &Difference, earlier: &Opened, later: &Opened) -> Row {
    let Difference { path, before, after } = difference;
    let (what, class, address) = match (before, after) {
        (None, _) => ("added", "good", later.links.view(path)),
        (Some(_), None) => ("removed", "bad", earlier.links.view(path)),
        (Some(_), Some(_)) => ("changed", "busy", later.links.view(path)),
    };
    let shown = |bytes: &Option<u64>| bytes.map(size).unwrap_or_default();
    let lines = later.project.compare_file(later.job_id, earlier.job_id, path);
    let lines = (before.is_some() && after.is_some()).then_some(lines);
    Row { path: cut(path), address, what, class, before: shown(before), after: shown(after), lines }
}

/// `GET …/-/jobs/ID/artifacts/compare/OTHER/PATH`
pub(in crate::web) async fn show_file(
    visit: &Visit<'_>,
    project: &str,
    (job_id, other): (i64, i64),
    path: &[u8],
) -> Result<HttpResponse, PageError> {
    let (later, earlier) =
        (Opened::find(visit, project, job_id).await?, Opened::find(visit, project, other).await?);
    let Some(path) = path_of(path)? else { return Err(PageError::NoPage) };
    let (before, after) = (text_of(visit, &earlier, &path).await?, text_of(visit, &later, &path).await?);
    let links = visit.project(project);
    let mut crumbs = later.crumbs_to_job(visit, project);
    crumbs.push(Crumb::new(format!("Compared with job {other}"), links.compare_with(job_id, other)));
    let layout = visit.layout(path.base_name().to_owned(), crumbs);
    let this = Crumb::new(format!("job {job_id}"), later.links.view(path.as_str()));
    let other = Crumb::new(format!("job {other}"), earlier.links.view(path.as_str()));
    let path = path.as_str().to_owned();
    let estimate = [&before, &after].into_iter().flatten().map(String::len).sum::<usize>() * 2;
    let render = move || {
        let difference = before.zip(after).and_then(|(before, after)| difference(&before, &after));
        DiffPage { layout, path, this, other, difference }.render()
    };
    long_page(visit, estimate, render).await
}

/// Reads a file as text; `None` if it is none, or too long.
async fn text_of(visit: &Visit<'_>, opened: &Opened, path: &EntryPath) -> Result<Option<String>, PageError> {
    match beginning(visit, opened, path.as_str(), MOST_BYTES).await {
        Ok(found) if found.is_cut => Ok(None),
        Ok(found) => Ok(as_text(&found.bytes, false).map(str::to_owned)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(opened.missing(visit, path.as_str()).await),
        Err(error) => Err(opened.refused(error)),
    }
}

/// Cuts a path that is longer than anybody reads.
fn cut(path: &str) -> String {
    match path.char_indices().nth(500) {
        None => path.to_owned(),
        Some((end, _)) => format!("{}…", &path[..end]),
    }
}
