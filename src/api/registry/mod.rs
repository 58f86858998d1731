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
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::credentials::empty_header;
use crate::http::handler;
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
    handler::answer(app, request, payload, dispatch, refuse).await
}

/// Renders a refusal. Its log line says if an empty credential was ignored.
fn refuse(ctx: &RequestContext, error: ApiError) -> HttpResponse {
    let is_failure = error.is_failed_authentication();
    let mut response = ctx.limit_failures(error, is_failure).into_response();
    ctx.note_empty_credential(&mut response, empty_header(ctx.request.headers(), &["PRIVATE-TOKEN"]));
    response
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, ApiError> {
    let below = ctx.request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let resource = Resource::at(below).ok_or(ApiError::NoResource)?;
    ctx.has_route(resource.template());
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
