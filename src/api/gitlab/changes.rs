//! Changes: keep and delete the artifacts of a job or project, erase a job.
//!
//! All of them need a user; as in GitLab, a job token is no credential here.

use actix_web::HttpResponse;
use serde_json::json;

use crate::api::gitlab::credentials::writer;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::jobs::job_json;
use crate::api::gitlab::parameters::id;
use crate::domain::project::ProjectRef;
use crate::http::context::RequestContext;

/// `POST /projects/:id/jobs/:job_id/artifacts/keep`
pub(super) async fn keep(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let job_id = id(job_id, "job_id")?;
    ctx.app.pulls.settled(job_id).await;
    let (job, path) = ctx.access().keep_artifacts(&writer(ctx), project, job_id).await?;
    Ok(HttpResponse::Ok().json(job_json(ctx, job, &path)))
}

/// `DELETE /projects/:id/jobs/:job_id/artifacts`
pub(super) async fn delete_of_job(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let job_id = id(job_id, "job_id")?;
    ctx.app.pulls.settled(job_id).await;
    ctx.access().delete_artifacts(&writer(ctx), project, job_id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /projects/:id/artifacts`: the next sweep deletes them.
pub(super) async fn delete_of_project(
    ctx: &RequestContext,
    project: ProjectRef,
) -> Result<HttpResponse, ApiError> {
    ctx.access().request_purge(&writer(ctx), project).await?;
    Ok(HttpResponse::Accepted().json(json!({ "message": "202 Accepted" })))
}

/// `POST /projects/:id/jobs/:job_id/erase`: artifacts and log.
pub(super) async fn erase(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let job_id = id(job_id, "job_id")?;
    ctx.app.pulls.settled(job_id).await;
    let (job, path) = ctx.access().erase_job(&writer(ctx), project, job_id).await?;
    Ok(HttpResponse::Created().json(job_json(ctx, job, &path)))
}
