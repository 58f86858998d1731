//! Signed links: serves the artifacts and takes the uploads whose link carries the permission.
//!
//! An `Authorization` header counts for nothing here, neither for nor against: clients send the credential of the API
//! along after a redirect to the same host.

pub mod block_list;
mod declared;
mod error;
mod upload;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::auth::signed_links::{Link, LinkQuery, PREFIX, Purpose};
use crate::catalog::artifacts::Artifact;
use crate::deliver::{DeliveredBytes, Delivery, Redirects};
use crate::domain::artifact::{ArtifactFormat, ArtifactName, zip_filename};
use crate::http::body::RequestBody;
use crate::http::content_disposition::attachment;
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::handler;
use error::Refusal;

/// Mounts everything below the prefix of links.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    handler::answer_without_credential(app, request, payload, dispatch, refuse).await
}

/// Renders a refusal: for an agent, which shows it to people, in JSON.
fn refuse(ctx: &RequestContext, refusal: Refusal) -> HttpResponse {
    let is_of_agent = matches!(ctx.query.get("for"), Some("part" | "form"));
    if is_of_agent { refusal.in_json() } else { refusal }.into_response()
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, Refusal> {
    let uuid = ctx.request.path().strip_prefix(PREFIX).and_then(|path| path.strip_prefix('/'));
    let query = LinkQuery {
        purpose: ctx.query.get("for"),
        path: ctx.query.get("path"),
        until: ctx.query.get("until"),
        key: ctx.query.get("key"),
        signature: ctx.query.get("sig"),
    };
    let keys = &ctx.app.keys;
    let link = Link::verify(keys, uuid.unwrap_or_default(), query, ctx.now).await?;
    let link = link.map_err(|why| Refusal::forbidden(&format!("link is refused: {why:?}").to_lowercase()))?;
    ctx.has_route("/-/blobs/:id");
    if link.purpose != Purpose::Download {
        ctx.is_upload();
    }
    match (link.purpose, ctx.request.method()) {
        (Purpose::Download, &Method::GET | &Method::HEAD) => download(ctx, &link).await,
        (Purpose::Upload, &Method::PUT) => upload::take(ctx, &link, body).await,
        (Purpose::Part, &Method::PUT) => declared::part(ctx, &link, body).await,
        (Purpose::Form, &Method::POST) => declared::form(ctx, &link, body).await,
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UnsupportedHttpVerb",
            "The link is not for this method.",
        )),
    }
}

async fn download(ctx: &RequestContext, link: &Link) -> Result<HttpResponse, Refusal> {
    let (artifact, shown_name) = ctx.access().artifact_of_link(link.uuid, ctx.now).await?;
    if let Some(path) = &link.path {
        return file(ctx, &artifact, path).await;
    }
    let (filename, media_type) = (saved_as(&artifact, &shown_name), media_type(&artifact));
    let download = Download { filename, media_type: media_type.into(), ..Download::of_whole(&artifact)? };
    let redirects = Redirects::Followed { head: ctx.is_head(), disposition: attachment(&download.filename) };
    let delivery = ctx.app.deliver.whole(&artifact, redirects).await?;
    Ok(send(&ctx.request, &download, delivery).await?)
}

/// Sends a file of an archive, never in the archive's own encoding: clients of links decode none.
async fn file(ctx: &RequestContext, archive: &Artifact, path: &str) -> Result<HttpResponse, Refusal> {
    let entry = ctx.app.deliver.open_file(archive, path, ctx.client_ip()).await?;
    let download = Download::of_file(archive, path, &entry);
    Ok(send(&ctx.request, &download, Delivery::Bytes(DeliveredBytes::Entry(entry, None))).await?)
}

/// The name under which clients save an artifact: that of an archive, a job's one too, ends with `.zip`.
fn saved_as(artifact: &Artifact, shown_name: &str) -> String {
    let is_archive = artifact.name == ArtifactName::ARCHIVE || artifact.name.named_archive().is_some();
    if is_archive { zip_filename(shown_name) } else { artifact.filename.clone() }
}

fn media_type(artifact: &Artifact) -> String {
    match (&artifact.media_type, artifact.format) {
        (Some(declared), _) => declared.to_string(),
        (None, ArtifactFormat::Zip) => "application/zip".to_owned(),
        (None, ArtifactFormat::Raw | ArtifactFormat::Gzip) => "application/octet-stream".to_owned(),
    }
}
