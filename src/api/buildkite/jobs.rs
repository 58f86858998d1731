//! Jobs: those of a build, one, its log, and the call that tries one again.

use actix_web::HttpResponse;
use actix_web::http::header;
use quick_xml::escape::partial_escape;
use serde_json::json;

use super::answer;
use super::credentials::{reader, writer};
use super::error::ApiError;
use super::json::build::Shown;
use super::json::job::JobJson;
use super::routes::LogForm;
use crate::access::{BuildPath, JobLog, JobPath};
use crate::deliver::Redirects;
use crate::domain::scope::Scope;
use crate::domain::{Error, ErrorKind};
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::growing_log;

/// Largest log that is sent inside JSON or a page, in bytes; a larger one can be had as text.
const MAX_LOG_BYTES: i64 = 2 << 20;

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET …/builds/:number/jobs`
pub(super) async fn list(ctx: &RequestContext, path: BuildPath) -> Result<HttpResponse, ApiError> {
    let build = ctx.access().build(&reader(ctx, Scope::ReadBuilds), path).await?;
    let items = JobJson::all(&build, &Shown::of(ctx));
    let body = json!({ "items": items, "links": { "self": ctx.url(), "next": null } });
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadBuilds), &body)
}

/// `GET …/jobs/:id`
pub(super) async fn one(ctx: &RequestContext, path: JobPath) -> Result<HttpResponse, ApiError> {
    let (build, id) = ctx.access().job_of_build(&reader(ctx, Scope::ReadBuilds), path).await?;
    let json = JobJson::one(&build, id, &Shown::of(ctx)).ok_or(ApiError::missing("job"))?;
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadBuilds), &json)
}

/// `PUT …/jobs/:id/retry`
pub(super) async fn retry(ctx: &RequestContext, path: JobPath) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("build.retry");
    let (build, id) = ctx.access().retry_job(&writer(ctx, Scope::WriteBuilds), path).await?;
    let json = JobJson::one(&build, id, &Shown::of(ctx)).ok_or(ApiError::missing("job"))?;
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
    if form == LogForm::Text {
        let log = match log {
            None => return Ok(HttpResponse::Ok().content_type(TEXT).body("")),
            Some(JobLog::Growing(log)) => return Ok(growing_log::send(log, TEXT)?),
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
    let body = json!({ "url": url, "content": text, "size": size, "header_times": [] });
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadBuildLogs), &body)
}

/// Reads a whole log that is not too large for that.
async fn text(ctx: &RequestContext, log: JobLog) -> Result<String, ApiError> {
    if log.size_bytes() > MAX_LOG_BYTES {
        let why = "The log is too large for this form; log.txt has all of it";
        return Err(Error::new(ErrorKind::Unprocessable, why).into());
    }
    let bytes = match log {
        JobLog::Stored(log) => ctx.app.deliver.small(&log).await?.to_vec(),
        JobLog::Growing(log) => growing_log::whole(log).await?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
