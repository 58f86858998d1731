//! Upload by a runner.
//!
//! It is refused with 403 where other routes use 401 or 404: a runner takes only 403 as final, and would send
//! everything again otherwise.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderMap;
use secrecy::ExposeSecret;

use crate::access::{AccessError, AuthorizedUpload, NumberedJob};
use crate::api::gitlab::artifact_types::validator;
use crate::api::gitlab::credentials;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::parameters::numbered_job;
use crate::api::gitlab::upload_form::Parameters;
use crate::auth::{CredentialError, IdTokens, Shown, VouchedJob};
use crate::catalog::artifacts::NewArtifact;
use crate::domain::artifact::clean_filename;
use crate::domain::{Error, ErrorKind, byte_size};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::id_token;
use crate::http::multipart::{FileContent, Form, MAX_OVERHEAD_BYTES, Part};
use crate::ingest::{ArtifactUpload, CommitOutcome};

/// A received file, and the name that the client gave it.
struct Received {
    upload: ArtifactUpload,
    filename: String,
}

/// A job that may upload, and how it showed that it is the one.
struct Uploader {
    job: AuthorizedUpload,
    vouched: Option<Arc<VouchedJob>>,
}

/// What a job showed.
enum JobCredential {
    Token(Shown),
    Vouched(Arc<VouchedJob>),
}

/// `POST /jobs/:id/artifacts`
pub(super) async fn receive(
    ctx: &RequestContext,
    headers: &HeaderMap,
    job_id: &str,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    let job = numbered_job(job_id)?;
    ctx.is_upload();
    if let NumberedJob::Id(id) = job {
        ctx.audit.set_job(id);
    }
    let mut parameters = Parameters::from_query(&ctx.query)?;
    let mut uploader = match credential(ctx, headers) {
        Some(shown) => Some(authorize(ctx, job, shown, &parameters).await?),
        None => None,
    };
    if let Some(uploader) = &uploader {
        check_content_length(ctx, &uploader.job)?;
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
                    let token = in_form(ctx, &parameters).await?;
                    uploader = Some(authorize(ctx, job, token, &parameters).await?);
                }
                let known = uploader.as_ref().ok_or_else(no_token)?;
                refuse_file_field(&name, received.is_some())?;
                received = Some(Received { upload: receive_file(ctx, &known.job, content).await?, filename });
            }
        }
    }
    let uploader = uploader.ok_or_else(no_token)?;
    let received = received.ok_or_else(|| ApiError::Parameter("file is missing".into()))?;
    commit_upload(ctx, &uploader, &parameters, received).await
}

/// Returns the credential in the head of the request.
fn credential(ctx: &RequestContext, headers: &HeaderMap) -> Option<JobCredential> {
    match &ctx.vouched {
        Some(job) => Some(JobCredential::Vouched(Arc::clone(job))),
        None => credentials::job_token(headers, &ctx.query).map(JobCredential::Token),
    }
}

/// Returns the credential among the fields of the form.
async fn in_form(ctx: &RequestContext, parameters: &Parameters) -> Result<JobCredential, ApiError> {
    match parameters.token().ok_or_else(no_token)? {
        Shown::Token(token) if IdTokens::has_form(token.expose_secret()) => {
            Ok(JobCredential::Vouched(id_token::verify(ctx, token).await?))
        }
        shown => Ok(JobCredential::Token(shown.clone())),
    }
}

/// Finds the job of a credential, if it may upload.
async fn authorize(
    ctx: &RequestContext,
    job: NumberedJob,
    credential: JobCredential,
    parameters: &Parameters,
) -> Result<Uploader, ApiError> {
    match credential {
        JobCredential::Token(token) => {
            let found = ctx.access().upload_of_job(job, token, ctx.bare_credentials(), ctx.now).await;
            let found = found.map_err(refused)?;
            ctx.audit.set_job(found.job.id);
            Ok(Uploader { job: found, vouched: None })
        }
        JobCredential::Vouched(vouched) => {
            let said = parameters.statement();
            let found = ctx.access().upload_of_vouched_job(&vouched, job, &said, &ctx.audit, ctx.now).await?;
            Ok(Uploader { job: found, vouched: Some(vouched) })
        }
    }
}

fn refused(error: AccessError) -> ApiError {
    match error {
        AccessError::Credential(refusal) => ApiError::JobToken(refusal),
        other => other.into(),
    }
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
    uploader: &Uploader,
    parameters: &Parameters,
    received: Received,
) -> Result<HttpResponse, ApiError> {
    let Uploader { job: authorized, vouched } = uploader;
    let job = &authorized.job;
    let (said, kind) = (parameters.statement(), parameters.kind()?);
    if let Some(vouched) = vouched {
        // What stands behind the file in the form counts, too, and is refused before anything is visible.
        ctx.access()
            .upload_of_vouched_job(vouched, NumberedJob::Id(job.id), &said, &ctx.audit, ctx.now)
            .await?;
    }
    let now = ctx.app.clock.now();
    ctx.access().confirm_upload(authorized, &ctx.bare_credentials(), now).await.map_err(refused)?;
    let declared = NewArtifact {
        project_id: job.project_id,
        job_id: job.id,
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
            tracing::info!(job.id = job.id, artifact.id = artifact_id, kind = %kind, "artifact stored");
        }
        CommitOutcome::Duplicate => {}
        CommitOutcome::Conflict => {
            return Err(ApiError::Validation("another artifact of the same type already exists".into()));
        }
        CommitOutcome::Rejected(why) => return Err(ApiError::Validation(why.into())),
        CommitOutcome::JobEnded(status) => return Err(ApiError::JobNotRunning(status)),
    }
    if let Some(vouched) = vouched.as_ref().filter(|_| said.finished) {
        ctx.access().end_of_vouched_upload(vouched, &said, now).await?;
    }
    Ok(created())
}

/// Returns the 201 that GitLab sends. Runners read only the status.
fn created() -> HttpResponse {
    HttpResponse::Created().content_type("application/json").body("201")
}
