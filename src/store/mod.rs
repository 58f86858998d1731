//! Bytes on disk: blobs under keys that are never used twice, whose bytes never change.
//!
//! The store knows nothing of jobs or archives. A blob is invisible until it was committed; what is
//! done after that, and whether a row names it, is the caller's business.

mod key;
mod local;
mod upload;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

pub use key::{SHARDS, StoreKey};
pub use local::Listed;
pub use upload::{Stored, Upload};

use crate::domain::{Error, Kind, Result};
use crate::settings::StorageUrl;

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub struct Store {
    directory: Arc<local::Directory>,
}

impl Store {
    /// Opens the store, creating its directory when missing.
    ///
    /// # Errors
    /// `Internal` when the directory cannot be created or written.
    pub fn open(url: &StorageUrl) -> Result<Self> {
        let StorageUrl::Directory(path) = url;
        let opened = local::Directory::open(path);
        let directory = opened.map_err(|error| Error::internal(format!("storage.url: {error}")))?;
        Ok(Self { directory: Arc::new(directory) })
    }

    /// Begins a new blob. Dropping the upload before it is committed leaves nothing behind.
    ///
    /// # Errors
    /// `OutOfSpace` or `Internal` when it cannot be created.
    pub async fn begin(&self) -> Result<Upload> {
        let directory = Arc::clone(&self.directory);
        let key = StoreKey::random();
        let part = blocking(move || directory.begin(key)).await?;
        Ok(Upload::new(part))
    }

    /// Opens a blob of `size` bytes for any number of ranged reads; it stays readable while open,
    /// even when it is deleted meanwhile.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Internal` when it has another size.
    pub async fn open_blob(&self, key: &StoreKey, size: u64) -> Result<Blob> {
        let directory = Arc::clone(&self.directory);
        let path = key.clone();
        let opened = blocking(move || directory.open_blob(&path)).await;
        let (file, found) = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(Kind::NotFound, "Not Found").because(format!("blob {key} is not in the store"))
            }
            _ => Error::from(error),
        })?;
        if found != size {
            return Err(Error::internal(format!("blob {key} has {found} bytes, its row says {size}")));
        }
        Ok(Blob { file: Arc::new(file), size })
    }

    /// Removes a blob; it is no error when it is gone already.
    ///
    /// # Errors
    /// `Internal` when it cannot be removed.
    pub async fn delete(&self, key: &StoreKey) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        let key = key.clone();
        Ok(blocking(move || directory.delete(&key)).await?)
    }
}

impl Store {
    /// Everything in one of the store's [`SHARDS`], unfinished uploads included.
    ///
    /// # Errors
    /// `Internal` when it cannot be read.
    pub async fn list(&self, shard: u16) -> Result<Vec<Listed>> {
        let directory = Arc::clone(&self.directory);
        Ok(blocking(move || directory.list(shard)).await?)
    }

    /// Removes what was listed; it is no error when it is gone already.
    ///
    /// # Errors
    /// `Internal` when it cannot be removed.
    pub async fn remove_listed(&self, listed: &Listed) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        let listed = listed.clone();
        Ok(blocking(move || directory.remove_listed(&listed)).await?)
    }
}

/// An open blob.
#[derive(Debug, Clone)]
pub struct Blob {
    file: Arc<std::fs::File>,
    size: u64,
}

impl Blob {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads `range` into memory; the caller bounds it.
    ///
    /// # Errors
    /// When the range is not all there or cannot be read.
    pub async fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        blocking(move || local::read_at(&file, range)).await
    }

    /// Reads `range` piece by piece, one piece ahead of the reader, in flat memory.
    pub fn stream(&self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        local::pieces(Arc::clone(&self.file), range)
    }
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
