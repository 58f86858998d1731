//! GitLab's REST API for job artifacts, version 4.
//!
//! GitLab's paths cannot be told apart segment by segment (refs, projects and files hold slashes),
//! so one handler takes them all and [`routes`] says what each may mean.

mod archives;
mod call;
mod credentials;
mod downloads;
mod failure;
mod gate;
pub mod routes;
mod upload_form;
mod uploads;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
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
    let body = RequestBody::new(payload.into_inner());
    let call = Call::new(app, &request);
    let result = match request.method() {
        &Method::GET | &Method::HEAD => read(&call, request.uri().path()).await,
        &Method::POST => write(&call, &request, body.clone()).await,
        _ => Err(Failure::NoRoute),
    };
    body.drain_behind(result.unwrap_or_else(Failure::into_response))
}

/// Answers for the first meaning of the path that names something that is there.
async fn read(call: &Call, path: &str) -> Result<HttpResponse, Failure> {
    let mut meanings = meanings(path).into_iter().peekable();
    while let Some(route) = meanings.next() {
        let result = match route {
            Route::ArchiveOfJob { project, job_id } => archives::of_job(call, project, &job_id).await,
            Route::ArchiveOfRef { project, ref_name } => archives::of_ref(call, project, ref_name).await,
            Route::FileOfJob { project, job_id, path } => {
                archives::file_of_job(call, project, &job_id, path).await
            }
            Route::FileOfRef { project, ref_name, path } => {
                archives::file_of_ref(call, project, ref_name, path).await
            }
            Route::JobArtifacts { job_id } => archives::for_dependent_job(call, &job_id).await,
            Route::AuthorizeUpload { .. } => Err(Failure::NoRoute),
        };
        match result {
            Err(failure) if failure.is_not_found() && meanings.peek().is_some() => {}
            result => return result,
        }
    }
    Err(Failure::NoRoute)
}

async fn write(call: &Call, request: &HttpRequest, body: RequestBody) -> Result<HttpResponse, Failure> {
    match meanings(request.uri().path()).into_iter().next() {
        Some(Route::JobArtifacts { job_id }) => {
            uploads::receive(call, request.headers(), &job_id, body).await
        }
        // Only GitLab's own proxy may ask this, with a signature that nobody else can make.
        Some(Route::AuthorizeUpload { .. }) => Err(Failure::forbidden()),
        _ => Err(Failure::NoRoute),
    }
}

fn meanings(path: &str) -> Vec<Route> {
    path.strip_prefix(PREFIX).map(routes::meanings).unwrap_or_default()
}
