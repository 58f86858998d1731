//! Our own dialect: how a CI coordinator tells a running gateway what exists and how it goes on,
//! without a file on its disk.
//!
//! `openapi.json` beside this file describes every operation and is served as it is; a test holds
//! both against each other.

mod call;
mod changes;
mod documents;
mod failure;
mod json;
mod resource;

use actix_web::http::header;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::audit;
use crate::http::body::RequestBody;
use call::Call;
use failure::Failure;
use resource::Resource;

/// What everything here begins with.
pub const PREFIX: &str = "/api/registry";

/// The description of all operations.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Takes over everything below [`PREFIX`].
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    let call = Call::new(app, &request);
    let result = dispatch(&call, body.clone()).await;
    let answer = result.unwrap_or_else(|failure| call.refuse(failure));
    audit::log(&request, &call.trail, answer.status());
    body.drain_behind(answer)
}

async fn dispatch(call: &Call, body: RequestBody) -> Result<HttpResponse, Failure> {
    let below = call.request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let resource = Resource::at(below).ok_or(Failure::NoResource)?;
    if !resource.methods().contains(&call.request.method().as_str()) {
        return Err(Failure::Method(resource.methods()));
    }
    match resource {
        Resource::Description => {
            Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(OPENAPI))
        }
        Resource::Documents => documents::load(call, body).await,
        Resource::Job(id) => changes::job(call, &id, body).await,
        Resource::Pipeline(id) => changes::pipeline(call, &id, body).await,
        Resource::JobToken(id) => changes::job_token(call, &id).await,
    }
}
