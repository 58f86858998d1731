//! Upload by link: the part of Azure's Block Blob protocol that GitHub's toolkit uses.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;

use super::block_list;
use super::error::Refusal;
use crate::access::Room;
use crate::auth::signed_links::Link;
use crate::catalog::uploads::{AddOutcome, PieceLimits, PieceUpload};
use crate::domain::artifact::UploadState;
use crate::domain::{Error, ErrorKind};
use crate::http::body::{RequestBody, broken_off};
use crate::http::context::RequestContext;
use crate::ingest::{AssembleOutcome, Turn, too_large};

/// Longest list of blocks, in bytes: every ID with its element.
const MAX_LIST_BYTES: u64 = block_list::MAX_BLOCKS as u64 * 160;

/// Takes a block, a list of blocks, or a whole blob.
pub(super) async fn take(
    ctx: &RequestContext,
    link: &Link,
    body: RequestBody,
) -> Result<HttpResponse, Refusal> {
    match ctx.query.get("comp") {
        Some("block") => block(ctx, link, body).await,
        Some("blocklist") => ordered(ctx, link, body).await,
        None if ctx.request.headers().contains_key("x-ms-blob-type") => whole_blob(ctx, link, body).await,
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", "comp is not known")),
    }
}

/// `PUT …?comp=block&blockid=ID`
async fn block(ctx: &RequestContext, link: &Link, body: RequestBody) -> Result<HttpResponse, Refusal> {
    let id = ctx.query.get("blockid").unwrap_or_default().replace(' ', "+");
    if !block_list::is_block_id(&id) {
        let why = "blockid is not the base64 form of 1 to 64 bytes";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", why));
    }
    take_piece(ctx, link, id, body).await?;
    Ok(created())
}

/// `PUT` of a small blob in one request, without blocks.
async fn whole_blob(ctx: &RequestContext, link: &Link, body: RequestBody) -> Result<HttpResponse, Refusal> {
    let id = BASE64_STANDARD.encode("whole");
    let (known, _) = ctx.access().upload_of_link(link.uuid, None).await?;
    // A repeated one, whose answer was lost, is accepted as a repeated list is.
    let upload = match known.state {
        UploadState::Open => take_piece(ctx, link, id.clone(), body).await?,
        UploadState::Received
        | UploadState::Ordered
        | UploadState::Completed
        | UploadState::Failed
        | UploadState::Abandoned => known,
    };
    let turn = ctx.app.ingest.turn(upload.project_id, upload.job_id).await?;
    assemble(ctx, turn, &upload, vec![id]).await
}

/// Takes the bytes of a block. One that announces more than the upload may still take waits for no turn.
async fn take_piece(
    ctx: &RequestContext,
    link: &Link,
    id: String,
    mut body: RequestBody,
) -> Result<PieceUpload, Refusal> {
    let (upload, room) = ctx.access().upload_of_link(link.uuid, Some(id.clone())).await?;
    ctx.audit.set_job(upload.job_id);
    let most_bytes = room.piece.most_bytes();
    if most_bytes.is_some_and(|most| ctx.announces_more_than(most)) {
        return Err(no_room(&room, ctx.announced_bytes()).into());
    }
    let mut piece = ctx.app.ingest.begin_piece(upload.project_id, upload.job_id, most_bytes).await?;
    while let Some(bytes) = body.next().await {
        let writing = piece.write(&bytes.map_err(broken_off)?).await;
        writing.map_err(|error| match error.kind() {
            ErrorKind::TooLarge => no_room(&room, None),
            _ => error,
        })?;
    }
    let limits = PieceLimits { pieces: block_list::MAX_BLOCKS as i64, bytes: room.limit_bytes };
    match ctx.app.ingest.finish_piece(piece, upload.id, id, limits).await? {
        AddOutcome::Added(_) => Ok(upload),
        AddOutcome::Closed => Err(Refusal::forbidden("the upload takes no blocks any more")),
        AddOutcome::TooMany => Err(Refusal::new(
            StatusCode::CONFLICT,
            "BlockCountExceedsLimit",
            "An upload has at most 50,000 blocks.",
        )),
        AddOutcome::TooLarge => Err(too_large(room.limit_bytes.unwrap_or(0)).into()),
    }
}

/// Returns the refusal of a block that is larger than its upload may still take.
fn no_room(room: &Room, announced_bytes: Option<u64>) -> Error {
    match room.piece.quota_in_the_way() {
        Some(quota) => Error::new(ErrorKind::OverQuota, quota.refusal(announced_bytes)),
        None => too_large(room.limit_bytes.unwrap_or(0)),
    }
}

/// `PUT …?comp=blocklist`
async fn ordered(ctx: &RequestContext, link: &Link, mut body: RequestBody) -> Result<HttpResponse, Refusal> {
    let (upload, _) = ctx.access().upload_of_link(link.uuid, None).await?;
    ctx.audit.set_job(upload.job_id);
    // Before the list is read: lists are large, and few are held at a time.
    let turn = ctx.app.ingest.turn(upload.project_id, upload.job_id).await?;
    let xml = body.read_whole(MAX_LIST_BYTES).await?;
    let list = block_list::parse(&xml)?;
    drop(xml);
    assemble(ctx, turn, &upload, list).await
}

async fn assemble(
    ctx: &RequestContext,
    turn: Turn,
    upload: &PieceUpload,
    list: Vec<String>,
) -> Result<HttpResponse, Refusal> {
    let (app, uuid) = (ctx.app.clone(), upload.uuid);
    // A client that leaves does not end it: reading goes on, and holds its turn, until the next try finds it done.
    let assembling = actix_web::rt::spawn(async move { app.ingest.assemble(turn, uuid, &list).await });
    match assembling.await.map_err(Error::internal)?? {
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
