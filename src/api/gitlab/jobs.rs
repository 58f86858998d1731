//! Jobs: of a project, of a pipeline, a single one, and the one whose token is sent.

use actix_web::HttpResponse;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::access::{AcceptedCredentials, Listed, Total};
use crate::api::gitlab::credentials::reader;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::json::{JobJson, JsonContext};
use crate::api::gitlab::parameters::{check_offset_limit, id, is_keyset, keyset_unavailable, page, sort};
use crate::catalog::jobs::JobDetails;
use crate::catalog::jobs::{PipelineJobs, ProjectJobs};
use crate::domain::project::ProjectRef;
use crate::http::context::RequestContext;
use crate::http::pagination::Page;
use crate::http::query::{InvalidParameter, Query};

/// The parameters of `GET /projects/:id/jobs`.
struct JobsQuery {
    list: ProjectJobs,
    page: Page,
    is_keyset: bool,
}

impl JobsQuery {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let (is_keyset, page) = (is_keyset(query)?, page(query)?);
        let order = query.get_filled("order_by").unwrap_or("id");
        let behind = match query.get_filled("cursor") {
            Some(cursor) if is_keyset => Some(Cursor::read(cursor).ok_or(InvalidParameter::Type("cursor"))?),
            _ => None,
        };
        let list = ProjectJobs { statuses: query.choices("scope")?, behind, direction: sort(query)? };
        if !is_keyset {
            check_offset_limit(page, "Ci::Build")?;
            return Ok(Self { list, page, is_keyset });
        }
        if order != "id" {
            return Err(keyset_unavailable());
        }
        Ok(Self { list, page: page.first(), is_keyset })
    }
}

/// The job after which a page begins, in GitLab's form. Opaque to clients.
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

/// `GET /projects/:id/jobs`: not counted, newest first. As in GitLab, anonymous requests are refused even if
/// everybody may read the jobs.
pub(super) async fn of_project(ctx: &RequestContext, project: ProjectRef) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOrJob);
    let query = ctx.after_authentication(&principal, JobsQuery::read(&ctx.query)).await?;
    let JobsQuery { list, page, is_keyset } = query;
    let found = ctx.access().jobs_of_project(&principal, project, list, page.slice()).await?;
    let mut response = HttpResponse::Ok();
    let (url, query) = (ctx.url(), ctx.request.query_string());
    match (is_keyset, found.items.last(), found.total) {
        (true, Some(last), Total::Unknown { more: true }) => {
            page.write_next_link(&mut response, ("cursor", &Cursor::write(last.job.id)), &url, query);
        }
        (true, ..) => {}
        (false, ..) => page.write_headers(&mut response, found.total, &url, query),
    }
    Ok(response.json(jobs_json(ctx, found)))
}

/// `GET /projects/:id/pipelines/:pipeline_id/jobs`: without the jobs of child pipelines.
pub(super) async fn of_pipeline(
    ctx: &RequestContext,
    project: ProjectRef,
    pipeline_id: &str,
) -> Result<HttpResponse, ApiError> {
    let pipeline_id = id(pipeline_id, "pipeline_id")?;
    let include_retried = ctx.query.flag("include_retried")?;
    let (statuses, page) = (ctx.query.choices("scope")?, page(&ctx.query)?);
    let list = PipelineJobs { pipeline_id, statuses, include_retried };
    let principal = reader(ctx, AcceptedCredentials::Any);
    let found = ctx.access().jobs_of_pipeline(&principal, project, list, page.slice()).await?;
    let mut response = HttpResponse::Ok();
    page.write_headers(&mut response, found.total, &ctx.url(), ctx.request.query_string());
    Ok(response.json(jobs_json(ctx, found)))
}

/// `GET /projects/:id/jobs/:job_id`: for users only, as in GitLab.
pub(super) async fn one(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOnly);
    let job_id = ctx.after_authentication(&principal, id(job_id, "job_id").map_err(ApiError::from)).await?;
    let (job, path) = ctx.access().job(&principal, project, job_id).await?;
    Ok(HttpResponse::Ok().json(job_json(ctx, job, &path)))
}

/// `GET /job`: the job whose token is sent.
pub(super) async fn current(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOrJob);
    let (job, path) = ctx.access().current_job(&principal).await?;
    Ok(HttpResponse::Ok().json(job_json(ctx, job, &path)))
}

pub(super) fn job_json(ctx: &RequestContext, details: JobDetails, project_path: &str) -> JobJson {
    let base_url = ctx.base_url();
    JobJson::new(details, &JsonContext { base_url: &base_url, project_path, now: ctx.now })
}

fn jobs_json(ctx: &RequestContext, found: Listed<JobDetails>) -> Vec<JobJson> {
    found.items.into_iter().map(|details| job_json(ctx, details, &found.project_path)).collect()
}
