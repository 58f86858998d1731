//! Jobs: those of a build, one, its log, and the call that tries one again.

use actix_web::HttpResponse;
use actix_web::http::header;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use quick_xml::escape::partial_escape;
use serde_json::json;

use super::answer;
use super::credentials::{reader, writer};
use super::error::ApiError;
use super::json::build::Shown;
use super::json::job::JobJson;
use super::routes::LogForm;
use super::states;
use crate::access::{BuildPath, JobLog, JobPath, JobPosition};
use crate::catalog::builds::JobOutline;
use crate::deliver::Redirects;
use crate::domain::scope::Scope;
use crate::domain::{Error, ErrorKind};
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::growing_log;
use crate::http::pagination::address;

/// Largest log that is sent inside JSON or a page, in bytes; a larger one can be had as text.
const MAX_LOG_BYTES: i64 = 2 << 20;

const TEXT: &str = "text/plain; charset=utf-8";

/// How many jobs a page has if the request does not say, and how many it may have.
const PAGE_SIZE: usize = 30;
const MOST_PER_PAGE: usize = 100;

/// The parameters that name a page of jobs.
const PAGING: &[&str] = &["page", "after", "before"];

/// `GET …/builds/:number/jobs`: the one list whose pages begin after, or end before, a job.
pub(super) async fn list(ctx: &RequestContext, path: BuildPath) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadBuilds);
    let size = ctx.after_authentication(&principal, page_size(ctx)).await?;
    let position = ctx.after_authentication(&principal, position(ctx)).await?;
    let shown = Shown::of(ctx);
    let selecting = shown.clone();
    let wanted = move |job: &JobOutline| selecting.selects(states::of_outline(job), job.retried);
    let found = ctx.access().jobs_of_build(&principal, path, position, size, wanted).await?;
    let address = |place: &str| address(&ctx.url(), ctx.request.query_string(), PAGING, place);
    let last = found.build.jobs.last().filter(|_| found.more);
    let next = last.map(|last| address(&format!("after={}&per_page={size}", cursor(last.id))));
    let own = match position {
        JobPosition::First => format!("per_page={size}"),
        JobPosition::After(id) => format!("after={}&per_page={size}", cursor(id)),
        JobPosition::Before(id) => format!("before={}&per_page={size}", cursor(id)),
    };
    let links = json!({ "self": address(&own), "next": next });
    let bytes = JobJson::bytes(&found.build.jobs);
    let make = move || json!({ "items": JobJson::of_page(&found, &shown), "links": links });
    answer::long(ctx, HttpResponse::Ok(), Scope::ReadBuilds, bytes, make).await
}

fn page_size(ctx: &RequestContext) -> Result<usize, ApiError> {
    let Some(text) = ctx.query.get_filled("per_page") else { return Ok(PAGE_SIZE) };
    let size = text.parse().ok().filter(|size| (1..=MOST_PER_PAGE).contains(size));
    size.ok_or_else(|| {
        ApiError::BadRequest(format!("per_page must be a number from 1 to {MOST_PER_PAGE}").into())
    })
}

fn position(ctx: &RequestContext) -> Result<JobPosition, ApiError> {
    let bad = |name: &str| ApiError::BadRequest(format!("{name} is not a valid cursor").into());
    match (ctx.query.get_filled("after"), ctx.query.get_filled("before")) {
        (None, None) => Ok(JobPosition::First),
        (Some(after), None) => id_of(after).map(JobPosition::After).ok_or_else(|| bad("after")),
        (None, Some(before)) => id_of(before).map(JobPosition::Before).ok_or_else(|| bad("before")),
        (Some(_), Some(_)) => Err(ApiError::BadRequest("expected after or before, not both".into())),
    }
}

/// What stands for a job in addresses of pages.
fn cursor(id: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("job:{id}"))
}

fn id_of(cursor: &str) -> Option<i64> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("job:")?.parse().ok()
}

/// `GET …/jobs/:id`
pub(super) async fn one(ctx: &RequestContext, path: JobPath) -> Result<HttpResponse, ApiError> {
    let found = ctx.access().job_of_build(&reader(ctx, Scope::ReadBuilds), path).await?;
    let json = JobJson::of_page(&found, &Shown::of(ctx)).pop().ok_or(ApiError::missing("job"))?;
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadBuilds), &json)
}

/// `PUT …/jobs/:id/retry`
pub(super) async fn retry(ctx: &RequestContext, path: JobPath) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("build.retry");
    let found = ctx.access().retry_job(&writer(ctx, Scope::WriteBuilds), path).await?;
    let json = JobJson::of_page(&found, &Shown::of(ctx)).pop().ok_or(ApiError::missing("job"))?;
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::WriteBuilds), &json)
}

/// `GET …/jobs/:id/log`, `log.txt` and `log.html`
pub(super) async fn log(
    ctx: &RequestContext,
    path: JobPath,
    form: LogForm,
) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadBuildLogs);
    let log = ctx.access().log_of_build_job(&principal, path).await?;
    let form = form.or_accepted(ctx.request.headers());
    if form == LogForm::Text {
        let log = match log {
            None => return Ok(HttpResponse::Ok().content_type(TEXT).body("")),
            Some(JobLog::Growing(log)) => return Ok(growing_log::send(&ctx.app.store, log, TEXT)?),
            Some(JobLog::Stored(log)) => log,
        };
        let filename = "log.txt".into();
        let download = Download { media_type: TEXT.into(), filename, ..Download::of_whole(&log)? };
        let delivery = ctx.app.deliver.whole(&log, Redirects::Never).await?;
        return Ok(send(&ctx.request, &download, delivery).await?);
    }
    let size = log.as_ref().map_or(0, JobLog::size_bytes);
    let text = match log {
        Some(log) => text(ctx, log).await?,
        None => String::new(),
    };
    if form == LogForm::Html {
        let escaped = partial_escape(&text);
        return Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
            .body(format!("<pre>{escaped}</pre>\n")));
    }
    let url = ctx.url();
    let bytes = 2 * text.len();
    let make = move || json!({ "url": url, "content": text, "size": size, "header_times": [] });
    answer::long(ctx, HttpResponse::Ok(), Scope::ReadBuildLogs, bytes, make).await
}

/// Reads a whole log that is not too large for that.
async fn text(ctx: &RequestContext, log: JobLog) -> Result<String, ApiError> {
    if log.size_bytes() > MAX_LOG_BYTES {
        let why = "The log is too large for this form; log.txt has all of it";
        return Err(Error::new(ErrorKind::Unprocessable, why).into());
    }
    let bytes = match log {
        JobLog::Stored(log) => ctx.app.deliver.small(&log).await?.to_vec(),
        JobLog::Growing(log) => growing_log::whole(&ctx.app.store, log).await?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
