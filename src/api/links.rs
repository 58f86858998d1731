//! Signed links: serves the artifacts and takes the uploads whose link carries the permission.
//!
//! An `Authorization` header counts for nothing here, neither for nor against: clients send the credential of the API
//! along after a redirect to the same host. Uploads speak the part of Azure's Block Blob protocol that GitHub's
//! toolkit uses.

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::access::{AccessError, UploadError};
use crate::app::App;
use crate::auth::signed_links::{Link, LinkQuery, PREFIX, Purpose};
use crate::catalog::artifacts::Artifact;
use crate::catalog::uploads::{AddOutcome, PieceLimits, PieceUpload};
use crate::deliver::Redirects;
use crate::domain::artifact::ArtifactFormat;
use crate::domain::{Error, ErrorKind};
use crate::http::audit;
use crate::http::body::{RequestBody, broken_off};
use crate::http::content_disposition::attachment;
use crate::http::context::RequestContext;
use crate::http::download::{Download, send};
use crate::http::error::{RequestError, with_reason};
use crate::ingest::{AssembleOutcome, Turn};

/// Most blocks of an upload, as Azure has it.
const MAX_BLOCKS: i64 = 50_000;

/// Longest ID of a block, in bytes before its encoding, as Azure has it.
const MAX_BLOCK_ID_BYTES: usize = 64;

/// Longest list of blocks, in bytes: every ID with its element.
const MAX_LIST_BYTES: u64 = MAX_BLOCKS as u64 * 160;

/// Mounts everything below the prefix of links.
pub(super) fn mount(config: &mut ServiceConfig) {
    config.service(web::scope(PREFIX).default_service(web::to(answer)));
}

/// Why a request by link is refused: Azure's code, and the reason for the log.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, reason: message.clone(), message }
    }

    fn forbidden(reason: &str) -> Self {
        let message = "The link is not valid or has expired.";
        let code = "AuthenticationFailed";
        Self { status: StatusCode::FORBIDDEN, code, message: message.to_owned(), reason: reason.to_owned() }
    }

    fn into_response(self) -> HttpResponse {
        let text = quick_xml::escape::escape(&self.message);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{text}</Message></Error>",
            self.code
        );
        let response = HttpResponse::build(self.status)
            .insert_header((header::CONTENT_TYPE, "application/xml"))
            .insert_header(("x-ms-error-code", self.code))
            .body(body);
        with_reason(self.reason.into(), response)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        // Logs what is a fault of the server.
        let status = error.begin_response().finish().status();
        let code = match status.as_u16() {
            400 => "InvalidInput",
            404 | 410 => "BlobNotFound",
            409 => "OperationNotAllowed",
            412 => "ConditionNotMet",
            413 => "RequestBodyTooLarge",
            416 => "InvalidRange",
            503 => "ServerBusy",
            507 => "InsufficientAccountPermissions",
            _ => "InternalError",
        };
        let message = match &error {
            RequestError::Domain(error) => error.public_message().to_owned(),
            other => other.reason().into_owned(),
        };
        Self { status, code, message, reason: error.reason().into_owned() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        RequestError::Domain(error).into()
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let reason = error.reason().into_owned();
        match error {
            AccessError::ArtifactExpired(_) => {
                let gone = Error::new(ErrorKind::Gone, "Artifact has expired");
                Self { reason, ..gone.into() }
            }
            AccessError::JobNotRunning(_) => Self::forbidden(&reason),
            AccessError::Other(error) => error.into(),
            _ => Self {
                reason,
                ..Self::new(StatusCode::NOT_FOUND, "BlobNotFound", "The artifact does not exist.")
            },
        }
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Access(error) => error.into(),
            UploadError::NotFound => Self::forbidden("the upload takes nothing any more"),
            UploadError::NameTaken
            | UploadError::Incomplete
            | UploadError::SizeDiffers(_)
            | UploadError::DigestDiffers => {
                Self::new(StatusCode::CONFLICT, "OperationNotAllowed", "The upload is not in that state.")
            }
        }
    }
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = RequestBody::new(payload.into_inner(), app.settings.stall_timeout);
    let ctx = RequestContext::new(app, &request);
    let answer = dispatch(&ctx, body.clone()).await.unwrap_or_else(Refusal::into_response);
    audit::log(&request, &ctx.audit, answer.status());
    body.drain_behind(answer)
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, Refusal> {
    let uuid = ctx.request.path().strip_prefix(PREFIX).and_then(|path| path.strip_prefix('/'));
    let query = LinkQuery {
        purpose: ctx.query.get("for"),
        until: ctx.query.get("until"),
        key: ctx.query.get("key"),
        signature: ctx.query.get("sig"),
    };
    let keys = &ctx.app.keys;
    let link = Link::verify(keys, uuid.unwrap_or_default(), query, ctx.now).await?;
    let link = link.map_err(|why| Refusal::forbidden(&format!("link is refused: {why:?}").to_lowercase()))?;
    match (link.purpose, ctx.request.method()) {
        (Purpose::Download, &Method::GET | &Method::HEAD) => download(ctx, &link).await,
        (Purpose::Upload, &Method::PUT) => upload(ctx, &link, body).await,
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UnsupportedHttpVerb",
            "The link is not for this method.",
        )),
    }
}

async fn download(ctx: &RequestContext, link: &Link) -> Result<HttpResponse, Refusal> {
    let artifact = ctx.access().artifact_of_link(link.uuid, ctx.now).await?;
    let (filename, media_type) = (saved_as(&artifact), media_type(&artifact));
    let download = Download { filename, media_type: media_type.into(), ..Download::of_whole(&artifact)? };
    let redirects = Redirects::Followed { head: ctx.is_head(), disposition: attachment(&download.filename) };
    let delivery = ctx.app.deliver.whole(&artifact, redirects).await?;
    Ok(send(&ctx.request, &download, delivery).await?)
}

/// The name under which clients save an artifact: that of an archive ends with `.zip`.
fn saved_as(artifact: &Artifact) -> String {
    match artifact.name.named_archive() {
        Some(name) => format!("{name}.zip"),
        None => artifact.filename.clone(),
    }
}

fn media_type(artifact: &Artifact) -> String {
    match (&artifact.media_type, artifact.format) {
        (Some(declared), _) => declared.to_string(),
        (None, ArtifactFormat::Zip) => "application/zip".to_owned(),
        (None, ArtifactFormat::Raw | ArtifactFormat::Gzip) => "application/octet-stream".to_owned(),
    }
}

async fn upload(ctx: &RequestContext, link: &Link, body: RequestBody) -> Result<HttpResponse, Refusal> {
    let (upload, limit_bytes) = ctx.access().upload_of_link(link.uuid).await?;
    ctx.audit.set_job(upload.job_id);
    match ctx.query.get("comp") {
        Some("block") => block(ctx, &upload, limit_bytes, body).await,
        Some("blocklist") => block_list(ctx, &upload, body).await,
        None if ctx.request.headers().contains_key("x-ms-blob-type") => {
            whole_blob(ctx, &upload, limit_bytes, body).await
        }
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", "comp is not known")),
    }
}

/// `PUT …?comp=block&blockid=ID`
async fn block(
    ctx: &RequestContext,
    upload: &PieceUpload,
    limit_bytes: Option<u64>,
    body: RequestBody,
) -> Result<HttpResponse, Refusal> {
    let id = ctx.query.get("blockid").unwrap_or_default().replace(' ', "+");
    require_block_id(&id)?;
    take_piece(ctx, upload, limit_bytes, id, body).await?;
    Ok(created())
}

/// `PUT` of a small blob in one request, without blocks.
async fn whole_blob(
    ctx: &RequestContext,
    upload: &PieceUpload,
    limit_bytes: Option<u64>,
    body: RequestBody,
) -> Result<HttpResponse, Refusal> {
    let id = BASE64_STANDARD.encode("whole");
    take_piece(ctx, upload, limit_bytes, id.clone(), body).await?;
    let turn = ctx.app.ingest.turn(upload.project_id, upload.job_id).await?;
    assemble(ctx, turn, upload, &[id]).await
}

async fn take_piece(
    ctx: &RequestContext,
    upload: &PieceUpload,
    limit_bytes: Option<u64>,
    id: String,
    mut body: RequestBody,
) -> Result<(), Refusal> {
    if let (Some(announced), Some(limit)) = (ctx.announced_bytes(), limit_bytes)
        && announced > limit
    {
        return Err(crate::ingest::too_large(limit).into());
    }
    let mut piece = ctx.app.ingest.begin(upload.project_id, upload.job_id, limit_bytes).await?;
    while let Some(bytes) = body.next().await {
        piece.write(&bytes.map_err(broken_off)?).await?;
    }
    let limits = PieceLimits { pieces: MAX_BLOCKS, bytes: limit_bytes };
    match ctx.app.ingest.finish_piece(piece, upload.id, id, limits).await? {
        AddOutcome::Added(_) => Ok(()),
        AddOutcome::Closed => Err(Refusal::forbidden("the upload takes no blocks any more")),
        AddOutcome::TooMany => Err(Refusal::new(
            StatusCode::CONFLICT,
            "BlockCountExceedsLimit",
            "An upload has at most 50,000 blocks.",
        )),
        AddOutcome::TooLarge => Err(crate::ingest::too_large(limit_bytes.unwrap_or(0)).into()),
    }
}

/// `PUT …?comp=blocklist`
async fn block_list(
    ctx: &RequestContext,
    upload: &PieceUpload,
    mut body: RequestBody,
) -> Result<HttpResponse, Refusal> {
    // Before the list is read: lists are large, and few are held at a time.
    let turn = ctx.app.ingest.turn(upload.project_id, upload.job_id).await?;
    let xml = body.read_whole(MAX_LIST_BYTES).await?;
    let list = parse_list(&xml)?;
    drop(xml);
    assemble(ctx, turn, upload, &list).await
}

async fn assemble(
    ctx: &RequestContext,
    turn: Turn,
    upload: &PieceUpload,
    list: &[String],
) -> Result<HttpResponse, Refusal> {
    match ctx.app.ingest.assemble(turn, upload.uuid, list).await? {
        AssembleOutcome::Received => Ok(created()),
        AssembleOutcome::UnknownPiece => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidBlockList",
            "The list names a block that did not arrive.",
        )),
        AssembleOutcome::RepeatedPiece => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidBlockList", "The list names a block twice."))
        }
        AssembleOutcome::Closed => Err(Refusal::forbidden("the upload takes no other list")),
    }
}

/// The SDK takes 201 alone for success.
fn created() -> HttpResponse {
    HttpResponse::Created().finish()
}

fn require_block_id(id: &str) -> Result<(), Refusal> {
    match BASE64_STANDARD.decode(id) {
        Ok(bytes) if (1..=MAX_BLOCK_ID_BYTES).contains(&bytes.len()) => Ok(()),
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidQueryParameterValue",
            "blockid is not the base64 form of 1 to 64 bytes",
        )),
    }
}

/// Reads the IDs of a `BlockList`, in order. Every committed block is one that arrived here, so the three kinds of
/// elements mean the same.
fn parse_list(xml: &[u8]) -> Result<Vec<String>, Refusal> {
    let invalid =
        || Refusal::new(StatusCode::BAD_REQUEST, "InvalidXmlDocument", "The body is not a list of blocks.");
    let mut reader = Reader::from_reader(xml);
    let (mut list, mut depth, mut id) = (Vec::new(), 0, None::<String>);
    let mut seen_root = false;
    loop {
        match reader.read_event().map_err(|_| invalid())? {
            Event::Start(element) => {
                depth += 1;
                match (depth, element.local_name().as_ref()) {
                    (1, b"BlockList") => seen_root = true,
                    (2, b"Latest" | b"Uncommitted" | b"Committed") => id = Some(String::new()),
                    _ => return Err(invalid()),
                }
            }
            Event::Empty(element) => match (depth, element.local_name().as_ref()) {
                (0, b"BlockList") => seen_root = true,
                _ => return Err(invalid()),
            },
            Event::Text(text) => {
                if let Some(id) = &mut id {
                    id.push_str(std::str::from_utf8(&text).map_err(|_| invalid())?);
                }
            }
            Event::End(_) => {
                depth -= 1;
                if let Some(id) = id.take() {
                    let id = id.trim().to_owned();
                    require_block_id(&id)?;
                    list.push(id);
                    if list.len() as i64 > MAX_BLOCKS {
                        return Err(Refusal::new(
                            StatusCode::BAD_REQUEST,
                            "BlockListTooLong",
                            "A list has at most 50,000 blocks.",
                        ));
                    }
                }
            }
            Event::Eof if seen_root && depth == 0 => return Ok(list),
            Event::Eof | Event::DocType(_) | Event::GeneralRef(_) | Event::CData(_) => return Err(invalid()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(xml: &str) -> Result<Vec<String>, &'static str> {
        parse_list(xml.as_bytes()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_list_is_read_in_its_order_whatever_its_elements_are_called() {
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>";
        let list = "<BlockList><Latest>QQ==</Latest><Uncommitted>Qg==</Uncommitted><Committed> QQ== </Committed></BlockList>";
        assert_eq!(ids(&format!("{declaration}{list}")).unwrap(), ["QQ==", "Qg==", "QQ=="]);
        for empty in ["<BlockList/>", "<BlockList></BlockList>", "<BlockList>\n</BlockList>"] {
            assert_eq!(ids(empty).unwrap(), Vec::<String>::new(), "{empty}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for xml in [
            "",
            "{}",
            "<BlockList>",
            "<Blocks/>",
            "<BlockList><Latest><Latest>QQ==</Latest></Latest></BlockList>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><BlockList><Latest>&b;</Latest></BlockList>",
        ] {
            assert_eq!(ids(xml), Err("InvalidXmlDocument"), "{xml}");
        }
        for id in ["", "../x", "a", &BASE64_STANDARD.encode([b'x'; 65])] {
            let xml = format!("<BlockList><Latest>{id}</Latest></BlockList>");
            assert_eq!(ids(&xml), Err("InvalidQueryParameterValue"), "{id}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_a_panic(xml: Vec<u8>) {
            let _ = parse_list(&xml);
        }
    }
}
