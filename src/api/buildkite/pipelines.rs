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
    let total = (page, Total::Known(names.len()));
    answer::list(ctx, Scope::ReadOrganizations, total, 0, move || items).await
}

/// `GET /v2/organizations/:organization`
pub(super) async fn organization(ctx: &RequestContext, name: String) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadOrganizations);
    ctx.access().pipelines_of_organization(&principal, name.clone(), None, 0..0).await?;
    let json = OrganizationJson::new(&name, &Shown::of(ctx));
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadOrganizations), &json)
}

/// `GET /v2/organizations/:organization/pipelines`
pub(super) async fn list(ctx: &RequestContext, organization: String) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadPipelines);
    let page = answer::page(ctx);
    let found = ctx.access().pipelines_of_organization(&principal, organization, None, page.range());
    let (found, total) = found.await?;
    let shown = Shown::of(ctx);
    let items: Vec<PipelineJson> = found.iter().map(|it| PipelineJson::listed(it, &shown)).collect();
    answer::list(ctx, Scope::ReadPipelines, (page, Total::Known(total)), 0, move || items).await
}

/// `GET /v2/organizations/:organization/pipelines/:pipeline`
pub(super) async fn one(ctx: &RequestContext, slugs: Slugs) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadPipelines);
    let Slugs { organization, pipeline } = slugs;
    let found = ctx.access().pipelines_of_organization(&principal, organization, Some(pipeline), 0..1);
    let found = found.await?.0.pop().ok_or(ApiError::missing("pipeline"))?;
    let json = PipelineJson::listed(&found, &Shown::of(ctx));
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadPipelines), &json)
}
