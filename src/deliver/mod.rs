//! Deliver is the one read path: a whole artifact, or one file or folder of an archive.
//!
//! The caller has authorized the request; bytes are only found, opened and streamed here. Memory holds only
//! an archive's index, what a decompressor takes, and two pieces of its bytes; all of that is bounded.

mod arranged;
mod assembled;
mod beginning;
mod budget;
mod capacity;
mod contents;
mod delivery;
mod entry;
mod folder;
mod index_cache;
mod skip;
mod text;
mod zstd;

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

pub use arranged::{Contents, FoundFiles};
pub use assembled::AssembledDelivery;
pub use beginning::Beginning;
pub use budget::Patience;
pub use capacity::Capacity;
pub use contents::{FileFilter, ListedFile, Source, SourceKind};
pub use delivery::{Bytes as DeliveredBytes, Deliver, Delivery, Redirects};
pub use entry::{EntryDelivery, StoredEncoding, find_entry};
pub use folder::{FolderDelivery, FolderPage, list_folder, plan_folder};
pub use index_cache::IndexCache;
pub use text::TextShare;

use crate::archive::{CorruptEntry, CorruptEntryError};
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::{Blob, Store, StoreKey};

/// The parts that a read of an archive uses, and its client.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Blob storage.
    pub store: &'a Store,
    /// Cached indexes of archives.
    pub indexes: &'a IndexCache,
    /// The bounds on responses.
    pub capacity: &'a Capacity,
    /// The client that the response's memory is counted for, if any.
    pub client: Option<IpAddr>,
}

/// The bytes of a response, piece by piece.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A response body.
pub enum Body {
    /// All bytes, in memory.
    Full(Bytes),
    /// Any number of bytes, read while they are sent.
    Stream(ByteStream),
}

/// Opens an artifact's bytes.
///
/// # Errors
/// `NotFound` when they are missing, `Internal` when row and store disagree.
pub async fn open_artifact(store: &Store, artifact: &Artifact) -> Result<Blob> {
    let key: StoreKey = artifact.store_key.parse().map_err(Error::internal)?;
    let size = u64::try_from(artifact.size_bytes).map_err(Error::internal)?;
    store.open_blob(&key, size).await
}

/// Streams a part of an artifact's bytes. A failure of the first piece is an error; a later one ends the
/// stream with one.
///
/// # Errors
/// `NotFound`, `Unavailable` or `Internal` when the first piece cannot be read.
pub async fn read_artifact(blob: &Blob, part: Range<u64>) -> Result<ByteStream> {
    let logged = blob.stream(part).inspect_err(|error| tracing::error!(%error, "an artifact cannot be read"));
    with_first_chunk(logged).await
}

/// Returns the stream once its first piece is read.
async fn with_first_chunk(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<ByteStream> {
    let mut pieces = Box::pin(pieces);
    match pieces.next().await {
        None => Ok(Box::pin(stream::empty())),
        Some(first) => {
            let first = first.map_err(unreadable)?;
            Ok(Box::pin(stream::iter([Ok(first)]).chain(pieces)))
        }
    }
}

/// Converts an error that occurs before anything was sent. Damage of an archive becomes `Unprocessable`, with
/// its reason; any other error is the store's.
fn unreadable(error: io::Error) -> Error {
    let why = match error.downcast::<CorruptEntry>() {
        Ok(damage) => damage.to_string(),
        Err(error) => match error.downcast::<CorruptEntryError>() {
            Ok(damaged) => damaged.to_string(),
            Err(error) => return error.into(),
        },
    };
    Error::new(ErrorKind::Unprocessable, why)
}
