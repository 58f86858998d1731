//! GitLab's REST API for job artifacts, version 4.
//!
//! GitLab's paths cannot be told apart segment by segment (refs, projects and files hold slashes),
//! so one handler takes them all and [`routes`] says what each may mean.

mod archives;
mod call;
mod changes;
mod credentials;
mod downloads;
mod failure;
mod gate;
mod json;
pub mod routes;
mod tree;
mod upload_form;
mod uploads;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::audit;
use crate::http::body::RequestBody;
use call::Call;
use failure::Failure;
use routes::Route;

const PREFIX: &str = "/api/v4";

/// Takes over everything: what is not under the API's path gets the API's 404, too.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.default_service(web::to(answer));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    let call = Call::new(app, &request);
    let result = match request.method() {
        &Method::GET | &Method::HEAD => read(&call, request.uri().path()).await,
        _ => write(&call, &request, body.clone()).await,
    };
    let answer = result.unwrap_or_else(|failure| call.bounded(failure).into_response());
    audit::log(&request, &call.trail, answer.status());
    body.drain_behind(answer)
}

/// Answers for the first meaning of the path that names something that is there.
async fn read(call: &Call, path: &str) -> Result<HttpResponse, Failure> {
    let mut last = Failure::NoRoute;
    for route in meanings(path) {
        call.trail.begin(route.read_action());
        let result = match route {
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
            Route::AuthorizeUpload { .. }
            | Route::Keep { .. }
            | Route::Erase { .. }
            | Route::ProjectArtifacts { .. } => continue,
        };
        match result {
            Err(failure) if failure.is_not_found() => last = failure,
            result => return result,
        }
    }
    Err(last)
}

/// A change is made for the first meaning that can be changed, and no other is tried.
async fn write(call: &Call, request: &HttpRequest, body: RequestBody) -> Result<HttpResponse, Failure> {
    for route in meanings(request.uri().path()) {
        if let Some(action) = route.write_action(request.method()) {
            call.trail.begin(action);
        }
        return match (request.method(), route) {
            (&Method::POST, Route::JobArtifacts { job_id }) => {
                uploads::receive(call, request.headers(), &job_id, body).await
            }
            // Only GitLab's own proxy may ask this, with a signature that nobody else can make.
            (&Method::POST, Route::AuthorizeUpload { .. }) => Err(Failure::forbidden()),
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
            _ => "artifact.read",
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

fn meanings(path: &str) -> Vec<Route> {
    path.strip_prefix(PREFIX).map(routes::meanings).unwrap_or_default()
}
