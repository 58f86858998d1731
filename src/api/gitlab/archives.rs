//! Downloads: a job's archive or one file out of it, by job, by ref, and for a job that depends on
//! another.

use actix_web::HttpResponse;

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::downloads::{file, whole, whole_or_folder};
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{READ_SCOPES, Readable, ask, find_project, readable};
use crate::auth::{self, Actor, Refusal};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::{Db, absence, jobs, lookup};
use crate::domain::access::Action;
use crate::domain::artifact::{Accessibility, ArtifactKind};
use crate::domain::project::ProjectRef;

/// `GET /projects/:id/jobs/:job_id/artifacts`
pub(super) async fn of_job(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let kind = match call.query.get_filled("file_type") {
        None => ArtifactKind::Archive,
        Some(name) => name
            .parse()
            .ok()
            // What a job may hand over, others may fetch; its log and GitLab's own listing have no
            // `file_type` there.
            .filter(|kind: &ArtifactKind| kind.is_uploadable())
            .ok_or_else(|| Failure::Parameter("file_type does not have a valid value".into()))?,
    };
    let artifact = artifact_of_job(call, project, job_id, kind).await?;
    whole_or_folder(call, &artifact).await
}

/// `GET /projects/:id/jobs/artifacts/:ref_name/download`
pub(super) async fn of_ref(
    call: &Call,
    project: ProjectRef,
    ref_name: String,
) -> Result<HttpResponse, Failure> {
    let archive = archive_of_ref(call, project, ref_name).await?;
    whole_or_folder(call, &archive).await
}

/// `GET /projects/:id/jobs/:job_id/artifacts/*artifact_path`
pub(super) async fn file_of_job(
    call: &Call,
    project: ProjectRef,
    job_id: &str,
    path: Vec<u8>,
) -> Result<HttpResponse, Failure> {
    let archive = artifact_of_job(call, project, job_id, ArtifactKind::Archive).await?;
    refuse_folder(call)?;
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
    refuse_folder(call)?;
    file(call, &archive, path).await
}

/// An address that ends with a slash is that of a folder, which has no bytes: not of what stands before it.
fn refuse_folder(call: &Call) -> Result<(), Failure> {
    match call.request.uri().path().ends_with('/') {
        true => Err(Failure::absent("Not Found", "path ends with a slash, so it is no file's")),
        false => Ok(()),
    }
}

/// `GET /jobs/:id/artifacts`: the job that asks must run, and its user must be allowed to read the
/// other job. The archive's accessibility is asked only of jobs that the project does not let in.
pub(super) async fn for_dependent_job(call: &Call, job_id: &str) -> Result<HttpResponse, Failure> {
    let job_id = number(job_id, "id")?;
    let follows = call.flag("direct_download")?;
    let (credentials, now) = (call.credentials(), call.now);
    let archive = call
        .read(move |db| {
            let actor = auth::authenticate(db, &credentials, READ_SCOPES, now)?;
            match actor {
                Actor::Job { .. } => {}
                Actor::User(_) => return Err(Failure::forbidden("credential is no job's token")),
                Actor::Anonymous => return Err(Failure::Token(Refusal::Missing)),
            }
            let trail = &credentials.trail;
            trail.job(job_id);
            let job = jobs::find(db, job_id)?.ok_or_else(|| Failure::forbidden("job does not exist"))?;
            let project = find_project(db, &ProjectRef::Id(job.project_id))?;
            trail.project(&project);
            let caller = auth::caller_in(db, &actor, &project)?;
            ask(caller, Action::ReadJobs, &project, &actor).map_err(final_for_a_runner)?;
            let archive = artifacts::find(db, job.id, ArtifactKind::Archive)?;
            // Where there is nothing, there is nothing to protect.
            let accessibility = archive.as_ref().map_or(Accessibility::Public, |found| found.accessibility);
            ask(caller, Action::FetchDependency(accessibility), &project, &actor)?;
            let archive = readable(db, &project, &job, archive, now)?;
            trail.tell(|facts| facts.artifact_id = Some(archive.id));
            Ok(archive)
        })
        .await?;
    whole(call, &archive, follows).await
}

/// A runner takes 403 for final; that the project is hidden is none of its business.
fn final_for_a_runner(failure: Failure) -> Failure {
    if failure.is_not_found() { Failure::forbidden(failure.reason()) } else { failure }
}

pub(super) async fn artifact_of_job(
    call: &Call,
    project: ProjectRef,
    job_id: &str,
    kind: ArtifactKind,
) -> Result<Artifact, Failure> {
    let job_id = number(job_id, "job_id")?;
    let (credentials, now) = (call.credentials(), call.now);
    call.glance(move |db| {
        if kind == ArtifactKind::Archive
            && let Some(archive) = Readable::archive_at_once(db, &credentials, &project, job_id, now)?
        {
            return Ok(archive);
        }
        let readable = Readable::enter(db, &credentials, &project, now)?;
        let job = readable.job(db, job_id)?;
        readable.artifact(db, &job, kind)
    })
    .await
}

async fn archive_of_ref(call: &Call, project: ProjectRef, ref_name: String) -> Result<Artifact, Failure> {
    let job_name = call.query.get("job").ok_or(Failure::Parameter("job is missing".into()))?.to_owned();
    let search_recent = call.flag("search_recent_successful_pipelines")?;
    let (credentials, now) = (call.credentials(), call.now);
    let find = move |db: &mut Db| -> Result<Artifact, Failure> {
        let asked = (ref_name.as_str(), job_name.as_str());
        if !search_recent
            && let Some(archive) = Readable::archive_of_ref_at_once(db, &credentials, &project, asked, now)?
        {
            return Ok(archive);
        }
        let readable = Readable::enter(db, &credentials, &project, now)?;
        let project = &readable.project;
        let found = match search_recent {
            true => lookup::job_by_recent_ref(db, project, &ref_name, &job_name, now)?,
            false => lookup::job_by_ref(db, project, &ref_name, &job_name, now)?,
        };
        let Some(job) = found else {
            let why = absence::by_ref(db, project.id, &ref_name, &job_name, search_recent)?;
            let text = if search_recent { "Job Not Found" } else { "Not found" };
            return Err(Failure::absent(text, why.to_string()));
        };
        readable.artifact(db, &job, ArtifactKind::Archive)
    };
    match search_recent {
        true => call.read(find).await,
        false => call.glance(find).await,
    }
}
