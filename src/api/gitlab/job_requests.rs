//! Runners' questions for a job: passed on to the upstream, whose answer gets the archives of dependencies that are
//! here.
//!
//! A runner fetches a dependency only if the job that it gets says that the dependency has an archive.

use actix_web::HttpResponse;

use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::job_text::JobText;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::passing;
use crate::upstream::{PassedAnswer, Upstream};

/// The largest question, in bytes: a runner tells its name, features and labels.
const MAX_QUESTION: u64 = 256 << 10;

/// Headers that describe the very bytes of a body.
const OF_BYTES: &[&str] = &["etag", "content-md5", "digest", "content-digest", "repr-digest"];

/// `POST /jobs/request`
///
/// Without an answer it is 503 and never 403 or a broken connection: a runner that gets one of those a few times asks
/// no more for an hour.
pub(super) async fn pass(ctx: &RequestContext, mut body: RequestBody) -> Result<HttpResponse, ApiError> {
    let Some(upstream) = ctx.access().upstream() else { return Err(ApiError::NoRoute) };
    let question = passing::request(ctx, body.read_whole(MAX_QUESTION).await?);
    let answered = upstream.pass(question).await;
    let mut answer = answered.map_err(|outage| {
        let error = outage.into_error(upstream.name());
        say(ctx, format!("job request: {}", error.reason()));
        error
    })?;
    let filled = if is_job(&answer) { fill(ctx, upstream, &mut answer).await } else { 0 };
    say(
        ctx,
        match filled {
            0 => format!("job request: {}", answer.status),
            filled => format!("job request: {}, archives of {filled} dependencies", answer.status),
        },
    );
    Ok(passing::answer(answer))
}

fn say(ctx: &RequestContext, said: String) {
    ctx.audit.update(|event| event.upstream = Some(said));
}

/// Whether an answer is a job whose text can be read.
fn is_job(answer: &PassedAnswer) -> bool {
    let value = |wanted: &str| {
        let found = answer.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
    };
    let is_json = value("content-type")
        .is_some_and(|it| it.split(';').next().map(str::trim) == Some("application/json"));
    answer.status == 201 && is_json && value("content-encoding").is_none_or(|it| it == "identity")
}

/// Fills the archives of dependencies in; returns how many. A job is never lost because that fails: it stays as it is.
async fn fill(ctx: &RequestContext, upstream: &Upstream, answer: &mut PassedAnswer) -> usize {
    let Some(job) = JobText::parse(&answer.body) else { return 0 };
    if job.job_ids().is_empty() {
        return 0;
    }
    let found = ctx.access().archives_of_dependencies(job.project_id(), job.job_ids(), ctx.now).await;
    let archives = found.unwrap_or_else(|error| {
        let (upstream, reason) = (upstream.name(), error.reason());
        tracing::warn!(upstream, %reason, "a runner gets a job without the archives of its dependencies");
        Default::default()
    });
    let (text, filled) = job.filled(&archives);
    if filled > 0 {
        answer.headers.retain(|(name, _)| !OF_BYTES.contains(&name.as_str()));
        answer.body = text.into();
    }
    filled
}
