//! Upload by a runner.
//!
//! It is refused with 403 where other routes use 401 or 404: a runner takes only 403 as final, and would send
//! everything again otherwise.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderMap;

use crate::access::{AccessError, AuthorizedUpload};
use crate::api::gitlab::artifact_types::validator;
use crate::api::gitlab::credentials;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::parameters::id;
use crate::api::gitlab::upload_form::Parameters;
use crate::auth::{CredentialError, Shown};
use crate::catalog::artifacts::NewArtifact;
use crate::domain::artifact::clean_filename;
use crate::domain::{Error, ErrorKind, byte_size};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::multipart::{FileContent, Form, MAX_OVERHEAD_BYTES, Part};
use crate::ingest::{ArtifactUpload, CommitOutcome};

/// A received file, and the name that the client gave it.
struct Received {
    upload: ArtifactUpload,
    filename: String,
}

/// `POST /jobs/:id/artifacts`
pub(super) async fn receive(
    ctx: &RequestContext,
    headers: &HeaderMap,
    job_id: &str,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    let job_id = id(job_id, "id")?;
    ctx.audit.set_job(job_id);
    let mut parameters = Parameters::from_query(&ctx.query)?;
    let mut uploader = match credentials::job_token(headers, &ctx.query) {
        Some(shown) => Some(authorize(ctx, job_id, shown).await?),
        None => None,
    };
    if let Some(uploader) = &uploader {
        check_content_length(ctx, uploader)?;
    }
    let Some(mut form) = Form::new(headers, body)? else {
        uploader.ok_or_else(no_token)?;
        return Err(ApiError::Parameter("file is missing".into()));
    };
    let mut received = None;
    while let Some(part) = form.next().await? {
        match part {
            Part::Text { name, .. } if name == "file" => {
                return Err(ApiError::Parameter("file is invalid".into()));
            }
            Part::Text { name, value } => parameters.add(&name, &value)?,
            Part::File { name, filename, content } => {
                // Bytes are accepted only from a known job: a token in the form precedes the file.
                if uploader.is_none() {
                    let token = parameters.token().ok_or_else(no_token)?.clone();
                    uploader = Some(authorize(ctx, job_id, token).await?);
                }
                let known = uploader.as_ref().ok_or_else(no_token)?;
                refuse_file_field(&name, received.is_some())?;
                received = Some(Received { upload: receive_file(ctx, known, content).await?, filename });
            }
        }
    }
    let uploader = uploader.ok_or_else(no_token)?;
    let received = received.ok_or_else(|| ApiError::Parameter("file is missing".into()))?;
    commit_upload(ctx, &uploader, &parameters, received).await
}

/// Finds the job of a token, if it may upload.
async fn authorize(ctx: &RequestContext, job_id: i64, token: Shown) -> Result<AuthorizedUpload, ApiError> {
    let found = ctx.access().upload_of_job(job_id, token, &ctx.audit).await;
    found.map_err(|error| match error {
        AccessError::Credential(refusal) => ApiError::JobToken(refusal),
        other => other.into(),
    })
}

fn no_token() -> ApiError {
    ApiError::JobToken(CredentialError::Missing)
}

/// Refuses a body whose `Content-Length` is too large, before a byte of it is read.
fn check_content_length(ctx: &RequestContext, uploader: &AuthorizedUpload) -> Result<(), ApiError> {
    match uploader.room.most_bytes() {
        Some(most) if ctx.announces_more_than(most.saturating_add(MAX_OVERHEAD_BYTES)) => {
            Err(too_large(uploader, most, ctx.announced_bytes()))
        }
        _ => Ok(()),
    }
}

/// Returns the refusal of a file larger than `limit_bytes`, in GitLab's words, then the limit; where a quota is in the
/// way, what is used of it and what it allows.
fn too_large(uploader: &AuthorizedUpload, limit_bytes: u64, announced_bytes: Option<u64>) -> ApiError {
    if let Some(quota) = uploader.room.quota_in_the_way() {
        return Error::new(ErrorKind::OverQuota, quota.refusal(announced_bytes)).into();
    }
    let limit = byte_size::show(limit_bytes);
    Error::new(ErrorKind::TooLarge, format!("file size has reached maximum size limit ({limit})")).into()
}

fn refuse_file_field(name: &str, have_one: bool) -> Result<(), ApiError> {
    let reason = match (name, have_one) {
        ("file", false) => return Ok(()),
        ("file", true) => "more than one file",
        _ => "the only file field is called file",
    };
    Err(Error::new(ErrorKind::Invalid, reason).into())
}

async fn receive_file(
    ctx: &RequestContext,
    uploader: &AuthorizedUpload,
    mut content: FileContent,
) -> Result<ArtifactUpload, ApiError> {
    let job = &uploader.job;
    let limit_bytes = uploader.room.most_bytes();
    let mut upload = ctx.app.ingest.begin(job.project_id, job.id, limit_bytes).await?;
    while let Some(bytes) = content.next().await? {
        let writing = upload.write(&bytes).await;
        writing.map_err(|error| match (error.kind(), limit_bytes) {
            (ErrorKind::TooLarge, Some(limit)) => too_large(uploader, limit, None),
            _ => error.into(),
        })?;
    }
    Ok(upload)
}

async fn commit_upload(
    ctx: &RequestContext,
    uploader: &AuthorizedUpload,
    parameters: &Parameters,
    received: Received,
) -> Result<HttpResponse, ApiError> {
    let kind = parameters.kind()?;
    let now = ctx.app.clock.now();
    let declared = NewArtifact {
        project_id: uploader.job.project_id,
        job_id: uploader.job.id,
        name: kind.into(),
        kind,
        format: kind.default_format(),
        media_type: None,
        filename: clean_filename(&received.filename).unwrap_or_else(|| kind.default_filename().to_owned()),
        accessibility: parameters.accessibility(),
        expire_at: ctx
            .app
            .settings
            .cap_expiry(parameters.expire_at(ctx.app.settings.default_expire_in, now)?, now),
    };
    match ctx.app.ingest.finish(received.upload, declared, validator(kind), now).await? {
        CommitOutcome::Created(artifact_id) => {
            ctx.audit.update(|event| event.artifact_id = Some(artifact_id));
            tracing::info!(job.id = uploader.job.id, artifact.id = artifact_id, kind = %kind, "artifact stored");
            Ok(created())
        }
        CommitOutcome::Duplicate => Ok(created()),
        CommitOutcome::Conflict => {
            Err(ApiError::Validation("another artifact of the same type already exists".into()))
        }
        CommitOutcome::Rejected(why) => Err(ApiError::Validation(why.into())),
        CommitOutcome::JobEnded(status) => Err(ApiError::JobNotRunning(status)),
    }
}

/// Returns the 201 that GitLab sends. Runners read only the status.
fn created() -> HttpResponse {
    HttpResponse::Created().content_type("application/json").body("201")
}
