//! Who asks, and whom they ask: many clients begin with one of these. A job's token is no credential
//! here, as GitLab has it.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use secrecy::ExposeSecret;

use crate::api::gitlab::call::Call;
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{Guests, identify};
use crate::api::gitlab::json::{CurrentUser, Metadata, PersonalToken, Version};
use crate::auth::{Actor, Refusal};
use crate::catalog::{details, tokens};
use crate::domain::Sha256Digest;
use crate::domain::user::Scope;

/// What a token must be good for to ask who one is.
const USER_SCOPES: &[&str] = &["api", "read_api", "read_user"];

/// Any token may ask about itself.
static ANY_SCOPE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| Scope::ALL.iter().map(|scope| scope.as_str()).collect());

/// `GET /user`
pub(super) async fn user(call: &Call) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let user = call
        .read(move |db| {
            let Actor::User(user) = identify(db, &credentials, Guests::None, USER_SCOPES, now)? else {
                return Err(Failure::Token(Refusal::Unknown));
            };
            details::user(db, user.id)?.ok_or(Failure::Token(Refusal::Unknown))
        })
        .await?;
    Ok(HttpResponse::Ok().json(CurrentUser::new(user, &call.base_url())))
}

/// `GET /personal_access_tokens/self`
pub(super) async fn token(call: &Call) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let (token, user_id) = call
        .read(move |db| {
            identify(db, &credentials, Guests::None, &ANY_SCOPE, now)?;
            let shown =
                credentials.personal.or(credentials.bearer).ok_or(Failure::Token(Refusal::Missing))?;
            let digest = Sha256Digest::of(shown.token().map_err(Failure::Token)?.expose_secret().as_bytes());
            tokens::details(db, digest)?.ok_or(Failure::Token(Refusal::Unknown))
        })
        .await?;
    Ok(HttpResponse::Ok().json(PersonalToken::new(token, user_id)))
}

/// `GET /version`
pub(super) async fn version(call: &Call) -> Result<HttpResponse, Failure> {
    need_user(call).await?;
    Ok(HttpResponse::Ok().json(Version::ours()))
}

/// `GET /metadata`
pub(super) async fn metadata(call: &Call) -> Result<HttpResponse, Failure> {
    need_user(call).await?;
    Ok(HttpResponse::Ok().json(Metadata::ours()))
}

async fn need_user(call: &Call) -> Result<(), Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    call.read(move |db| identify(db, &credentials, Guests::None, USER_SCOPES, now).map(drop)).await
}
