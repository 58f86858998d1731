//! The runner's upload. Its refusals are 403 where others would be 401 or 404: a runner takes only
//! 403 for final and would send everything again for the others.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::credentials;
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::upload_form::Parameters;
use crate::auth::{self, Refusal, Shown};
use crate::catalog::artifacts::Declared;
use crate::catalog::jobs::TokenJob;
use crate::domain::artifact::clean_filename;
use crate::domain::{Error, Kind};
use crate::http::body::RequestBody;
use crate::http::multipart::{FileContent, Form, MAX_OVERHEAD_BYTES, Part};
use crate::ingest::{self, Incoming, Outcome};

/// A file that was received, under the name that the client gave it.
struct Received {
    incoming: Incoming,
    filename: String,
}

/// `POST /jobs/:id/artifacts`
pub(super) async fn receive(
    call: &Call,
    headers: &HeaderMap,
    job_id: &str,
    body: RequestBody,
) -> Result<HttpResponse, Failure> {
    let job_id = number(job_id, "id")?;
    call.trail.job(job_id);
    let mut parameters = Parameters::from_query(&call.query)?;
    let mut uploader = match credentials::job_token(headers, &call.query) {
        Some(shown) => Some(authorize(call, job_id, shown).await?),
        None => None,
    };
    if let Some(uploader) = &uploader {
        refuse_early(call, uploader, headers)?;
    }
    let Some(mut form) = Form::new(headers, body)? else {
        uploader.ok_or_else(no_token)?;
        return Err(Failure::Parameter("file is missing".into()));
    };
    let mut received = None;
    while let Some(part) = form.next().await? {
        match part {
            Part::Text { name, .. } if name == "file" => {
                return Err(Failure::Parameter("file is invalid".into()));
            }
            Part::Text { name, value } => parameters.add(&name, &value)?,
            Part::File { name, filename, content } => {
                // Bytes are only taken from somebody who is known: a token in the form stands
                // before the file.
                if uploader.is_none() {
                    let token = parameters.token().ok_or_else(no_token)?.clone();
                    uploader = Some(authorize(call, job_id, token).await?);
                }
                let known = uploader.as_ref().ok_or_else(no_token)?;
                refuse_file_field(&name, received.is_some())?;
                received = Some(Received { incoming: take(call, known, content).await?, filename });
            }
        }
    }
    let uploader = uploader.ok_or_else(no_token)?;
    let received = received.ok_or_else(|| Failure::Parameter("file is missing".into()))?;
    finish(call, &uploader, &parameters, received).await
}

/// The job whose token this is, when it may upload.
async fn authorize(call: &Call, job_id: i64, shown: Shown) -> Result<TokenJob, Failure> {
    let trail = call.trail.clone();
    trail.shown("job_token");
    call.read(move |db| {
        let token = shown.token().map_err(Failure::JobToken)?;
        let found = auth::job_of_token(db, token, &trail)?.ok_or(Failure::JobToken(Refusal::Unknown))?;
        if found.job.id != job_id {
            return Err(Failure::forbidden("token belongs to another job"));
        }
        trail.tell(|facts| facts.project = Some((found.job.project_id, found.project_path.clone())));
        if !found.job.status.is_executing() {
            return Err(Failure::JobNotRunning(found.job.status));
        }
        if found.job.erased_at.is_some() {
            return Err(Failure::forbidden_because("Job has been erased!"));
        }
        Ok(found)
    })
    .await
}

fn no_token() -> Failure {
    Failure::JobToken(Refusal::Missing)
}

fn limit_bytes(call: &Call, uploader: &TokenJob) -> Option<u64> {
    ingest::effective_limit(call.app.settings.max_artifact_bytes, uploader.max_artifact_bytes)
}

/// Refuses a body that is said to be too large before a byte of it is read.
fn refuse_early(call: &Call, uploader: &TokenJob, headers: &HeaderMap) -> Result<(), Failure> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match (announced, limit_bytes(call, uploader)) {
        (Some(announced), Some(limit)) if announced > limit.saturating_add(MAX_OVERHEAD_BYTES) => {
            Err(ingest::too_large(limit).into())
        }
        _ => Ok(()),
    }
}

fn refuse_file_field(name: &str, have_one: bool) -> Result<(), Failure> {
    let reason = match (name, have_one) {
        ("file", false) => return Ok(()),
        ("file", true) => "more than one file",
        _ => "the only file field is called file",
    };
    Err(Error::new(Kind::Invalid, reason).into())
}

async fn take(call: &Call, uploader: &TokenJob, mut content: FileContent) -> Result<Incoming, Failure> {
    let (job, limit) = (&uploader.job, limit_bytes(call, uploader));
    let mut incoming = call.app.ingest.begin(job.project_id, job.id, limit).await?;
    while let Some(bytes) = content.next().await? {
        incoming.write(&bytes).await?;
    }
    Ok(incoming)
}

async fn finish(
    call: &Call,
    uploader: &TokenJob,
    parameters: &Parameters,
    received: Received,
) -> Result<HttpResponse, Failure> {
    let kind = parameters.kind()?;
    let now = call.app.clock.now();
    let declared = Declared {
        project_id: uploader.job.project_id,
        job_id: uploader.job.id,
        kind,
        filename: clean_filename(&received.filename).unwrap_or_else(|| kind.default_filename().to_owned()),
        accessibility: parameters.accessibility(),
        expire_at: parameters.expire_at(call.app.settings.default_expire_in, now)?,
    };
    match call.app.ingest.finish(received.incoming, declared, now).await? {
        Outcome::Created(artifact_id) => {
            call.trail.tell(|facts| facts.artifact_id = Some(artifact_id));
            tracing::info!(job.id = uploader.job.id, artifact.id = artifact_id, kind = %kind, "artifact stored");
            Ok(created())
        }
        Outcome::AlreadyThere => Ok(created()),
        Outcome::Occupied => {
            Err(Failure::Validation("another artifact of the same type already exists".into()))
        }
        Outcome::Malformed(why) => Err(Failure::Validation(why.into())),
        Outcome::JobEnded(status) => Err(Failure::JobNotRunning(status)),
    }
}

/// Runners read only the status; the body is what GitLab sends.
fn created() -> HttpResponse {
    HttpResponse::Created().content_type("application/json").body("201")
}
