//! GitHub's dialect: the REST API for Actions artifacts, and the upload protocol of its toolkit.
//!
//! The REST API is mounted below `/api/v3`, and at the root for a host whose first label is `api`, as GitHub's own
//! command line expects. The toolkit's service is mounted at the root.

mod artifacts;
mod credentials;
mod error;
mod json;
mod repositories;
mod routes;
mod twirp;

use actix_web::guard::GuardContext;
use actix_web::http::{Method, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::context::RequestContext;
use crate::http::handler;
use error::ApiError;
use routes::Route;

/// Path prefix of the REST API on a host of any name.
pub const PREFIX: &str = "/api/v3";

/// Mounts the REST API twice, and the toolkit's service.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope("/twirp").default_service(web::to(twirp::answer)));
    config.service(web::scope("/_apis").default_service(web::to(former_toolkit)));
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
    config.service(web::scope("").guard(is_of_api_host).default_service(web::to(answer_at_root)));
}

/// Whether the first label of the request's host is `api`, and its path is one of this API: the other dialects are
/// served on every host.
fn is_of_api_host(context: &GuardContext<'_>) -> bool {
    let head = context.head();
    if !["/repos/", "/repositories/"].iter().any(|prefix| head.uri.path().starts_with(prefix)) {
        return false;
    }
    let host =
        head.uri.host().map(str::to_owned).or_else(|| {
            head.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned)
        });
    let first = |host: String| host.split(['.', ':']).next().is_some_and(|it| it.eq_ignore_ascii_case("api"));
    host.is_some_and(first)
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    respond(app, request, payload, PREFIX).await
}

async fn answer_at_root(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    respond(app, request, payload, "").await
}

async fn respond(app: Data<App>, request: HttpRequest, payload: Payload, prefix: &str) -> HttpResponse {
    handler::answer(app, request, payload, async |ctx, _| dispatch(ctx, prefix).await, refuse).await
}

/// Renders a refusal; above the limit of failed authentications, refuses with that instead.
fn refuse(ctx: &RequestContext, error: ApiError) -> HttpResponse {
    let is_failure = error.is_failed_authentication();
    ctx.limit_failures(error, is_failure).into_response()
}

async fn dispatch(ctx: &RequestContext, prefix: &str) -> Result<HttpResponse, ApiError> {
    credentials::check_version(ctx)?;
    let path = ctx.request.uri().path();
    let (mut repository, route) =
        routes::parse(prefix, path).ok_or(ApiError::NotFound("no such route".into()))?;
    ctx.has_route(route.template());
    repository.project = ctx.access().project_of_repository(repository.project).await?;
    let method = ctx.request.method();
    match (method, route) {
        (&Method::GET | &Method::HEAD, Route::Repository) => repositories::one(ctx, &repository).await,
        (&Method::GET | &Method::HEAD, Route::Runs) => repositories::runs(ctx, &repository).await,
        (&Method::GET | &Method::HEAD, Route::Run(id)) => repositories::run(ctx, &repository, id).await,
        (&Method::GET | &Method::HEAD, Route::Artifacts) => artifacts::list(ctx, &repository, None).await,
        (&Method::GET | &Method::HEAD, Route::RunArtifacts(id)) => {
            artifacts::list(ctx, &repository, Some(id)).await
        }
        (&Method::GET | &Method::HEAD, Route::Artifact(id)) => artifacts::one(ctx, &repository, id).await,
        (&Method::DELETE, Route::Artifact(id)) => artifacts::delete(ctx, &repository, id).await,
        (&Method::GET | &Method::HEAD, Route::Download(id)) => {
            artifacts::download(ctx, &repository, id).await
        }
        _ => Err(ApiError::NotFound("the route does not support the method".into())),
    }
}

/// The protocol of the toolkit before version 4 is not spoken here.
async fn former_toolkit() -> HttpResponse {
    ApiError::NotFound("the artifact protocol before version 4 is not supported".into()).into_response()
}
