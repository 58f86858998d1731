//! Log that grows: sent as far as it has come in, piece by piece.

use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::stream;

use crate::access::GrowingLog;
use crate::archive::gzip::gunzip;
use crate::domain::{Error, Result};
use crate::http::context::RequestContext;

/// Sends a log as far as it has come in.
pub fn send(ctx: &RequestContext, log: GrowingLog, media_type: &str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if ctx.is_head() {
        return response.finish();
    }
    response.streaming(stream::try_unfold(log, async |mut log| {
        let piece = next(&mut log).await?;
        Ok::<_, Error>(piece.map(|piece| (piece, log)))
    }))
}

/// Reads a log as far as it has come in into memory; its caller bounds it.
///
/// # Errors
/// Those of the catalog.
pub async fn whole(mut log: GrowingLog) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = next(&mut log).await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn next(log: &mut GrowingLog) -> Result<Option<Bytes>> {
    let Some(chunk) = log.next().await? else { return Ok(None) };
    let size = usize::try_from(chunk.size_bytes).map_err(Error::internal)?;
    let bytes = gunzip(&chunk.data, size).map_err(Error::internal)?;
    Ok(Some(bytes.into()))
}
