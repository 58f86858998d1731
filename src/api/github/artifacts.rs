//! Artifacts: lists of a repository or a run, one artifact, its download and its deletion.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;

use super::credentials::{reader, writer};
use super::error::ApiError;
use super::json::{ArtifactJson, ArtifactListJson};
use super::routes::Repository;
use crate::access::Total;
use crate::auth::signed_links::Purpose;
use crate::catalog::artifacts::NamedArtifacts;
use crate::catalog::slice::{COUNT_LIMIT, Direction};
use crate::domain::artifact::Availability;
use crate::http::context::RequestContext;
use crate::http::download::redirect;
use crate::http::pagination::{BadNumbers, Page, PageHeaders, PageRules};
use crate::http::representation::{self, Representation};

/// How GitHub paginates its lists.
pub(super) const PAGE_RULES: PageRules = PageRules {
    default_size: 30,
    max_size: 100,
    bad_numbers: BadNumbers::Ignored,
    headers: PageHeaders::Link,
};

/// `GET /repos/:owner/:repo/actions/artifacts` and `GET …/actions/runs/:run_id/artifacts`
pub(super) async fn list(
    ctx: &RequestContext,
    repository: &Repository,
    run_id: Option<i64>,
) -> Result<HttpResponse, ApiError> {
    let page = page(ctx);
    let list = NamedArtifacts {
        pipeline_id: run_id,
        name: ctx.query.get_filled("name").map(str::to_owned),
        ..NamedArtifacts::default()
    };
    // Only the list of a run knows the parameter.
    let ascending = run_id.is_some() && ctx.query.get("direction") == Some("asc");
    let direction = if ascending { Direction::Ascending } else { Direction::Descending };
    let principal = reader(ctx);
    let project = repository.project.clone();
    let listed = ctx.access().named_artifacts(&principal, project, list, direction, page.slice()).await?;
    let url = repository.url(ctx);
    let artifacts = listed.items.iter().map(|item| ArtifactJson::new(item, &url)).collect();
    let body = ArtifactListJson { total_count: count(listed.total, &page), artifacts };
    respond(ctx, &body, Some((page, listed.total)))
}

/// `GET /repos/:owner/:repo/actions/artifacts/:artifact_id`
pub(super) async fn one(
    ctx: &RequestContext,
    repository: &Repository,
    id: i64,
) -> Result<HttpResponse, ApiError> {
    let listed = ctx.access().named_artifact(&reader(ctx), repository.project.clone(), id).await?;
    respond(ctx, &ArtifactJson::new(&listed, &repository.url(ctx)), None)
}

/// `GET /repos/:owner/:repo/actions/artifacts/:artifact_id/zip`: redirects to a link that needs no credential.
pub(super) async fn download(
    ctx: &RequestContext,
    repository: &Repository,
    id: i64,
) -> Result<HttpResponse, ApiError> {
    let listed = ctx.access().named_artifact(&reader(ctx), repository.project.clone(), id).await?;
    if listed.availability == Availability::Expired {
        return Err(ApiError::Expired);
    }
    let uuid = listed.named.artifact.uuid;
    let url = ctx.signed_url(Purpose::Download, uuid, ctx.app.settings.download_lifetime).await?;
    Ok(redirect(&url))
}

/// `DELETE /repos/:owner/:repo/actions/artifacts/:artifact_id`
pub(super) async fn delete(
    ctx: &RequestContext,
    repository: &Repository,
    id: i64,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("artifact.delete");
    ctx.access().delete_named_artifact(&writer(ctx), repository.project.clone(), id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The page that a request asks for.
pub(super) fn page(ctx: &RequestContext) -> Page {
    // The rules ignore bad numbers, so there is no error.
    Page::from_query(&ctx.query, &PAGE_RULES).unwrap_or_else(|_| unreachable!())
}

/// The total that a body states; of a list that is too long to be counted, one more than is counted and than is shown
/// so far.
pub(super) fn count(total: Total, page: &Page) -> usize {
    match total {
        Total::Known(total) => total,
        Total::Unknown { .. } => page.range().end.max(usize::try_from(COUNT_LIMIT).unwrap_or(0)) + 1,
    }
}

/// Answers with JSON and the headers of every answer; 304 if the client has it.
pub(super) fn respond(
    ctx: &RequestContext,
    body: &impl Serialize,
    listed: Option<(Page, Total)>,
) -> Result<HttpResponse, ApiError> {
    let body = Representation::of(serde_json::to_vec(body).map_err(crate::domain::Error::internal)?);
    Ok(representation::answer(ctx, HttpResponse::Ok(), body, |response| {
        response
            .insert_header((header::CACHE_CONTROL, "private, max-age=0, must-revalidate"))
            .insert_header((header::VARY, "Accept, Authorization"))
            .insert_header(("X-GitHub-Media-Type", "github.v3; format=json"))
            .insert_header(("X-GitHub-Api-Version-Selected", "2022-11-28"));
        if let Some((page, total)) = listed {
            page.write_headers(response, total, &ctx.url(), ctx.request.query_string());
        }
    }))
}
