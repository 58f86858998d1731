//! Log that grows: sent as far as it has come in, piece by piece.

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::stream;

use crate::access::GrowingLog;
use crate::archive::gzip::gunzip;
use crate::domain::{Error, Result};

/// Sends a log as far as it has come in.
///
/// # Errors
/// `Internal` for a size that cannot be.
pub fn send(log: GrowingLog, media_type: &str) -> Result<HttpResponse> {
    let size = u64::try_from(log.size_bytes).map_err(Error::internal)?;
    let pieces = stream::try_unfold((log, size), async |(mut log, left)| {
        // What comes in meanwhile is not announced.
        let piece = if left == 0 { None } else { next(&mut log).await? };
        Ok::<_, Error>(piece.map(|piece| {
            let piece = piece.slice(..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()));
            let left = left - piece.len() as u64;
            (piece, (log, left))
        }))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(SizedStream::new(size, Box::pin(pieces))))
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
