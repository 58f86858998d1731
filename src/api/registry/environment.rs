//! The environment of a running job: the variables with which an unmodified uploader of another vendor talks to this
//! server.

use actix_web::HttpResponse;
use actix_web::http::header;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::request::{id, principal};
use crate::auth::RuntimeToken;
use crate::domain::expiry::Lifetime;
use crate::http::context::RequestContext;
use crate::http::credentials::{shown, text};

/// How many days the toolkit may ask for where there is no limit: the most that GitHub allows.
const MOST_DAYS: u64 = 400;

/// `POST /api/registry/v1/jobs/:id/environment`: as JSON, or as lines for a shell with `Accept: text/plain`.
pub(super) async fn of_job(ctx: &RequestContext, job_id: &str) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("job.environment");
    let job_id = id(job_id)?;
    ctx.audit.set_job(job_id);
    let headers = ctx.request.headers();
    let principal = principal(ctx, shown(headers, "JOB-TOKEN"))?;
    let found = ctx.access().job_environment(principal, job_id).await?;
    let (job, project, pipeline) = (&found.job, &found.project, &found.pipeline);
    let runtime = RuntimeToken { pipeline_id: pipeline.id, job_id: job.id };
    let runtime = runtime.sign(&ctx.app.keys, ctx.now).await?;
    let base = ctx.base_url();
    let days = match ctx.app.settings.max_expire_in {
        Lifetime::Never => MOST_DAYS,
        Lifetime::Seconds(seconds) => (seconds / 86_400).max(1),
    };
    let mut variables = vec![
        ("CI_API_V4_URL", format!("{base}/api/v4")),
        ("CI_SERVER_URL", base.clone()),
        ("CI_JOB_ID", job.id.to_string()),
        ("CI_PROJECT_ID", project.id.to_string()),
        ("CI_PROJECT_PATH", project.path.clone()),
        ("CI_PIPELINE_ID", pipeline.id.to_string()),
        ("CI_COMMIT_REF_NAME", pipeline.ref_name.clone()),
        ("CI_COMMIT_SHA", pipeline.sha.clone()),
        ("ACTIONS_RUNTIME_TOKEN", runtime.expose_secret().to_owned()),
        ("ACTIONS_RESULTS_URL", format!("{base}/")),
        ("GITHUB_API_URL", format!("{base}/api/v3")),
        ("GITHUB_REPOSITORY", project.path.clone()),
        ("GITHUB_RUN_ID", pipeline.id.to_string()),
        ("GITHUB_RETENTION_DAYS", days.to_string()),
        ("BUILDKITE_AGENT_ENDPOINT", format!("{base}/v3")),
        ("BUILDKITE_AGENT_ACCESS_TOKEN", runtime.expose_secret().to_owned()),
        ("BUILDKITE_JOB_ID", job.uuid.to_string()),
        ("BUILDKITE_BUILD_ID", pipeline.uuid.to_string()),
        ("BUILDKITE_BUILD_NUMBER", pipeline.iid.to_string()),
        ("BUILDKITE_ORGANIZATION_SLUG", found.slugs.organization.clone()),
        ("BUILDKITE_PIPELINE_SLUG", found.slugs.pipeline.clone()),
    ];
    if let Some(token) = &found.token {
        variables.push(("CI_JOB_TOKEN", token.expose_secret().to_owned()));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if text(headers, "accept").is_some_and(|accept| accept.trim_start().starts_with("text/plain")) {
        let lines = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
        return Ok(response.content_type("text/plain").body(lines.collect::<String>()));
    }
    let object: Map<String, Value> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    Ok(response.json(object))
}

/// Quotes a value for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_of_the_shell_whatever_it_holds() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $(x)"), "'it'\\''s $(x)'");
    }
}
