//! Repositories and workflow runs, as far as clients of artifacts ask for them.

use actix_web::HttpResponse;

use super::artifacts::{count, page, respond};
use super::credentials::reader;
use super::error::ApiError;
use super::json::{RepositoryJson, RunJson, RunListJson};
use super::routes::Repository;
use crate::catalog::pipelines::{Order, Period, ProjectPipelines};
use crate::catalog::slice::Direction;
use crate::domain::status::Status;
use crate::http::context::RequestContext;

/// `GET /repos/:owner/:repo`
pub(super) async fn one(ctx: &RequestContext, repository: &Repository) -> Result<HttpResponse, ApiError> {
    let (details, _) = ctx.access().project_of_jobs(&reader(ctx), repository.project.clone()).await?;
    let url = repository.url(ctx);
    respond(ctx, &RepositoryJson::new(&details, url), None)
}

/// `GET /repos/:owner/:repo/actions/runs`
pub(super) async fn runs(ctx: &RequestContext, repository: &Repository) -> Result<HttpResponse, ApiError> {
    let page = page(ctx);
    let list = ProjectPipelines {
        statuses: statuses(ctx.query.get_filled("status")),
        source: None,
        newest_of_tags: None,
        ref_name: ctx.query.get_filled("branch").map(str::to_owned),
        sha: ctx.query.get_filled("head_sha").map(str::to_owned),
        user_id: None,
        updated: Period::default(),
        created: Period::default(),
        order: Order::Id,
        direction: Direction::Descending,
    };
    let actor = ctx.query.get_filled("actor").map(str::to_owned);
    let project = repository.project.clone();
    let listed = ctx.access().pipelines_of_project(&reader(ctx), project, list, actor, page.slice()).await?;
    let url = repository.url(ctx);
    let total_count = count(listed.total, &page);
    let workflow_runs = listed.items.iter().map(|pipeline| RunJson::new(pipeline, &url)).collect();
    respond(ctx, &RunListJson { total_count, workflow_runs }, Some((page, listed.total)))
}

/// `GET /repos/:owner/:repo/actions/runs/:run_id`
pub(super) async fn run(
    ctx: &RequestContext,
    repository: &Repository,
    id: i64,
) -> Result<HttpResponse, ApiError> {
    let (details, _) = ctx.access().pipeline(&reader(ctx), repository.project.clone(), id).await?;
    let url = repository.url(ctx);
    respond(ctx, &RunJson::new(&details.pipeline, &url), None)
}

/// The states that GitHub's filter names; an unknown one matches no run.
fn statuses(filter: Option<&str>) -> Vec<Status> {
    match filter {
        None => Vec::new(),
        Some("success") => vec![Status::Success],
        Some("failure") => vec![Status::Failed],
        Some("cancelled") => vec![Status::Canceled],
        Some("skipped") => vec![Status::Skipped],
        Some("completed") => vec![Status::Success, Status::Failed, Status::Canceled, Status::Skipped],
        Some("in_progress") => vec![Status::Running, Status::Canceling],
        Some("queued" | "pending" | "requested") => vec![Status::Created, Status::Pending, Status::Preparing],
        Some("waiting") => vec![Status::Scheduled],
        Some("action_required") => vec![Status::Manual],
        Some(_) => vec![Status::WaitingForCallback],
    }
}
