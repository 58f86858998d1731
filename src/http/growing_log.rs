//! Log that grows: sent as far as it has come in, piece by piece, and on from the artifact that it becomes meanwhile.

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::access::GrowingLog;
use crate::archive::gzip::gunzip;
use crate::deliver::{ByteStream, open_artifact, read_artifact};
use crate::domain::{Error, ErrorKind, Result};
use crate::store::Store;

/// Sends a log as far as it has come in.
///
/// # Errors
/// `Internal` for a size that cannot be.
pub fn send(store: &Store, log: GrowingLog, media_type: &str) -> Result<HttpResponse> {
    let reader = Reader::new(store, log)?;
    let size = reader.size;
    let pieces = stream::try_unfold(reader, async |mut reader| {
        let piece = reader.next().await.inspect_err(|error| {
            tracing::warn!(causes = error.source_chain(), %error, "a log was not sent to its end");
        })?;
        Ok::<_, Error>(piece.map(|piece| (piece, reader)))
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
/// Those of catalog and store; `Unavailable` when the log changed while it was read.
pub async fn whole(store: &Store, log: GrowingLog) -> Result<Vec<u8>> {
    let mut reader = Reader::new(store, log)?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A log that is read up to the size that it had.
struct Reader {
    store: Store,
    log: GrowingLog,
    size: u64,
    read: u64,
    /// The rest of the artifact that the log has become.
    rest: Option<ByteStream>,
}

impl Reader {
    fn new(store: &Store, log: GrowingLog) -> Result<Self> {
        let size = u64::try_from(log.size_bytes).map_err(Error::internal)?;
        Ok(Self { store: store.clone(), log, size, read: 0, rest: None })
    }

    /// Reads the next bytes; `None` after the last. What comes in meanwhile was not announced, and is left out.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let left = self.size - self.read;
        if left == 0 {
            return Ok(None);
        }
        let piece = match &mut self.rest {
            Some(rest) => rest.next().await.ok_or_else(changed)??,
            None => match self.log.next().await? {
                Some(chunk) => {
                    let size = usize::try_from(chunk.size_bytes).map_err(Error::internal)?;
                    gunzip(&chunk.data, size).map_err(Error::internal)?.into()
                }
                None => self.begin_rest().await?,
            },
        };
        let piece = piece.slice(..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()));
        self.read += piece.len() as u64;
        Ok(Some(piece))
    }

    /// Opens the artifact where the pieces ran out, and reads its next bytes.
    async fn begin_rest(&mut self) -> Result<Bytes> {
        let artifact = self.log.stored().await?.ok_or_else(changed)?;
        let blob = open_artifact(&self.store, &artifact).await?;
        if blob.size() < self.size {
            return Err(changed());
        }
        let mut rest = read_artifact(&blob, self.read..self.size).await?;
        let piece = rest.next().await.ok_or_else(changed)??;
        self.rest = Some(rest);
        Ok(piece)
    }
}

/// The job was erased, or a piece came in late before others.
fn changed() -> Error {
    Error::new(ErrorKind::Unavailable, "The log changed while it was read. Try again.")
}
