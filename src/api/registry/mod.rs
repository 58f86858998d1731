//! Registry dialect: how a CI coordinator registers projects, pipelines and jobs with a running server and
//! reports their progress, without a file on its disk.
//!
//! `openapi.json` beside this file describes every operation and is served unchanged; a test compares both.

mod changes;
mod documents;
mod environment;
mod error;
mod json;
mod request;
mod resource;

use actix_web::http::header;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::audit;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::credentials::empty_header;
use error::ApiError;
use resource::Resource;

/// Path prefix of this dialect.
pub const PREFIX: &str = "/api/registry";

/// OpenAPI description of all operations.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Mounts everything below [`PREFIX`].
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    let ctx = RequestContext::new(app, &request);
    let result = dispatch(&ctx, body.clone()).await;
    let answer = result.unwrap_or_else(|error| refuse(&ctx, error));
    audit::log(&request, &ctx.audit, answer.status());
    body.drain_behind(answer)
}

/// Renders a refusal. Its log line says if an empty credential was ignored.
fn refuse(ctx: &RequestContext, error: ApiError) -> HttpResponse {
    let mut response = limit_failures(ctx, error).into_response();
    ctx.note_empty_credential(&mut response, empty_header(ctx.request.headers(), &["PRIVATE-TOKEN"]));
    response
}

/// Counts a failed authentication; above the limit for the client's address, refuses with that instead.
fn limit_failures(ctx: &RequestContext, error: ApiError) -> ApiError {
    if error.is_failed_authentication() { ctx.limit_failures().map_or(error, ApiError::from) } else { error }
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, ApiError> {
    let below = ctx.request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let resource = Resource::at(below).ok_or(ApiError::NoResource)?;
    if !resource.methods().contains(&ctx.request.method().as_str()) {
        return Err(ApiError::Method(resource.methods()));
    }
    match resource {
        Resource::Description => {
            Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(OPENAPI))
        }
        Resource::Documents => documents::load(ctx, body).await,
        Resource::Job(id) => changes::job(ctx, &id, body).await,
        Resource::Pipeline(id) => changes::pipeline(ctx, &id, body).await,
        Resource::JobEnvironment(id) => environment::of_job(ctx, &id).await,
        Resource::JobToken(id) => changes::job_token(ctx, &id).await,
    }
}
