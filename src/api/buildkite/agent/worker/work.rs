//! Work: an agent accepts, starts and finishes a job, and what else it reports of it.

use actix_web::HttpResponse;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::log::{MAX_CHUNK_BYTES, MAX_LOG_BYTES};
use super::{credential, done, environment, json as answer, object, text};
use crate::api::buildkite::agent::PREFIX;
use crate::api::buildkite::agent::credentials::token;
use crate::api::buildkite::error::ApiError;
use crate::auth::RuntimeToken;
use crate::catalog::agents::JobEnd;
use crate::domain::{RowId, Timestamp};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// Longest body of a request, in bytes.
const MAX_BODY_BYTES: u64 = 64 << 10;

/// Longest name of a signal and of its reason, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// `PUT /v3/jobs/ID/accept`: the job, with its environment and its token.
pub(super) async fn accept(ctx: &RequestContext, id: RowId) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("job.accept");
    let shown = token(ctx)?;
    let accepted = ctx.access().accept_job(shown.token()?, id, &ctx.audit, ctx.now).await?;
    let build = &accepted.build;
    let job = build.jobs.first().ok_or(ApiError::missing("job"))?;
    let runtime = RuntimeToken { pipeline_id: build.build.id, job_id: job.id };
    let runtime = runtime.sign(&ctx.app.keys, ctx.now).await?;
    let base_url = ctx.base_url();
    let mut step = json!({ "label": job.name, "command": job.command.as_deref().unwrap_or_default() });
    // Agents decode no null here.
    if let Some(key) = &job.step_key {
        step["key"] = key.as_str().into();
    }
    Ok(answer(&json!({
        "id": job.uuid.to_string(),
        "endpoint": format!("{base_url}{PREFIX}"),
        "state": "accepted",
        "env": environment::of(&accepted, job, &base_url),
        "step": step,
        "chunks_max_size_bytes": MAX_CHUNK_BYTES,
        "log_max_size_bytes": MAX_LOG_BYTES,
        "token": runtime.expose_secret(),
        "runnable_at": job.created_at,
    })))
}

/// `PUT /v3/jobs/ID/start`
pub(super) async fn start(
    ctx: &RequestContext,
    id: RowId,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("job.start");
    let credential = credential(ctx).await?;
    ctx.access().begun_or_ended_job(&credential, id, &ctx.audit, ctx.now).await?;
    let started_at = time(&object(body, MAX_BODY_BYTES).await?, "started_at", ctx.now)?;
    ctx.access().start_job(&credential, id, started_at, &ctx.audit, ctx.now).await?;
    Ok(done())
}

/// `PUT /v3/jobs/ID/finish`, as often as the agent sends it: agents repeat it for days when they are refused.
pub(super) async fn finish(
    ctx: &RequestContext,
    id: RowId,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("job.finish");
    let credential = credential(ctx).await?;
    ctx.access().begun_or_ended_job(&credential, id, &ctx.audit, ctx.now).await?;
    let body = object(body, MAX_BODY_BYTES).await?;
    let end = JobEnd {
        exit_status: exit_status(&body["exit_status"])?,
        signal: text(&body, "signal", MAX_NAME_BYTES)?,
        signal_reason: text(&body, "signal_reason", MAX_NAME_BYTES)?,
        finished_at: time(&body, "finished_at", ctx.now)?,
    };
    let is_last = body["ignore_agent_in_dispatches"] == true;
    let held = ctx.access().finish_job(&credential, id, (end, is_last), &ctx.audit, ctx.now).await?;
    // The log is read from its pieces until it is one artifact, and every node looks for such logs.
    if let Err(error) = ctx.app.ingest.assemble_log(held.job.id, ctx.now).await {
        tracing::warn!(
            job.id = held.job.id,
            causes = error.source_chain(),
            "a log was not made an artifact yet"
        );
    }
    Ok(done())
}

/// Reads the exit status, which agents send as a text; none if it is empty.
fn exit_status(value: &Value) -> Result<Option<i64>, ApiError> {
    let wrong = || ApiError::Unprocessable("exit_status: expected a whole number".into());
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_i64().map(Some).ok_or_else(wrong),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => text.parse().map(Some).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Reads a time, which an agent's clock may put ahead of ours; now if it is absent.
fn time(body: &Value, name: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let Some(given) = text(body, name, MAX_NAME_BYTES)? else { return Ok(now) };
    match Timestamp::parse(&given) {
        Ok(time) => Ok(time.min(now)),
        Err(why) => Err(ApiError::Unprocessable(format!("{name}: {why}").into())),
    }
}

/// What an agent reports of its job, and nobody reads here.
pub(super) async fn taken(ctx: &RequestContext, id: RowId) -> Result<HttpResponse, ApiError> {
    ctx.access().held_job(&credential(ctx).await?, id, &ctx.audit, ctx.now).await?;
    Ok(done())
}

/// What an agent asks for, and is not to be had here. Agents do not try again after 422.
pub(super) async fn unsupported(
    ctx: &RequestContext,
    id: RowId,
    what: &'static str,
) -> Result<HttpResponse, ApiError> {
    ctx.access().held_job(&credential(ctx).await?, id, &ctx.audit, ctx.now).await?;
    Err(ApiError::Unprocessable(format!("{what} is not supported by this server").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_a_text_or_a_number() {
        for (value, expected) in
            [(json!("0"), Some(0)), (json!("-1"), Some(-1)), (json!(7), Some(7)), (json!(""), None)]
        {
            assert_eq!(exit_status(&value).unwrap(), expected, "{value}");
        }
        for wrong in [json!("x"), json!(1.5), json!([])] {
            assert!(exit_status(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_never_ahead_of_ours() {
        let now = Timestamp::parse("2026-02-01T12:00:00Z").unwrap();
        let read = |text: &str| time(&json!({ "started_at": text }), "started_at", now);
        assert_eq!(read("2026-02-01T11:59:59.123456789Z").unwrap().to_string(), "2026-02-01T11:59:59.123Z");
        assert_eq!((read("2027-01-01T00:00:00Z").unwrap(), read("").unwrap()), (now, now));
        assert!(read("yesterday").is_err());
    }
}
