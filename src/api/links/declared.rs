//! Upload by link of what a job has declared: a part of a file as the body of a `PUT`, or a file in a form.
//!
//! Agents try every answer but a success again for most of a minute, so what was received before is a success.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use futures_util::StreamExt;

use super::error::Refusal;
use crate::access::AccessError;
use crate::auth::signed_links::{FILE_FIELD, Link, PATH_FIELD};
use crate::catalog::uploads::{AddOutcome, PieceLimits, PieceUpload};
use crate::domain::Error;
use crate::domain::artifact::UploadState;
use crate::http::body::{RequestBody, broken_off};
use crate::http::context::RequestContext;
use crate::http::multipart::{FileContent, Form, Part};
use crate::ingest::{ArtifactUpload, WholeOutcome};

/// `PUT` of one part.
pub(super) async fn part(
    ctx: &RequestContext,
    link: &Link,
    mut body: RequestBody,
) -> Result<HttpResponse, Refusal> {
    let number = link.path.as_deref().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let upload = ctx.access().declared_upload(link.uuid).await.map_err(refusal)?.ok_or_else(given_up)?;
    ctx.audit.set_job(upload.job_id);
    let size = part_bytes(&upload, number).ok_or_else(|| Refusal::forbidden("there is no such part"))?;
    if upload.state != UploadState::Open {
        return Ok(taken(&upload, number));
    }
    if let Some(announced) = ctx.announced_bytes().filter(|announced| *announced != size) {
        return Err(wrong_size(announced, size));
    }
    let (project_id, job_id) = (upload.project_id, upload.job_id);
    let is_whole = upload.parts == Some(1);
    let mut received = if is_whole {
        ctx.app.ingest.begin_declared(project_id, job_id, size).await?
    } else {
        ctx.app.ingest.begin_piece(project_id, job_id, Some(size)).await?
    };
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(broken_off)?;
        let arrived = received.size() + bytes.len() as u64;
        if arrived > size {
            return Err(wrong_size(arrived, size));
        }
        received.write(&bytes).await?;
    }
    if received.size() != size {
        return Err(wrong_size(received.size(), size));
    }
    if is_whole {
        return finish(ctx, received, vec![upload.clone()], || taken(&upload, number)).await;
    }
    let bytes = upload.declared_bytes.and_then(|bytes| u64::try_from(bytes).ok());
    let limits = PieceLimits { pieces: upload.parts.unwrap_or(0), bytes };
    match ctx.app.ingest.finish_piece(received, upload.id, number.to_string(), limits).await? {
        AddOutcome::Added(_) => Ok(taken(&upload, number)),
        AddOutcome::Closed => {
            // All parts are there, and are being assembled; or the upload was given up.
            ctx.access().declared_upload(link.uuid).await?.ok_or_else(given_up)?;
            Ok(taken(&upload, number))
        }
        AddOutcome::TooMany | AddOutcome::TooLarge => {
            Err(Error::internal("the parts of an upload do not add up").into())
        }
    }
}

/// `POST` of a form with one file of the batch.
pub(super) async fn form(
    ctx: &RequestContext,
    link: &Link,
    body: RequestBody,
) -> Result<HttpResponse, Refusal> {
    let not_a_form =
        || invalid(format!("expected a multipart form with the fields {PATH_FIELD} and {FILE_FIELD}"));
    let mut form = Form::new(ctx.request.headers(), body)?.ok_or_else(not_a_form)?;
    let (mut path, mut received) = (None, None);
    while let Some(part) = form.next().await? {
        match part {
            Part::Text { name, value } if name == PATH_FIELD => path = Some(value.replace('\\', "/")),
            Part::Text { .. } => {}
            Part::File { .. } if received.is_some() => return Err(invalid("the form has several files")),
            Part::File { content, .. } => {
                let late = || invalid(format!("the field {PATH_FIELD} must come before the file"));
                let path = path.clone().ok_or_else(late)?;
                received = Some(receive_file(ctx, link, path, content).await?);
            }
        }
    }
    let (file, candidates) = received.ok_or_else(not_a_form)?;
    finish(ctx, file, candidates, || HttpResponse::NoContent().finish()).await
}

/// Receives the file of a form, and finds the uploads that it may be.
async fn receive_file(
    ctx: &RequestContext,
    link: &Link,
    path: String,
    mut content: FileContent,
) -> Result<(ArtifactUpload, Vec<PieceUpload>), Refusal> {
    let candidates = ctx.access().declared_at(link.uuid, path).await.map_err(refusal)?;
    let (project_id, job_id) = match candidates.first() {
        Some(first) => (first.project_id, first.job_id),
        None => return Err(given_up()),
    };
    ctx.audit.set_job(job_id);
    let limit_bytes = candidates.iter().filter_map(|it| it.declared_bytes).max().unwrap_or(0);
    let limit_bytes = u64::try_from(limit_bytes).unwrap_or(0);
    let mut file = ctx.app.ingest.begin_declared(project_id, job_id, limit_bytes).await?;
    while let Some(bytes) = content.next().await? {
        let size = file.size() + bytes.len() as u64;
        if size > limit_bytes {
            return Err(wrong_size(size, limit_bytes));
        }
        file.write(&bytes).await?;
    }
    Ok((file, candidates))
}

async fn finish(
    ctx: &RequestContext,
    received: ArtifactUpload,
    candidates: Vec<PieceUpload>,
    answer: impl FnOnce() -> HttpResponse,
) -> Result<HttpResponse, Refusal> {
    match ctx.app.ingest.finish_declared(received, candidates).await? {
        WholeOutcome::Received => Ok(answer()),
        WholeOutcome::Differs(what) => {
            Err(invalid(format!("What was received differs from what was declared: {what}")))
        }
        WholeOutcome::Closed => Err(Refusal::forbidden("the upload takes nothing any more")),
    }
}

/// How large a part is: all are as large as the others, the first ones a byte larger if that does not add up.
fn part_bytes(upload: &PieceUpload, number: u64) -> Option<u64> {
    let parts = upload.parts.and_then(|parts| u64::try_from(parts).ok())?;
    let size = upload.declared_bytes.and_then(|bytes| u64::try_from(bytes).ok())?;
    let at = number.checked_sub(1).filter(|at| *at < parts)?;
    Some(size / parts + u64::from(at < size % parts))
}

/// Agents take a success without an entity tag for a failure.
fn taken(upload: &PieceUpload, number: u64) -> HttpResponse {
    let tag = format!("\"{}-{number}\"", upload.uuid);
    HttpResponse::Ok().insert_header((header::ETAG, tag)).finish()
}

/// Tells people why, who see it in the log of their job.
fn refusal(error: AccessError) -> Refusal {
    match error {
        AccessError::JobNotRunning(_) => {
            Refusal::new(StatusCode::FORBIDDEN, "AuthenticationFailed", "The job does not run any more")
        }
        other => other.into(),
    }
}

fn given_up() -> Refusal {
    let text = "There is no such upload, or it was given up";
    Refusal::new(StatusCode::NOT_FOUND, "BlobNotFound", text)
}

fn wrong_size(found: u64, expected: u64) -> Refusal {
    invalid(format!("Expected {expected} bytes, as declared, and not {found}"))
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "InvalidInput", text)
}
