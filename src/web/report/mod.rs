//! Reports: HTML that a job made, shown where it lies, below an address that carries its own permission.
//!
//! A report may run scripts that somebody else wrote, so it must reach nothing but its own files: on the host of the
//! pages it is in a sandbox, and with `server.reports_url` on a host that has nothing else. Credentials count for
//! nothing here, neither for nor against; the token in the address is the permission.

mod headers;
mod refusal;
mod shim;

use std::borrow::Cow;

use actix_web::guard::GuardContext;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload, ServiceConfig, scope, to};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;

use super::address::encoded;
use super::{address, assets};
use crate::access::{AccessError, JobArchive};
use crate::app::App;
use crate::auth::report_tokens::{ReportHolder, ReportSubject, ReportToken, SignedReport};
use crate::catalog::artifacts::Artifact;
use crate::deliver::{Deliver, DeliveredBytes, Delivery, EntryDelivery, Redirects};
use crate::domain::{EntryPath, Error, ErrorKind};
use crate::http::base_url;
use crate::http::context::RequestContext;
use crate::http::download::{Download, send, send_changed};
use crate::http::handler;
use crate::settings::{ReportScripts, ReportsUrl};
use crate::upstream::Upstream;
use headers::Showing;
use refusal::{Refusal, lead};

/// Path prefix of reports.
const PREFIX: &str = "/-/r";

/// Names of the file that stands for its folder.
const INDEXES: &[&str] = &["index.html", "index.htm"];

const SERVICE_WORKER: &str = "service-worker";

/// Mounts the reports and, on hosts that are theirs, a refusal of everything else.
pub(super) fn mount(config: &mut ServiceConfig) {
    config
        .service(scope("").guard(is_of_reports_host).default_service(to(answer)))
        .service(scope(PREFIX).default_service(to(answer)));
}

/// Whether a request is for a host that shows nothing but reports.
fn is_of_reports_host(context: &GuardContext<'_>) -> bool {
    let Some(app) = context.app_data::<Data<App>>() else { return false };
    let Some(url) = &app.settings.reports_url else { return false };
    let host = base_url::requested_host(context.head(), &app.settings.trusted_proxies);
    host.is_some_and(|host| url.covers(&host))
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let respond = async |ctx: &RequestContext, _| dispatch(ctx).await;
    handler::answer_without_credential(app, request, payload, respond, refusal::refuse).await
}

async fn dispatch(ctx: &RequestContext) -> Result<HttpResponse, Refusal> {
    ctx.has_route("/-/r/:token/*path");
    let path = ctx.request.uri().path();
    let below = path.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/'));
    let below = below.ok_or(Refusal::NoSuch(StatusCode::NOT_FOUND))?;
    match *ctx.request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(preflight(ctx)),
        _ => return Err(Refusal::NoSuch(StatusCode::METHOD_NOT_ALLOWED)),
    }
    let (text, path) = below.split_once('/').map_or((below, None), |(text, path)| (text, Some(path)));
    let upstream = ctx.access().upstream().map(Upstream::name);
    let signed = ReportToken::verify(&ctx.app.keys, upstream, text).await?.ok_or(Refusal::Forged)?;
    if let Some(elsewhere) = of_other_host(ctx, &signed)? {
        return Ok(lead(&elsewhere));
    }
    let Some(path) = path else { return Ok(lead(&showing(ctx, &signed).folder)) };
    // Such a script would outlive the page, and answer for it.
    let asks_for_worker = ctx.request.headers().get(SERVICE_WORKER).is_some();
    if asks_for_worker && ctx.app.settings.reports_url.is_none() {
        return Err(Refusal::Background);
    }
    if signed.token.is_over(ctx.now) {
        return Err(over(ctx, &signed, path, "address of a report has ended".into()).await?);
    }
    let found = match ctx.access().report(&signed.token, ctx.bare_credentials(), ctx.now).await {
        Ok(found) => found,
        Err(
            error @ (AccessError::ArtifactNotFound(_)
            | AccessError::ArtifactExpired(_)
            | AccessError::JobNotFound { .. }),
        ) => return Err(Refusal::Gone(error)),
        Err(AccessError::Other(error)) => return Err(error.into()),
        Err(error) => return Err(over(ctx, &signed, path, error.reason()).await?),
    };
    show(ctx, &signed, &found, path).await
}

/// Where a report of this token is shown, if that is not the host of the request.
///
/// A token says which origin it is for; a report below the origin of another one could do with that what it likes.
fn of_other_host(ctx: &RequestContext, signed: &SignedReport) -> Result<Option<String>, Refusal> {
    let settings = &ctx.app.settings;
    let Some(url) = &settings.reports_url else { return Ok(None) };
    let host = base_url::requested_host(ctx.request.head(), &settings.trusted_proxies).unwrap_or_default();
    match (url.is_of(&host, &signed.label), url.covers(&host)) {
        (true, _) => Ok(None),
        (false, true) => Err(Refusal::Forged),
        (false, false) => {
            let target = ctx.request.uri().path_and_query().map_or("/", |it| it.as_str());
            Ok(Some(format!("{}{target}", url.origin(&signed.label))))
        }
    }
}

/// Makes the refusal of a token that has ended.
async fn over(
    ctx: &RequestContext,
    signed: &SignedReport,
    path: &str,
    why: Cow<'static, str>,
) -> Result<Refusal, Refusal> {
    let subject = signed.token.subject;
    let project = match ctx.access().project_of_report(subject.job_id()).await {
        Ok(project) => project,
        Err(AccessError::Other(error)) => return Err(error.into()),
        Err(error) => return Ok(Refusal::Gone(error)),
    };
    let project = address::Project::new(&ctx.base_url(), &project);
    let archive = match subject {
        ReportSubject::OfJob { job_id, .. } => project.archive(job_id),
        ReportSubject::Named { job_id, archive_id } => project.named_archive(job_id, archive_id),
    };
    let path = percent_decode_str(path).decode_utf8_lossy();
    Ok(Refusal::Over { again: archive.report(&path), why })
}

/// Answers the question of a browser whether a report may ask for one of its files in an unusual way. It may only ever
/// reach its own folder, which its policy says.
fn preflight(ctx: &RequestContext) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((ALLOW, "GET, HEAD, OPTIONS"));
    if ctx.app.settings.reports_url.is_none() {
        answer
            .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"))
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "*"))
            .insert_header((ACCESS_CONTROL_MAX_AGE, "7200"));
    }
    answer.finish()
}

/// A file of a report.
pub(super) enum ReportFile<'a> {
    /// An artifact of its own.
    Single(&'a Artifact),
    /// A file of an archive.
    Entry(&'a Artifact, Box<EntryDelivery<'a>>),
}

/// What an address below a report names.
pub(super) enum Place<'a> {
    /// A file, by its path.
    File(EntryPath, ReportFile<'a>),
    /// A folder that shows something, by its address without a slash.
    Folder(EntryPath),
}

/// Finds what a decoded path of a report names; `None` if that is nothing.
///
/// # Errors
/// As [`Deliver::entry`].
pub(super) async fn find<'a>(
    ctx: &'a RequestContext,
    found: &'a JobArchive,
    path: &[u8],
) -> Result<Option<Place<'a>>, Error> {
    let is_folder = path.is_empty() || path.ends_with(b"/");
    if !is_folder && let Some((path, file)) = file(ctx, found, path).await? {
        return Ok(Some(Place::File(path, file)));
    }
    for name in INDEXES {
        let slash = if is_folder { &b""[..] } else { b"/" };
        let Some((path_of_index, file)) = file(ctx, found, &[path, slash, name.as_bytes()].concat()).await?
        else {
            continue;
        };
        return Ok(match EntryPath::from_bytes(path.to_vec()) {
            Ok(folder) if !is_folder => Some(Place::Folder(folder)),
            _ => Some(Place::File(path_of_index, file)),
        });
    }
    Ok(None)
}

async fn file<'a>(
    ctx: &'a RequestContext,
    found: &'a JobArchive,
    path: &[u8],
) -> Result<Option<(EntryPath, ReportFile<'a>)>, Error> {
    // What is no path of an archive is in none.
    let Ok(path) = EntryPath::from_bytes(path.to_vec()) else { return Ok(None) };
    if let Some(single) = found.file(path.as_str().as_bytes()) {
        return Ok(Some((path, ReportFile::Single(single))));
    }
    let Some(archive) = &found.archive else { return Ok(None) };
    match ctx.app.deliver.entry(archive, &path, ctx.client_ip()).await {
        Ok(entry) => Ok(Some((path, ReportFile::Entry(archive, Box::new(entry))))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a file of a report.
async fn show(
    ctx: &RequestContext,
    signed: &SignedReport,
    found: &JobArchive,
    raw_path: &str,
) -> Result<HttpResponse, Refusal> {
    let path: Vec<u8> = percent_decode_str(raw_path).collect();
    let showing = showing(ctx, signed);
    let (path, file) = match find(ctx, found, &path).await?.ok_or(Refusal::NoFile)? {
        Place::File(path, file) => (path, file),
        Place::Folder(path) => {
            let query = ctx.request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            return Ok(lead(&format!("{}{}/{query}", showing.folder, encoded(path.as_str()))));
        }
    };
    let mut answer = bytes(ctx, &showing, &path, file).await?;
    showing.describe(&mut answer)?;
    Ok(answer)
}

/// Sends the bytes of a file: as they are, but for the shim in HTML.
async fn bytes(
    ctx: &RequestContext,
    showing: &Showing,
    path: &EntryPath,
    file: ReportFile<'_>,
) -> Result<HttpResponse, Refusal> {
    let mut download = match &file {
        ReportFile::Single(artifact) => Download::of_single_file(artifact)?,
        ReportFile::Entry(archive, entry) => Download::of_file(archive, path.as_str(), entry),
    };
    let tag = showing.shim.as_ref().filter(|_| showing.runs && is_html(&download.media_type));
    if let Some(shim) = tag {
        // The bytes differ from those of the file, and from those with the shim of another release.
        let own = shim.rsplit('/').next().unwrap_or_default().trim_end_matches(".js");
        let etag = download.validators.etag.trim_end_matches('"');
        download.validators.etag = format!("{etag}-{own}\"");
        let tag = format!("<script src=\"{shim}\"></script>");
        let make = async || {
            let delivered = delivered(&ctx.app.deliver, file).await?;
            let size = delivered.size();
            shim::put_into(delivered.into_body(None).await?, size, &tag).await
        };
        return Ok(send_changed(&ctx.request, download, make).await?);
    }
    match file {
        ReportFile::Single(_) => {
            let delivered = delivered(&ctx.app.deliver, file).await?;
            Ok(send(&ctx.request, &download, Delivery::Bytes(delivered)).await?)
        }
        ReportFile::Entry(archive, entry) => {
            let (download, form) = Download::of_entry(archive, path, &entry, &ctx.request);
            let delivered = DeliveredBytes::Entry(*entry, form);
            Ok(send(&ctx.request, &download, Delivery::Bytes(delivered)).await?)
        }
    }
}

async fn delivered<'a>(deliver: &Deliver, file: ReportFile<'a>) -> Result<DeliveredBytes<'a>, Error> {
    match file {
        ReportFile::Entry(_, entry) => Ok(DeliveredBytes::Entry(*entry, None)),
        ReportFile::Single(artifact) => match deliver.whole(artifact, Redirects::Never).await? {
            Delivery::Bytes(bytes) => Ok(bytes),
            Delivery::Redirect(_) => Err(Error::internal("a report is nowhere else")),
        },
    }
}

fn is_html(media_type: &str) -> bool {
    media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

/// Tells how a report is shown.
fn showing(ctx: &RequestContext, signed: &SignedReport) -> Showing {
    let settings = &ctx.app.settings;
    let is_signed_in = signed.token.holder != ReportHolder::Anonymous;
    let (base, url) = (ctx.base_url(), settings.reports_url.as_ref());
    let origin = url.map_or_else(|| base.clone(), |url| url.origin(&signed.label));
    Showing {
        folder: format!("{origin}{PREFIX}/{}/", signed.text),
        shim: url.is_none().then(|| format!("{base}{}", assets::shim_path())),
        is_apart: url.is_some(),
        is_alone: url.is_some_and(ReportsUrl::is_wildcard),
        runs: may_run(settings.report_scripts, is_signed_in),
        sources: settings.report_sources.clone(),
    }
}

/// Whether reports may run scripts for somebody.
pub(super) fn may_run(scripts: ReportScripts, is_signed_in: bool) -> bool {
    match scripts {
        ReportScripts::All => true,
        ReportScripts::SignedIn => is_signed_in,
        ReportScripts::None => false,
    }
}

/// Returns the address at which somebody is shown a file of a report, or a folder of it.
pub(super) fn address_of(ctx: &RequestContext, signed: &SignedReport, path: &str) -> String {
    format!("{}{}", showing(ctx, signed).folder, encoded(path))
}
