//! Request of this dialect: its principal, the media type of its body, and the ID in its path.

use actix_web::http::header::CONTENT_ENCODING;

use crate::access::{AcceptedCredentials, Principal};
use crate::api::registry::error::ApiError;
use crate::auth::{Credential, CredentialError, Credentials, Shown};
use crate::domain::scope::Scopes;
use crate::domain::{Error, ErrorKind};
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, shown, text};

/// Returns the principal, if the registry admits it. Without a credential, nothing else is read.
pub(super) async fn admit(ctx: &RequestContext) -> Result<Principal, ApiError> {
    let principal = principal(ctx, None)?;
    ctx.app.registry.admit(&principal).await?;
    Ok(principal)
}

/// Returns the principal by the credentials of the registry, and by a job's token where one is accepted.
pub(super) fn principal(ctx: &RequestContext, job: Option<Shown>) -> Result<Principal, ApiError> {
    let headers = ctx.request.headers();
    let Authorization { bearer, other } = Authorization::read(headers);
    let list = [
        job.map(Credential::Job),
        shown(headers, "PRIVATE-TOKEN").map(Credential::Personal),
        bearer.map(Credential::PersonalOrJob),
        other.map(Credential::Unreadable),
    ];
    let list: Vec<Credential> = list.into_iter().flatten().collect();
    if list.is_empty() {
        return Err(CredentialError::Missing.into());
    }
    let credentials = Credentials { list, audit: ctx.audit.clone(), ..Credentials::default() };
    Ok(ctx.principal(credentials, AcceptedCredentials::UserOnly, Scopes::REGISTRY))
}

/// Returns the media type of the body in lower case, without parameters; `None` if there is none.
pub(super) fn media_type(ctx: &RequestContext) -> Result<Option<String>, ApiError> {
    let unsupported = |what: &str| Error::new(ErrorKind::UnsupportedMedia, what.to_owned());
    let headers = ctx.request.headers();
    if text(headers, CONTENT_ENCODING.as_str()).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("Content-Encoding: not supported, send the body uncompressed").into());
    }
    match headers.get("content-type") {
        None => Ok(None),
        Some(value) => {
            let value = value.to_str().map_err(|_| unsupported("Content-Type: not valid text"))?;
            let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            Ok(Some(essence).filter(|essence| !essence.is_empty()))
        }
    }
}

/// Parses the ID in a path.
pub(super) fn id(text: &str) -> Result<i64, ApiError> {
    let id = if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
    id.filter(|id| *id > 0).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, format!("id: expected a number from 1 to {}", i64::MAX)).into()
    })
}
