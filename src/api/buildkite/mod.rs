//! Buildkite's dialect: the REST API for builds and artifacts, and the agent's API.

mod account;
mod agent;
mod answer;
mod artifacts;
mod builds;
mod credentials;
mod error;
mod files;
mod filters;
mod jobs;
mod json;
mod pipelines;
mod routes;
mod states;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::BuildChange;
use crate::app::App;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::handler;
use error::ApiError;
use routes::Route;

/// Path prefix of the REST API.
pub const PREFIX: &str = "/v2";

/// Mounts both APIs.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
    agent::mount(config);
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    handler::answer(app, request, payload, describe, refuse).await
}

/// Answers with the headers that every answer has.
async fn describe(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, ApiError> {
    let answer = dispatch(ctx, body).await.unwrap_or_else(|error| refuse(ctx, error));
    Ok(answer::describe_every(ctx, answer))
}

/// Renders a refusal; above the limit of failed authentications, refuses with that instead.
fn refuse(ctx: &RequestContext, error: ApiError) -> HttpResponse {
    let is_failure = error.is_failed_authentication();
    ctx.limit_failures(error, is_failure).into_response()
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, ApiError> {
    let path = ctx.request.uri().path();
    let route = routes::parse(path)?;
    ctx.has_route(route.template());
    let method = ctx.request.method();
    if method == Method::OPTIONS {
        return Ok(answer::options());
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match (method, route) {
        (_, Route::Root) if reads => answer::hello(ctx),
        (_, Route::User) if reads => account::user(ctx).await,
        (_, Route::AccessToken) if reads => account::access_token(ctx).await,
        (_, Route::Organizations) if reads => pipelines::organizations(ctx).await,
        (_, Route::Organization(organization)) if reads => pipelines::organization(ctx, organization).await,
        (_, Route::Pipelines(organization)) if reads => pipelines::list(ctx, organization).await,
        (_, Route::Pipeline(slugs)) if reads => pipelines::one(ctx, slugs).await,
        (_, Route::Builds(scope)) if reads => builds::list(ctx, scope).await,
        (&Method::POST, Route::Builds(scope)) => builds::create(ctx, scope, body).await,
        (_, Route::Build(path)) if reads => builds::one(ctx, path).await,
        (&Method::PUT, Route::Cancel(path)) => builds::change(ctx, path, BuildChange::Cancel).await,
        (&Method::PUT, Route::Rebuild(path)) => builds::rebuild(ctx, path).await,
        (&Method::PUT, Route::RetryFailedJobs(path)) => builds::retry_failed_jobs(ctx, path, body).await,
        (_, Route::Jobs(path)) if reads => jobs::list(ctx, path).await,
        (_, Route::Job(path)) if reads => jobs::one(ctx, path).await,
        (&Method::PUT, Route::RetryJob(path)) => jobs::retry(ctx, path).await,
        (_, Route::Log(path, form)) if reads => jobs::log(ctx, path, form).await,
        (_, Route::BuildArtifacts(path)) if reads => artifacts::of_build(ctx, path).await,
        (_, Route::JobArtifacts(path)) if reads => artifacts::of_job(ctx, path).await,
        (_, Route::Artifact(path, uuid)) if reads => artifacts::one(ctx, path, uuid).await,
        (&Method::DELETE, Route::Artifact(path, uuid)) => artifacts::delete(ctx, path, uuid).await,
        (_, Route::Download(path, uuid)) if reads => artifacts::download(ctx, path, uuid).await,
        _ => Err(ApiError::no_route(path)),
    }
}
