//! The job that an agent runs, as it polls it.

use actix_web::HttpResponse;
use serde_json::json;

use super::credentials::token;
use crate::access::JobCredential;
use crate::api::buildkite::error::ApiError;
use crate::api::buildkite::states;
use crate::domain::RowId;
use crate::domain::status::Status;
use crate::http::context::RequestContext;

/// `GET /v3/jobs/ID`: a job that is to stop is `canceling`.
pub(super) async fn one(ctx: &RequestContext, id: RowId) -> Result<HttpResponse, ApiError> {
    let shown = token(ctx)?;
    let credential = JobCredential::read(&ctx.app.keys, shown.token()?, ctx.now).await?;
    let held = ctx.access().held_job(&credential, id, &ctx.audit, ctx.now).await?;
    let state = match held.job.status {
        Status::Pending => "assigned",
        Status::Preparing => "accepted",
        status => states::of_job_status(status, None),
    };
    Ok(HttpResponse::Ok().json(json!({ "id": held.job.uuid.to_string(), "state": state })))
}
