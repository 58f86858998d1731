//! ID token of a request: found in whatever place a credential may have, and verified before anything else is done.
//!
//! It stands for one job, so the dialects admit it to very few routes. One that is not accepted is refused on every
//! route, as if nothing else had been sent.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::SecretString;

use crate::auth::{AuthError, CredentialError, IdTokens, RuntimeToken, Unreadable, VouchedJob};
use crate::domain::{Error, ErrorKind};
use crate::http::context::RequestContext;
use crate::http::error::RequestError;
use crate::http::query::Query;

/// Headers that may hold a token, besides `Authorization`.
const HEADERS: &[&str] = &["JOB-TOKEN", "PRIVATE-TOKEN", "DEPLOY-TOKEN"];

/// Query parameters that may hold a token.
const PARAMETERS: &[&str] =
    &["token", "job_token", "private_token", "access_token", "bearer_token", "oauth_token"];

/// Finds the job for which the request has an ID token; `None` if it has none.
///
/// # Errors
/// [`RequestError::Credential`] for a token that is not accepted; `Unavailable` if that cannot be known now.
pub async fn find(ctx: &RequestContext) -> Result<Option<Arc<VouchedJob>>, RequestError> {
    let Some(text) = shown(ctx.request.headers(), &ctx.query)? else { return Ok(None) };
    let token = SecretString::from(text);
    // The dialects that make such tokens themselves verify them.
    if RuntimeToken::is_ours(&ctx.app.keys, &token).await? {
        return Ok(None);
    }
    verify(ctx, &token).await.map(Some)
}

/// Verifies an ID token. What its issuer tells with it of a project that is hidden shows that again.
///
/// # Errors
/// As [`find`].
pub async fn verify(ctx: &RequestContext, token: &SecretString) -> Result<Arc<VouchedJob>, RequestError> {
    ctx.audit.set_credential("id_token");
    match ctx.app.id_tokens.verify(token, ctx.now).await {
        Ok(job) => {
            ctx.access().show_vouched(&job).await?;
            Ok(Arc::new(job))
        }
        Err(AuthError::Refused(why)) => Err(why.into()),
        Err(AuthError::Catalog(error)) => Err(error.into()),
    }
}

/// Returns the refusal of an ID token where none is of use.
pub fn of_no_use() -> RequestError {
    let text = "an ID token is only for its job's uploads and for dependencies in its project";
    Error::new(ErrorKind::Forbidden, text).into()
}

/// Finds the text of an ID token, which must be the same in all places.
fn shown(headers: &HeaderMap, query: &Query) -> Result<Option<String>, CredentialError> {
    let mut found: Option<String> = None;
    let in_headers =
        HEADERS.iter().flat_map(|name| headers.get_all(*name)).map(|value| value.as_bytes().to_vec());
    let authorization = headers.get_all(AUTHORIZATION).filter_map(|value| in_authorization(value.as_bytes()));
    let in_query = PARAMETERS.iter().flat_map(|name| query.all(name)).map(|value| value.as_bytes().to_vec());
    for bytes in in_headers.chain(authorization).chain(in_query) {
        let Ok(text) = std::str::from_utf8(bytes.trim_ascii()) else { continue };
        if !IdTokens::has_form(text) {
            continue;
        }
        if found.as_deref().is_some_and(|known| known != text) {
            return Err(CredentialError::Unreadable(Unreadable::Several("ID token")));
        }
        found = Some(text.to_owned());
    }
    Ok(found)
}

/// Returns what follows the scheme; of `Basic` the password.
fn in_authorization(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    let Some(end) = value.iter().position(|byte| *byte == b' ') else { return Some(value.to_vec()) };
    let rest = value[end..].trim_ascii_start();
    if value[..end].eq_ignore_ascii_case(b"basic") {
        let pair = BASE64_STANDARD.decode(rest).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        return Some(pair[colon + 1..].to_vec());
    }
    Some(rest.to_vec())
}
