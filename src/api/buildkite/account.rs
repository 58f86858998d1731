//! The caller's account: its user and its token.

use actix_web::HttpResponse;
use serde_json::json;

use super::answer;
use super::credentials::anybody;
use super::error::ApiError;
use super::json::user::UserJson;
use crate::domain::Timestamp;
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;

/// `GET /v2/user`
pub(super) async fn user(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let user = ctx.access().current_user(&anybody(ctx)).await?;
    answer::json(ctx, HttpResponse::Ok(), None, &UserJson::new(&user))
}

/// `GET /v2/access-token`
pub(super) async fn access_token(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let principal = anybody(ctx);
    let user = ctx.access().current_user(&principal).await?;
    let (token, _) = ctx.access().current_token(&principal).await?;
    let scopes: Vec<&str> = Scopes::parse_known(&token.scopes).iter().map(|scope| scope.as_str()).collect();
    let body = json!({
        // A token has no UUID of its own; this is the same whenever it is asked for.
        "uuid": user.uuid.within(&format!("token {}", token.id)).to_string(),
        "scopes": scopes,
        "description": token.name,
        "created_at": in_words(token.created_at),
        "expires_at": token.expires_at.map(in_words),
        "user": { "name": user.name, "email": user.email },
    });
    answer::json(ctx, HttpResponse::Ok(), None, &body)
}

/// The one form of time that this route has, such as `2025-07-16 06:07:42 UTC`.
fn in_words(time: Timestamp) -> String {
    let text = time.to_string();
    match text.get(..19) {
        Some(seconds) => format!("{} UTC", seconds.replacen('T', " ", 1)),
        None => text,
    }
}
