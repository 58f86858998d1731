//! Artifacts of the job that an agent runs: declared in batches, sent by link, and reported when they were sent.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::credentials::own_job;
use crate::access::{BatchError, Declared, DeclaredFile, RunningJob, UPLOAD_LIFETIME, UploadEnd};
use crate::api::buildkite::error::ApiError;
use crate::auth::signed_links::{FILE_FIELD, PATH_FIELD, Purpose};
use crate::catalog::uploads::PieceUpload;
use crate::domain::artifact::check_file_path;
use crate::domain::{Error, ErrorKind, RowId, Sha256Digest, Uuid, byte_size};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// Longest request, in bytes: agents send thirty files at a time.
const MAX_REQUEST_BYTES: u64 = 4 << 20;

/// Most files of a request.
const MAX_FILES: usize = 1000;

/// Longest ID of a batch, in bytes.
const MAX_BATCH_BYTES: usize = 255;

/// Most parts of a file.
const MAX_PARTS: u64 = 1000;

/// Most parts of all files of a request, each of which has a link: those of thirty large files.
const MAX_PARTS_OF_BATCH: i64 = 30_000;

/// A batch, as an agent declares it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BatchRequest {
    #[serde(deserialize_with = "nullable")]
    id: String,
    artifacts: Vec<FileRequest>,
    #[serde(deserialize_with = "nullable")]
    upload_destination: String,
    multipart_supported: bool,
}

/// A file, as an agent declares it. What it does not know it sends empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileRequest {
    #[serde(deserialize_with = "nullable")]
    path: String,
    file_size: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    sha1sum: String,
    #[serde(deserialize_with = "nullable")]
    sha256sum: String,
    #[serde(deserialize_with = "nullable")]
    content_type: String,
    #[serde(deserialize_with = "nullable")]
    upload_destination: String,
}

/// The ends of uploads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndsRequest {
    artifacts: Vec<EndRequest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndRequest {
    id: String,
    state: String,
}

fn nullable<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

/// `POST /v3/jobs/ID/artifacts`: declares a batch, and says how each file is to be sent.
pub(super) async fn create(
    ctx: &RequestContext,
    id: &RowId,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    let (running, request): (_, BatchRequest) = read(ctx, id, body).await?;
    let batch = batch_id(&request)?;
    require_few(request.artifacts.len())?;
    let files: Vec<DeclaredFile> = request
        .artifacts
        .iter()
        .enumerate()
        .map(|(at, file)| declared(ctx, file, request.multipart_supported, at))
        .collect::<Result<_, _>>()?;
    let parts: i64 = files.iter().map(|file| file.declared.parts).sum();
    if parts > MAX_PARTS_OF_BATCH {
        let text = format!("artifacts: expected at most {MAX_PARTS_OF_BATCH} parts in all, and not {parts}");
        return Err(ApiError::Unprocessable(text.into()));
    }
    let settings = &ctx.app.settings;
    let (most, expire_at) = (settings.artifacts_per_job, settings.default_expiry(ctx.now));
    let uploads = ctx.access().declare_batch(&running, batch.clone(), files, most, expire_at).await?;
    let ids: Vec<String> = uploads.iter().map(|upload| upload.uuid.to_string()).collect();
    let mut own = BTreeMap::new();
    if request.multipart_supported {
        for upload in uploads.iter().filter(|upload| upload.declared_bytes != Some(0)) {
            own.insert(upload.uuid.to_string(), puts(ctx, upload).await?);
        }
    }
    let template = match uploads.first() {
        Some(first) => form(ctx, first.uuid).await?,
        None => Value::Null,
    };
    Ok(HttpResponse::Created().json(json!({
        "id": batch,
        "artifact_ids": ids,
        "upload_instructions": template,
        "per_artifact_instructions": own,
    })))
}

/// Requires that a request has no more files than it may have.
fn require_few(files: usize) -> Result<(), ApiError> {
    if files <= MAX_FILES {
        return Ok(());
    }
    Err(ApiError::Unprocessable(format!("artifacts: expected at most {MAX_FILES}").into()))
}

/// Returns the ID of the batch; one without an ID cannot be repeated. Refuses a destination elsewhere.
fn batch_id(request: &BatchRequest) -> Result<String, ApiError> {
    let destinations = request.artifacts.iter().map(|file| &file.upload_destination);
    if destinations.chain([&request.upload_destination]).any(|text| !text.is_empty()) {
        return Err(ApiError::Unprocessable(
            "upload_destination: artifacts are stored here; drop the destination of the upload command, or \
             BUILDKITE_ARTIFACT_UPLOAD_DESTINATION"
                .into(),
        ));
    }
    match request.id.as_str() {
        "" => Ok(Uuid::for_row().to_string()),
        id if id.len() <= MAX_BATCH_BYTES && !id.contains(char::is_control) => Ok(id.to_owned()),
        _ => Err(ApiError::Unprocessable(
            format!("id: expected at most {MAX_BATCH_BYTES} bytes and no control characters").into(),
        )),
    }
}

/// Checks what an agent says about a file.
fn declared(
    ctx: &RequestContext,
    file: &FileRequest,
    takes_parts: bool,
    at: usize,
) -> Result<DeclaredFile, ApiError> {
    let wrong = |field: &str, why: &dyn std::fmt::Display| {
        ApiError::Unprocessable(format!("artifacts[{at}].{field}: {why}").into())
    };
    // Agents on Windows send its separators.
    let path = file.path.replace('\\', "/");
    check_file_path(&path).map_err(|why| wrong("path", &why))?;
    let size = file.file_size.and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| wrong("file_size", &"expected a number of bytes"))?;
    let sha1 = match file.sha1sum.as_str() {
        "" => None,
        text => {
            let mut bytes = [0; 20];
            hex::decode_to_slice(text, &mut bytes)
                .map_err(|_| wrong("sha1sum", &"expected 40 hex digits"))?;
            Some(bytes)
        }
    };
    let sha256 = match file.sha256sum.as_str() {
        "" => None,
        text => {
            let digest = Sha256Digest::from_hex(text);
            Some(digest.ok_or_else(|| wrong("sha256sum", &"expected 64 hex digits"))?)
        }
    };
    // What is none is as if it was not said: the path's ending tells the type then.
    let media_type = file.content_type.parse().ok();
    let parts = if takes_parts { parts(size, ctx.app.settings.part_bytes) } else { 1 };
    let (parts, size_bytes) = (i64::try_from(parts), i64::try_from(size));
    let (parts, size_bytes) = (parts.map_err(Error::internal)?, size_bytes.map_err(Error::internal)?);
    Ok(DeclaredFile { path, media_type, declared: Declared { parts, size_bytes, sha1, sha256 } })
}

/// In how many parts a file is sent: each has at least `part_bytes`, unless there is one alone.
fn parts(size: u64, part_bytes: u64) -> u64 {
    (size / part_bytes.max(1)).clamp(1, MAX_PARTS)
}

/// Instructions to send a file in raw `PUT`s, one for each part.
async fn puts(ctx: &RequestContext, upload: &PieceUpload) -> Result<Value, ApiError> {
    let mut actions = Vec::new();
    for number in 1..=upload.parts.unwrap_or(1) {
        let (part, lifetime) = (Some(number.to_string()), UPLOAD_LIFETIME);
        let url = ctx.signed_url_of_file(Purpose::Part, upload.uuid, part, lifetime).await?;
        if number % 64 == 0 {
            // Thousands of signatures are not made without a pause for others.
            tokio::task::yield_now().await;
        }
        actions.push(json!({ "url": url, "method": "PUT", "part_number": number }));
    }
    Ok(json!({ "actions": actions }))
}

/// Instructions to send each file of a batch in a form. The agent fills in the path, and puts `path` into the URL.
async fn form(ctx: &RequestContext, first: Uuid) -> Result<Value, ApiError> {
    let url = ctx.signed_url(Purpose::Form, first, UPLOAD_LIFETIME).await?;
    let behind_scheme = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let path = behind_scheme.find('/').map_or("/", |at| &behind_scheme[at..]);
    let path = path.split('?').next().unwrap_or(path);
    Ok(json!({
        "data": { PATH_FIELD: "${artifact:path}" },
        "action": { "url": url, "method": "POST", "path": path, "file_input": FILE_FIELD },
    }))
}

/// `PUT /v3/jobs/ID/artifacts`: records which uploads were sent, and which were given up.
pub(super) async fn update(
    ctx: &RequestContext,
    id: &RowId,
    body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    let (running, request): (_, EndsRequest) = read(ctx, id, body).await?;
    require_few(request.artifacts.len())?;
    let mut ends = Vec::with_capacity(request.artifacts.len());
    for (at, end) in request.artifacts.iter().enumerate() {
        let state = match end.state.as_str() {
            "finished" => UploadEnd::Finished,
            "error" => UploadEnd::Failed,
            _ => {
                let text = format!("artifacts[{at}].state: expected finished or error");
                return Err(ApiError::Unprocessable(text.into()));
            }
        };
        // What is no UUID is the ID of no upload.
        ends.extend(end.id.parse().ok().map(|uuid| (uuid, state)));
    }
    if ends.is_empty() && !request.artifacts.is_empty() {
        return Err(ApiError::missing("artifact"));
    }
    let ended = ctx.access().end_uploads(&running, ends).await?;
    for upload_id in ended.failed {
        ctx.app.ingest.fail(upload_id).await?;
    }
    for upload in ended.ordered {
        let app = ctx.app.clone();
        // Behind the answer, for which an agent waits five seconds.
        actix_web::rt::spawn(async move { app.ingest.assemble_or_leave(upload, &app.clock).await });
    }
    if let Some((uuid, path)) = ended.incomplete {
        let text = format!("artifacts: the bytes of {path} ({uuid}) did not all arrive");
        return Err(ApiError::Unprocessable(text.into()));
    }
    tracing::info!(job.id = running.job.id, artifacts = ended.stored, "artifacts stored");
    Ok(HttpResponse::Ok().json(json!({})))
}

/// Finds the job that makes a request about its own artifacts, and then reads what it sends.
async fn read<T: DeserializeOwned>(
    ctx: &RequestContext,
    id: &RowId,
    mut body: RequestBody,
) -> Result<(RunningJob, T), ApiError> {
    ctx.audit.start("artifact.upload");
    let running = own_job(ctx, id).await?;
    ctx.audit.set_job(running.job.id);
    Ok((running, parse(&body.read_whole(MAX_REQUEST_BYTES).await?)?))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        ApiError::Unprocessable(format!("the request cannot be read: {why}").into())
    };
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(unreadable(&"expected an object"));
    }
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Access(error) => error.into(),
            BatchError::Differs => {
                Self::Unprocessable("id: a batch of this ID was declared with other files".into())
            }
            BatchError::TooMany(most) => {
                Self::Refused(format!("A job has at most {most} artifacts (limits.artifacts_per_job)").into())
            }
            BatchError::TooLarge(path, limit) => {
                let limit = byte_size::show(limit);
                Error::new(
                    ErrorKind::TooLarge,
                    format!("{path} is larger than {limit}, the most that is accepted"),
                )
                .into()
            }
            BatchError::NotFound => Self::missing("artifact"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parts;

    #[test]
    fn a_file_is_sent_whole_up_to_twice_the_size_of_a_part() {
        for (size, expected) in [(0, 1), (1, 1), (10, 1), (19, 1), (20, 2), (29, 2), (1_000_000, 1000)] {
            assert_eq!(parts(size, 10), expected, "{size}");
        }
    }

    proptest! {
        #[test]
        fn no_part_is_smaller_than_asked(size in 0_u64..1 << 50, part_bytes in 1_u64..1 << 40) {
            let parts = parts(size, part_bytes);
            prop_assert!((1..=1000).contains(&parts));
            prop_assert!(parts == 1 || size / parts >= part_bytes);
        }
    }
}
