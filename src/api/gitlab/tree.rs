//! Tree: `GET /projects/:id/jobs/:job_id/artifacts/tree`, the entries of an archive, read from its index.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use bytes::Bytes;
use serde::Serialize;

use crate::access::{JobArchive, Total};
use crate::api::gitlab::artifacts::archive_of_job;
use crate::api::gitlab::downloads::folder_path;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::parameters::page;
use crate::archive::ListingEntry;
use crate::deliver::FolderPage;
use crate::domain::project::ProjectRef;
use crate::domain::{EntryPath, Error};
use crate::http::context::RequestContext;
use crate::http::download;
use crate::yielding;

#[derive(Debug, Serialize)]
struct TreeItem {
    name: String,
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    mode: String,
}

pub(super) async fn list(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let recursive = ctx.query.flag("recursive")?;
    let page = page(&ctx.query)?;
    let archive = archive_of_job(ctx, project, job_id).await;
    let archive = archive.map_err(|error| error.artifact_named("Artifacts Not Found"))?;
    let path = folder_path(ctx)?;
    let deliver = &ctx.app.deliver;
    let found = match archive {
        JobArchive { archive: Some(archive), files } => {
            deliver.list(&archive, files, path, recursive, page.range(), ctx.client_ip()).await?
        }
        JobArchive { archive: None, files } => {
            let folder = path.as_ref().map_or("", EntryPath::as_str);
            let listing = deliver.assembled(files)?.list(folder, recursive, page.range())?;
            listing.map(FolderPage::small)
        }
    };
    let found = found.ok_or(ApiError::absent("Path Not Found", "folder is not in the archive"))?;
    let FolderPage { listing, share } = found;
    let mut response = HttpResponse::Ok();
    page.write_headers(&mut response, Total::Known(listing.total), &ctx.url(), ctx.request.query_string());
    let making = deliver.capacity().make_text(share, move || {
        let items: Vec<TreeItem> = listing.items.into_iter().map(TreeItem::from).collect();
        yielding::json(&items, false)
    });
    let (made, share) = making.await?;
    let text = Bytes::from(made.map_err(Error::internal)?);
    response.content_type(ContentType::json());
    Ok(download::with_body(&mut response, text.len() as u64, share.into_body(text)))
}

impl From<ListingEntry> for TreeItem {
    fn from(item: ListingEntry) -> Self {
        Self {
            name: item.name,
            path: item.path,
            kind: if item.is_directory { "directory" } else { "file" },
            size: (!item.is_directory).then_some(item.size_bytes),
            mode: format!("{:06o}", item.mode),
        }
    }
}
