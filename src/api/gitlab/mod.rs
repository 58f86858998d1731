//! GitLab's REST API for job artifacts, version 4.
//!
//! GitLab's paths cannot be matched segment by segment (refs, projects and files hold slashes), so one
//! handler takes them all, and [`routes`] lists the candidate routes of each.

mod account;
mod artifact_types;
mod artifacts;
mod browser;
mod changes;
mod credentials;
mod dotenv;
mod downloads;
mod error;
mod job_requests;
mod job_text;
mod jobs;
mod json;
mod moved;
mod parameters;
mod pipelines;
mod projects;
mod pulled;
mod repository;
pub mod routes;
mod trace;
mod tree;
mod upload_form;
mod uploads;

use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Data, Payload, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::domain::status::Status;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::{handler, id_token};
use error::ApiError;
use routes::{Route, Segments};

const PREFIX: &str = "/api/v4";

/// Tells a job's runner what became of the job.
const JOB_STATUS: HeaderName = HeaderName::from_static("job-status");

/// Mounts the handler of all other paths: one outside of the API gets the API's 404, too.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.default_service(to(answer));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    handler::answer_with_id_token(app, request, payload, dispatch, refuse).await
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, ApiError> {
    let answer = match ctx.request.method() {
        &Method::GET | &Method::HEAD => read(ctx, ctx.request.uri().path()).await,
        _ => write(ctx, &ctx.request, body).await,
    };
    let mut answer = answer?;
    // Runners stop a job when they learn of it.
    if ctx.audit.inspect(|event| event.is_canceling) {
        answer.headers_mut().insert(JOB_STATUS, HeaderValue::from_static(Status::Canceling.as_str()));
    }
    Ok(answer)
}

/// Renders a refusal. Its log line says if an empty credential was ignored.
fn refuse(ctx: &RequestContext, error: ApiError) -> HttpResponse {
    let shown = ctx.audit.inspect(|event| event.credential.is_some());
    let is_failure = shown && error.is_failed_authentication();
    let error = match error {
        ApiError::Moved(moved) => ApiError::Moved(moved.of_request(ctx)),
        other => other,
    };
    let mut response = ctx.limit_failures(error, is_failure).into_response();
    ctx.note_empty_credential(&mut response, credentials::empty_place(ctx));
    response
}

/// Answers for the first candidate route that finds something.
async fn read(ctx: &RequestContext, path: &str) -> Result<HttpResponse, ApiError> {
    let Some(path) = below_prefix(path) else {
        return if ctx.vouched.is_none() {
            browser::read(ctx, path).await
        } else {
            Err(id_token::of_no_use().into())
        };
    };
    let mut last = ApiError::NoRoute;
    for route in routes::candidate_routes(&Segments::of(path)) {
        if ctx.vouched.is_some() && !route.is_for_vouched_jobs() {
            last = id_token::of_no_use().into();
            continue;
        }
        match dispatch_get(ctx, route).await {
            Err(failure) if failure.is_not_found() => last = last.or_closer(failure),
            Err(ApiError::NoRoute) => {}
            // An anonymous request that was admitted to an earlier candidate is not refused by a later one.
            Err(error) if error.is_missing_credential() && last.is_not_found() => {}
            result => return result,
        }
    }
    Err(last)
}

async fn dispatch_get(ctx: &RequestContext, route: Route) -> Result<HttpResponse, ApiError> {
    ctx.audit.start(route.read_action());
    ctx.has_route(route.template());
    match route {
        Route::ArchiveOfJob { project, job_id } => artifacts::of_job(ctx, project, &job_id).await,
        Route::ArchiveOfRef { project, ref_name } => artifacts::of_ref(ctx, project, ref_name).await,
        Route::FileOfJob { project, job_id, path } => {
            artifacts::file_of_job(ctx, project, &job_id, path).await
        }
        Route::FileOfRef { project, ref_name, path } => {
            artifacts::file_of_ref(ctx, project, ref_name, path).await
        }
        Route::Tree { project, job_id } => tree::list(ctx, project, &job_id).await,
        Route::JobArtifacts { job_id } => artifacts::for_dependent_job(ctx, &job_id).await,
        Route::Projects => projects::list(ctx).await,
        Route::Project { project } => projects::one(ctx, project).await,
        Route::Jobs { project } => jobs::of_project(ctx, project).await,
        Route::Job { project, job_id } => jobs::one(ctx, project, &job_id).await,
        Route::Pipelines { project } => pipelines::of_project(ctx, project).await,
        Route::LatestPipeline { project } => pipelines::latest(ctx, project).await,
        Route::Pipeline { project, pipeline_id } => pipelines::one(ctx, project, &pipeline_id).await,
        Route::PipelineJobs { project, pipeline_id } => jobs::of_pipeline(ctx, project, &pipeline_id).await,
        Route::Bridges { project, pipeline_id } => pipelines::bridges(ctx, project, &pipeline_id).await,
        Route::Trace { project, job_id } => trace::read(ctx, project, &job_id).await,
        Route::Refs { project, kind } => repository::refs(ctx, project, kind).await,
        Route::Ref { project, kind, name } => repository::one_ref(ctx, project, kind, name).await,
        Route::Commits { project } => repository::commits(ctx, project).await,
        Route::Commit { project, name } => repository::commit(ctx, project, name).await,
        Route::CurrentJob => jobs::current(ctx).await,
        Route::CurrentUser => account::user(ctx).await,
        Route::CurrentToken => account::token(ctx).await,
        Route::Version => account::version(ctx).await,
        Route::Metadata => account::metadata(ctx).await,
        Route::JobRequests
        | Route::AuthorizeUpload { .. }
        | Route::Keep { .. }
        | Route::Erase { .. }
        | Route::ProjectArtifacts { .. } => Err(ApiError::NoRoute),
    }
}

/// Makes a change for the first candidate route that can be changed; tries no other.
async fn write(
    ctx: &RequestContext,
    request: &HttpRequest,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    let path = below_prefix(request.uri().path()).unwrap_or_default();
    for route in routes::candidate_routes(&Segments::of(path)) {
        if let Some(action) = route.write_action(request.method()) {
            ctx.audit.start(action);
            ctx.has_route(route.template());
        }
        if ctx.vouched.is_some() && !matches!(route, Route::JobArtifacts { .. }) {
            return Err(id_token::of_no_use().into());
        }
        return match (request.method(), route) {
            (&Method::POST, Route::JobArtifacts { job_id }) => {
                uploads::receive(ctx, request.headers(), &job_id, body).await
            }
            (&Method::POST, Route::JobRequests) => job_requests::pass(ctx, body).await,
            // Only for GitLab's own proxy, with a signature that nobody else can make.
            (&Method::POST, Route::AuthorizeUpload { .. }) => {
                Err(ApiError::forbidden("only GitLab's own proxy may send this request"))
            }
            (&Method::POST, Route::Keep { project, job_id }) => changes::keep(ctx, project, &job_id).await,
            (&Method::POST, Route::Erase { project, job_id }) => changes::erase(ctx, project, &job_id).await,
            (&Method::DELETE, Route::ArchiveOfJob { project, job_id }) => {
                changes::delete_of_job(ctx, project, &job_id).await
            }
            (&Method::DELETE, Route::ProjectArtifacts { project }) => {
                changes::delete_of_project(ctx, project).await
            }
            _ => continue,
        };
    }
    Err(ApiError::NoRoute)
}

impl Route {
    /// Returns the audit log's name for reading this route.
    fn read_action(&self) -> &'static str {
        match self {
            Self::Tree { .. } => "artifact.list",
            Self::Projects => "project.list",
            Self::Project { .. } => "project.read",
            Self::Jobs { .. } | Self::PipelineJobs { .. } => "job.list",
            Self::Job { .. } | Self::CurrentJob => "job.read",
            Self::Pipelines { .. } | Self::Bridges { .. } => "pipeline.list",
            Self::Pipeline { .. } | Self::LatestPipeline { .. } => "pipeline.read",
            Self::Trace { .. } => "job.trace",
            Self::Refs { .. } | Self::Ref { .. } => "ref.read",
            Self::Commits { .. } | Self::Commit { .. } => "commit.read",
            Self::CurrentUser | Self::CurrentToken => "user.read",
            Self::Version | Self::Metadata => "server.read",
            Self::ArchiveOfJob { .. }
            | Self::ArchiveOfRef { .. }
            | Self::FileOfJob { .. }
            | Self::FileOfRef { .. }
            | Self::JobArtifacts { .. }
            | Self::JobRequests
            | Self::Keep { .. }
            | Self::Erase { .. }
            | Self::ProjectArtifacts { .. }
            | Self::AuthorizeUpload { .. } => "artifact.read",
        }
    }

    /// Whether a job that an ID token is for may read it: what other jobs of its project uploaded.
    const fn is_for_vouched_jobs(&self) -> bool {
        matches!(
            self,
            Self::ArchiveOfJob { .. }
                | Self::ArchiveOfRef { .. }
                | Self::FileOfJob { .. }
                | Self::FileOfRef { .. }
                | Self::JobArtifacts { .. }
        )
    }

    /// Returns the audit log's name for changing this route by a method; `None` if that is no change.
    fn write_action(&self, method: &Method) -> Option<&'static str> {
        match (method, self) {
            (&Method::POST, Self::JobArtifacts { .. }) => Some("artifact.upload"),
            (&Method::POST, Self::Keep { .. }) => Some("artifact.keep"),
            (&Method::POST, Self::Erase { .. }) => Some("job.erase"),
            (&Method::DELETE, Self::ArchiveOfJob { .. }) => Some("artifact.delete"),
            (&Method::DELETE, Self::ProjectArtifacts { .. }) => Some("project.purge"),
            _ => None,
        }
    }
}

fn below_prefix(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}
