//! Bytes in a directory or a bucket: blobs under keys that are never used twice, whose bytes never
//! change.
//!
//! The store knows nothing of jobs or archives. A blob is invisible until it was committed; what is
//! done after that, and whether a row names it, is the caller's business.

mod blob;
mod bucket;
mod key;
mod listed;
mod local;
mod upload;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use blob::Blob;
pub use key::{SHARDS, StoreKey};
pub use listed::Listed;
pub use upload::{Stored, Upload};

use crate::domain::{Error, Kind, Result};
use crate::settings::StorageUrl;
use bucket::Bucket;
use listed::Leftover;
use local::Directory;
use upload::Part;

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Directory(Arc<Directory>),
    Bucket(Arc<Bucket>),
}

impl Store {
    /// Opens the store: creates a directory when missing, asks a bucket nothing.
    ///
    /// # Errors
    /// `Internal` when the directory cannot be created or written, or what is said of the bucket
    /// does not fit together.
    pub fn open(url: &StorageUrl) -> Result<Self> {
        let opened = match url {
            StorageUrl::Directory(path) => {
                Directory::open(path).map(|directory| Backend::Directory(Arc::new(directory)))
            }
            StorageUrl::Bucket(url) => Bucket::open(url).map(Backend::Bucket),
        };
        let backend = opened.map_err(|error| Error::internal(format!("storage.url: {error}")))?;
        Ok(Self { backend })
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn probe(&self) -> Result<()> {
        let probed = match &self.backend {
            Backend::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.probe()).await
            }
            Backend::Bucket(bucket) => bucket.probe().await,
        };
        probed.map_err(Error::unavailable)
    }

    /// Begins a new blob. Dropping the upload before it is committed leaves nothing behind.
    ///
    /// # Errors
    /// `OutOfSpace` or `Internal` when it cannot be created.
    pub async fn begin(&self) -> Result<Upload> {
        let key = StoreKey::random();
        let part = match &self.backend {
            Backend::Directory(directory) => {
                let directory = Arc::clone(directory);
                Part::File(blocking(move || directory.begin(key)).await?)
            }
            Backend::Bucket(bucket) => Part::Object(Box::new(bucket::Part::begin(Arc::clone(bucket), key))),
        };
        Ok(Upload::new(part))
    }

    /// Opens a blob of `size` bytes for any number of ranged reads. A file is looked at now, and stays
    /// readable while it is open, even when it is deleted meanwhile; a bucket is asked with each read.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Internal` when it has another size; for a bucket, reading has
    /// these errors.
    pub async fn open_blob(&self, key: &StoreKey, size: u64) -> Result<Blob> {
        let directory = match &self.backend {
            Backend::Directory(directory) => Arc::clone(directory),
            Backend::Bucket(bucket) => return Ok(Blob::object(Arc::clone(bucket), key.clone(), size)),
        };
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
        Ok(Blob::file(file, size))
    }

    /// Removes blobs and tells the outcome of each; it is no error when one is gone already.
    pub async fn delete_all(&self, keys: Vec<StoreKey>) -> Vec<Result<()>> {
        let count = keys.len();
        let outcomes = match &self.backend {
            Backend::Directory(directory) => {
                let directory = Arc::clone(directory);
                let removed = tokio::task::spawn_blocking(move || {
                    keys.iter().map(|key| directory.remove(key.as_str())).collect::<Vec<_>>()
                });
                let failed = |error: tokio::task::JoinError| {
                    let why = error.to_string();
                    (0..count).map(|_| Err(io::Error::other(why.clone()))).collect()
                };
                removed.await.unwrap_or_else(failed)
            }
            Backend::Bucket(bucket) => bucket.delete(keys).await,
        };
        outcomes.into_iter().map(|outcome| outcome.map_err(Error::from)).collect()
    }

    /// Removes a blob; it is no error when it is gone already.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be removed.
    pub async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.delete_all(vec![key.clone()]).await.pop().unwrap_or(Ok(()))
    }

    /// Everything in one of the store's [`SHARDS`], unfinished uploads included.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be read.
    pub async fn list(&self, shard: u16) -> Result<Vec<Listed>> {
        Ok(match &self.backend {
            Backend::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.list(shard)).await?
            }
            Backend::Bucket(bucket) => bucket.list(shard).await?,
        })
    }

    /// Removes what was listed; it is no error when it is gone already.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be removed.
    pub async fn remove_listed(&self, listed: &Listed) -> Result<()> {
        match (&self.backend, listed.leftover.clone()) {
            (Backend::Directory(directory), Leftover::File(name)) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.remove(&name)).await?;
            }
            (Backend::Bucket(bucket), leftover) => bucket.remove(leftover).await?,
            (Backend::Directory(_), _) => return Err(Error::internal("listed by another store")),
        }
        Ok(())
    }

    /// An address from which a blob can be read without credentials until `lifetime` is over, by `GET`
    /// or by `HEAD`, as a download with this `Content-Disposition`; `None` for a directory, which has
    /// no server of its own.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be signed.
    pub async fn signed_url(
        &self,
        key: &StoreKey,
        head: bool,
        disposition: String,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        match &self.backend {
            Backend::Directory(_) => Ok(None),
            Backend::Bucket(bucket) => Ok(Some(bucket.signed_url(key, head, disposition, lifetime).await?)),
        }
    }
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
