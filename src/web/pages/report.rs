//! Way to a report: it makes the address that carries the permission, and leads there. On the host of the pages a person
//! is told first, once for an archive, who wrote what follows.

use actix_web::HttpResponse;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use askama::Template;

use super::archive::Opened;
use crate::auth::report_tokens::{ReportHolder, ReportSubject, ReportToken};
use crate::domain::Error;
use crate::metrics::ReportTokenOutcome;
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, page};
use crate::web::report::{self, Place};
use crate::web::visit::Visit;

/// How long a browser remembers that a person was told, in seconds.
const REMEMBERED_SECONDS: u32 = 30 * 86_400;

#[derive(Template)]
#[template(path = "report_notice.html")]
struct NoticePage {
    layout: Layout,
    /// The job that made the report.
    job: Crumb,
    project: String,
    is_signed_in: bool,
    /// Where the form leads.
    action: String,
    back: String,
}

/// `GET …/-/jobs/ID/artifacts/report/PATH`, and `POST` from the page that tells who wrote the report.
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
    path: &[u8],
    is_confirmed: bool,
) -> Result<HttpResponse, PageError> {
    let opened = Opened::find(visit, project, job_id).await?;
    let path = existing(visit, &opened, path).await?;
    let holder = visit.access().report_holder(&visit.reader).await?;
    let subject = subject(visit, &opened);
    if is_confirmed {
        let mut answer = visit.see_other(&opened.links.report(&path))?;
        answer.headers_mut().append(SET_COOKIE, remembered(visit, &opened, subject)?);
        return Ok(answer);
    }
    let settings = &visit.ctx.app.settings;
    let runs_here = settings.reports_url.is_none()
        && report::may_run(settings.report_scripts, holder != ReportHolder::Anonymous);
    if runs_here && !was_told(visit, subject) {
        return notice(visit, project, &opened, &path);
    }
    let token = ReportToken::new(subject, holder, visit.now());
    // What the address will not open is refused here already, or its refusal would lead back here.
    visit.access().report(&token, visit.ctx.bare_credentials(), visit.now()).await?;
    let signed = token.sign(&visit.ctx.app.keys, visit.now()).await?;
    visit.ctx.app.metrics.reports.count(ReportTokenOutcome::Issued);
    visit.see_other(&report::address_of(visit.ctx, &signed, &path))
}

/// Finds the file or folder that is shown: the front page without a path.
async fn existing(visit: &Visit<'_>, opened: &Opened, path: &[u8]) -> Result<String, PageError> {
    let found = report::find(visit.ctx, &opened.found, path).await.map_err(|error| opened.refused(error))?;
    let shown = match found {
        Some(Place::File(path, _)) => Some(path.as_str().to_owned()),
        Some(Place::Folder(path)) => Some(format!("{}/", path.as_str())),
        None if path.is_empty() => {
            let deliver = &visit.ctx.app.deliver;
            deliver.front_page(opened.contents()).await.map_err(|error| opened.refused(error))?
        }
        None => None,
    };
    match shown {
        Some(path) => Ok(path),
        None => Err(opened.missing(visit, &String::from_utf8_lossy(path)).await),
    }
}

fn subject(visit: &Visit<'_>, opened: &Opened) -> ReportSubject {
    let (job_id, archive) = (opened.job_id, opened.found.archive.as_ref().map(|archive| archive.id));
    match (visit.query("artifact"), archive) {
        (Some(_), Some(archive_id)) => ReportSubject::Named { job_id, archive_id },
        (_, archive_id) => ReportSubject::OfJob { job_id, archive_id },
    }
}

fn notice(visit: &Visit<'_>, project: &str, opened: &Opened, path: &str) -> Result<HttpResponse, PageError> {
    let mut crumbs = opened.crumbs_to_job(visit, project);
    crumbs.extend(opened.crumbs(path));
    let back = match path.rsplit_once('/') {
        Some((folder, _)) => opened.links.browse(&format!("{folder}/")),
        None => opened.links.browse(""),
    };
    let template = NoticePage {
        layout: visit.layout("Report", crumbs),
        job: Crumb::new(format!("job {}", opened.job_id), opened.project.job(opened.job_id)),
        project: project.to_owned(),
        is_signed_in: visit.is_signed_in(),
        action: opened.links.report(path),
        back,
    };
    page(visit, &template)
}

/// The name of the cookie that says that a person was told about an archive.
fn cookie_name(subject: ReportSubject) -> String {
    format!("artigate_report_{}_{}", subject.job_id(), subject.archive_id().unwrap_or(0))
}

/// Makes that cookie. Browsers send it to these addresses of the job alone, so it does not pile up.
fn remembered(visit: &Visit<'_>, opened: &Opened, subject: ReportSubject) -> Result<HeaderValue, Error> {
    let name = cookie_name(subject);
    let address = opened.project.archive(opened.job_id).report("");
    let path = address.trim_end_matches('/').replace(';', "%3B");
    let secure = if visit.ctx.base_url().starts_with("https://") { "; Secure" } else { "" };
    let cookie =
        format!("{name}=told; Path={path}; Max-Age={REMEMBERED_SECONDS}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).map_err(Error::internal)
}

fn was_told(visit: &Visit<'_>, subject: ReportSubject) -> bool {
    let name = cookie_name(subject);
    let lines = visit.ctx.request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.any(|pair| pair.split_once('=').is_some_and(|(known, _)| known == name))
}
