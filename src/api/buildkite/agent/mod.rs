//! The agent's API: what `buildkite-agent` asks for its jobs and their artifacts.
//!
//! Its caller is a running job: with the job's own token, or one that its environment named; or the agent that runs
//! jobs, with the token of its session.

mod artifacts;
mod credentials;
mod jobs;
mod routes;
mod search;
mod worker;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use crate::app::App;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::handler;
use routes::Route;

/// Path prefix of the agent's API.
pub(super) const PREFIX: &str = "/v3";

/// Mounts the agent's API.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    handler::answer(app, request, payload, dispatch, refuse).await
}

/// Renders a refusal; above the limit of failed authentications, refuses with that instead.
fn refuse(ctx: &RequestContext, error: ApiError) -> HttpResponse {
    let is_failure = error.is_failed_authentication();
    ctx.limit_failures(error, is_failure).of_agent().into_response()
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, ApiError> {
    let path = ctx.request.uri().path();
    let route = routes::parse(path)?;
    ctx.has_route(route.template());
    match (ctx.request.method(), route) {
        (&Method::GET, Route::Job(id)) => jobs::one(ctx, id).await,
        (&Method::POST, Route::JobArtifacts(id)) => artifacts::create(ctx, &id, body).await,
        (&Method::PUT, Route::JobArtifacts(id)) => artifacts::update(ctx, &id, body).await,
        (&Method::GET, Route::Search(build)) => search::search(ctx, build).await,
        (_, Route::Worker(route)) => worker::answer(ctx, route, body).await,
        _ => Err(ApiError::no_route(path)),
    }
}
