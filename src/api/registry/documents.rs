//! Documents: `PUT /api/registry/v1/documents` loads from its body what `artigate load` does from files.

use actix_web::HttpResponse;

use crate::api::registry::error::ApiError;
use crate::api::registry::json::Counts;
use crate::api::registry::request::{admit, media_type};
use crate::domain::{Error, ErrorKind, byte_size};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::registry::Format;

pub(super) async fn load(ctx: &RequestContext, mut body: RequestBody) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("registry.load");
    let principal = admit(ctx).await?;
    let format = format(ctx)?;
    check_content_length(ctx)?;
    let document = body.read_whole(ctx.app.settings.max_document_bytes).await?;
    let loaded = ctx.app.registry.load(&principal, document, format).await?;
    ctx.audit.update(|event| event.subject = Some(loaded.to_string()));
    Ok(HttpResponse::Ok().json(Counts::from(loaded)))
}

/// Returns the format of the body. `curl -T FILE` sends no type: YAML then, which includes JSON.
fn format(ctx: &RequestContext) -> Result<Format, ApiError> {
    match media_type(ctx)?.as_deref() {
        Some("application/json") => Ok(Format::Json),
        None | Some("application/yaml" | "application/x-yaml" | "text/yaml") => Ok(Format::Yaml),
        Some(_) => Err(Error::new(
            ErrorKind::UnsupportedMedia,
            "Content-Type: expected application/json or application/yaml",
        )
        .into()),
    }
}

/// Refuses a body whose `Content-Length` is too large, before a byte of it is read.
fn check_content_length(ctx: &RequestContext) -> Result<(), ApiError> {
    let limit = ctx.app.settings.max_document_bytes;
    if ctx.announces_more_than(limit) {
        let text = format!("the body is larger than {}", byte_size::show(limit));
        return Err(Error::new(ErrorKind::TooLarge, text).into());
    }
    Ok(())
}
