//! The one read path: a whole artifact, or one file out of an archive.
//!
//! Who may read was decided before; here it is only found, opened and streamed. Nothing is held in
//! memory but an archive's index and two pieces of its bytes.

mod entry;
mod folder;
mod index_cache;

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

pub use entry::{EntryDelivery, PackedAs, find_entry};
pub use folder::{FolderDelivery, list_folder, plan_folder};
pub use index_cache::IndexCache;

use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, Result};
use crate::store::{Blob, Store, StoreKey};

/// Bytes on their way out.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Opens an artifact's bytes.
///
/// # Errors
/// `NotFound` when they are gone, `Internal` when row and store disagree.
pub async fn open_artifact(store: &Store, artifact: &Artifact) -> Result<Blob> {
    let key: StoreKey = artifact.store_key.parse().map_err(Error::internal)?;
    let size = u64::try_from(artifact.size_bytes).map_err(Error::internal)?;
    store.open_blob(&key, size).await
}
