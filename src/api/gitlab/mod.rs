//! GitLab's REST API for job artifacts, version 4.
//!
//! GitLab's paths cannot be told apart segment by segment (refs, projects and files hold slashes),
//! so one handler takes them all and [`routes`] says what each may mean.

mod account;
mod archives;
mod browser;
mod call;
mod changes;
mod credentials;
mod downloads;
mod failure;
mod gate;
mod jobs;
mod json;
mod parameters;
mod pipelines;
mod projects;
mod repository;
pub mod routes;
mod trace;
mod tree;
mod upload_form;
mod uploads;

use actix_web::http::Method;
use actix_web::web::{Data, Payload, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::audit;
use crate::http::body::RequestBody;
use call::Call;
use failure::Failure;
use routes::{Route, Segments};

const PREFIX: &str = "/api/v4";

/// Takes over everything: what is not under the API's path gets the API's 404, too.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.default_service(to(answer));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    let call = Call::new(app, &request);
    let result = match request.method() {
        &Method::GET | &Method::HEAD => read(&call, request.uri().path()).await,
        _ => write(&call, &request, body.clone()).await,
    };
    let answer = result.unwrap_or_else(|failure| call.refuse(failure));
    audit::log(&request, &call.trail, answer.status());
    body.drain_behind(answer)
}

/// Answers for the first meaning of the path that names something that is there.
async fn read(call: &Call, path: &str) -> Result<HttpResponse, Failure> {
    let Some(path) = below_prefix(path) else { return browser::read(call, path).await };
    let mut last = Failure::NoRoute;
    for route in routes::meanings(&Segments::of(path)) {
        match look_up(call, route).await {
            Err(failure) if failure.is_not_found() => last = last.or_closer(failure),
            Err(Failure::NoRoute) => {}
            // A stranger who was let in to look for the first meaning is not sent away by another.
            Err(Failure::Token(refusal)) if refusal.is_missing() && last.is_not_found() => {}
            result => return result,
        }
    }
    Err(last)
}

async fn look_up(call: &Call, route: Route) -> Result<HttpResponse, Failure> {
    call.trail.begin(route.read_action());
    match route {
        Route::ArchiveOfJob { project, job_id } => archives::of_job(call, project, &job_id).await,
        Route::ArchiveOfRef { project, ref_name } => archives::of_ref(call, project, ref_name).await,
        Route::FileOfJob { project, job_id, path } => {
            archives::file_of_job(call, project, &job_id, path).await
        }
        Route::FileOfRef { project, ref_name, path } => {
            archives::file_of_ref(call, project, ref_name, path).await
        }
        Route::Tree { project, job_id } => tree::list(call, project, &job_id).await,
        Route::JobArtifacts { job_id } => archives::for_dependent_job(call, &job_id).await,
        Route::Projects => projects::list(call).await,
        Route::Project { project } => projects::one(call, project).await,
        Route::Jobs { project } => jobs::of_project(call, project).await,
        Route::Job { project, job_id } => jobs::one(call, project, &job_id).await,
        Route::Pipelines { project } => pipelines::of_project(call, project).await,
        Route::LatestPipeline { project } => pipelines::latest(call, project).await,
        Route::Pipeline { project, pipeline_id } => pipelines::one(call, project, &pipeline_id).await,
        Route::PipelineJobs { project, pipeline_id } => jobs::of_pipeline(call, project, &pipeline_id).await,
        Route::Bridges { project, pipeline_id } => pipelines::bridges(call, project, &pipeline_id).await,
        Route::Trace { project, job_id } => trace::read(call, project, &job_id).await,
        Route::Refs { project, kind } => repository::refs(call, project, kind).await,
        Route::Ref { project, kind, name } => repository::one_ref(call, project, kind, name).await,
        Route::Commits { project } => repository::commits(call, project).await,
        Route::Commit { project, name } => repository::commit(call, project, name).await,
        Route::CurrentJob => jobs::current(call).await,
        Route::CurrentUser => account::user(call).await,
        Route::CurrentToken => account::token(call).await,
        Route::Version => account::version(call).await,
        Route::Metadata => account::metadata(call).await,
        Route::AuthorizeUpload { .. }
        | Route::Keep { .. }
        | Route::Erase { .. }
        | Route::ProjectArtifacts { .. } => Err(Failure::NoRoute),
    }
}

/// A change is made for the first meaning that can be changed, and no other is tried.
async fn write(call: &Call, request: &HttpRequest, body: RequestBody) -> Result<HttpResponse, Failure> {
    let path = below_prefix(request.uri().path()).unwrap_or_default();
    for route in routes::meanings(&Segments::of(path)) {
        if let Some(action) = route.write_action(request.method()) {
            call.trail.begin(action);
        }
        return match (request.method(), route) {
            (&Method::POST, Route::JobArtifacts { job_id }) => {
                uploads::receive(call, request.headers(), &job_id, body).await
            }
            // Only GitLab's own proxy may ask this, with a signature that nobody else can make.
            (&Method::POST, Route::AuthorizeUpload { .. }) => {
                Err(Failure::forbidden("only GitLab's own proxy may ask this"))
            }
            (&Method::POST, Route::Keep { project, job_id }) => changes::keep(call, project, &job_id).await,
            (&Method::POST, Route::Erase { project, job_id }) => changes::erase(call, project, &job_id).await,
            (&Method::DELETE, Route::ArchiveOfJob { project, job_id }) => {
                changes::delete_of_job(call, project, &job_id).await
            }
            (&Method::DELETE, Route::ProjectArtifacts { project }) => {
                changes::delete_of_project(call, project).await
            }
            _ => continue,
        };
    }
    Err(Failure::NoRoute)
}

impl Route {
    /// What the audit log calls reading it.
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
            | Self::Keep { .. }
            | Self::Erase { .. }
            | Self::ProjectArtifacts { .. }
            | Self::AuthorizeUpload { .. } => "artifact.read",
        }
    }

    /// What the audit log calls changing it by a method, if that is a change.
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
