//! The job that an agent runs, as it polls it.

use actix_web::HttpResponse;
use serde_json::json;

use super::credentials::running_job;
use crate::access::RunningJob;
use crate::api::buildkite::error::ApiError;
use crate::api::buildkite::states;
use crate::domain::RowId;
use crate::http::context::RequestContext;

/// `GET /v3/jobs/ID`: a job that is to stop is `canceling`.
pub(super) async fn one(ctx: &RequestContext, id: &RowId) -> Result<HttpResponse, ApiError> {
    let running = running_job(ctx).await?;
    require_own(&running, id)?;
    let job = &running.job;
    let state = states::of_job_status(job.status, None);
    Ok(HttpResponse::Ok().json(json!({ "id": job.uuid.to_string(), "state": state })))
}

/// Requires that the job in a path is the one that makes the request.
///
/// # Errors
/// [`ApiError::Refused`].
pub(super) fn require_own(running: &RunningJob, id: &RowId) -> Result<(), ApiError> {
    let is_own = match id {
        RowId::Number(number) => running.job.id == *number,
        RowId::Uuid(uuid) => running.job.uuid == *uuid,
    };
    if is_own { Ok(()) } else { Err(ApiError::Refused("The token is that of another job".into())) }
}
