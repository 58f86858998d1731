//! Sign-in at the upstream: the way there, and the way back.

use actix_web::HttpResponse;
use actix_web::http::header::{LOCATION, SET_COOKIE};
use secrecy::SecretString;

use super::sign_in::begin as begin_session;
use crate::auth::CredentialError;
use crate::auth::oidc::sign_in::{FLOW_SECONDS, Flow, SignIn, SignInError};
use crate::domain::Error;
use crate::http::cookies::SIGN_IN;
use crate::http::error::RequestError;
use crate::web::error::PageError;
use crate::web::visit::Visit;
use crate::web::{headers, return_address};

/// Longest code, in bytes.
const MAX_CODE_BYTES: usize = 1024;

/// Where the upstream sends the browser back to, below the base URL.
const CALLBACK: &str = "/-/auth/oidc/callback";

fn sign_in<'a>(visit: &'a Visit<'_>) -> Result<&'a SignIn, PageError> {
    visit.ctx.app.sign_in.as_ref().ok_or(PageError::NoPage)
}

fn redirect_uri(visit: &Visit<'_>) -> String {
    format!("{}{CALLBACK}", visit.ctx.base_url())
}

/// `GET /-/auth/oidc`
pub(in crate::web) async fn begin(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let sign_in = sign_in(visit)?;
    let to = return_address::checked(visit.query("to").unwrap_or_default(), &visit.root);
    let flow = Flow::begin(to, visit.now())?;
    let cookie = SIGN_IN.set(&visit.ctx.base_url(), &flow.expose(), FLOW_SECONDS);
    let mut answer = HttpResponse::Found();
    headers::describe(&mut answer, true);
    answer.insert_header((LOCATION, sign_in.address(&flow, &redirect_uri(visit))));
    let mut answer = answer.finish();
    answer.headers_mut().append(SET_COOKIE, cookie.map_err(Error::internal)?);
    Ok(answer)
}

/// `GET /-/auth/oidc/callback`
pub(in crate::web) async fn finish(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let sign_in = sign_in(visit)?;
    visit.ctx.audit.record();
    let mut answer = match signed_in(visit, sign_in).await {
        Ok(answer) => answer,
        Err(error) => crate::web::error::refuse(visit.ctx, error),
    };
    // The way was gone once, wherever it has led.
    answer.headers_mut().append(SET_COOKIE, SIGN_IN.clear(&visit.ctx.base_url()));
    Ok(answer)
}

async fn signed_in(visit: &Visit<'_>, sign_in: &SignIn) -> Result<HttpResponse, PageError> {
    let ctx = visit.ctx;
    let (query, now, client) = (|name| visit.query(name), visit.now(), ctx.client_ip());
    let refused = |text: &'static str, reason: String| PageError::NotSignedIn { text, reason };
    let flow = SIGN_IN.read(ctx.request.headers(), &ctx.base_url());
    let flow = flow.and_then(|text| Flow::parse(&text, now));
    let flow = flow.filter(|flow| query("state").is_some_and(|state| flow.has_state(state)));
    let Some(flow) = flow else {
        return Err(refused(
            "This sign-in was begun too long ago, or in another browser.",
            "state is not that of the browser".into(),
        ));
    };
    if query("error").is_some() {
        return Err(refused("GitLab has not signed you in.", "the upstream does not sign in".into()));
    }
    let code = query("code")
        .filter(|code| code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_graphic()));
    let Some(code) = code.map(SecretString::from) else {
        return Err(refused("GitLab has not signed you in.", "there is no code".into()));
    };
    // Codes that were made up cost the upstream a question each.
    if client.is_some_and(|client| ctx.app.failed_auth.is_reached(client, now)) {
        let unknown = RequestError::Credential(CredentialError::Unknown);
        return Err(PageError::Request(ctx.limit_failures(unknown, true)));
    }
    match sign_in.finish(&flow, (code, redirect_uri(visit)), client, now).await {
        Ok((person, tokens)) => {
            let secret = visit.access().sign_in_at_upstream(person, tokens, &ctx.audit, now).await?;
            let to = return_address::checked(&flow.to, &visit.root);
            begin_session(visit, &secret, &to).await
        }
        Err(SignInError::Other(error)) => Err(error.into()),
        Err(why) => {
            let unknown = RequestError::Credential(CredentialError::Unknown);
            match ctx.limit_failures(unknown, true) {
                RequestError::Credential(_) => Err(refused("GitLab has not signed you in.", why.reason())),
                limited => Err(PageError::Request(limited)),
            }
        }
    }
}
