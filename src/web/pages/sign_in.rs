//! Sign-in with a personal token, and sign-out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, SET_COOKIE};
use askama::Template;

use crate::access::{AcceptedCredentials, AccessError};
use crate::auth::sessions::SessionSecret;
use crate::auth::{Credential, CredentialError, Credentials, Shown, Unreadable};
use crate::domain::Error;
use crate::domain::scope::Scopes;
use crate::http::body::RequestBody;
use crate::http::cookies::SESSION;
use crate::http::error::{RequestError, with_reason};
use crate::http::query::Query;
use crate::http::session::COOKIE_SECONDS;
use crate::web::error::PageError;
use crate::web::headers;
use crate::web::layout::{Layout, page_with_status};
use crate::web::return_address;
use crate::web::visit::Visit;

/// Longest form, in bytes.
const MAX_FORM_BYTES: u64 = 16 * 1024;

/// Takes back what a browser has stored of the pages. It holds for the whole host, so it leaves the cookies alone, which
/// may be those of others below the same name.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// What a token that is not accepted is told, whatever it lacks: nobody is to learn which tokens there are.
const REFUSED: &str = "This token is not valid here. It may be mistyped, expired or revoked, or it has none of the scopes below.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    layout: Layout,
    /// Where the person will land.
    to: String,
    /// Why the person is not signed in.
    refused: Option<&'static str>,
    /// Whether a session has just ended.
    has_ended: bool,
    /// The address that begins a sign-in at the upstream.
    upstream: Option<String>,
}

/// `GET /-/sign_in`
pub(in crate::web) async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let to = return_address::checked(visit.query("to").unwrap_or_default(), &visit.root);
    form(visit, StatusCode::OK, to, None)
}

fn form(
    visit: &Visit<'_>,
    status: StatusCode,
    to: String,
    refused: Option<&'static str>,
) -> Result<HttpResponse, PageError> {
    let has_upstream = visit.ctx.app.sign_in.is_some();
    let template = SignInPage {
        layout: visit.layout("Sign in", Vec::new()),
        upstream: has_upstream.then(|| return_address::of_upstream(&visit.root, &to)),
        to,
        refused,
        has_ended: visit.query("ended").is_some(),
    };
    let mut answer = page_with_status(visit, status, &template)?;
    // What the person wanted to see may be a report, which has another host.
    if let Some(url) = &visit.ctx.app.settings.reports_url {
        let policy = headers::policy_with_forms_to(&url.source());
        let policy = HeaderValue::from_str(&policy).map_err(Error::internal)?;
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(answer)
}

/// `POST /-/sign_in`
pub(in crate::web) async fn receive(
    visit: &Visit<'_>,
    mut body: RequestBody,
) -> Result<HttpResponse, PageError> {
    let text = body.read_whole(MAX_FORM_BYTES).await?;
    let fields = Query::parse(&String::from_utf8_lossy(&text));
    let to = return_address::checked(fields.get("to").unwrap_or_default(), &visit.root);
    let token = fields.get("token").unwrap_or_default().trim();
    if token.is_empty() {
        return form(visit, StatusCode::UNPROCESSABLE_ENTITY, to, Some("Paste a personal token."));
    }
    let ctx = visit.ctx;
    let credentials = Credentials { list: vec![shown(token)], ..ctx.bare_credentials() };
    let principal = ctx.principal(credentials, AcceptedCredentials::UserOnly, Scopes::READ);
    match visit.access().sign_in(&principal, ctx.client_ip()).await {
        Ok(secret) => begin(visit, &secret, &to).await,
        Err(AccessError::Credential(why)) => refuse(visit, why, to),
        Err(error) => Err(error.into()),
    }
}

/// Returns a personal token as a credential.
fn shown(token: &str) -> Credential {
    let is_text = token.bytes().all(|byte| byte.is_ascii_graphic());
    Credential::PersonalOrJob(if is_text {
        Shown::Token(token.into())
    } else {
        Shown::Unreadable(Unreadable::Bytes("token"))
    })
}

fn refuse(visit: &Visit<'_>, why: CredentialError, to: String) -> Result<HttpResponse, PageError> {
    match visit.ctx.limit_failures(RequestError::Credential(why), why.is_failure()) {
        RequestError::Credential(why) => {
            let answer = form(visit, StatusCode::UNPROCESSABLE_ENTITY, to, Some(REFUSED))?;
            Ok(with_reason(why.reason(), answer))
        }
        limited => Err(PageError::Request(limited)),
    }
}

/// Gives the browser the secret of a new session, and sends the person on. A session that it had ends: what somebody else
/// may have planted there is worth nothing.
pub(super) async fn begin(
    visit: &Visit<'_>,
    secret: &SessionSecret,
    to: &str,
) -> Result<HttpResponse, PageError> {
    if let Some(earlier) = visit.ctx.session.get() {
        visit.access().end_session(earlier).await?;
    }
    let base_url = visit.ctx.base_url();
    if !base_url.starts_with("https://") && !is_loopback(&base_url) {
        tracing::warn!("somebody has signed in over plain HTTP: whoever is on the way can take the session");
    }
    let cookie = SESSION.set(&base_url, secret.expose(), COOKIE_SECONDS).map_err(Error::internal)?;
    let mut answer = visit.see_other(to)?;
    answer.headers_mut().append(SET_COOKIE, cookie);
    Ok(answer)
}

/// Whether a base URL leads to the machine itself.
fn is_loopback(base_url: &str) -> bool {
    let host = base_url.trim_start_matches("http://");
    ["127.", "localhost", "[::1]"].iter().any(|name| host.starts_with(name))
}

/// `POST /-/sign_out`
pub(in crate::web) async fn sign_out(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    if let Some(session) = visit.ctx.session.get() {
        visit.access().end_session(session).await?;
        visit.ctx.audit.update(|event| event.subject = Some(format!("session {}", session.id)));
    }
    let mut answer = visit.see_other(&format!("{}/", visit.root))?;
    let headers = answer.headers_mut();
    headers.append(SET_COOKIE, SESSION.clear(&visit.ctx.base_url()));
    headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    Ok(answer)
}
