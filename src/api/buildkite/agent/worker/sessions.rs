//! Sessions: an agent registers, connects, pings for jobs, sends heartbeats and disconnects.

use std::time::Duration;

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::{credential, done, json as answer, object, text};
use crate::access::{AcceptedCredentials, AgentDetails, Ping};
use crate::api::buildkite::agent::PREFIX;
use crate::api::buildkite::agent::credentials::token;
use crate::api::buildkite::error::ApiError;
use crate::auth::{Credential, Credentials};
use crate::domain::scope::Scopes;
use crate::domain::tags::Tags;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// Longest body of a request, in bytes.
const MAX_BODY_BYTES: u64 = 256 << 10;

/// Longest name of an agent, its machine or its release, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// How often an agent that has no job asks for one, in seconds.
const PING_SECONDS: u64 = 2;

/// How often an agent asks whether its job is to stop, in seconds.
const JOB_STATUS_SECONDS: u64 = 5;

/// How often an agent says that it is alive, in seconds, unless it were taken for lost after fewer than three.
const HEARTBEAT_SECONDS: u64 = 60;

/// `POST /v3/register`
pub(super) async fn register(ctx: &RequestContext, body: &mut RequestBody) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("agent.register");
    let list = vec![Credential::Personal(token(ctx)?)];
    let credentials = Credentials { list, ..ctx.bare_credentials() };
    let principal = ctx.principal(credentials, AcceptedCredentials::UserOnly, Scopes::AGENT);
    ctx.access().authenticate(&principal).await?;
    let details = details(&object(body, MAX_BODY_BYTES).await?)?;
    let (name, tags) = (details.name.clone(), details.tags.clone());
    ctx.audit.update(|event| event.subject = Some(format!("agent {name:?}")));
    let settings = &ctx.app.settings;
    let registered = ctx.access().register_agent(&principal, details, settings.agents_per_token).await?;
    let registered_answer = json!({
        "id": registered.uuid.to_string(),
        "name": name,
        "access_token": secrecy::ExposeSecret::expose_secret(&registered.token),
        "endpoint": format!("{}{PREFIX}", ctx.base_url()),
        "request_headers": {},
        "ping_interval": PING_SECONDS,
        "job_status_interval": JOB_STATUS_SECONDS,
        "heartbeat_interval": heartbeat_seconds(settings.agents_lost_after),
        "meta_data": tags.0,
    });
    Ok(answer(&registered_answer))
}

/// How often agents send heartbeats, for the time after which they are taken for lost.
fn heartbeat_seconds(lost_after: Duration) -> u64 {
    (lost_after.as_secs() / 3).clamp(1, HEARTBEAT_SECONDS)
}

/// Reads what an agent says of itself; fields that mean nothing here are ignored.
fn details(body: &Value) -> Result<AgentDetails, ApiError> {
    let hostname = text(body, "hostname", MAX_NAME_BYTES)?;
    let name = text(body, "name", MAX_NAME_BYTES)?;
    let tags = match &body["meta_data"] {
        Value::Null => Tags::default(),
        list => serde_json::from_value(list.clone())
            .map_err(|_| ApiError::Unprocessable("meta_data: expected a list of texts".into()))?,
    };
    tags.check().map_err(|why| ApiError::Unprocessable(format!("meta_data: {why}").into()))?;
    Ok(AgentDetails {
        name: name.or_else(|| hostname.clone()).unwrap_or_else(|| "agent".to_owned()),
        hostname,
        version: text(body, "version", MAX_NAME_BYTES)?,
        tags,
        takes_jobs: body["ignore_in_dispatches"] != true,
    })
}

/// `POST /v3/connect`
pub(super) async fn connect(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let shown = token(ctx)?;
    let session = ctx.access().agent_session(shown.token()?, &ctx.audit, ctx.now).await?;
    let id = session.agent.uuid.to_string();
    ctx.access().see_agent(shown.token()?, &ctx.audit, ctx.now).await?;
    Ok(answer(&json!({ "id": id, "connection_state": "connected" })))
}

/// `GET /v3/ping`
pub(super) async fn ping(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let shown = token(ctx)?;
    Ok(answer(&match ctx.access().ping(shown.token()?, &ctx.audit, ctx.now).await? {
        Ping::Nothing => json!({}),
        Ping::Job(uuid) => json!({ "job": { "id": uuid.to_string(), "state": "assigned" } }),
        Ping::Action(action) => json!({ "action": action }),
    }))
}

/// `POST /v3/heartbeat`
pub(super) async fn heartbeat(
    ctx: &RequestContext,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    let shown = token(ctx)?;
    ctx.access().see_agent(shown.token()?, &ctx.audit, ctx.now).await?;
    let sent_at = text(&object(body, MAX_BODY_BYTES).await?, "sent_at", MAX_NAME_BYTES)?;
    Ok(answer(&json!({ "sent_at": sent_at, "received_at": ctx.now })))
}

/// `POST /v3/disconnect`
pub(super) async fn disconnect(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("agent.disconnect");
    let shown = token(ctx)?;
    ctx.access().disconnect_agent(shown.token()?, &ctx.audit, ctx.now).await?;
    Ok(answer(&json!({ "connection_state": "disconnected" })))
}

/// `POST /v3/stop`, `/v3/pause` and `/v3/resume`, by the agent or in the job that it runs.
pub(super) async fn tell(
    ctx: &RequestContext,
    action: Option<&'static str>,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("agent.change");
    let agent = ctx.access().agent_of(&credential(ctx).await?, &ctx.audit, ctx.now).await?;
    ctx.access().set_agent_action(agent, action).await?;
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_sends_at_least_three_heartbeats_before_it_is_lost() {
        for (lost_after, expected) in [(180, 60), (3600, 60), (30, 10), (1, 1)] {
            assert_eq!(heartbeat_seconds(Duration::from_secs(lost_after)), expected);
        }
    }

    #[test]
    fn an_agent_without_a_name_is_called_like_its_machine() {
        let named = |body| details(&body).unwrap();
        assert_eq!(named(json!({"hostname": "m", "name": "", "meta_data": null})).name, "m");
        assert_eq!(named(json!({})).name, "agent");
        assert!(!named(json!({"ignore_in_dispatches": true})).takes_jobs);
        for wrong in [json!({"name": 1}), json!({"meta_data": "a"}), json!({"meta_data": [""]})] {
            assert!(matches!(details(&wrong), Err(ApiError::Unprocessable(_))), "{wrong}");
        }
    }
}
