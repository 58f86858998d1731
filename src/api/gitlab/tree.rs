//! `GET /projects/:id/jobs/:job_id/artifacts/tree`: what is in an archive, straight from its index.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use bytes::Bytes;
use serde::Serialize;

use crate::api::gitlab::archives::artifact_of_job;
use crate::api::gitlab::call::Call;
use crate::api::gitlab::downloads::{folder_path, sources};
use crate::api::gitlab::failure::Failure;
use crate::archive::Item;
use crate::deliver;
use crate::domain::Error;
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;
use crate::http::paging::Length;
use crate::http::response;

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

pub(super) async fn list(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let recursive = call.flag("recursive")?;
    let page = call.page()?;
    let found = artifact_of_job(call, project, job_id, ArtifactKind::Archive).await;
    let archive = found.map_err(|failure| match failure.is_missing_file() {
        true => failure.about("Artifacts Not Found"),
        false => failure,
    })?;
    let path = folder_path(call)?;
    let mut found = deliver::list_folder(sources(call), &archive, path, recursive, page.window())
        .await?
        .ok_or(Failure::absent("Path Not Found", "folder is not in the archive"))?;
    let mut answer = HttpResponse::Ok();
    page.describe(&mut answer, Length::Known(found.listing.total), &call.url(), call.request.query_string());
    let items: Vec<TreeItem> =
        std::mem::take(&mut found.listing.items).into_iter().map(TreeItem::from).collect();
    let text = Bytes::from(serde_json::to_vec(&items).map_err(Error::internal)?);
    drop(items);
    answer.content_type(ContentType::json());
    Ok(response::with_body(&mut answer, text.len() as u64, found.into_body(text)))
}

impl From<Item> for TreeItem {
    fn from(item: Item) -> Self {
        Self {
            name: item.name,
            path: item.path,
            kind: if item.is_directory { "directory" } else { "file" },
            size: (!item.is_directory).then_some(item.size_bytes),
            mode: format!("{:06o}", item.mode),
        }
    }
}
