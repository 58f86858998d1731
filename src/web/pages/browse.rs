//! Page of a folder of an archive: its items with sizes and dates, sorted or searched, 500 at a time.

use actix_web::HttpResponse;
use askama::Template;

use super::archive::{Opened, path_of};
use crate::archive::{ArrangedFolder, ArrangedItem, Arrangement, ItemOrder};
use crate::catalog::jobs::JobPlace;
use crate::domain::{EntryPath, Timestamp};
use crate::web::error::PageError;
use crate::web::layout::{Layout, Pager, long_page};
use crate::web::text::{Html, MOST_MARKDOWN_BYTES, Places, as_text, rendered};
use crate::web::visit::Visit;
use crate::web::words::{count, size};

/// How many items a page has.
const ITEMS: usize = 500;

/// About how many bytes of HTML a row takes besides its name and its address.
const ROW_BYTES: usize = 300;

#[derive(Template)]
#[template(path = "browse.html")]
struct BrowsePage {
    layout: Layout,
    /// How much there is, in words.
    summary: String,
    search: String,
    /// The ID of the artifact, which the search form repeats.
    artifact: Option<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    pager: Pager,
    download: String,
    download_words: &'static str,
    /// Where the report in it is shown.
    report: Option<String>,
    /// Where the archive is compared with another job's.
    compare: Option<String>,
    unnameable: Option<String>,
    /// The URL of what is shown, to be copied.
    url: String,
    /// The ref and the URL of the same folder of the newest job on it.
    newest: Option<(String, String)>,
    readme: Option<Html>,
}

struct Column {
    name: &'static str,
    address: String,
    /// The value of `aria-sort`, if the list is sorted by the column.
    sorted: Option<&'static str>,
    is_number: bool,
}

struct Row {
    name: String,
    address: Option<String>,
    note: Option<String>,
    size: String,
    packed: String,
    date: String,
}

/// `GET …/-/jobs/ID/artifacts/browse/PATH`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
    path: &[u8],
) -> Result<HttpResponse, PageError> {
    let opened = Opened::find(visit, project, job_id).await?;
    let path = path_of(path)?;
    let folder = path.as_ref().map(|path| format!("{}/", path.as_str())).unwrap_or_default();
    let wanted = wanted(visit, &folder);
    let (order, descending) = (wanted.order, wanted.descending);
    let deliver = &visit.ctx.app.deliver;
    let found = deliver.arranged(opened.contents(), wanted).await.map_err(|error| opened.refused(error))?;
    let Some(found) = found else { return no_folder(visit, &opened, path).await };
    // Links of a text in the folder are relative to it.
    if !visit.ctx.request.uri().path().ends_with('/') {
        return visit.redirect(&visit.with_path(&opened.links.browse(&folder)));
    }
    let readme = match (&found.readme, visit.page_number()) {
        (Some(path), 1) => readme(visit, &opened, path, &folder).await?,
        _ => None,
    };
    let mut crumbs = opened.crumbs_to_job(visit, project);
    let heading = match &path {
        None => "Archive".to_owned(),
        Some(path) => {
            crumbs.extend(opened.crumbs(path.as_str()));
            format!("{}/", path.base_name())
        }
    };
    let template = BrowsePage {
        layout: visit.layout(heading, crumbs),
        summary: summary(visit, &found),
        search: visit.query("search").unwrap_or_default().to_owned(),
        artifact: visit.query("artifact").map(str::to_owned),
        columns: columns(visit, order, descending),
        pager: Pager::new(visit, ITEMS, found.items.len(), Some(found.total), false),
        download: if folder.is_empty() {
            opened.links.download()
        } else {
            opened.links.download_folder(&folder)
        },
        download_words: if folder.is_empty() { "Download the archive" } else { "Download this folder" },
        report: opened.report(visit, &folder).await,
        compare: (visit.query("artifact").is_none() && opened.found.archive.is_some())
            .then(|| opened.project.compare(job_id)),
        unnameable: (found.unnameable > 0).then(|| count(found.unnameable, "entry", "entries")),
        url: visit.own_url(),
        newest: newest(visit, &opened, &folder),
        rows: found.items.into_iter().map(|item| row(&opened, item)).collect(),
        readme,
    };
    let bytes = template.rows.iter().map(|row| row.name.len() + row.address.as_ref().map_or(0, String::len));
    let bytes = bytes.sum::<usize>() * 2 + template.rows.len() * ROW_BYTES;
    long_page(visit, bytes, move || template.render()).await
}

/// Reads how a person wants to see a folder.
fn wanted(visit: &Visit<'_>, folder: &str) -> Arrangement {
    let begin = (visit.page_number() - 1) * ITEMS;
    Arrangement {
        folder: folder.to_owned(),
        search: visit.query("search").map(str::to_owned),
        order: match visit.query("sort") {
            Some("size") => ItemOrder::Size,
            Some("date") => ItemOrder::Modified,
            _ => ItemOrder::Name,
        },
        descending: visit.query("order") == Some("desc"),
        window: begin..begin + ITEMS,
    }
}

/// Answers for a path that is no folder: it may be that of a file.
async fn no_folder(
    visit: &Visit<'_>,
    opened: &Opened,
    path: Option<EntryPath>,
) -> Result<HttpResponse, PageError> {
    let path = path.as_ref().map_or("", EntryPath::as_str);
    let is_file = super::view::is_file(visit, opened, path).await?;
    if is_file { visit.redirect(&opened.links.view(path)) } else { Err(opened.missing(visit, path).await) }
}

/// The URL that leads to a folder of the newest job, of the archive that stands for a job.
fn newest(visit: &Visit<'_>, opened: &Opened, folder: &str) -> Option<(String, String)> {
    let JobPlace { name, ref_name, has_newest, .. } = &opened.place;
    (*has_newest && visit.query("artifact").is_none()).then(|| {
        let address = opened.project.browse_newest(ref_name, name, folder);
        (ref_name.clone(), visit.url(&address))
    })
}

fn summary(visit: &Visit<'_>, found: &ArrangedFolder) -> String {
    let files = count(found.files, "file", "files");
    if visit.query("search").is_some() {
        return format!("{files} found, {}", size(found.size_bytes));
    }
    let folders = count(found.total - found.files, "folder", "folders");
    format!("{folders}, {files}, {}", size(found.size_bytes))
}

fn columns(visit: &Visit<'_>, order: ItemOrder, descending: bool) -> Vec<Column> {
    let column = |(name, word, column, is_number): (&'static str, &str, ItemOrder, bool)| {
        let is_sorted = order == column;
        let by = visit.with("sort", word);
        // A second click turns the order round.
        let separator = if by.contains('?') { '&' } else { '?' };
        let is_next_descending = is_sorted && !descending;
        let bare = without_order(&by);
        let address = if is_next_descending { format!("{bare}{separator}order=desc") } else { bare };
        let sorted = is_sorted.then_some(if descending { "descending" } else { "ascending" });
        Column { name, address, sorted, is_number }
    };
    [
        ("Name", "name", ItemOrder::Name, false),
        ("Size", "size", ItemOrder::Size, true),
        ("Changed", "date", ItemOrder::Modified, false),
    ]
    .into_iter()
    .map(column)
    .collect()
}

/// Takes the direction out of an address.
fn without_order(address: &str) -> String {
    let Some((path, query)) = address.split_once('?') else { return address.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("order=")).collect();
    format!("{path}?{}", kept.join("&"))
}

fn row(opened: &Opened, item: ArrangedItem) -> Row {
    let ArrangedItem { name, path, is_directory, is_link, fault, .. } = item;
    let address =
        path.map(|path| if is_directory { opened.links.browse(&path) } else { opened.links.view(&path) });
    let too_long = address.is_none().then(|| "its path is too long to be opened".to_owned());
    let note = fault.or(too_long).or(is_link.then(|| "symbolic link".to_owned()));
    if is_directory {
        let (size, packed, date) = Default::default();
        return Row { name: format!("{name}/"), address, note, size, packed, date };
    }
    Row {
        name,
        address,
        note,
        size: size(item.size_bytes),
        packed: size(item.compressed_bytes),
        date: item.modified_unix_seconds.map(date).unwrap_or_default(),
    }
}

/// Writes a time to the minute.
fn date(unix_seconds: i64) -> String {
    let time = Timestamp::from_millis(unix_seconds.saturating_mul(1000)).to_string();
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => time,
    }
}

/// Renders the text that tells about the folder.
async fn readme(
    visit: &Visit<'_>,
    opened: &Opened,
    path: &str,
    folder: &str,
) -> Result<Option<Html>, PageError> {
    let Ok(found) = super::view::beginning(visit, opened, path, MOST_MARKDOWN_BYTES as u64).await else {
        // The list is there all the same, and the file's own page tells why.
        return Ok(None);
    };
    if found.is_cut {
        return Ok(None);
    }
    let places = Places { pictures: Some(opened.links.raw(folder)) };
    Ok(as_text(&found.bytes, false).map(|text| rendered(text, &places)))
}
