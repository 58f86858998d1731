//! Trace: `GET /projects/:id/jobs/:job_id/trace`, a job's log, if one was stored.

use actix_web::HttpResponse;
use actix_web::http::header;

use crate::access::{AcceptedCredentials, JobLog};
use crate::api::gitlab::credentials::reader;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::parameters::id;
use crate::deliver::Redirects;
use crate::domain::project::ProjectRef;
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::growing_log;

const TEXT: &str = "text/plain";

/// Sends a job's log, as far as it has come in; an empty one if there is none. For users only, as in GitLab.
pub(super) async fn read(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOnly);
    let job_id = ctx.after_authentication(&principal, id(job_id, "job_id").map_err(ApiError::from)).await?;
    let log = match ctx.access().log_of_job(&principal, project, job_id).await? {
        Some(JobLog::Stored(log)) => log,
        Some(JobLog::Growing(log)) => return Ok(growing_log::send(&ctx.app.store, log, TEXT)?),
        None => {
            return Ok(HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, TEXT))
                .insert_header((header::CACHE_CONTROL, "private, no-cache"))
                .finish());
        }
    };
    let download =
        Download { filename: format!("{job_id}.log"), media_type: TEXT.into(), ..Download::of_whole(&log)? };
    let delivery = ctx.app.deliver.whole(&log, Redirects::Never).await?;
    Ok(send(&ctx.request, &download, delivery).await?)
}
