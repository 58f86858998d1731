//! Downloads in GitLab's form: which bytes of an artifact are sent, with GitLab's own headers.

use actix_web::HttpResponse;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::access::JobArchive;
use crate::api::gitlab::error::ApiError;
use crate::catalog::artifacts::Artifact;
use crate::deliver::{DeliveredBytes, Delivery, Redirects};
use crate::domain::EntryPath;
use crate::http::content_disposition::attachment;
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::query::Query;

/// The name of an archive that is assembled from single files.
const ARTIFACTS_ZIP: &str = "artifacts.zip";

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

/// Sends what stands for a job's archive or, if `path` names a folder of it, that folder as a zip.
pub(super) async fn whole_or_folder(
    ctx: &RequestContext,
    found: JobArchive,
    follows: bool,
) -> Result<HttpResponse, ApiError> {
    match (folder_path(ctx)?, &found.archive) {
        (Some(path), Some(archive)) => folder(ctx, archive, path).await,
        (Some(path), None) => {
            let prefix = format!("{}/", path.as_str());
            let is_below =
                |file: &Artifact| file.name.file_path().is_some_and(|own| own.starts_with(&prefix));
            let files: Vec<Artifact> = found.files.into_iter().filter(is_below).collect();
            if files.is_empty() {
                return Err(ApiError::absent("Not Found", "folder is not in the archive"));
            }
            assembled(ctx, files, format!("{}.zip", path.base_name())).await
        }
        (None, _) => whole_archive(ctx, found, follows).await,
    }
}

/// Sends what stands for a job's archive: without an archive its files as a zip.
pub(super) async fn whole_archive(
    ctx: &RequestContext,
    found: JobArchive,
    follows: bool,
) -> Result<HttpResponse, ApiError> {
    match &found.archive {
        Some(archive) => whole(ctx, archive, follows).await,
        None => assembled(ctx, found.files, ARTIFACTS_ZIP.to_owned()).await,
    }
}

async fn assembled(
    ctx: &RequestContext,
    files: Vec<Artifact>,
    filename: String,
) -> Result<HttpResponse, ApiError> {
    let zip = ctx.app.deliver.assembled(files)?;
    let download =
        Download::of_assembled(&zip, filename).with_header("Content-Transfer-Encoding", "binary".into());
    let delivery = Delivery::Bytes(DeliveredBytes::Assembled(Box::new(zip)));
    Ok(send(&ctx.request, &download, delivery).await?)
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

/// Sends one file of what stands for a job's archive: a single file, or else an entry of the archive.
pub(super) async fn file(
    ctx: &RequestContext,
    found: &JobArchive,
    path: Vec<u8>,
) -> Result<HttpResponse, ApiError> {
    if let Some(file) = found.file(&path) {
        let download = Download::of_single_file(file)?;
        let delivery = ctx.app.deliver.whole(file, Redirects::Never).await?;
        return Ok(send(&ctx.request, &download, delivery).await?);
    }
    let path = entry_path(path)?;
    let Some(archive) = &found.archive else {
        return Err(ApiError::absent("Not Found", "file is not among the artifacts of the job"));
    };
    let entry = ctx.app.deliver.entry(archive, &path, ctx.client_ip()).await?;
    let (download, form) = Download::of_entry(archive, &path, &entry, &ctx.request);
    let delivery = Delivery::Bytes(DeliveredBytes::Entry(entry, form));
    Ok(send(&ctx.request, &download, delivery).await?)
}
