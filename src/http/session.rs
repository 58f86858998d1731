//! Session of a person: the cookie that a browser sends, opened for pages, and for nothing else.
//!
//! No API takes a session: a dialect that never asks for one here cannot be used by a page of another site.

use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage, HttpRequest};

use crate::access::{EndedSession, SessionLookup};
use crate::auth::sessions::{OpenSession, SessionEnd, SessionSecret};
use crate::catalog::sessions::LONGEST_MILLIS;
use crate::http::audit;
use crate::http::context::RequestContext;
use crate::http::cookies::SESSION;
use crate::http::error::RequestError;
use crate::http::query::Query;

/// How long a browser keeps the cookie of a session, in seconds.
pub const COOKIE_SECONDS: u64 = LONGEST_MILLIS.unsigned_abs() / 1000;

const SEC_FETCH_MODE: &str = "sec-fetch-mode";
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Query parameters and headers that hold tokens.
const PARAMETERS: &[&str] =
    &["private_token", "access_token", "bearer_token", "job_token", "token", "oauth_token"];
const HEADERS: &[&str] = &["PRIVATE-TOKEN", "JOB-TOKEN", "DEPLOY-TOKEN", "Authorization"];

/// Who a browser's request is by.
#[derive(Debug)]
pub enum Visitor {
    /// By somebody who is not signed in, or by an API's client with a token.
    Unknown,
    /// By who is signed in with this session.
    Person(Arc<OpenSession>),
    /// By who was signed in: the cookie is of no use any more.
    SignedOut,
}

/// Finds who a browser's request is by, and notes a session for the credentials of the request. A request with a token
/// is its owner's, whatever the cookie.
///
/// # Errors
/// Those of the catalog; `Unavailable` if an upstream is needed and does not answer.
pub async fn admit(ctx: &RequestContext) -> Result<Visitor, RequestError> {
    let headers = ctx.request.headers();
    if carries_token(headers, ctx.request.query_string()) || !is_of_own_page(headers) {
        return Ok(Visitor::Unknown);
    }
    let Some(value) = SESSION.read(headers, &ctx.base_url()) else { return Ok(Visitor::Unknown) };
    let Some(secret) = SessionSecret::parse(&value) else { return Ok(Visitor::SignedOut) };
    match ctx.access().open_session(&secret, ctx.client_ip(), ctx.now).await? {
        SessionLookup::None => Ok(Visitor::SignedOut),
        SessionLookup::Ended(EndedSession { id, who, why }) => {
            audit::log_end_of_session(&ctx.request, id, who, why.reason());
            Ok(Visitor::SignedOut)
        }
        SessionLookup::Open(session) => {
            session.note(&ctx.audit);
            let _ = ctx.session.set(Arc::clone(&session));
            ctx.request.extensions_mut().insert(SignedIn);
            Ok(Visitor::Person(session))
        }
    }
}

/// Ends a session whose token the upstream has refused.
///
/// # Errors
/// Those of the catalog.
pub async fn end(ctx: &RequestContext, session: &OpenSession) -> Result<(), RequestError> {
    {
        let mut noted = ctx.request.extensions_mut();
        noted.remove::<SignedIn>();
        noted.insert(PerhapsForOthers);
    }
    if ctx.access().end_session(session).await? {
        let who = ctx.audit.inspect(|event| event.who.clone());
        let why = SessionEnd::TokenRefused.reason();
        audit::log_end_of_session(&ctx.request, session.id, who, why);
    }
    Ok(())
}

/// Marks a request of who is signed in.
struct SignedIn;

/// Marks a request for something that is not there, or for others.
struct PerhapsForOthers;

/// Notes that what is asked for is not there, or not for who asks, and that nobody is to learn which.
pub fn is_perhaps_for_others(request: &HttpRequest) {
    request.extensions_mut().insert(PerhapsForOthers);
}

/// Whether a person who is not signed in is to be asked for it: what is asked for may be for others.
pub fn asks_to_sign_in(request: &HttpRequest) -> bool {
    let is_for_others = {
        let noted = request.extensions();
        noted.contains::<PerhapsForOthers>() && !noted.contains::<SignedIn>()
    };
    is_for_others && !carries_token(request.headers(), request.query_string())
}

/// Whether a request brings a token, so that it is for an API's client and not for a person.
pub fn carries_token(headers: &HeaderMap, query: &str) -> bool {
    let is_there =
        |name: &&str| headers.get_all(*name).any(|value| !value.as_bytes().trim_ascii().is_empty());
    if HEADERS.iter().any(is_there) {
        return true;
    }
    if !query.contains("token") {
        return false;
    }
    let query = Query::parse(query);
    PARAMETERS.iter().any(|name| query.get_filled(name).is_some() || query.has_list(name))
}

/// Whether a person opens the address, or one of our own pages loads it: what another site loads is not for who is
/// signed in.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).map(|value| value.as_bytes());
    match says(SEC_FETCH_SITE) {
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => says(SEC_FETCH_MODE) == Some(b"navigate"),
    }
}
