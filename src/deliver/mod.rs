//! The one read path: a whole artifact, or one file out of an archive.
//!
//! Who may read was decided before; here it is only found, opened and streamed. Nothing is held in
//! memory but an archive's index, what a decompressor takes, and two pieces of its bytes; all of that
//! is bounded.

mod budget;
mod capacity;
mod delivery;
mod entry;
mod folder;
mod index_cache;
mod skip;
mod zstd;

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

pub use budget::Patience;
pub use capacity::Capacity;
pub use delivery::{Bytes as DeliveredBytes, Deliver, Delivery, Redirects};
pub use entry::{EntryDelivery, StoredEncoding, find_entry};
pub use folder::{FolderDelivery, FolderPage, list_folder, plan_folder};
pub use index_cache::IndexCache;

use crate::archive::{CorruptEntry, CorruptEntryError};
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::{Blob, Store, StoreKey};

/// What a read of an archive takes, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Where bytes are.
    pub store: &'a Store,
    /// What is known of archives.
    pub indexes: &'a IndexCache,
    /// What the answer may hold.
    pub capacity: &'a Capacity,
    /// Whose answer it is: nobody has all.
    pub client: Option<IpAddr>,
}

/// Bytes on their way out.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// An answer's bytes.
pub enum Body {
    /// A few, all here.
    Full(Bytes),
    /// Any number, on their way.
    Stream(ByteStream),
}

/// Opens an artifact's bytes.
///
/// # Errors
/// `NotFound` when they are gone, `Internal` when row and store disagree.
pub async fn open_artifact(store: &Store, artifact: &Artifact) -> Result<Blob> {
    let key: StoreKey = artifact.store_key.parse().map_err(Error::internal)?;
    let size = u64::try_from(artifact.size_bytes).map_err(Error::internal)?;
    store.open_blob(&key, size).await
}

/// A part of an artifact's bytes, or all of them. That they cannot be read at all is an error; what goes
/// wrong later ends the stream with one.
///
/// # Errors
/// `NotFound`, `Unavailable` or `Internal` when the first piece cannot be read.
pub async fn read_artifact(blob: &Blob, part: Range<u64>) -> Result<ByteStream> {
    let logged = blob.stream(part).inspect_err(|error| tracing::error!(%error, "an artifact cannot be read"));
    with_first_chunk(logged).await
}

/// The stream, once its first piece is there.
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

/// What is answered where nothing was sent yet: what is wrong with an archive is its maker's business and
/// said; anything else is the store's.
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
