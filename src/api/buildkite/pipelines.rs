//! Organizations and pipelines, as far as clients of builds ask for them.

use actix_web::HttpResponse;

use super::answer;
use super::credentials::reader;
use super::error::ApiError;
use super::json::build::Shown;
use super::json::pipeline::{OrganizationJson, PipelineJson};
use crate::access::Total;
use crate::domain::build::Slugs;
use crate::domain::scope::Scope;
use crate::http::context::RequestContext;

/// `GET /v2/organizations`
pub(super) async fn organizations(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let names = ctx.access().organizations(&reader(ctx, Scope::ReadOrganizations)).await?;
    let shown = Shown::of(ctx);
    let page = answer::page(ctx);
    let some = names.iter().skip(page.range().start).take(page.size);
    let items: Vec<OrganizationJson> = some.map(|name| OrganizationJson::new(name, &shown)).collect();
    answer::list(ctx, Scope::ReadOrganizations, &items, page, Total::Known(names.len()))
}

/// `GET /v2/organizations/:organization`
pub(super) async fn organization(ctx: &RequestContext, name: String) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadOrganizations);
    ctx.access().pipelines_of_organization(&principal, name.clone()).await?;
    let json = OrganizationJson::new(&name, &Shown::of(ctx));
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadOrganizations), &json)
}

/// `GET /v2/organizations/:organization/pipelines`
pub(super) async fn list(ctx: &RequestContext, organization: String) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadPipelines);
    let found = ctx.access().pipelines_of_organization(&principal, organization).await?;
    let shown = Shown::of(ctx);
    let page = answer::page(ctx);
    let some = found.iter().skip(page.range().start).take(page.size);
    let items: Vec<PipelineJson> = some.map(|it| PipelineJson::listed(it, &shown)).collect();
    answer::list(ctx, Scope::ReadPipelines, &items, page, Total::Known(found.len()))
}

/// `GET /v2/organizations/:organization/pipelines/:pipeline`
pub(super) async fn one(ctx: &RequestContext, slugs: Slugs) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadPipelines);
    let found = ctx.access().pipelines_of_organization(&principal, slugs.organization).await?;
    let found = found.into_iter().find(|it| it.slugs.pipeline == slugs.pipeline);
    let found = found.ok_or(ApiError::missing("pipeline"))?;
    let json = PipelineJson::listed(&found, &Shown::of(ctx));
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadPipelines), &json)
}
