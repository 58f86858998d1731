//! The store holds blobs in a directory or a bucket, under keys that are never used twice; a blob's bytes
//! never change.
//!
//! The store knows nothing of jobs or archives. A blob is invisible until it is committed; whether a row
//! references it is the caller's business. While an instance moves from one store to another, blobs that are
//! not in the new one yet are read from the previous one.

mod backend;
mod blob;
mod bucket;
mod entry;
mod gathered;
mod key;
mod local;
mod page_cache;
mod waiting;
mod writer;

use std::io;
use std::time::{Duration, Instant, SystemTime};

pub use blob::Blob;
pub use entry::StoreEntry;
pub use key::{SHARDS, StoreKey};
use uuid::Uuid;
pub use writer::{StoredBlob, StoredPiece, Upload};

use crate::domain::{Error, ErrorKind, Result};
use crate::metrics::{self, StoreOperation, StoreOutcome};
use crate::settings::{Settings, StorageUrl};
use backend::Backend;

/// A store, and the previous one while an instance moves.
#[derive(Debug, Clone)]
pub struct Store {
    current: Backend,
    previous: Option<Backend>,
    metrics: metrics::Store,
}

impl Store {
    /// Opens the configured store, and the previous one if it is configured.
    ///
    /// # Errors
    /// As [`Store::open_at`].
    pub fn open(settings: &Settings) -> Result<Self> {
        let open = |key: &str, url| {
            let opened = Backend::open(url, settings.storage_timeout);
            opened.map_err(|error| Error::internal(format!("{key}: {error}")))
        };
        let current = open("storage.url", &settings.storage)?;
        let previous = settings.previous_storage.as_ref().map(|url| open("storage.previous_url", url));
        Ok(Self { current, previous: previous.transpose()?, metrics: metrics::Store::default() })
    }

    /// Opens one store: creates a missing directory, sends nothing to a bucket. A later request fails if the
    /// bucket is silent for `timeout`.
    ///
    /// # Errors
    /// `Internal` when the directory cannot be created or written, or the bucket's options contradict each
    /// other.
    pub fn open_at(url: &StorageUrl, timeout: Duration) -> Result<Self> {
        let current = Backend::open(url, timeout).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self { current, previous: None, metrics: metrics::Store::default() })
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn probe(&self) -> Result<()> {
        for backend in self.backends() {
            backend.probe().await.map_err(Error::unavailable)?;
        }
        Ok(())
    }

    /// Checks that the stores can be used, before anything depends on it.
    ///
    /// # Errors
    /// `Unavailable`, with the setting at fault and the reason.
    pub async fn probe_at_start(&self) -> Result<()> {
        let at_fault =
            |key: &'static str| move |error: io::Error| Error::unavailable(format!("{key}: {error}"));
        self.current.probe().await.map_err(at_fault("storage.url"))?;
        self.current.probe_writing().await.map_err(at_fault("storage.url"))?;
        match &self.previous {
            Some(previous) => previous.probe().await.map_err(at_fault("storage.previous_url")),
            None => Ok(()),
        }
    }

    /// Checks that there are credentials for a bucket; a directory needs none.
    ///
    /// # Errors
    /// `Unavailable`, with what to set.
    pub async fn look_for_credentials(&self) -> Result<()> {
        for backend in self.backends() {
            backend.look_for_credentials().await.map_err(Error::unavailable)?;
        }
        Ok(())
    }

    /// Begins a blob under `key`, which no other blob has had. Dropping the upload before it is committed
    /// leaves nothing behind.
    ///
    /// # Errors
    /// `OutOfSpace`, `Unavailable` or `Internal` when it cannot be created.
    pub async fn create(&self, key: StoreKey) -> Result<Upload> {
        let creating = async { self.current.create(key).await.map_err(unwritten) };
        self.measured(StoreOperation::Create, creating).await.map(Upload::new)
    }

    /// Returns the time of the store's own clock, which also stamps listed entries.
    ///
    /// # Errors
    /// `OutOfSpace`, `Internal` or `Unavailable` when nothing can be written to read the clock.
    pub async fn now(&self) -> Result<SystemTime> {
        Ok(self.current.now().await?)
    }

    /// Returns the ID of the instance that the store belongs to, if any; ignores the previous store.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be read, or is not an ID.
    pub async fn instance_id(&self) -> Result<Option<Uuid>> {
        let Some(text) = self.current.instance_id().await? else { return Ok(None) };
        let id = str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        id.map(Some).ok_or_else(|| Error::internal("the store's instance-id file holds no valid ID"))
    }

    /// Writes the instance ID unless the store has one, and returns the ID that it has then.
    ///
    /// # Errors
    /// As [`Store::instance_id`]; `OutOfSpace` or `Internal` when it cannot be written.
    pub async fn keep_instance_id(&self, id: Uuid) -> Result<Uuid> {
        if let Some(found) = self.instance_id().await? {
            return Ok(found);
        }
        self.current.write_instance_id(format!("{id}\n")).await?;
        let found = self.instance_id().await?;
        found.ok_or_else(|| Error::internal("the store's instance-id file is missing after it was written"))
    }

    /// Returns whether the store holds a blob or, in a directory, an unfinished upload; ignores the previous
    /// store and stops at the first. A bucket counts as holding blobs if this cannot be told soon.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be listed.
    pub async fn holds_blobs(&self) -> Result<bool> {
        Ok(self.current.holds_blobs().await?)
    }

    /// Returns the store without the previous one.
    #[must_use]
    pub fn current(&self) -> Self {
        Self { current: self.current.clone(), previous: None, metrics: self.metrics.clone() }
    }

    /// Returns the previous store, if there is one.
    pub fn previous(&self) -> Option<Self> {
        let metrics = self.metrics.clone();
        self.previous.clone().map(|current| Self { current, previous: None, metrics })
    }

    /// Opens a blob of `size` bytes for any number of ranged reads. A file is checked now, and stays readable
    /// while it is open, even if it is deleted meanwhile; a bucket is asked with each read.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, `Internal` when its size differs; for a bucket, reads have these
    /// errors.
    pub async fn open_blob(&self, key: &StoreKey, size: u64) -> Result<Blob> {
        let opening = async { self.backend_of(key).await?.open_blob(key, size).await };
        self.measured(StoreOperation::Open, opening).await
    }

    /// Returns the size of a blob in bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when this cannot be told.
    pub async fn size_of(&self, key: &StoreKey) -> Result<Option<u64>> {
        let asking = async { self.backend_of(key).await?.size_of(key).await };
        self.measured(StoreOperation::Size, asking).await
    }

    /// Deletes blobs and returns the outcome of each; a missing blob is no error.
    pub async fn delete_all(&self, keys: Vec<StoreKey>) -> Vec<Result<()>> {
        let began = Instant::now();
        let mut outcomes = self.current.delete(keys.clone()).await;
        if let Some(previous) = &self.previous {
            let there = previous.delete(keys).await;
            outcomes = outcomes.into_iter().zip(there).map(|(here, there)| here.and(there)).collect();
        }
        let failed = outcomes.iter().any(Result::is_err);
        let outcome = if failed { StoreOutcome::Failed } else { StoreOutcome::Done };
        self.metrics.ended(StoreOperation::Delete, outcome, began.elapsed());
        outcomes.into_iter().map(|outcome| outcome.map_err(Error::from)).collect()
    }

    /// Deletes a blob; a missing one is no error.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be deleted.
    pub async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.delete_all(vec![key.clone()]).await.pop().unwrap_or(Ok(()))
    }

    /// Lists one of the store's [`SHARDS`], unfinished uploads included; ignores the previous store.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be read.
    pub async fn list(&self, shard: u16) -> Result<Vec<StoreEntry>> {
        self.measured(StoreOperation::List, self.current.list(shard)).await
    }

    /// Deletes a listed entry; a missing one is no error.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be deleted.
    pub async fn remove_listed(&self, listed: &StoreEntry) -> Result<()> {
        Ok(self.current.remove_listed(listed.leftover.clone()).await?)
    }

    /// Returns a URL from which a blob can be read without credentials for `lifetime`, by `GET` or, with
    /// `head`, by `HEAD`, as a download with this `Content-Disposition`; `None` for a directory, which has no
    /// server of its own.
    ///
    /// # Errors
    /// `Internal` or `Unavailable` when it cannot be signed.
    pub async fn presigned_url(
        &self,
        key: &StoreKey,
        head: bool,
        disposition: String,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        let signing =
            async { self.backend_of(key).await?.presigned_url(key, head, disposition, lifetime).await };
        self.measured(StoreOperation::Sign, signing).await
    }

    /// Returns the backend to read a blob from. Asks only if there is a previous store.
    async fn backend_of(&self, key: &StoreKey) -> io::Result<&Backend> {
        let Some(previous) = &self.previous else { return Ok(&self.current) };
        match self.current.size_of(key).await? {
            Some(_) => Ok(&self.current),
            None => Ok(previous),
        }
    }

    /// The metrics of what is asked of the store.
    pub fn metrics(&self) -> &metrics::Store {
        &self.metrics
    }

    /// Counts and measures an operation.
    async fn measured<T, E: Into<Error>>(
        &self,
        operation: StoreOperation,
        asking: impl Future<Output = std::result::Result<T, E>>,
    ) -> Result<T> {
        let began = Instant::now();
        let done = asking.await.map_err(Into::into);
        let outcome = match &done {
            Ok(_) => StoreOutcome::Done,
            Err(error) if error.kind() == ErrorKind::NotFound => StoreOutcome::Missing,
            Err(_) => StoreOutcome::Failed,
        };
        self.metrics.ended(operation, outcome, began.elapsed());
        done
    }

    fn backends(&self) -> impl Iterator<Item = &Backend> {
        [&self.current].into_iter().chain(&self.previous)
    }
}

/// Converts the error of a write. `NotFound` becomes `Unavailable`: a folder or bucket of the store is
/// missing, nothing that a client asked for, and it may be mounted or created again.
fn unwritten(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::unavailable(error),
        _ => error.into(),
    }
}

/// Runs `work` on a thread where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
