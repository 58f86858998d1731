//! Builds: lists, one, and the calls that create, cancel and repeat them.

use std::time::Duration;

use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::Value;

use super::answer;
use super::credentials::{reader, writer};
use super::error::ApiError;
use super::filters;
use super::json::build::{BuildJson, Shown};
use super::states;
use crate::access::{BuildChange, BuildPath, BuildScope, CreateBuild};
use crate::catalog::builds::{Build, BuildFields, BuildJob};
use crate::domain::Timestamp;
use crate::domain::build::{Author, PullRequest, TextMap, as_json};
use crate::domain::scope::Scope;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// Longest body of a request, in bytes.
const MAX_BODY_BYTES: u64 = 1 << 20;

/// Longest name of a branch or commit, in bytes: indexes hold it.
const MAX_NAME_BYTES: usize = 255;

/// States whose jobs are tried again unless the request names others.
const RETRIED_STATES: &[&str] = &["canceled", "expired", "failed", "soft_failed", "timed_out"];

/// `GET …/builds`
pub(super) async fn list(ctx: &RequestContext, scope: BuildScope) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadBuilds);
    let list = ctx.after_authentication(&principal, filters::read(ctx)).await?;
    let page = answer::page(ctx);
    ctx.after_authentication(&principal, filters::check_depth(page.range().start)).await?;
    let shown = Shown::of(ctx);
    let listed = ctx.access().builds(&principal, scope, list, page.slice(), shown.detail()).await?;
    let bytes = listed.items.iter().map(BuildJson::bytes).sum();
    let builds = listed.items;
    let make = move || builds.iter().map(|build| BuildJson::new(build, &shown)).collect::<Vec<_>>();
    answer::list(ctx, Scope::ReadBuilds, (page, listed.total), bytes, make).await
}

/// `GET …/builds/:number`
pub(super) async fn one(ctx: &RequestContext, path: BuildPath) -> Result<HttpResponse, ApiError> {
    let shown = Shown::of(ctx);
    let build = ctx.access().build(&reader(ctx, Scope::ReadBuilds), path, shown.detail()).await?;
    let bytes = BuildJson::bytes(&build);
    let make = move || BuildJson::with_counts(&build, &shown);
    answer::long(ctx, HttpResponse::Ok(), Scope::ReadBuilds, bytes, make).await
}

/// Answers with a build that was changed.
async fn changed(
    ctx: &RequestContext,
    response: HttpResponseBuilder,
    build: Build,
) -> Result<HttpResponse, ApiError> {
    let (shown, bytes) = (Shown::of(ctx), BuildJson::bytes(&build));
    let make = move || BuildJson::new(&build, &shown);
    answer::long(ctx, response, Scope::WriteBuilds, bytes, make).await
}

/// `POST …/builds`
pub(super) async fn create(
    ctx: &RequestContext,
    scope: BuildScope,
    mut body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    let BuildScope::Pipeline(slugs) = scope else { return Err(ApiError::no_route(ctx.request.path())) };
    ctx.audit.start("build.create");
    let principal = writer(ctx, Scope::WriteBuilds);
    ctx.access().authenticate(&principal).await?;
    let body = object(&body.read_whole(MAX_BODY_BYTES).await?)?;
    let new = parse(&body, wait_until(ctx))?;
    let build = ctx.access().create_build(&principal, slugs, new).await?;
    changed(ctx, HttpResponse::Created(), build).await
}

/// `PUT …/builds/:number/cancel`, and what follows a repetition.
pub(super) async fn change(
    ctx: &RequestContext,
    path: BuildPath,
    change: BuildChange,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start(if change == BuildChange::Cancel { "build.cancel" } else { "build.create" });
    let build = ctx.access().change_build(&writer(ctx, Scope::WriteBuilds), path, change).await?;
    changed(ctx, HttpResponse::Ok(), build).await
}

/// `PUT …/builds/:number/rebuild`
pub(super) async fn rebuild(ctx: &RequestContext, path: BuildPath) -> Result<HttpResponse, ApiError> {
    change(ctx, path, BuildChange::Rebuild(wait_until(ctx))).await
}

/// `PUT …/builds/:number/retry_failed_jobs`
pub(super) async fn retry_failed_jobs(
    ctx: &RequestContext,
    path: BuildPath,
    mut body: RequestBody,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("build.retry");
    let principal = writer(ctx, Scope::WriteBuilds);
    ctx.access().authenticate(&principal).await?;
    let bytes = body.read_whole(MAX_BODY_BYTES).await?;
    let wanted = wanted_states(&bytes)?;
    let is_wanted = move |job: &BuildJob| {
        let state = states::of_job(job);
        let state = if state == "failed" && job.may_fail() { "soft_failed" } else { state };
        wanted.iter().any(|it| it == state)
    };
    let (build, count) = ctx.access().retry_jobs(&principal, path, is_wanted).await?;
    let (shown, bytes) = (Shown::of(ctx), BuildJson::bytes(&build));
    let make = move || RetriedJson { build: BuildJson::new(&build, &shown), retried_jobs_count: count };
    answer::long(ctx, HttpResponse::Accepted(), Scope::WriteBuilds, bytes, make).await
}

/// A build whose failed jobs were tried again.
#[derive(Debug, Serialize)]
struct RetriedJson {
    #[serde(flatten)]
    build: BuildJson,
    retried_jobs_count: usize,
}

fn wanted_states(body: &[u8]) -> Result<Vec<String>, ApiError> {
    let all = || RETRIED_STATES.iter().map(|state| (*state).to_owned()).collect();
    if body.is_empty() {
        return Ok(all());
    }
    let body = object(body)?;
    let Some(text) = body.get("states").and_then(Value::as_str) else { return Ok(all()) };
    let named: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let invalid: Vec<&str> =
        named.iter().map(String::as_str).filter(|name| !RETRIED_STATES.contains(name)).collect();
    if invalid.is_empty() {
        return Ok(named);
    }
    let (invalid, valid) = (invalid.join(", "), RETRIED_STATES.join(", "));
    Err(ApiError::BadRequest(format!("Invalid states: {invalid}. Valid states are {valid}.").into()))
}

/// When a created build is canceled if nobody runs it.
fn wait_until(ctx: &RequestContext) -> Option<Timestamp> {
    let wait = ctx.app.settings.build_wait;
    (wait > Duration::ZERO).then(|| ctx.now.plus_seconds(wait.as_secs())).flatten()
}

/// Reads a JSON object.
fn object(body: &[u8]) -> Result<Value, ApiError> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::BadRequest("The body is not a JSON object".into())),
        Err(error) => Err(ApiError::BadRequest(format!("The body is not JSON: {error}").into())),
    }
}

/// Reads what the creator says; fields that mean nothing here are ignored.
fn parse(body: &Value, cancel_at: Option<Timestamp>) -> Result<CreateBuild, ApiError> {
    let mut errors: Vec<(String, &'static str)> = Vec::new();
    let mut required = |name: &str| match &body[name] {
        Value::String(text)
            if !text.trim().is_empty() && !text.contains('\0') && text.len() <= MAX_NAME_BYTES =>
        {
            text.clone()
        }
        Value::Null => {
            errors.push((name.to_owned(), "missing_field"));
            String::new()
        }
        _ => {
            errors.push((name.to_owned(), "invalid"));
            String::new()
        }
    };
    let (sha, ref_name) = (required("commit"), required("branch"));
    let message = match &body["message"] {
        Value::String(text) if text.contains('\0') => {
            errors.push(("message".to_owned(), "invalid"));
            None
        }
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Null => None,
        _ => {
            errors.push(("message".to_owned(), "invalid"));
            None
        }
    };
    let mut map = |name: &str| match &body[name] {
        Value::Null => TextMap::default(),
        value => match serde_json::from_value::<TextMap>(value.clone()) {
            Ok(map) if map.check().is_ok() => map,
            _ => {
                errors.push((name.to_owned(), "invalid"));
                TextMap::default()
            }
        },
    };
    let (env, meta_data) = (map("env"), map("meta_data"));
    let author = author(&body["author"]).unwrap_or_else(|| {
        errors.push(("author".to_owned(), "invalid"));
        None
    });
    let pull_request = pull_request(body).unwrap_or_else(|name| {
        errors.push((name.to_owned(), "invalid"));
        None
    });
    if !errors.is_empty() {
        return Err(ApiError::Validation(errors));
    }
    let fields = BuildFields {
        message: Some(message),
        env: Some(Some(as_json(&env)?)),
        author: Some(author.as_ref().map(as_json).transpose()?),
        pull_request: Some(pull_request.as_ref().map(as_json).transpose()?),
        ..BuildFields::default()
    };
    Ok(CreateBuild { ref_name, sha, fields, meta_data, cancel_at })
}

/// Reads the author; an empty one is none. `None` if it is no author.
fn author(value: &Value) -> Option<Option<Author>> {
    let fields = match value {
        Value::Null => return Some(None),
        Value::Object(fields) => fields,
        _ => return None,
    };
    let field = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let filled = |name: &str| field(name).filter(|text| !text.is_empty());
    let author = Author { name: filled("name"), email: filled("email"), username: filled("username") };
    Some((author != Author::default()).then_some(author))
}

/// Reads the pull request.
///
/// # Errors
/// The field that is not valid.
fn pull_request(body: &Value) -> Result<Option<PullRequest>, &'static str> {
    let id = match &body["pull_request_id"] {
        Value::Null => return Ok(None),
        Value::Number(number) if number.is_u64() => number.to_string(),
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text.clone(),
        _ => return Err("pull_request_id"),
    };
    let field = |name: &'static str| match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(name),
    };
    let labels = match &body["pull_request_labels"] {
        Value::Null => Vec::new(),
        Value::Array(labels) => labels
            .iter()
            .map(|label| label.as_str().map(str::to_owned).ok_or("pull_request_labels"))
            .collect::<Result<_, _>>()?,
        _ => return Err("pull_request_labels"),
    };
    let (base, repository) = (field("pull_request_base_branch")?, field("pull_request_repository")?);
    Ok(Some(PullRequest { id, base, repository, labels }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields_of(body: Value) -> Vec<String> {
        match parse(&body, None) {
            Err(ApiError::Validation(errors)) => {
                errors.into_iter().map(|(field, code)| format!("{field}: {code}")).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_that_is_not_valid_is_named() {
        assert_eq!(fields_of(json!({})), ["commit: missing_field", "branch: missing_field"]);
        let wrong = json!({"commit": 1, "branch": "", "message": {}, "env": [], "meta_data": {"a": []},
            "author": "x", "pull_request_id": "x"});
        assert_eq!(
            fields_of(wrong),
            [
                "commit: invalid",
                "branch: invalid",
                "message: invalid",
                "env: invalid",
                "meta_data: invalid",
                "author: invalid",
                "pull_request_id: invalid"
            ]
        );
    }

    #[test]
    fn what_clients_always_send_is_no_error() {
        let body = json!({"commit": "HEAD", "branch": "main", "author": {}, "message": "", "env": null,
            "clean_checkout": false, "ignore_pipeline_branch_filters": false,
            "meta_data": {"a": true}, "pull_request_id": 42});
        let new = parse(&body, None).unwrap();
        assert_eq!((new.sha.as_str(), new.ref_name.as_str()), ("HEAD", "main"));
        assert_eq!(new.meta_data.0["a"], "true");
        assert_eq!(new.fields.message, Some(None));
        assert_eq!(new.fields.author, Some(None));
        assert_eq!(new.fields.pull_request, Some(Some(r#"{"id":"42"}"#.to_owned())));
    }

    #[test]
    fn states_to_try_again_are_checked() {
        assert_eq!(wanted_states(b"").unwrap().len(), 5);
        assert_eq!(wanted_states(br#"{"states":"failed, soft_failed"}"#).unwrap(), ["failed", "soft_failed"]);
        let Err(ApiError::BadRequest(text)) = wanted_states(br#"{"states":"invalid"}"#) else { panic!() };
        let words =
            "Invalid states: invalid. Valid states are canceled, expired, failed, soft_failed, timed_out.";
        assert_eq!(text, words);
    }
}
