//! Page of a file: its text with line numbers, what it shows, or only its facts.

use actix_web::HttpResponse;
use askama::Template;

use super::archive::{Opened, path_of};
use super::shown::{Media, Shown, is_html, media, shown};
use crate::access::JobLog;
use crate::archive::gzip::gunzip;
use crate::deliver::Beginning;
use crate::domain::artifact::{ArtifactKind, ArtifactName};
use crate::domain::project::ProjectRef;
use crate::domain::{EntryPath, Error, ErrorKind};
use crate::http::content_disposition::content_type;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, long_page};
use crate::web::text::Places;
use crate::web::visit::Visit;
use crate::web::words::size;

/// How much of a file is shown, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// How many bytes of HTML a byte of a file makes at most, but for files of hardly anything but quotes.
const HTML_BYTES: usize = 4;

#[derive(Template)]
#[template(path = "view.html")]
struct ViewPage {
    layout: Layout,
    /// The whole path, if the heading is only its end.
    path: Option<String>,
    size: Option<String>,
    crc32: Option<String>,
    media_type: &'static str,
    raw: String,
    download: String,
    /// Where it is shown as a report.
    report: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    /// Whether only the beginning is shown.
    is_cut: bool,
    shown: Shown,
    /// The other way to look at it, if there is one.
    other: Option<Crumb>,
}

/// A file that is looked at.
struct Looked {
    heading: String,
    path: Option<String>,
    name: String,
    crumbs: Vec<Crumb>,
    beginning: Beginning,
    raw: String,
    report: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    places: Places,
}

/// `GET …/-/jobs/ID/artifacts/view/PATH`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
    path: &[u8],
) -> Result<HttpResponse, PageError> {
    let looked = match path_of(path)? {
        None => match of_kind(visit, project, job_id).await? {
            Some(looked) => looked,
            None => return visit.redirect(&visit.project(project).archive(job_id).browse("")),
        },
        Some(path) => {
            let opened = Opened::find(visit, project, job_id).await?;
            match of_path(visit, project, &opened, path.as_str()).await? {
                Some(looked) => looked,
                None => return visit.redirect(&opened.links.browse(&format!("{}/", path.as_str()))),
            }
        }
    };
    send(visit, looked).await
}

async fn send(visit: &Visit<'_>, looked: Looked) -> Result<HttpResponse, PageError> {
    let Looked { heading, path, name, crumbs, beginning, raw, report, previous, next, places } = looked;
    let layout = visit.layout(heading, crumbs);
    let wants_source = visit.query("source").is_some();
    let (as_source, as_form) = (visit.with("source", "1"), visit.with("source", ""));
    let Beginning { bytes, size_bytes, crc32, is_cut } = beginning;
    let estimate = bytes.len() * HTML_BYTES;
    let render = move || {
        let shown = shown(&name, &bytes, is_cut, wants_source, &places);
        let other = match (shown.has_source(), wants_source) {
            (true, _) => Some(Crumb::new("Show the source", as_source)),
            (false, true) => Some(Crumb::new("Show it formatted", as_form)),
            (false, false) => None,
        };
        let page = ViewPage {
            layout,
            path,
            size: size_bytes.map(size),
            crc32: crc32.map(|crc| format!("{crc:08x}")),
            media_type: content_type(&name),
            is_cut: shown.is_cut(is_cut),
            download: raw.clone(),
            raw,
            report,
            previous,
            next,
            shown,
            other,
        };
        page.render()
    };
    long_page(visit, estimate, render).await
}

/// Looks at a file of what stands for the job's archive; `None` if the path is that of a folder.
async fn of_path(
    visit: &Visit<'_>,
    project: &str,
    opened: &Opened,
    path: &str,
) -> Result<Option<Looked>, PageError> {
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    // Of pictures, sound and films only the facts are read.
    let limit = if media(&name).is_some() { 1 } else { MOST_BYTES };
    let found = match beginning(visit, opened, path, limit).await {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Something below the path, so that the path itself may be the nearest folder.
            let nearest = opened.missing(visit, &format!("{path}/_")).await;
            let folder = opened.links.browse(&format!("{path}/"));
            return match nearest {
                PageError::NoFile(nearest) if nearest.address == folder => Ok(None),
                error => Err(error),
            };
        }
        Err(error) => return Err(opened.refused(error)),
    };
    let deliver = &visit.ctx.app.deliver;
    let neighbours = deliver.neighbours(opened.contents(), path.to_owned()).await;
    let (previous, next) = neighbours.map_err(|error| opened.refused(error))?;
    let mut crumbs = opened.crumbs_to_job(visit, project);
    crumbs.extend(opened.crumbs(path));
    let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
    Ok(Some(Looked {
        heading: name.clone(),
        path: path.contains('/').then(|| path.to_owned()),
        report: is_html(&name).then(|| opened.links.report(path)),
        name,
        crumbs,
        beginning: found,
        raw: opened.links.raw(path),
        previous: previous.map(|path| opened.links.view(&path)),
        next: next.map(|path| opened.links.view(&path)),
        places: Places { pictures: Some(opened.links.raw(folder)) },
    }))
}

/// Reads the beginning of a file of what stands for a job's archive.
pub(super) async fn beginning(
    visit: &Visit<'_>,
    opened: &Opened,
    path: &str,
    limit: u64,
) -> Result<Beginning, Error> {
    let deliver = &visit.ctx.app.deliver;
    if let Some(file) = opened.found.file(path.as_bytes()) {
        return deliver.beginning_of_artifact(file, limit).await;
    }
    let missing = || Error::new(ErrorKind::NotFound, "Not Found");
    let archive = opened.found.archive.as_ref().ok_or_else(missing)?;
    let path = EntryPath::from_bytes(path.as_bytes().to_vec()).map_err(|_| missing())?;
    deliver.beginning_of_entry(archive, &path, limit, visit.ctx.client_ip()).await
}

/// Whether there is a file at a path, readable or not.
pub(super) async fn is_file(visit: &Visit<'_>, opened: &Opened, path: &str) -> Result<bool, PageError> {
    match beginning(visit, opened, path, 1).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Unprocessable => Ok(opened.found.archive.is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Looks at an artifact that is no archive, by its kind; `None` if the query names none.
async fn of_kind(visit: &Visit<'_>, project: &str, job_id: i64) -> Result<Option<Looked>, PageError> {
    let Some(kind) = visit.query("file_type").and_then(|text| text.parse::<ArtifactKind>().ok()) else {
        return Ok(None);
    };
    let (access, reference) = (visit.access(), ProjectRef::Path(project.to_owned()));
    let links = visit.project(project);
    let place = access.job_place(&visit.reader, reference.clone(), job_id).await?;
    let crumbs = super::crumbs_to_job(visit, project, job_id, &place);
    let looked = |heading: String, name: String, beginning, raw| Looked {
        heading,
        path: None,
        name,
        crumbs,
        beginning,
        raw,
        report: None,
        previous: None,
        next: None,
        places: Places::default(),
    };
    let deliver = &visit.ctx.app.deliver;
    if kind == ArtifactKind::Trace {
        let log = access.log_of_job(&visit.reader, reference, job_id).await?;
        let raw = format!(
            "{}/api/v4/projects/{}/jobs/{job_id}/trace",
            visit.root,
            super::super::address::value(project)
        );
        let beginning = match log {
            None => return Err(PageError::NoPage),
            Some(JobLog::Stored(log)) => deliver.beginning_of_artifact(&log, MOST_BYTES).await?,
            Some(JobLog::Growing(log)) => growing(log).await?,
        };
        return Ok(Some(looked("Log".to_owned(), "job.log".to_owned(), beginning, raw)));
    }
    let name = ArtifactName::from(kind);
    let artifact = access.artifact_of_job(&visit.reader, reference, job_id, name).await?;
    let beginning = deliver.beginning_of_artifact(&artifact, MOST_BYTES).await?;
    let name = artifact.filename.strip_suffix(".gz").unwrap_or(&artifact.filename).to_owned();
    let raw = links.download_kind(job_id, kind.as_str());
    Ok(Some(looked(artifact.filename, name, beginning, raw)))
}

/// Reads the beginning of a log that is still coming in.
async fn growing(mut log: crate::access::GrowingLog) -> Result<Beginning, Error> {
    let limit = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < limit
        && let Some(chunk) = log.next().await?
    {
        let size = usize::try_from(chunk.size_bytes).map_err(Error::internal)?;
        bytes.extend(gunzip(&chunk.data, size).map_err(Error::internal)?);
    }
    bytes.truncate(limit);
    let size_bytes = u64::try_from(log.size_bytes).ok();
    let is_cut = size_bytes.is_some_and(|size| size > MOST_BYTES);
    Ok(Beginning { bytes, size_bytes, crc32: None, is_cut })
}
