//! Keep, delete and erase. All of them need a user: a job's token is no credential here, as GitLab
//! has it.

use actix_web::HttpResponse;
use serde_json::json;

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{ask, find_project, job_in, readable};
use crate::api::gitlab::jobs::{job_json, readable_job};
use crate::auth::{self, Actor, Credentials};
use crate::catalog::artifacts;
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::Project;
use crate::catalog::{Db, deletions};
use crate::domain::Timestamp;
use crate::domain::access::{Action, Caller};
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;

/// What a personal token must be good for to change something.
const WRITE_SCOPES: &[&str] = &["api"];

/// A project that the caller sees.
struct Seen {
    actor: Actor,
    project: Project,
    caller: Caller,
}

impl Seen {
    fn enter(
        db: &mut Db,
        credentials: &Credentials,
        project: &ProjectRef,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let actor = auth::authenticate_user(db, credentials, WRITE_SCOPES, now)?;
        let project = find_project(db, project)?;
        credentials.trail.project(&project);
        let caller = auth::caller_in(db, &actor, &project)?;
        let seen = Self { actor, project, caller };
        seen.ask(Action::SeeProject)?;
        Ok(seen)
    }

    fn ask(&self, action: Action) -> Result<(), Failure> {
        ask(self.caller, action, &self.project, &self.actor)
    }

    fn job(&self, db: &mut Db, job_id: i64) -> Result<Job, Failure> {
        job_in(db, self.project.id, job_id)?.map_err(Failure::no_record)
    }
}

/// `POST /projects/:id/jobs/:job_id/artifacts/keep`
pub(super) async fn keep(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let job_id = number(job_id, "job_id")?;
    call.trail.job(job_id);
    let (credentials, now) = (call.credentials(), call.now);
    let allow = move |db: &mut Db| {
        let seen = Seen::enter(db, &credentials, &project, now)?;
        let job = seen.job(db, job_id)?;
        seen.ask(Action::KeepArtifacts)?;
        Ok((seen, job))
    };
    let shown = call.change(allow, move |db, (seen, job)| {
        let archive = artifacts::find(db, job.id, ArtifactKind::Archive)?;
        readable(db, &seen.project, &job, archive, now)?;
        artifacts::keep_all(db, job.id, now)?;
        // A sweep may have been quicker; then there is nothing left to keep.
        let gone = || Failure::absent("Not Found", "artifact has just expired");
        artifacts::find(db, job.id, ArtifactKind::Archive)?.ok_or_else(gone)?;
        Ok((readable_job(db, job.id, now)?, seen.project.path))
    });
    let (details, project_path) = shown.await?;
    Ok(HttpResponse::Ok().json(job_json(call, details, &project_path)))
}

/// `DELETE /projects/:id/jobs/:job_id/artifacts`
pub(super) async fn delete_of_job(
    call: &Call,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, Failure> {
    let job_id = number(job_id, "job_id")?;
    call.trail.job(job_id);
    let (credentials, now) = (call.credentials(), call.now);
    let allow = move |db: &mut Db| {
        let seen = Seen::enter(db, &credentials, &project, now)?;
        seen.ask(Action::DeleteArtifacts)?;
        seen.job(db, job_id)
    };
    let bury = move |db: &mut Db, job: Job| Ok(deletions::bury_job(db, job.id, false, now)?);
    let deleted = call.change(allow, bury).await?;
    tracing::info!(job.id = job_id, deleted, "artifacts of a job deleted");
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /projects/:id/artifacts`: the next sweep carries it out.
pub(super) async fn delete_of_project(call: &Call, project: ProjectRef) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let allow = move |db: &mut Db| {
        let seen = Seen::enter(db, &credentials, &project, now)?;
        seen.ask(Action::DeleteArtifacts)?;
        Ok(seen.project.id)
    };
    let request = move |db: &mut Db, project_id| {
        deletions::request_purge(db, project_id, now)?;
        Ok(project_id)
    };
    let project_id = call.change(allow, request).await?;
    tracing::info!(project.id = project_id, "removal of a project's artifacts requested");
    Ok(HttpResponse::Accepted().json(json!({ "message": "202 Accepted" })))
}

/// `POST /projects/:id/jobs/:job_id/erase`: artifacts and log.
pub(super) async fn erase(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let job_id = number(job_id, "job_id")?;
    call.trail.job(job_id);
    let (credentials, now) = (call.credentials(), call.now);
    let not_erasable = || Failure::forbidden_because("Job is not erasable!");
    let allow = move |db: &mut Db| {
        let seen = Seen::enter(db, &credentials, &project, now)?;
        // Whoever may erase nothing at all does not learn which jobs there are.
        seen.ask(Action::EraseJob { own: true })?;
        let job = seen.job(db, job_id)?;
        let own = matches!(&seen.actor, Actor::User(user) if Some(user.id) == job.user_id);
        seen.ask(Action::EraseJob { own })?;
        if job.status.is_finished() { Ok((seen, job)) } else { Err(not_erasable()) }
    };
    let shown = call.change(allow, move |db, (seen, job)| {
        if deletions::bury_job(db, job.id, true, now)? == 0 {
            return Err(not_erasable());
        }
        jobs::mark_erased(db, job.id, now)?;
        Ok((readable_job(db, job.id, now)?, seen.project.path))
    });
    let (details, project_path) = shown.await?;
    tracing::info!(job.id = job_id, "job erased");
    Ok(HttpResponse::Created().json(job_json(call, details, &project_path)))
}
