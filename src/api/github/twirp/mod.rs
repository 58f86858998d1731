//! The toolkit's artifact service: JSON calls by a job with a runtime token.
//!
//! Every answer is JSON, errors too: the toolkit retries any other body for half a minute. Field names are in snake
//! case, because the toolkit blanks links in its log only under those.

mod error;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::json::seconds;
use crate::access::{AccessError, ListedArtifact, RunningJob, UPLOAD_LIFETIME};
use crate::app::App;
use crate::auth::signed_links::Purpose;
use crate::auth::{Credential, CredentialError, Shown};
use crate::catalog::artifacts::NewArtifact;
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, MediaType, check_archive_name,
};
use crate::domain::{Sha256Digest, Timestamp};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::handler;
use error::Refusal;

/// Path prefix of the service's methods.
const SERVICE: &str = "/twirp/github.actions.results.api.v1.ArtifactService/";

/// Longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

/// The first version of the protocol in which a request says of which type its bytes are.
const FIRST_TYPED_VERSION: i64 = 7;

/// Answers every path below `/twirp`.
pub(in crate::api::github) async fn answer(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let answer = async |ctx: &RequestContext, body| Ok(HttpResponse::Ok().json(dispatch(ctx, body).await?));
    handler::answer(app, request, payload, answer, refuse).await
}

/// Renders a refusal; above the limit of failed authentications, refuses with that instead.
fn refuse(ctx: &RequestContext, refusal: Refusal) -> HttpResponse {
    let is_failure = refusal.is_failure;
    ctx.limit_failures(refusal, is_failure).into_response()
}

/// A method of the service.
#[derive(Debug, Clone, Copy)]
enum Rpc {
    Create,
    Finalize,
    List,
    Link,
    Delete,
}

impl Rpc {
    /// Returns the end of its path.
    fn template(self) -> &'static str {
        match self {
            Self::Create => "/twirp/…/CreateArtifact",
            Self::Finalize => "/twirp/…/FinalizeArtifact",
            Self::List => "/twirp/…/ListArtifacts",
            Self::Link => "/twirp/…/GetSignedArtifactURL",
            Self::Delete => "/twirp/…/DeleteArtifact",
        }
    }

    fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix(SERVICE)? {
            "CreateArtifact" => Self::Create,
            "FinalizeArtifact" => Self::Finalize,
            "ListArtifacts" => Self::List,
            "GetSignedArtifactURL" => Self::Link,
            "DeleteArtifact" => Self::Delete,
            _ => return None,
        })
    }
}

async fn dispatch(ctx: &RequestContext, mut body: RequestBody) -> Result<Value, Refusal> {
    let rpc = Rpc::of(ctx.request.path()).filter(|_| ctx.request.method() == Method::POST);
    let no_route = Refusal::new(StatusCode::NOT_FOUND, "bad_route", "no such method");
    let rpc = rpc.ok_or(no_route)?;
    ctx.has_route(rpc.template());
    let token = token(ctx)?;
    let credentials = ctx.bare_credentials();
    let runtime = ctx.access().job_of_runtime_token(&ctx.app.keys, &token, credentials, ctx.now).await?;
    let request = body.read_whole(MAX_REQUEST_BYTES).await?;
    match rpc {
        Rpc::Create => create(ctx, &runtime, parse(&request)?).await,
        Rpc::Finalize => finalize(ctx, &runtime, parse(&request)?).await,
        Rpc::List => list(ctx, &runtime, parse(&request)?).await,
        Rpc::Link => link(ctx, &runtime, parse(&request)?).await,
        Rpc::Delete => delete(ctx, &runtime, parse(&request)?).await,
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
    fn require_run(&self, runtime: &RunningJob, own: bool) -> Result<(), Refusal> {
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
async fn create(ctx: &RequestContext, runtime: &RunningJob, call: Call) -> Result<Value, Refusal> {
    ctx.audit.start("artifact.upload");
    ctx.audit.set_job(runtime.job.id);
    call.require_run(runtime, true)?;
    let name = call.checked_name()?;
    let media_type = media_type(&call)?;
    let is_zip = media_type.as_ref().is_none_or(|it| it.as_str() == "application/zip");
    let (artifact_name, format) = if is_zip {
        (ArtifactName::of_named_archive(&name), ArtifactFormat::Zip)
    } else {
        (ArtifactName::of_file(&name), ArtifactFormat::Raw)
    };
    let filename = artifact_name.default_filename().unwrap_or(name);
    let new = NewArtifact {
        project_id: runtime.project.id,
        job_id: runtime.job.id,
        name: artifact_name,
        kind: ArtifactKind::Archive,
        format,
        media_type,
        filename,
        accessibility: Accessibility::Public,
        expire_at: expire_at(ctx, &call)?,
    };
    let upload = ctx.access().create_upload(runtime, new).await?;
    // The one link for all blocks: it is good as long as the upload may take, and ends with the job.
    let url = ctx.signed_url(Purpose::Upload, upload.uuid, UPLOAD_LIFETIME).await?;
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
    let Some(text) = call.expires_at.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(settings.default_expiry(ctx.now));
    };
    let time = Timestamp::parse(text).map_err(|why| Refusal::invalid(format!("expires_at: {why}")))?;
    if time <= ctx.now {
        return Err(Refusal::invalid("expires_at: is in the past"));
    }
    Ok(settings.cap_expiry(Some(time), ctx.now))
}

/// `FinalizeArtifact`: the digest is known since the list of blocks was answered, so nothing is read here.
async fn finalize(ctx: &RequestContext, runtime: &RunningJob, call: Call) -> Result<Value, Refusal> {
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
async fn list(ctx: &RequestContext, runtime: &RunningJob, call: Call) -> Result<Value, Refusal> {
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
async fn link(ctx: &RequestContext, runtime: &RunningJob, call: Call) -> Result<Value, Refusal> {
    call.require_run(runtime, false)?;
    let job_id = job_id(&call)?;
    let found = ctx.access().artifact_of_run(runtime, job_id, call.name.clone()).await?;
    let uuid = found.named.artifact.uuid;
    let url = ctx.signed_url(Purpose::Download, uuid, ctx.app.settings.transfer_lifetime).await?;
    Ok(json!({ "signed_url": url }))
}

/// `DeleteArtifact`
async fn delete(ctx: &RequestContext, runtime: &RunningJob, call: Call) -> Result<Value, Refusal> {
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
