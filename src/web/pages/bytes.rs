//! Bytes of an archive that has no address of its own in any dialect: one of several of its job, whole or one file.

use actix_web::HttpResponse;

use crate::deliver::{DeliveredBytes, Delivery, Redirects};
use crate::domain::project::ProjectRef;
use crate::http::content_disposition::attachment;
use crate::http::download::{Download, send};
use crate::web::error::PageError;
use crate::web::visit::Visit;

/// `GET …/-/jobs/ID/artifacts/get/ARTIFACT/PATH`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    job_id: i64,
    artifact_id: i64,
    path: &[u8],
) -> Result<HttpResponse, PageError> {
    let (ctx, reference) = (visit.ctx, ProjectRef::Path(project.to_owned()));
    let artifact = visit.access().artifact_by_id(&visit.reader, reference, job_id, artifact_id).await?;
    let deliver = &ctx.app.deliver;
    let folder = visit.query("path").map(str::as_bytes);
    if let Some(folder) = folder.map(super::archive::path_of).transpose()?.flatten() {
        let found = deliver.folder(&artifact, folder.clone(), ctx.client_ip()).await?;
        let Some(zip) = found else { return Err(PageError::NoPage) };
        let download = Download::of_folder(&artifact, &folder, zip.size());
        let delivery = Delivery::Bytes(DeliveredBytes::Folder(Box::new(zip)));
        return Ok(send(&ctx.request, &download, delivery).await?);
    }
    let Some(path) = super::archive::path_of(path)? else {
        let disposition = attachment(&artifact.filename);
        let delivery =
            deliver.whole(&artifact, Redirects::Followed { head: ctx.is_head(), disposition }).await?;
        return Ok(send(&ctx.request, &Download::of_whole(&artifact)?, delivery).await?);
    };
    let entry = deliver.entry(&artifact, &path, ctx.client_ip()).await?;
    let (download, form) = Download::of_entry(&artifact, &path, &entry, &ctx.request);
    Ok(send(&ctx.request, &download, Delivery::Bytes(DeliveredBytes::Entry(entry, form))).await?)
}
