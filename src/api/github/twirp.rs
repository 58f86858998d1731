//! The toolkit's artifact service: JSON calls by a job with a runtime token.
//!
//! Every answer is JSON, errors too: the toolkit retries any other body for half a minute. Field names are in snake
//! case, because the toolkit blanks links in its log only under those.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::json::seconds;
use crate::access::{AccessError, ListedArtifact, RuntimeJob, UploadError};
use crate::app::App;
use crate::auth::signed_links::{Link, Purpose};
use crate::auth::{Credential, CredentialError, Shown};
use crate::catalog::artifacts::NewArtifact;
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, MediaType, check_archive_name,
};
use crate::domain::expiry::NotALifetime;
use crate::domain::{Error, ErrorKind, Sha256Digest, Timestamp, Uuid};
use crate::http::audit;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::error::{RequestError, status, with_reason};

/// Path prefix of the service's methods.
const SERVICE: &str = "/twirp/github.actions.results.api.v1.ArtifactService/";

/// Longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

/// The first version of the protocol in which a request says of which type its bytes are.
const FIRST_TYPED_VERSION: i64 = 7;

/// Why a call is refused: Twirp's code, its status, and the message.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: String,
    is_failure: bool,
    /// The error whose status and headers the response has, if it is one that all dialects share.
    shared: Option<Box<RequestError>>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, reason: message.clone(), message, is_failure: false, shared: None }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    fn into_response(self) -> HttpResponse {
        let mut response = match &self.shared {
            Some(error) => error.begin_response(),
            None => HttpResponse::build(self.status),
        };
        let response = response.json(json!({ "code": self.code, "msg": self.message }));
        with_reason(self.reason.into(), response)
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let reason = error.reason().into_owned();
        match error {
            AccessError::Credential(refusal) => Self {
                reason,
                is_failure: refusal.is_failure(),
                ..Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "the runtime token is not valid")
            },
            AccessError::Other(error) => error.into(),
            _ => Self { reason, ..Self::new(StatusCode::FORBIDDEN, "permission_denied", "not permitted") },
        }
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Access(error) => error.into(),
            UploadError::NameTaken => Self::new(
                StatusCode::CONFLICT,
                "already_exists",
                "an artifact with this name already exists on the workflow run",
            ),
            UploadError::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "artifact not found"),
            UploadError::Incomplete => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "failed_precondition",
                "the list of blocks has not been received",
            ),
            UploadError::SizeDiffers(received) => {
                Self::invalid(format!("size: {received} bytes were received"))
            }
            UploadError::DigestDiffers => Self::invalid("hash: the received bytes have another digest"),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let code = match kind {
            ErrorKind::Invalid => "invalid_argument",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Conflict => "already_exists",
            ErrorKind::TooLarge => "resource_exhausted",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Unauthenticated
            | ErrorKind::Forbidden
            | ErrorKind::Gone
            | ErrorKind::UnsupportedMedia
            | ErrorKind::Unprocessable
            | ErrorKind::OutOfSpace
            | ErrorKind::Internal => "internal",
        };
        let (message, reason) = (error.public_message().to_owned(), error.reason().into_owned());
        let shared = RequestError::Domain(error);
        Self { reason, shared: Some(Box::new(shared)), ..Self::new(status(kind), code, message) }
    }
}

/// Answers every path below `/twirp`.
pub(super) async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    let ctx = RequestContext::new(app, &request);
    let answer = match dispatch(&ctx, body.clone()).await {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(refusal) => refuse(&ctx, refusal),
    };
    audit::log(&request, &ctx.audit, answer.status());
    body.drain_behind(answer)
}

/// Counts a failed authentication; above the limit for the client's address, refuses with that instead.
fn refuse(ctx: &RequestContext, refusal: Refusal) -> HttpResponse {
    if refusal.is_failure
        && let Some(limit) = ctx.limit_failures()
    {
        let mut response = limit.begin_response();
        let body = json!({ "code": "resource_exhausted", "msg": limit.reason() });
        return with_reason(limit.reason(), response.json(body));
    }
    refusal.into_response()
}

async fn dispatch(ctx: &RequestContext, mut body: RequestBody) -> Result<Value, Refusal> {
    let no_route = || Refusal::new(StatusCode::NOT_FOUND, "bad_route", "no such method");
    let method = ctx.request.path().strip_prefix(SERVICE).ok_or_else(no_route)?.to_owned();
    if ctx.request.method() != Method::POST {
        return Err(no_route());
    }
    let known =
        ["CreateArtifact", "FinalizeArtifact", "ListArtifacts", "GetSignedArtifactURL", "DeleteArtifact"];
    if !known.contains(&method.as_str()) {
        return Err(no_route());
    }
    let token = token(ctx)?;
    let runtime = ctx.access().runtime_job(&ctx.app.keys, &token, &ctx.audit, ctx.now).await?;
    let request = body.read_whole(MAX_REQUEST_BYTES).await?;
    match method.as_str() {
        "CreateArtifact" => create(ctx, &runtime, parse(&request)?).await,
        "FinalizeArtifact" => finalize(ctx, &runtime, parse(&request)?).await,
        "ListArtifacts" => list(ctx, &runtime, parse(&request)?).await,
        "GetSignedArtifactURL" => link(ctx, &runtime, parse(&request)?).await,
        "DeleteArtifact" => delete(ctx, &runtime, parse(&request)?).await,
        _ => Err(no_route()),
    }
}

fn token(ctx: &RequestContext) -> Result<SecretString, Refusal> {
    match super::credentials::authorization(ctx.request.headers()) {
        Some(Credential::PersonalOrJob(Shown::Token(token))) => Ok(token),
        Some(_) => Err(AccessError::Credential(CredentialError::Unknown).into()),
        None => Err(AccessError::Credential(CredentialError::Missing).into()),
    }
}

/// Parses a request. Unknown fields are ignored, as newer clients send them.
fn parse<T: DeserializeOwned>(request: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(request).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, "malformed", format!("the request cannot be read: {error}"))
    })
}

/// A request: the fields of all methods, in either case of their names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call {
    #[serde(alias = "workflowRunBackendId")]
    workflow_run_backend_id: String,
    #[serde(alias = "workflowJobRunBackendId")]
    workflow_job_run_backend_id: String,
    name: String,
    #[serde(alias = "expiresAt")]
    expires_at: Option<String>,
    version: i64,
    #[serde(alias = "mimeType")]
    mime_type: Option<String>,
    size: Option<Number>,
    hash: Option<String>,
    #[serde(alias = "nameFilter")]
    name_filter: Option<String>,
    #[serde(alias = "idFilter")]
    id_filter: Option<Number>,
}

/// A 64-bit integer, which JSON of protocol buffers writes as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl Number {
    fn value(&self, name: &str) -> Result<i64, Refusal> {
        match self {
            Self::Number(value) => Ok(*value),
            Self::Text(text) => {
                text.parse().map_err(|_| Refusal::invalid(format!("{name}: expected a number")))
            }
        }
    }
}

impl Call {
    /// Requires the IDs of the token's run and, with `own`, of its job.
    fn require_run(&self, runtime: &RuntimeJob, own: bool) -> Result<(), Refusal> {
        let is_run = self.workflow_run_backend_id == runtime.job.pipeline_id.to_string();
        let is_job = self.workflow_job_run_backend_id == runtime.job.id.to_string();
        if is_run && (is_job || !own) {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::FORBIDDEN, "permission_denied", "the token is for another run or job"))
    }

    fn checked_name(&self) -> Result<String, Refusal> {
        check_archive_name(&self.name).map_err(|why| Refusal::invalid(format!("name: {why}")))?;
        Ok(self.name.clone())
    }
}

/// `CreateArtifact`
async fn create(ctx: &RequestContext, runtime: &RuntimeJob, call: Call) -> Result<Value, Refusal> {
    ctx.audit.start("artifact.upload");
    ctx.audit.set_job(runtime.job.id);
    call.require_run(runtime, true)?;
    let name = call.checked_name()?;
    let media_type = media_type(&call)?;
    let is_zip = media_type.as_ref().is_none_or(|it| it.as_str() == "application/zip");
    let (artifact_name, kind, format, filename) = if is_zip {
        (
            ArtifactName::of_named_archive(&name),
            ArtifactKind::Archive,
            ArtifactFormat::Zip,
            format!("{name}.zip"),
        )
    } else {
        (ArtifactName::of_file(&name), ArtifactKind::Archive, ArtifactFormat::Raw, name.clone())
    };
    let new = NewArtifact {
        project_id: runtime.project.id,
        job_id: runtime.job.id,
        name: artifact_name,
        kind,
        format,
        media_type,
        filename,
        accessibility: Accessibility::Public,
        expire_at: expire_at(ctx, &call)?,
    };
    let upload = ctx.access().create_upload(runtime, new).await?;
    let url = signed(ctx, Purpose::Upload, upload.uuid).await?;
    Ok(json!({ "ok": true, "signed_upload_url": url }))
}

/// The declared type; before version 7 every artifact is a zip.
fn media_type(call: &Call) -> Result<Option<MediaType>, Refusal> {
    match call.mime_type.as_deref().filter(|text| !text.is_empty()) {
        Some(text) if call.version >= FIRST_TYPED_VERSION => {
            let invalid =
                |_| Refusal::invalid("mime_type: a valid mime_type is required for this artifact version");
            text.parse().map(Some).map_err(invalid)
        }
        _ => Ok(None),
    }
}

/// When the artifact expires: as the uploader says, at most as late as the settings allow.
fn expire_at(ctx: &RequestContext, call: &Call) -> Result<Option<Timestamp>, Refusal> {
    let settings = &ctx.app.settings;
    let wanted = match call.expires_at.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => {
            let invalid = |why| Refusal::invalid(format!("expires_at: {why}"));
            let time = Timestamp::parse(text).map_err(invalid)?;
            if time <= ctx.now {
                return Err(Refusal::invalid("expires_at: is in the past"));
            }
            Some(time)
        }
        None => {
            let invalid = |why: NotALifetime| Refusal::invalid(format!("expires_at: {why}"));
            settings.default_expire_in.expires_at(ctx.now).map_err(invalid)?
        }
    };
    Ok(settings.cap_expiry(wanted, ctx.now))
}

/// `FinalizeArtifact`: the digest is known since the list of blocks was answered, so nothing is read here.
async fn finalize(ctx: &RequestContext, runtime: &RuntimeJob, call: Call) -> Result<Value, Refusal> {
    ctx.audit.start("artifact.upload");
    ctx.audit.set_job(runtime.job.id);
    call.require_run(runtime, true)?;
    let name = call.checked_name()?;
    let size = call.size.as_ref().map_or(Ok(0), |size| size.value("size"))?;
    let digest = match call.hash.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let hex = text.strip_prefix("sha256:").and_then(Sha256Digest::from_hex);
            Some(hex.ok_or_else(|| Refusal::invalid("hash: expected sha256: and 64 hex digits"))?)
        }
    };
    let id = ctx.access().complete_upload(runtime, name, size, digest).await?;
    ctx.audit.update(|event| event.artifact_id = Some(id));
    tracing::info!(job.id = runtime.job.id, artifact.id = id, "artifact stored");
    Ok(json!({ "ok": true, "artifact_id": id.to_string() }))
}

/// `ListArtifacts`: an empty list where a filter matches nothing, never 404.
async fn list(ctx: &RequestContext, runtime: &RuntimeJob, call: Call) -> Result<Value, Refusal> {
    call.require_run(runtime, false)?;
    let id = call.id_filter.as_ref().map(|id| id.value("id_filter")).transpose()?;
    let name = call.name_filter.clone().filter(|name| !name.is_empty());
    let listed = ctx.access().artifacts_of_run(runtime, name, id).await?;
    let artifacts: Vec<Value> = listed.iter().map(row).collect();
    Ok(json!({ "artifacts": artifacts }))
}

fn row(listed: &ListedArtifact) -> Value {
    let artifact = &listed.named.artifact;
    json!({
        "workflow_run_backend_id": listed.named.pipeline_id.to_string(),
        "workflow_job_run_backend_id": artifact.job_id.to_string(),
        "database_id": artifact.id.to_string(),
        "name": listed.named.name,
        "size": artifact.size_bytes.to_string(),
        "created_at": seconds(artifact.created_at),
        "digest": format!("sha256:{}", artifact.sha256),
    })
}

/// `GetSignedArtifactURL`
async fn link(ctx: &RequestContext, runtime: &RuntimeJob, call: Call) -> Result<Value, Refusal> {
    call.require_run(runtime, false)?;
    let job_id = job_id(&call)?;
    let found = ctx.access().artifact_of_run(runtime, job_id, call.name.clone()).await?;
    let url = signed(ctx, Purpose::Download, found.named.artifact.uuid).await?;
    Ok(json!({ "signed_url": url }))
}

/// `DeleteArtifact`
async fn delete(ctx: &RequestContext, runtime: &RuntimeJob, call: Call) -> Result<Value, Refusal> {
    ctx.audit.start("artifact.delete");
    call.require_run(runtime, false)?;
    let job_id = job_id(&call)?;
    ctx.audit.set_job(job_id);
    let id = ctx.access().delete_artifact_of_run(runtime, job_id, call.name.clone()).await?;
    ctx.audit.update(|event| event.artifact_id = Some(id));
    Ok(json!({ "ok": true, "artifact_id": id.to_string() }))
}

/// The job that uploaded the artifact, which is any of the run.
fn job_id(call: &Call) -> Result<i64, Refusal> {
    let id = call.workflow_job_run_backend_id.parse();
    id.map_err(|_| Refusal::invalid("workflow_job_run_backend_id: expected a number"))
}

/// A signed link, absolute, for as long as a job may need it.
async fn signed(ctx: &RequestContext, purpose: Purpose, uuid: Uuid) -> Result<String, Refusal> {
    let until = ctx.now.plus_seconds(ctx.app.settings.transfer_lifetime.as_secs()).unwrap_or(ctx.now);
    let path = Link { purpose, uuid, until }.sign(&ctx.app.keys, ctx.now).await?;
    Ok(format!("{}{path}", ctx.base_url()))
}
