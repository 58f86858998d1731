//! Pipelines: of a project, a single one, the latest of a ref, and the bridges to its children.
//!
//! As in GitLab, a job token is no credential here.

use actix_web::HttpResponse;

use crate::access::{AcceptedCredentials, ChildPipelines};
use crate::api::gitlab::credentials::reader;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::json::{Bridge, JsonContext, ListedPipeline, SinglePipeline};
use crate::api::gitlab::parameters::{id, page, sort};
use crate::catalog::pipelines::PipelineDetails;
use crate::catalog::pipelines::{Order, Period, ProjectPipelines};
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::http::context::RequestContext;
use crate::http::query::{InvalidParameter, Query};

const ORDERS: &[(&str, Order)] = &[
    ("id", Order::Id),
    ("status", Order::Status),
    ("ref", Order::Ref),
    ("updated_at", Order::UpdatedAt),
    ("user_id", Order::UserId),
];

/// Meaning of the parameter `scope`.
#[derive(Clone, Copy)]
enum ListScope {
    InStatus(&'static [Status]),
    NewestOf { tags: bool },
}

const SCOPES: &[(&str, ListScope)] = &[
    ("running", ListScope::InStatus(&[Status::Running])),
    ("pending", ListScope::InStatus(&[Status::Pending])),
    ("finished", ListScope::InStatus(&[Status::Success, Status::Failed, Status::Canceled])),
    ("branches", ListScope::NewestOf { tags: false }),
    ("tags", ListScope::NewestOf { tags: true }),
];

/// The parameters of `GET /projects/:id/pipelines`.
struct PipelinesQuery {
    list: ProjectPipelines,
    username: Option<String>,
    /// Whether the result is known to be empty: no pipeline here has a name, or a definition with errors.
    nothing: bool,
}

impl PipelinesQuery {
    fn read(query: &Query) -> Result<Self, InvalidParameter> {
        let text = |name: &str| query.get_filled(name).map(str::to_owned);
        let scope = query.choice_of("scope", SCOPES)?;
        let status: Option<Status> = query.choice("status")?;
        let mut statuses: Vec<Status> = match scope {
            Some(ListScope::InStatus(statuses)) => statuses.to_vec(),
            _ => status.into_iter().collect(),
        };
        let contradiction = status.is_some_and(|status| !statuses.contains(&status));
        if let (Some(status), false) = (status, contradiction) {
            statuses = vec![status];
        }
        let list = ProjectPipelines {
            statuses,
            source: query.choice("source")?,
            newest_of_tags: match scope {
                Some(ListScope::NewestOf { tags }) => Some(tags),
                _ => None,
            },
            ref_name: text("ref"),
            sha: text("sha"),
            user_id: None,
            updated: Period { from: query.time("updated_after")?, until: query.time("updated_before")? },
            created: Period { from: query.time("created_after")?, until: query.time("created_before")? },
            order: query.choice_of("order_by", ORDERS)?.unwrap_or(Order::Id),
            direction: sort(query)?,
        };
        let nothing = query.flag("yaml_errors")? || text("name").is_some() || contradiction;
        Ok(Self { list, username: text("username"), nothing })
    }
}

/// `GET /projects/:id/pipelines`: child pipelines only if `source` asks for them.
pub(super) async fn of_project(ctx: &RequestContext, project: ProjectRef) -> Result<HttpResponse, ApiError> {
    let PipelinesQuery { list, username, nothing } = PipelinesQuery::read(&ctx.query)?;
    let page = page(&ctx.query)?;
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let found = if nothing {
        ctx.access().nothing_of_project(&principal, project).await?
    } else {
        let (access, window) = (ctx.access(), page.slice());
        access.pipelines_of_project(&principal, project, list, username, window).await?
    };
    let mut response = HttpResponse::Ok();
    page.write_headers(&mut response, found.total, &ctx.url(), ctx.request.query_string());
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path: &found.project_path, now: ctx.now };
    let shown = found.items.into_iter().map(|pipeline| ListedPipeline::new(pipeline, &json_ctx));
    Ok(response.json(shown.collect::<Vec<_>>()))
}

/// `GET /projects/:id/pipelines/:pipeline_id`
pub(super) async fn one(
    ctx: &RequestContext,
    project: ProjectRef,
    pipeline_id: &str,
) -> Result<HttpResponse, ApiError> {
    let pipeline_id = id(pipeline_id, "pipeline_id")?;
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let (pipeline, path) = ctx.access().pipeline(&principal, project, pipeline_id).await?;
    Ok(single(ctx, pipeline, &path))
}

/// `GET /projects/:id/pipelines/latest`: of `ref`, or of the default branch. Without a repository the ref's
/// last commit is unknown, so it is the newest pipeline that ran on the ref for itself.
pub(super) async fn latest(ctx: &RequestContext, project: ProjectRef) -> Result<HttpResponse, ApiError> {
    let ref_name = ctx.query.get_filled("ref").map(str::to_owned);
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let (pipeline, path) = ctx.access().latest_pipeline(&principal, project, ref_name).await?;
    Ok(single(ctx, pipeline, &path))
}

/// `GET /projects/:id/pipelines/:pipeline_id/bridges`: one bridge for each child.
pub(super) async fn bridges(
    ctx: &RequestContext,
    project: ProjectRef,
    pipeline_id: &str,
) -> Result<HttpResponse, ApiError> {
    let pipeline_id = id(pipeline_id, "pipeline_id")?;
    let (statuses, page) = (ctx.query.choices("scope")?, page(&ctx.query)?);
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let found =
        ctx.access().child_pipelines(&principal, project, pipeline_id, statuses, page.slice()).await?;
    let ChildPipelines { parent, commit, children } = found;
    let mut response = HttpResponse::Ok();
    page.write_headers(&mut response, children.total, &ctx.url(), ctx.request.query_string());
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path: &children.project_path, now: ctx.now };
    let bridge = |child| Bridge::new(parent.clone(), child, commit.clone(), &json_ctx);
    Ok(response.json(children.items.into_iter().map(bridge).collect::<Vec<_>>()))
}

fn single(ctx: &RequestContext, pipeline: PipelineDetails, project_path: &str) -> HttpResponse {
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path, now: ctx.now };
    HttpResponse::Ok().json(SinglePipeline::new(pipeline, &json_ctx))
}
