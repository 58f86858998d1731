//! Meta-data: values of a build, which its jobs set and read.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::{DataRoute, credential, done, json as answer, object};
use crate::access::MetaDataOf;
use crate::api::buildkite::error::ApiError;
use crate::domain::RowId;
use crate::domain::build::MAX_NAME_BYTES;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;

/// Longest value, in bytes.
const MAX_VALUE_BYTES: usize = 100 << 10;

/// Longest body of a request, in bytes: JSON may write a character in six.
const MAX_BODY_BYTES: u64 = 1 << 20;

/// `POST /v3/jobs/ID/data/…`
pub(super) async fn of_job(
    ctx: &RequestContext,
    id: RowId,
    route: DataRoute,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    if route != DataRoute::Set {
        return read(ctx, MetaDataOf::Job(id), route, body).await;
    }
    ctx.audit.start("build.meta_data");
    let credential = credential(ctx).await?;
    ctx.access().held_job(&credential, id, &ctx.audit, ctx.now).await?;
    let body = object(body, MAX_BODY_BYTES).await?;
    let (key, value) = (key(&body)?, value(&body)?);
    ctx.access().set_meta_data(&credential, id, (key, value), &ctx.audit, ctx.now).await?;
    Ok(done())
}

/// `POST /v3/builds/ID/data/…`, by a job of the same project.
pub(super) async fn of_build(
    ctx: &RequestContext,
    id: RowId,
    route: DataRoute,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    read(ctx, MetaDataOf::Build(id), route, body).await
}

async fn read(
    ctx: &RequestContext,
    of: MetaDataOf,
    route: DataRoute,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    let (access, credential) = (ctx.access(), credential(ctx).await?);
    if route == DataRoute::Keys {
        let keys = access.meta_data_keys(&credential, of, &ctx.audit, ctx.now).await?;
        return Ok(answer(&json!(keys)));
    }
    // Who may not ask sends no body.
    access.meta_data_value(&credential, of, String::new(), &ctx.audit, ctx.now).await?;
    let key = key(&object(body, MAX_BODY_BYTES).await?)?;
    let found = access.meta_data_value(&credential, of, key.clone(), &ctx.audit, ctx.now).await?;
    match (route, found) {
        (DataRoute::Exists, found) => Ok(answer(&json!({ "exists": found.is_some() }))),
        (_, Some(value)) => Ok(answer(&json!({ "key": key, "value": value }))),
        (_, None) => {
            Err(ApiError::NotFound(format!("No key {key:?} found").into(), "no such meta-data".into()))
        }
    }
}

fn key(body: &Value) -> Result<String, ApiError> {
    let key = body["key"].as_str().filter(|key| !key.is_empty() && key.len() <= MAX_NAME_BYTES);
    let key = key.filter(|key| !key.contains('\0'));
    key.map(str::to_owned).ok_or_else(|| {
        let why = format!("key: expected a text of 1 to {MAX_NAME_BYTES} bytes without NUL");
        ApiError::Unprocessable(why.into())
    })
}

/// Reads the value; agents leave out an empty one.
fn value(body: &Value) -> Result<String, ApiError> {
    match &body["value"] {
        Value::Null => Ok(String::new()),
        Value::String(value) if value.len() <= MAX_VALUE_BYTES && !value.contains('\0') => Ok(value.clone()),
        _ => Err(ApiError::Unprocessable(
            format!("value: expected a text of at most {MAX_VALUE_BYTES} bytes without NUL").into(),
        )),
    }
}
