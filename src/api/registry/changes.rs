//! The small calls of a coordinator: a job or pipeline goes on, a job gets its token.

use actix_web::HttpResponse;
use actix_web::http::header;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::api::registry::call::{Call, authorize, number};
use crate::api::registry::failure::Failure;
use crate::api::registry::json::{Job, Pipeline};
use crate::auth::fresh_job_token;
use crate::domain::{Error, Kind};
use crate::http::body::RequestBody;
use crate::registry::{JobChange, PipelineChange, replace_job_token};

/// The longest body of a change, in bytes; a few fields take far less.
const MAX_CHANGE_BYTES: u64 = 64 << 10;

/// `PATCH /api/registry/v1/jobs/:id`
pub(super) async fn job(call: &Call, id: &str, body: RequestBody) -> Result<HttpResponse, Failure> {
    call.trail.begin("job.change");
    let id = number(id)?;
    call.trail.job(id);
    let (credentials, now, trail) = (call.admit().await?, call.now, call.trail.clone());
    let body = read(call, body).await?;
    let changed = call.app.catalog.write(move |db| {
        authorize(db, &credentials, now)?;
        let change = JobChange::read(&body)?;
        trail.tell(|facts| facts.subject = change.status().map(|status| format!("status {status}")));
        Ok::<_, Failure>(change.apply(db, id, now)?)
    });
    Ok(HttpResponse::Ok().json(Job::from(changed.await?)))
}

/// `PATCH /api/registry/v1/pipelines/:id`
pub(super) async fn pipeline(call: &Call, id: &str, body: RequestBody) -> Result<HttpResponse, Failure> {
    call.trail.begin("pipeline.change");
    let id = number(id)?;
    call.trail.tell(|facts| facts.pipeline_id = Some(id));
    let (credentials, now, trail) = (call.admit().await?, call.now, call.trail.clone());
    let body = read(call, body).await?;
    let changed = call.app.catalog.write(move |db| {
        authorize(db, &credentials, now)?;
        let change = PipelineChange::read(&body)?;
        trail.tell(|facts| facts.subject = change.status().map(|status| format!("status {status}")));
        Ok::<_, Failure>(change.apply(db, id, now)?)
    });
    Ok(HttpResponse::Ok().json(Pipeline::from(changed.await?)))
}

/// `POST /api/registry/v1/jobs/:id/token`: the token is in this answer and nowhere else.
pub(super) async fn job_token(call: &Call, id: &str) -> Result<HttpResponse, Failure> {
    call.trail.begin("job_token.create");
    let id = number(id)?;
    call.trail.job(id);
    let (credentials, now) = (call.admit().await?, call.now);
    let fresh = fresh_job_token()?;
    let sha256 = fresh.sha256;
    let made = call.app.catalog.write(move |db| {
        authorize(db, &credentials, now)?;
        Ok::<_, Failure>(replace_job_token(db, id, sha256)?)
    });
    let job = made.await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "job_id": job.id, "token": fresh.text.expose_secret() })))
}

/// The body of a change.
async fn read(call: &Call, mut body: RequestBody) -> Result<Vec<u8>, Failure> {
    match call.media_type()?.as_deref() {
        Some("application/json" | "application/merge-patch+json") => {}
        _ => {
            let text = "Content-Type: expected application/json";
            return Err(Error::new(Kind::UnsupportedMedia, text).into());
        }
    }
    Ok(body.read_whole(MAX_CHANGE_BYTES).await?)
}
