//! Account: the current user and token, and the server's version. Many clients begin with one of these.
//!
//! As in GitLab, a job token is no credential here.

use actix_web::HttpResponse;

use crate::api::gitlab::credentials;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::json::{CurrentUser, Metadata, PersonalAccessToken, Version};
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;

/// `GET /user`
pub(super) async fn user(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let user = ctx.access().current_user(&credentials::user(ctx, Scopes::READ_USER)).await?;
    Ok(HttpResponse::Ok().json(CurrentUser::new(user, &ctx.base_url())))
}

/// `GET /personal_access_tokens/self`
pub(super) async fn token(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let (token, user_id) = ctx.access().current_token(&credentials::user(ctx, Scopes::ALL)).await?;
    Ok(HttpResponse::Ok().json(PersonalAccessToken::new(token, user_id)))
}

/// `GET /version`
pub(super) async fn version(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    require_user(ctx).await?;
    Ok(HttpResponse::Ok().json(Version::ours()))
}

/// `GET /metadata`
pub(super) async fn metadata(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    require_user(ctx).await?;
    Ok(HttpResponse::Ok().json(Metadata::ours()))
}

async fn require_user(ctx: &RequestContext) -> Result<(), ApiError> {
    ctx.access().authenticate(&credentials::user(ctx, Scopes::READ_USER)).await?;
    Ok(())
}
