//! Where GitHub's clients put their tokens: `Authorization` as `Bearer`, `token` or `Basic`; and, harmlessly, where
//! GitLab's put theirs.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::ApiError;
use crate::access::{AcceptedCredentials, Principal};
use crate::auth::{Credential, Credentials, Shown, Unreadable};
use crate::domain::scope::Scopes;
use crate::http::context::RequestContext;
use crate::http::credentials::{Authorization, shown};

/// The principal of a request that reads.
pub(super) fn reader(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::Any, Scopes::READ)
}

/// The principal of a request that deletes; a job token is authenticated, and then refused.
pub(super) fn writer(ctx: &RequestContext) -> Principal {
    ctx.principal(read(ctx), AcceptedCredentials::UserOrJob, Scopes::WRITE)
}

/// Refuses a malformed version of the API; every well-formed one is answered like the default.
pub(super) fn check_version(ctx: &RequestContext) -> Result<(), ApiError> {
    let Some(version) = ctx.request.headers().get("x-github-api-version") else { return Ok(()) };
    let is_date = version.to_str().is_ok_and(|text| {
        let bytes = text.as_bytes();
        bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    });
    if is_date {
        Ok(())
    } else {
        Err(ApiError::BadRequest("X-GitHub-Api-Version: expected a date such as 2022-11-28".into()))
    }
}

fn read(ctx: &RequestContext) -> Credentials {
    let headers = ctx.request.headers();
    let authorization = authorization(headers);
    let list = [
        authorization,
        shown(headers, "PRIVATE-TOKEN").map(Credential::Personal),
        shown(headers, "JOB-TOKEN").map(Credential::Job),
    ];
    Credentials {
        list: list.into_iter().flatten().collect(),
        audit: ctx.audit.clone(),
        ..Credentials::default()
    }
}

/// Reads the header in any of the three schemes. Of several lines the shared reading of `Bearer` decides.
pub(super) fn authorization(headers: &HeaderMap) -> Option<Credential> {
    let mut lines = headers.get_all(AUTHORIZATION);
    if let (Some(line), None) = (lines.next(), lines.next())
        && let Some(token) = other_scheme(line.as_bytes())
    {
        return match token {
            Ok(token) if token.is_empty() => None,
            Ok(token) => Some(Credential::PersonalOrJob(Shown::Token(token.into()))),
            Err(why) => Some(Credential::Unreadable(why)),
        };
    }
    let Authorization { bearer, other } = Authorization::read(headers);
    bearer.map(Credential::PersonalOrJob).or_else(|| other.map(Credential::Unreadable))
}

/// Reads `token TOKEN` and `Basic USER:TOKEN`; `None` for any other scheme.
fn other_scheme(line: &[u8]) -> Option<Result<String, Unreadable>> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    let is_visible = |text: &str| text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    if scheme.eq_ignore_ascii_case("token") {
        return Some(if is_visible(rest) {
            Ok(rest.to_owned())
        } else {
            Err(Unreadable::Bytes("Authorization"))
        });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let password = decoded.as_deref().and_then(|pair| pair.split_once(':')).map(|(_, password)| password);
    Some(match password {
        Some(password) if is_visible(password) => Ok(password.to_owned()),
        _ => Err(Unreadable::Scheme(Some("Basic"))),
    })
}
