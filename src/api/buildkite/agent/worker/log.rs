//! Log: pieces of what a job prints, compressed with gzip, in any order and more than once.

use actix_web::HttpResponse;
use actix_web::http::header;

use super::{credential, done};
use crate::access::AgentError;
use crate::api::buildkite::error::ApiError;
use crate::archive::gzip::{gunzip, gzip};
use crate::catalog::logs::LogChunk;
use crate::domain::{Error, ErrorKind, RowId, byte_size};
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::credentials::text;

/// Most bytes of a piece, uncompressed: what agents send unless they are told another.
pub(super) const MAX_CHUNK_BYTES: usize = 1 << 20;

/// Longest log of a job, in bytes.
pub(super) const MAX_LOG_BYTES: i64 = 100 << 20;

/// What compression may add to a piece that is received, in bytes.
const OVERHEAD_BYTES: usize = 64 << 10;

/// What compression may add to a piece that is stored as it was received, in bytes: more than it ever needs.
const STORED_OVERHEAD_BYTES: usize = 1 << 10;

/// `POST /v3/jobs/ID/chunks?sequence=N&offset=O&size=S`
pub(super) async fn add(
    ctx: &RequestContext,
    id: RowId,
    body: &mut RequestBody,
) -> Result<HttpResponse, ApiError> {
    let credential = credential(ctx).await?;
    ctx.access().held_job(&credential, id, &ctx.audit, ctx.now).await?;
    let (starts_at, size_bytes) = bounds(ctx)?;
    let sent = body.read_whole((MAX_CHUNK_BYTES + OVERHEAD_BYTES) as u64).await?;
    if size_bytes == 0 {
        return Ok(done());
    }
    let is_gzip = text(ctx.request.headers(), header::CONTENT_ENCODING.as_str())
        .is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
    let data = tokio::task::spawn_blocking(move || compressed(sent, size_bytes, is_gzip))
        .await
        .map_err(Error::internal)??;
    let chunk = LogChunk { starts_at, size_bytes: size_bytes as i64, data };
    ctx.access().add_to_log(&credential, id, chunk, MAX_LOG_BYTES, &ctx.audit, ctx.now).await?;
    Ok(done())
}

/// Reads where a piece begins, and its size.
fn bounds(ctx: &RequestContext) -> Result<(i64, usize), ApiError> {
    let number = |name: &'static str| {
        let found = ctx.query.get(name).and_then(|text| text.parse::<i64>().ok()).filter(|it| *it >= 0);
        found.ok_or_else(|| ApiError::BadRequest(format!("{name}: expected a whole number").into()))
    };
    let (starts_at, size) = (number("offset")?, number("size")?);
    let size_bytes = usize::try_from(size).unwrap_or(usize::MAX);
    if size_bytes > MAX_CHUNK_BYTES {
        let most = byte_size::show(MAX_CHUNK_BYTES as u64);
        return Err(Error::new(ErrorKind::TooLarge, format!("the piece is larger than {most}")).into());
    }
    if starts_at.saturating_add(size) > MAX_LOG_BYTES {
        return Err(AgentError::LogTooLong(MAX_LOG_BYTES).into());
    }
    Ok((starts_at, size_bytes))
}

/// Checks the size of a piece, and returns it compressed: anew, if what the client made of it is larger than it needs to
/// be, because the bound of a log counts bytes before compression.
fn compressed(sent: Vec<u8>, size_bytes: usize, is_gzip: bool) -> Result<Vec<u8>, ApiError> {
    let wrong = |why: String| ApiError::BadRequest(why.into());
    let (plain, kept) = if is_gzip {
        let plain = gunzip(&sent, size_bytes)
            .map_err(|why| wrong(format!("The piece cannot be decompressed: {why}")))?;
        (plain, Some(sent).filter(|sent| sent.len() <= size_bytes + STORED_OVERHEAD_BYTES))
    } else {
        (sent, None)
    };
    if plain.len() != size_bytes {
        return Err(wrong(format!("size: expected {size_bytes} bytes, received {}", plain.len())));
    }
    kept.map_or_else(|| gzip(&plain).map_err(|error| Error::internal(error).into()), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_stored_no_larger_than_it_needs_to_be() {
        let sent = gzip(b"hello").unwrap();
        assert_eq!(compressed(sent.clone(), 5, true).unwrap(), sent);
        // Members that hold nothing.
        let padded = [sent, gzip(b"").unwrap().repeat(1000)].concat();
        for (sent, is_gzip) in [(padded, true), (b"hello".to_vec(), false)] {
            let stored = compressed(sent, 5, is_gzip).unwrap();
            assert!(stored.len() < 100, "{}", stored.len());
            assert_eq!(gunzip(&stored, 5).unwrap(), b"hello");
        }
    }
}
