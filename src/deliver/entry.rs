//! One file out of an archive, decompressed and checked while it is read.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio_util::io::StreamReader;

use super::{ByteStream, IndexCache, open_artifact};
use crate::archive::{self, EntryMeta};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, Kind, Result};
use crate::store::{Blob, Store};

/// A file that was found in an archive.
#[derive(Debug)]
pub struct EntryDelivery {
    blob: Blob,
    entry: EntryMeta,
}

/// Finds the file at `path` in an archive.
///
/// # Errors
/// `NotFound` when it has no such entry; `Unprocessable` when it is no readable archive, or the
/// entry is encrypted or packed by an unknown method; `Internal` when its bytes cannot be read.
pub async fn find_entry(
    store: &Store,
    indexes: &IndexCache,
    archive: &Artifact,
    path: &EntryPath,
) -> Result<EntryDelivery> {
    let blob = open_artifact(store, archive).await?;
    let index = indexes.get(&archive.store_key, &blob).await?.map_err(unprocessable)?;
    let entry =
        index.find(path.as_str().as_bytes()).ok_or_else(|| Error::new(Kind::NotFound, "Not Found"))?;
    let entry = EntryMeta::from(entry);
    entry.check_supported().map_err(unprocessable)?;
    Ok(EntryDelivery { blob, entry })
}

fn unprocessable(why: impl std::error::Error) -> Error {
    Error::new(Kind::Unprocessable, why.to_string())
}

impl EntryDelivery {
    /// The size of the file in bytes, decompressed.
    pub fn size(&self) -> u64 {
        self.entry.unpacked_bytes
    }

    /// The file's bytes. The first piece is read before this returns, so that damage found there
    /// is still an error; what is found later ends the stream with one, before its last byte.
    ///
    /// # Errors
    /// `Internal` when the first piece is damaged or cannot be read.
    pub async fn into_stream(self) -> Result<ByteStream> {
        let name = String::from_utf8_lossy(&self.entry.name).into_owned();
        let packed = Box::pin(packed(self.blob, &self.entry));
        let pieces = archive::open(StreamReader::new(packed), self.entry).map_err(unprocessable)?;
        let mut pieces = Box::pin(pieces.inspect(move |piece| {
            if let Err(error) = piece {
                tracing::error!(entry.name = name, %error, "an archive's entry is damaged");
            }
        }));
        match pieces.next().await {
            None => Ok(Box::pin(stream::empty())),
            Some(first) => Ok(Box::pin(stream::iter([Ok(first?)]).chain(pieces))),
        }
    }
}

/// The archive from the entry's header on. What the entry surely needs is one ranged read; the
/// rest is a second one, begun only when its header turns out to be longer than headers are.
fn packed(blob: Blob, entry: &EntryMeta) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let start = entry.header_offset;
    let middle = blob.size().min(start.saturating_add(archive::probable_span(entry)));
    let likely = blob.stream(start..middle);
    let rest = stream::once(async move { blob.stream(middle..blob.size()) });
    likely.chain(rest.flatten())
}
