//! Jobs: those of a project, those of a pipeline, one, and the one whose token is shown.

use actix_web::HttpResponse;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{Guests, READ_SCOPES, Readable, identify, no_job};
use crate::api::gitlab::json::{Job, Surroundings};
use crate::api::gitlab::parameters::{invalid, no_keyset, refuse_far, window};
use crate::api::gitlab::pipelines::no_pipeline;
use crate::auth::Actor;
use crate::catalog::details::{self, JobDetails};
use crate::catalog::pages::Window;
use crate::catalog::pages::jobs::{self as pages, PipelineJobs, ProjectJobs};
use crate::catalog::{Db, lookup, pipelines};
use crate::domain::Timestamp;
use crate::domain::access::Action;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::http::paging::{Length, Page};

/// What `GET /projects/:id/jobs` is asked for.
struct Asked {
    list: ProjectJobs,
    page: Page,
    is_keyset: bool,
}

impl Asked {
    fn read(call: &Call) -> Result<Self, Failure> {
        let (is_keyset, page) = (call.is_keyset()?, call.page()?);
        let order = call.query.get_filled("order_by").unwrap_or("id");
        let behind = match call.query.get_filled("cursor") {
            Some(cursor) if is_keyset => Some(Cursor::read(cursor).ok_or_else(|| invalid("cursor"))?),
            _ => None,
        };
        let list = ProjectJobs { statuses: call.scope()?, behind, direction: call.sort()? };
        match is_keyset {
            true if order != "id" => Err(no_keyset()),
            true => Ok(Self { list, page: Page { number: 1, ..page }, is_keyset }),
            false => refuse_far(page, "Ci::Build").map(|()| Self { list, page, is_keyset }),
        }
    }
}

/// Behind which job a page begins, in the form that GitLab gives it. To clients it means nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    id: String,
}

impl Cursor {
    fn write(id: i64) -> String {
        let cursor = serde_json::json!({ "id": id.to_string(), "_kd": "n" });
        BASE64_URL_SAFE_NO_PAD.encode(cursor.to_string())
    }

    fn read(text: &str) -> Option<i64> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<Self>(&json).ok()?.id.parse().ok()
    }
}

/// `GET /projects/:id/jobs`: not counted, newest first. A stranger is refused even where everybody
/// may read the jobs, as in GitLab.
pub(super) async fn of_project(call: &Call, project: ProjectRef) -> Result<HttpResponse, Failure> {
    let (asked, credentials, now) = (Asked::read(call), call.credentials(), call.now);
    let (mut shown, path, page, is_keyset) = call
        .read(move |db| {
            let actor = identify(db, &credentials, Guests::Jobs, READ_SCOPES, now)?;
            let Asked { list, page, is_keyset } = asked?;
            let project =
                Readable::admit(db, &actor, Action::ReadJobs, &project, now, &credentials.trail)?.project;
            let one_more = Window { limit: page.limit() + 1, ..window(page) };
            let ids = pages::of_project(db, project.id, &list, one_more)?;
            Ok((readable_jobs(db, &ids, now)?, project.path, page, is_keyset))
        })
        .await?;
    let more = shown.len() > page.size;
    shown.truncate(page.size);
    let mut answer = HttpResponse::Ok();
    let (url, query) = (call.url(), call.request.query_string());
    match (is_keyset, shown.last()) {
        (true, Some(last)) if more => {
            page.describe_next(&mut answer, ("cursor", &Cursor::write(last.job.id)), &url, query);
        }
        (true, _) => {}
        (false, _) => page.describe(&mut answer, Length::Unknown { more }, &url, query),
    }
    Ok(answer.json(jobs_json(call, shown, &path)))
}

/// `GET /projects/:id/pipelines/:pipeline_id/jobs`: those of its children are not among them.
pub(super) async fn of_pipeline(
    call: &Call,
    project: ProjectRef,
    pipeline_id: &str,
) -> Result<HttpResponse, Failure> {
    let pipeline_id = number(pipeline_id, "pipeline_id")?;
    let include_retried = call.flag("include_retried")?;
    let (statuses, page): (Vec<Status>, Page) = (call.scope()?, call.page()?);
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, total, path) = call
        .read(move |db| {
            let project = Readable::enter(db, &credentials, &project, now)?.project;
            let of = pipelines::project_of(db, pipeline_id)?;
            if of != Some(project.id) {
                return Err(no_pipeline(of));
            }
            let list = PipelineJobs { pipeline_id, statuses, include_retried };
            let (ids, total) = pages::of_pipeline(db, &list, window(page))?;
            Ok((readable_jobs(db, &ids, now)?, total, project.path))
        })
        .await?;
    let mut answer = HttpResponse::Ok();
    let length = Length::Known(usize::try_from(total).unwrap_or(0));
    page.describe(&mut answer, length, &call.url(), call.request.query_string());
    Ok(answer.json(jobs_json(call, shown, &path)))
}

/// `GET /projects/:id/jobs/:job_id`: for users only, as in GitLab.
pub(super) async fn one(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let (job_id, credentials, now) = (number(job_id, "job_id"), call.credentials(), call.now);
    let (shown, path) = call
        .read(move |db| {
            let actor = identify(db, &credentials, Guests::None, READ_SCOPES, now)?;
            let job_id = job_id?;
            credentials.trail.job(job_id);
            let project =
                Readable::admit(db, &actor, Action::ReadJobs, &project, now, &credentials.trail)?.project;
            let shown = readable_job(db, job_id, now)?;
            match shown.pipeline.project_id == project.id {
                true => Ok((shown, project.path)),
                false => Err(no_job("job belongs to another project")),
            }
        })
        .await?;
    Ok(HttpResponse::Ok().json(job_json(call, shown, &path)))
}

/// `GET /job`: the one whose token is shown.
pub(super) async fn current(call: &Call) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, path) = call
        .read(move |db| {
            let actor = identify(db, &credentials, Guests::Jobs, READ_SCOPES, now)?;
            let Actor::Job { job_id, project_path, .. } = actor else {
                return Err(Failure::not_found("Job Not Found", "credential is no job's token"));
            };
            Ok((readable_job(db, job_id, now)?, project_path))
        })
        .await?;
    Ok(HttpResponse::Ok().json(job_json(call, shown, &path)))
}

/// A job with the artifacts that can be read.
pub(super) fn readable_job(db: &mut Db, id: i64, now: Timestamp) -> Result<JobDetails, Failure> {
    readable_jobs(db, &[id], now)?.pop().ok_or_else(|| no_job("job does not exist"))
}

fn readable_jobs(db: &mut Db, ids: &[i64], now: Timestamp) -> Result<Vec<JobDetails>, Failure> {
    let mut found = details::all_jobs(db, ids)?;
    lookup::retain_readable(db, &mut found, now)?;
    Ok(found)
}

pub(super) fn job_json(call: &Call, details: JobDetails, project_path: &str) -> Job {
    let base_url = call.base_url();
    Job::new(details, &Surroundings { base_url: &base_url, project_path, now: call.now })
}

fn jobs_json(call: &Call, shown: Vec<JobDetails>, project_path: &str) -> Vec<Job> {
    shown.into_iter().map(|details| job_json(call, details, project_path)).collect()
}
