//! Repository: `GET /projects/:id/repository/{branches,tags,commits}`, as reported by pipelines of a
//! repository that is elsewhere, for clients that begin with a branch or a commit.
//!
//! It takes the right to read the project's pipelines; as in GitLab, a job token is no credential here.

use actix_web::HttpResponse;

use crate::access::{AcceptedCredentials, ListedRefs, RefList, RefOrder, RefSearchText};
use crate::api::gitlab::credentials::reader;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::json::{Branch, JsonContext, RepositoryCommit, SingleCommit, Tag};
use crate::api::gitlab::parameters::{check_offset_limit, page, sort};
use crate::catalog::refs::{Head, Log};
use crate::catalog::slice::Direction;
use crate::domain::pipeline::RefKind;
use crate::domain::project::ProjectRef;
use crate::http::context::RequestContext;
use crate::http::query::{InvalidParameter, Query};

/// Reads the parameters of a list of refs.
fn ref_list(query: &Query, kind: RefKind) -> Result<RefList, InvalidParameter> {
    let search = RefSearchText::read(query.get_filled("search").unwrap_or_default());
    let (order, direction) = match kind {
        RefKind::Branch => {
            let choices = [
                ("name_asc", (RefOrder::Name, Direction::Ascending)),
                ("name_desc", (RefOrder::Name, Direction::Descending)),
                ("updated_asc", (RefOrder::Updated, Direction::Ascending)),
                ("updated_desc", (RefOrder::Updated, Direction::Descending)),
            ];
            query.choice_of("sort", &choices)?.unwrap_or((RefOrder::Name, Direction::Ascending))
        }
        RefKind::Tag => {
            let choices =
                [("name", RefOrder::Name), ("updated", RefOrder::Updated), ("version", RefOrder::Name)];
            (query.choice_of("order_by", &choices)?.unwrap_or(RefOrder::Updated), sort(query)?)
        }
    };
    Ok(RefList { kind, search, order, direction })
}

/// `GET /projects/:id/repository/branches` and `/tags`
pub(super) async fn refs(
    ctx: &RequestContext,
    project: ProjectRef,
    kind: RefKind,
) -> Result<HttpResponse, ApiError> {
    let (list, page) = (ref_list(&ctx.query, kind)?, page(&ctx.query)?);
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let found = ctx.access().refs(&principal, project, list, page.slice()).await?;
    let ListedRefs { refs, default_branch } = found;
    let mut response = HttpResponse::Ok();
    page.write_headers(&mut response, refs.total, &ctx.url(), ctx.request.query_string());
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path: &refs.project_path, now: ctx.now };
    let heads = refs.items.into_iter();
    Ok(match kind {
        RefKind::Branch => {
            let branch = |head| Branch::new(head, default_branch.as_deref(), &json_ctx);
            response.json(heads.map(branch).collect::<Vec<_>>())
        }
        RefKind::Tag => response.json(heads.map(|head| Tag::new(head, &json_ctx)).collect::<Vec<_>>()),
    })
}

/// `GET /projects/:id/repository/branches/:name` and `/tags/:name`
pub(super) async fn one_ref(
    ctx: &RequestContext,
    project: ProjectRef,
    kind: RefKind,
    name: String,
) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let found = ctx.access().named_ref(&principal, project, kind, name).await?;
    let (head, default_branch, path): (Head, _, _) = found;
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path: &path, now: ctx.now };
    Ok(match kind {
        RefKind::Branch => HttpResponse::Ok().json(Branch::new(head, default_branch.as_deref(), &json_ctx)),
        RefKind::Tag => HttpResponse::Ok().json(Tag::new(head, &json_ctx)),
    })
}

/// `GET /projects/:id/repository/commits`: those on which pipelines of `ref_name` or the default branch ran,
/// the latest run first. As in GitLab, they are not counted.
pub(super) async fn commits(ctx: &RequestContext, project: ProjectRef) -> Result<HttpResponse, ApiError> {
    let page = page(&ctx.query)?;
    check_offset_limit(page, "Commit")?;
    let ref_name = ctx.query.get_filled("ref_name").map(str::to_owned);
    let all = ctx.query.flag("all")?;
    let log = Log { ref_name, since: ctx.query.time("since")?, until: ctx.query.time("until")? };
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let found = ctx.access().commits(&principal, project, (log, all), page.slice()).await?;
    let mut response = HttpResponse::Ok();
    page.write_headers(&mut response, found.total, &ctx.url(), ctx.request.query_string());
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path: &found.project_path, now: ctx.now };
    let shown = found.items.into_iter().map(|revision| RepositoryCommit::new(revision, &json_ctx));
    Ok(response.json(shown.collect::<Vec<_>>()))
}

/// `GET /projects/:id/repository/commits/:sha`: by ID, by its beginning, or by the name of a ref.
pub(super) async fn commit(
    ctx: &RequestContext,
    project: ProjectRef,
    name: String,
) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let (revision, path) = ctx.access().commit(&principal, project, name).await?;
    let base_url = ctx.base_url();
    let json_ctx = JsonContext { base_url: &base_url, project_path: &path, now: ctx.now };
    Ok(HttpResponse::Ok().json(SingleCommit::new(revision, &json_ctx)))
}
