//! Downloads: a job's archive or one file out of it, by job, by ref, and for a job that depends on
//! another.

use actix_web::HttpResponse;

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{READ_SCOPES, Readable, ask, readable};
use crate::auth::{self, Actor, Refusal};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::{jobs, lookup, projects};
use crate::deliver;
use crate::domain::EntryPath;
use crate::domain::access::Action;
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;
use crate::http::{headers, response};

const BINARY: &str = "application/octet-stream";

/// `GET /projects/:id/jobs/:job_id/artifacts`
pub(super) async fn of_job(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let archive = archive_of_job(call, project, job_id).await?;
    whole(call, &archive).await
}

/// `GET /projects/:id/jobs/artifacts/:ref_name/download`
pub(super) async fn of_ref(
    call: &Call,
    project: ProjectRef,
    ref_name: String,
) -> Result<HttpResponse, Failure> {
    let archive = archive_of_ref(call, project, ref_name).await?;
    whole(call, &archive).await
}

/// `GET /projects/:id/jobs/:job_id/artifacts/*artifact_path`
pub(super) async fn file_of_job(
    call: &Call,
    project: ProjectRef,
    job_id: &str,
    path: Vec<u8>,
) -> Result<HttpResponse, Failure> {
    let archive = archive_of_job(call, project, job_id).await?;
    file(call, &archive, path).await
}

/// `GET /projects/:id/jobs/artifacts/:ref_name/raw/*artifact_path`
pub(super) async fn file_of_ref(
    call: &Call,
    project: ProjectRef,
    ref_name: String,
    path: Vec<u8>,
) -> Result<HttpResponse, Failure> {
    let archive = archive_of_ref(call, project, ref_name).await?;
    file(call, &archive, path).await
}

/// `GET /jobs/:id/artifacts`: the job that asks must run, and its user must be allowed to read the
/// other job; that one's accessibility is not asked.
pub(super) async fn for_dependent_job(call: &Call, job_id: &str) -> Result<HttpResponse, Failure> {
    let job_id = number(job_id, "id")?;
    let (credentials, now) = (call.credentials(), call.now);
    let archive = call
        .read(move |db| {
            let actor = auth::authenticate(db, &credentials, READ_SCOPES, now)?;
            match actor {
                Actor::Job { .. } => {}
                Actor::User(_) => return Err(Failure::forbidden()),
                Actor::Anonymous => return Err(Failure::Token(Refusal::Unknown)),
            }
            let job = jobs::find(db, job_id)?.ok_or(Failure::forbidden())?;
            let project = projects::find(db, &ProjectRef::Id(job.project_id))?.ok_or(Failure::forbidden())?;
            let caller = auth::caller_in(db, &actor, &project)?;
            ask(caller, Action::FetchDependency, &project, &actor).map_err(|failure| {
                // A runner takes 403 for final; that the project is hidden is none of its business.
                if failure.is_not_found() { Failure::forbidden() } else { failure }
            })?;
            let archive = artifacts::find(db, job.id, ArtifactKind::Archive)?;
            readable(db, &project, &job, archive, now)
        })
        .await?;
    whole(call, &archive).await
}

async fn archive_of_job(call: &Call, project: ProjectRef, job_id: &str) -> Result<Artifact, Failure> {
    let job_id = number(job_id, "job_id")?;
    let (credentials, now) = (call.credentials(), call.now);
    call.read(move |db| {
        let readable = Readable::enter(db, &credentials, &project, now)?;
        let job = jobs::find(db, job_id)?
            .filter(|job| job.project_id == readable.project.id)
            .ok_or(Failure::no_record())?;
        readable.archive(db, &job)
    })
    .await
}

async fn archive_of_ref(call: &Call, project: ProjectRef, ref_name: String) -> Result<Artifact, Failure> {
    let job_name = call.query.get("job").ok_or(Failure::Parameter("job is missing".into()))?.to_owned();
    let search_recent = call
        .query
        .flag("search_recent_successful_pipelines")
        .map_err(|_| Failure::Parameter("search_recent_successful_pipelines is invalid".into()))?;
    let (credentials, now) = (call.credentials(), call.now);
    call.read(move |db| {
        let readable = Readable::enter(db, &credentials, &project, now)?;
        let project = &readable.project;
        let job = match search_recent {
            true => lookup::job_by_recent_ref(db, project, &ref_name, &job_name, now)?
                .ok_or(Failure::not_found("Job Not Found"))?,
            false => {
                lookup::job_by_ref(db, project, &ref_name, &job_name, now)?.ok_or(Failure::no_record())?
            }
        };
        readable.archive(db, &job)
    })
    .await
}

async fn whole(call: &Call, archive: &Artifact) -> Result<HttpResponse, Failure> {
    let blob = deliver::open_artifact(&call.app.store, archive).await?;
    let size = blob.size();
    let mut head = response::download(&archive.filename, BINARY);
    head.insert_header(("Content-Transfer-Encoding", "binary"));
    Ok(match call.head {
        true => response::head_only(head, size),
        false => response::stream(head, size, Box::pin(blob.stream(0..size))),
    })
}

async fn file(call: &Call, archive: &Artifact, path: Vec<u8>) -> Result<HttpResponse, Failure> {
    let path = EntryPath::from_bytes(path).map_err(|fault| {
        tracing::debug!(%fault, "refused a path");
        Failure::bad_request()
    })?;
    let entry = deliver::find_entry(&call.app.store, &call.app.indexes, archive, &path).await?;
    let size = entry.size();
    let head = response::download(path.base_name(), headers::content_type(path.base_name()));
    Ok(match call.head {
        true => response::head_only(head, size),
        false => response::stream(head, size, entry.into_stream().await?),
    })
}
