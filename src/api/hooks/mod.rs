//! Hooks: takes the events that CI systems deliver about their pipelines and jobs.
//!
//! A delivery is answered within milliseconds, and with success if it is of no use: senders switch hooks off that
//! answer otherwise.

mod buildkite;
mod delivery;
mod error;
mod github;
mod gitlab;
mod times;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{News, NewsOutcome, ProvenDelivery};
use crate::app::App;
use crate::auth::CredentialError;
use crate::catalog::foreign::EventKey;
use crate::domain::Sha256Digest;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::error::with_reason;
use crate::http::handler;
use crate::settings::{UpstreamKind, UpstreamSettings};
use error::Refusal;

pub use buildkite::read as read_buildkite;
pub use github::read as read_github;
pub use gitlab::read as read_gitlab;

/// Path prefix of the hooks; the name of the upstream follows.
pub const PREFIX: &str = "/api/feeds/v1";

/// What is wrong with the body of an event, in a few words.
pub type EventFault = String;

/// Mounts everything below [`PREFIX`].
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    handler::answer_without_credential(app, request, payload, dispatch, refuse).await
}

fn refuse(ctx: &RequestContext, refusal: Refusal) -> HttpResponse {
    let is_failure = refusal.is_failed_authentication();
    ctx.limit_failures(refusal, is_failure).into_response()
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, Refusal> {
    ctx.audit.start("feed.event");
    let name =
        ctx.request.path().strip_prefix(PREFIX).and_then(|path| path.strip_prefix('/')).unwrap_or_default();
    let upstream = ctx.app.settings.upstreams.iter().find(|upstream| upstream.name == name);
    // An upstream without hooks is as unknown as any other name.
    let upstream = upstream.filter(|upstream| !upstream.hooks.is_empty()).ok_or(Refusal::NoUpstream)?;
    if ctx.request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    ctx.audit.set_credential("hook");
    let received = delivery::receive(ctx, upstream, body).await?;
    let Some(news) = read(upstream, &received)? else {
        return Ok(with_reason("event is of no use here".into(), HttpResponse::NoContent().finish()));
    };
    let delivery = ProvenDelivery {
        key: key(upstream, &received),
        prefix: (upstream.kind != UpstreamKind::GitLab).then(|| upstream.path.clone()),
        secrets: received.secrets.clone(),
    };
    // The body is of no use any more, and others wait for its turn.
    drop(received);
    let outcome = ctx.access().take_news(delivery, news, ctx.now).await?;
    let answer = HttpResponse::Accepted().json(serde_json::json!({ "message": "202 Accepted" }));
    Ok(match outcome {
        NewsOutcome::Taken | NewsOutcome::Noted => answer,
        NewsOutcome::Ignored(why) => with_reason(why.into(), answer),
    })
}

/// Reads the news out of an event; `None` if it is of no use.
fn read(upstream: &UpstreamSettings, received: &delivery::Received) -> Result<Option<News>, Refusal> {
    let (event, body) = (received.event.as_deref().unwrap_or_default(), received.body.as_slice());
    let news = match upstream.kind {
        UpstreamKind::GitLab => gitlab::read(&upstream.name, event, body),
        UpstreamKind::GitHub => github::read(&upstream.name, &upstream.path, event, body),
        UpstreamKind::Buildkite => buildkite::read(&upstream.name, &upstream.path, event, body),
    };
    news.map_err(Refusal::Malformed)
}

/// Tells a delivery from others by everything that is signed: its ID in a header can be changed by whoever repeats it.
fn key(upstream: &UpstreamSettings, received: &delivery::Received) -> EventKey {
    let event = received.event.as_deref().unwrap_or_default();
    let mut text = format!("{}\n{event}\n", upstream.name).into_bytes();
    text.extend_from_slice(Sha256Digest::of(&received.body).as_bytes());
    EventKey(Sha256Digest::of(&text))
}

impl From<CredentialError> for Refusal {
    fn from(error: CredentialError) -> Self {
        Self::Request(error.into())
    }
}
