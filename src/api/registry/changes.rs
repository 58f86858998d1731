//! Changes by a coordinator: updates a job or pipeline, makes a job's token.

use actix_web::HttpResponse;
use actix_web::http::header;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::api::registry::error::ApiError;
use crate::api::registry::json::{JobJson, PipelineJson};
use crate::api::registry::request::{admit, id, media_type};
use crate::domain::{Error, ErrorKind};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// Longest body of a change, in bytes; a few fields take far less.
const MAX_CHANGE_BYTES: u64 = 64 << 10;

/// `PATCH /api/registry/v1/jobs/:id`
pub(super) async fn job(
    ctx: &RequestContext,
    job_id: &str,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("job.change");
    let job_id = id(job_id)?;
    ctx.audit.set_job(job_id);
    let principal = admit(ctx).await?;
    let change = read(ctx, body).await?;
    let job = ctx.app.registry.update_job(&principal, job_id, change).await?;
    Ok(HttpResponse::Ok().json(JobJson::from(job)))
}

/// `PATCH /api/registry/v1/pipelines/:id`
pub(super) async fn pipeline(
    ctx: &RequestContext,
    pipeline_id: &str,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("pipeline.change");
    let pipeline_id = id(pipeline_id)?;
    ctx.audit.update(|event| event.pipeline_id = Some(pipeline_id));
    let principal = admit(ctx).await?;
    let change = read(ctx, body).await?;
    let pipeline = ctx.app.registry.update_pipeline(&principal, pipeline_id, change).await?;
    Ok(HttpResponse::Ok().json(PipelineJson::from(pipeline)))
}

/// `POST /api/registry/v1/jobs/:id/token`: this response is the only place of the token.
pub(super) async fn job_token(ctx: &RequestContext, job_id: &str) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("job_token.create");
    let job_id = id(job_id)?;
    ctx.audit.set_job(job_id);
    let principal = admit(ctx).await?;
    let token = ctx.app.registry.make_job_token(&principal, job_id).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "job_id": job_id, "token": token.expose_secret() })))
}

/// Reads the body of a change.
async fn read(ctx: &RequestContext, mut body: RequestBody) -> Result<Vec<u8>, ApiError> {
    match media_type(ctx)?.as_deref() {
        Some("application/json" | "application/merge-patch+json") => {}
        _ => {
            let text = "Content-Type: expected application/json";
            return Err(Error::new(ErrorKind::UnsupportedMedia, text).into());
        }
    }
    Ok(body.read_whole(MAX_CHANGE_BYTES).await?)
}
