//! Downloads in GitLab's form: which bytes of an artifact are sent, with GitLab's own headers.

use actix_web::HttpResponse;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::api::gitlab::error::ApiError;
use crate::catalog::artifacts::Artifact;
use crate::deliver::{DeliveredBytes, Delivery, Redirects};
use crate::domain::EntryPath;
use crate::domain::artifact::ArtifactKind;
use crate::http::content_disposition::attachment;
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::query::Query;

/// Sends an artifact as uploaded. A client that `follows` redirects is redirected to the store, if the
/// settings say so and the store supports it.
pub(super) async fn whole(
    ctx: &RequestContext,
    artifact: &Artifact,
    follows: bool,
) -> Result<HttpResponse, ApiError> {
    let digest = BASE64_STANDARD.encode(artifact.sha256.as_bytes());
    let download = Download::of_whole(artifact)?
        .with_header("Content-Transfer-Encoding", "binary".into())
        .with_header("Repr-Digest", format!("sha-256=:{digest}:"));
    let redirects = if follows {
        Redirects::Followed { head: ctx.is_head(), disposition: attachment(&artifact.filename) }
    } else {
        Redirects::Never
    };
    let delivery = ctx.app.deliver.whole(artifact, redirects).await?;
    Ok(send(&ctx.request, &download, delivery).await?)
}

/// Sends an artifact or, if `path` names a folder of an archive, that folder as a zip.
pub(super) async fn whole_or_folder(
    ctx: &RequestContext,
    artifact: &Artifact,
) -> Result<HttpResponse, ApiError> {
    match folder_path(ctx)? {
        Some(path) if artifact.kind == ArtifactKind::Archive => folder(ctx, artifact, path).await,
        _ => whole(ctx, artifact, true).await,
    }
}

/// Returns the folder in `path`, without a slash at its end; `None` for the whole archive, which is `.` too.
pub(super) fn folder_path(ctx: &RequestContext) -> Result<Option<EntryPath>, ApiError> {
    let path = Query::bytes_of(ctx.request.query_string(), "path").unwrap_or_default();
    match path.strip_suffix(b"/").unwrap_or(&path) {
        [] | b"." => Ok(None),
        path => entry_path(path.to_vec()).map(Some),
    }
}

fn entry_path(path: Vec<u8>) -> Result<EntryPath, ApiError> {
    EntryPath::from_bytes(path).map_err(|fault| ApiError::bad_request(fault.to_string()))
}

async fn folder(ctx: &RequestContext, archive: &Artifact, path: EntryPath) -> Result<HttpResponse, ApiError> {
    let folder = ctx.app.deliver.folder(archive, path.clone(), ctx.client_ip()).await?;
    let folder = folder.ok_or(ApiError::absent("Not Found", "folder is not in the archive"))?;
    let download = Download::of_folder(archive, &path, folder.size())
        .with_header("Content-Transfer-Encoding", "binary".into());
    let delivery = Delivery::Bytes(DeliveredBytes::Folder(Box::new(folder)));
    Ok(send(&ctx.request, &download, delivery).await?)
}

/// Sends one file of an archive.
pub(super) async fn file(
    ctx: &RequestContext,
    archive: &Artifact,
    path: Vec<u8>,
) -> Result<HttpResponse, ApiError> {
    let path = entry_path(path)?;
    let entry = ctx.app.deliver.entry(archive, &path, ctx.client_ip()).await?;
    let (download, form) = Download::of_entry(archive, &path, &entry, &ctx.request);
    let delivery = Delivery::Bytes(DeliveredBytes::Entry(entry, form));
    Ok(send(&ctx.request, &download, delivery).await?)
}
