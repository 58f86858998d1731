//! What `buildkite-agent start` calls to serve builds: its session, the job that it runs, the log and the meta-data.

mod environment;
mod log;
mod meta_data;
mod sessions;
mod work;

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::{Value, json};

use super::routes::{build, job};
use crate::access::JobCredential;
use crate::api::buildkite::agent::credentials::token;
use crate::api::buildkite::error::ApiError;
use crate::domain::RowId;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// A route of this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api::buildkite::agent) enum WorkerRoute {
    /// `/register`
    Register,
    /// `/connect`
    Connect,
    /// `/ping`
    Ping,
    /// `/heartbeat`
    Heartbeat,
    /// `/disconnect`
    Disconnect,
    /// `/stop`, `/pause` and `/resume`: what the agent is told from its next ping on.
    Tell(Option<&'static str>),
    /// Below `/jobs/ID`
    Job(RowId, JobRoute),
    /// `/builds/ID/data/…`
    BuildData(RowId, DataRoute),
}

/// A route below a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api::buildkite::agent) enum JobRoute {
    /// `accept`
    Accept,
    /// `start`
    Start,
    /// `finish`
    Finish,
    /// `chunks`
    Chunks,
    /// `data/…`
    Data(DataRoute),
    /// What is taken and not kept.
    Dropped,
    /// What is not to be had here, with the name that the client is told.
    Unsupported(&'static str),
}

/// A route of meta-data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api::buildkite::agent) enum DataRoute {
    Set,
    Get,
    Exists,
    Keys,
}

impl WorkerRoute {
    /// Returns the template of its path.
    pub(in crate::api::buildkite::agent) fn template(self) -> &'static str {
        match self {
            Self::Register => "/v3/register",
            Self::Connect => "/v3/connect",
            Self::Ping => "/v3/ping",
            Self::Heartbeat => "/v3/heartbeat",
            Self::Disconnect => "/v3/disconnect",
            Self::Tell(_) => "/v3/stop",
            Self::Job(_, JobRoute::Accept) => "/v3/jobs/:id/accept",
            Self::Job(_, JobRoute::Start) => "/v3/jobs/:id/start",
            Self::Job(_, JobRoute::Finish) => "/v3/jobs/:id/finish",
            Self::Job(_, JobRoute::Chunks) => "/v3/jobs/:id/chunks",
            Self::Job(_, JobRoute::Data(_)) => "/v3/jobs/:id/data/:name",
            Self::Job(_, JobRoute::Dropped | JobRoute::Unsupported(_)) => "/v3/jobs/:id/…",
            Self::BuildData(..) => "/v3/builds/:id/data/:name",
        }
    }

    /// Reads the segments of a path; `None` if they are those of no route of this part.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for what cannot be the ID of a job or build.
    pub(in crate::api::buildkite::agent) fn parse(segments: &[&str]) -> Result<Option<Self>, ApiError> {
        Ok(Some(match segments {
            ["register"] => Self::Register,
            ["connect"] => Self::Connect,
            ["ping"] => Self::Ping,
            ["heartbeat"] => Self::Heartbeat,
            ["disconnect"] => Self::Disconnect,
            ["stop"] => Self::Tell(Some("disconnect")),
            ["pause"] => Self::Tell(Some("pause")),
            ["resume"] => Self::Tell(None),
            ["jobs", id, rest @ ..] => match JobRoute::parse(rest) {
                Some(route) => Self::Job(job(id)?, route),
                None => return Ok(None),
            },
            ["builds", id, "data", name] => match DataRoute::parse(name) {
                Some(route) if route != DataRoute::Set => Self::BuildData(build(id)?, route),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }
}

impl JobRoute {
    fn parse(segments: &[&str]) -> Option<Self> {
        Some(match segments {
            ["accept"] => Self::Accept,
            ["start"] => Self::Start,
            ["finish"] => Self::Finish,
            ["chunks"] => Self::Chunks,
            ["data", name] => Self::Data(DataRoute::parse(name)?),
            // A script that annotates its build must not fail because nobody reads that here.
            ["header_times"] | ["annotations", ..] => Self::Dropped,
            ["pipelines", ..] => Self::Unsupported("Uploading steps of a pipeline"),
            ["oidc", "tokens"] => Self::Unsupported("Tokens of OpenID Connect"),
            ["secrets"] => Self::Unsupported("Secrets"),
            ["acquire"] => Self::Unsupported("Acquiring one job"),
            ["github_code_access_token" | "repository_access_token"] => {
                Self::Unsupported("Tokens for repositories")
            }
            _ => return None,
        })
    }
}

impl DataRoute {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "set" => Self::Set,
            "get" => Self::Get,
            "exists" => Self::Exists,
            "keys" => Self::Keys,
            _ => return None,
        })
    }
}

/// Answers a request.
pub(in crate::api::buildkite::agent) async fn answer(
    ctx: &RequestContext,
    route: WorkerRoute,
    mut body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    use WorkerRoute::{BuildData, Connect, Disconnect, Heartbeat, Job, Ping, Register, Tell};
    let body = &mut body;
    match (ctx.request.method(), route) {
        (&Method::POST, Register) => sessions::register(ctx, body).await,
        (&Method::POST, Connect) => sessions::connect(ctx).await,
        (&Method::GET, Ping) => sessions::ping(ctx).await,
        (&Method::POST, Heartbeat) => sessions::heartbeat(ctx, body).await,
        (&Method::POST, Disconnect) => sessions::disconnect(ctx).await,
        (&Method::POST, Tell(action)) => sessions::tell(ctx, action).await,
        (&Method::PUT, Job(id, JobRoute::Accept)) => work::accept(ctx, id).await,
        (&Method::PUT, Job(id, JobRoute::Start)) => work::start(ctx, id, body).await,
        (&Method::PUT, Job(id, JobRoute::Finish)) => work::finish(ctx, id, body).await,
        (&Method::POST, Job(id, JobRoute::Chunks)) => log::add(ctx, id, body).await,
        (&Method::POST, Job(id, JobRoute::Data(route))) => meta_data::of_job(ctx, id, route, body).await,
        (&Method::POST, BuildData(id, route)) => meta_data::of_build(ctx, id, route, body).await,
        (_, Job(id, JobRoute::Dropped)) => work::taken(ctx, id).await,
        (_, Job(id, JobRoute::Unsupported(what))) => work::unsupported(ctx, id, what).await,
        _ => Err(ApiError::no_route(ctx.request.path())),
    }
}

/// Reads the credential of a request about a job.
async fn credential(ctx: &RequestContext) -> Result<JobCredential, ApiError> {
    let shown = token(ctx)?;
    Ok(JobCredential::read(&ctx.app.keys, shown.token()?, ctx.now).await?)
}

/// Reads a JSON object of at most `max_bytes`.
async fn object(body: &mut RequestBody, max_bytes: u64) -> Result<Value, ApiError> {
    let bytes = body.read_whole(max_bytes).await?;
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::BadRequest("The body is not a JSON object".into())),
        Err(error) => Err(ApiError::BadRequest(format!("The body is not JSON: {error}").into())),
    }
}

/// Reads a text of an object; `None` if it is absent or empty.
fn text(object: &Value, name: &str, max_bytes: usize) -> Result<Option<String>, ApiError> {
    match &object[name] {
        Value::Null => Ok(None),
        Value::String(text) if text.len() <= max_bytes && !text.contains('\0') => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        _ => Err(ApiError::Unprocessable(
            format!("{name}: expected a text of at most {max_bytes} bytes without NUL").into(),
        )),
    }
}

fn json(value: &Value) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json; charset=utf-8").body(value.to_string())
}

fn done() -> HttpResponse {
    json(&json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_agent_are_told_apart() {
        let id = RowId::Number(7);
        let job = |route| Some(WorkerRoute::Job(id, route));
        for (path, expected) in [
            ("register", Some(WorkerRoute::Register)),
            ("stop", Some(WorkerRoute::Tell(Some("disconnect")))),
            ("jobs/7/accept", job(JobRoute::Accept)),
            ("jobs/7/chunks", job(JobRoute::Chunks)),
            ("jobs/7/data/keys", job(JobRoute::Data(DataRoute::Keys))),
            ("jobs/7/annotations/ctx", job(JobRoute::Dropped)),
            ("builds/7/data/get", Some(WorkerRoute::BuildData(id, DataRoute::Get))),
            ("builds/7/data/set", None),
            ("jobs/7/data/drop", None),
            ("jobs/7", None),
            ("stacks/register", None),
        ] {
            let segments: Vec<&str> = path.split('/').collect();
            assert_eq!(WorkerRoute::parse(&segments).unwrap(), expected, "{path}");
        }
        assert!(WorkerRoute::parse(&["jobs", "x", "accept"]).is_err());
    }
}
