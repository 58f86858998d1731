//! A backend is a directory or a bucket behind one interface.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::bucket::{self, Bucket};
use super::entry::{EntryLocation, StoreEntry};
use super::local::Directory;
use super::writer::BlobWriter;
use super::{Blob, StoreKey, blocking};
use crate::settings::StorageUrl;

#[derive(Debug, Clone)]
pub(super) enum Backend {
    Directory(Arc<Directory>),
    Bucket(Arc<Bucket>),
}

impl Backend {
    pub(super) fn open(url: &StorageUrl, timeout: Duration) -> io::Result<Self> {
        match url {
            StorageUrl::Directory(path) => {
                Directory::open(path, timeout).map(|opened| Self::Directory(Arc::new(opened)))
            }
            StorageUrl::Bucket(url) => Bucket::open(url, timeout).map(Self::Bucket),
        }
    }

    pub(super) async fn probe(&self) -> io::Result<()> {
        match self {
            Self::Directory(directory) => {
                let looked_at = Arc::clone(directory);
                directory.waiting().run(move || looked_at.probe()).await
            }
            Self::Bucket(bucket) => bucket.probe().await,
        }
    }

    pub(super) async fn now(&self) -> io::Result<SystemTime> {
        match self {
            Self::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.now()).await
            }
            Self::Bucket(bucket) => bucket.now().await,
        }
    }

    pub(super) async fn instance_id(&self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.instance_id()).await
            }
            Self::Bucket(bucket) => bucket.instance_id().await,
        }
    }

    pub(super) async fn write_instance_id(&self, text: String) -> io::Result<()> {
        match self {
            Self::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.write_instance_id(text.as_bytes())).await
            }
            Self::Bucket(bucket) => bucket.write_instance_id(text.into_bytes()).await,
        }
    }

    pub(super) async fn holds_blobs(&self) -> io::Result<bool> {
        match self {
            Self::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.holds_blobs()).await
            }
            Self::Bucket(bucket) => bucket.holds_blobs().await,
        }
    }

    pub(super) async fn look_for_credentials(&self) -> io::Result<()> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Bucket(bucket) => bucket.find_credentials().await,
        }
    }

    /// Checks that blobs can be written. A directory was created, or checked, when it was opened.
    pub(super) async fn probe_writing(&self) -> io::Result<()> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Bucket(bucket) => bucket.probe_writing().await,
        }
    }

    pub(super) async fn create(&self, key: StoreKey) -> io::Result<BlobWriter> {
        Ok(match self {
            Self::Directory(directory) => {
                let directory = Arc::clone(directory);
                BlobWriter::File(blocking(move || directory.create(key)).await?)
            }
            Self::Bucket(bucket) => {
                BlobWriter::Object(Box::new(bucket::BlobWriter::create(Arc::clone(bucket), key)))
            }
        })
    }

    /// Opens a blob. A file's size is checked now; a bucket is not asked.
    pub(super) async fn open_blob(&self, key: &StoreKey, size: u64) -> io::Result<Blob> {
        let directory = match self {
            Self::Directory(directory) => Arc::clone(directory),
            Self::Bucket(bucket) => return Ok(Blob::object(Arc::clone(bucket), key.clone(), size)),
        };
        let opened = match directory.open_resident(key) {
            Some(opened) => Ok(opened),
            None => {
                let (looked_at, path) = (Arc::clone(&directory), key.clone());
                directory.waiting().run(move || looked_at.open_blob(&path)).await
            }
        };
        let (file, found) = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(key)),
            opened => opened?,
        };
        if found == size {
            Ok(Blob::file(file, Arc::clone(directory.waiting()), size))
        } else {
            Err(other_size(key, found, size))
        }
    }

    /// Returns a blob's size in bytes; `None` if it does not exist.
    pub(super) async fn size_of(&self, key: &StoreKey) -> io::Result<Option<u64>> {
        match self {
            Self::Directory(directory) => {
                let (looked_at, key) = (Arc::clone(directory), key.clone());
                directory.waiting().run(move || looked_at.size_of(&key)).await
            }
            Self::Bucket(bucket) => bucket.size_of(key).await,
        }
    }

    /// Deletes blobs, with one outcome per key; a missing blob is no error.
    pub(super) async fn delete(&self, keys: Vec<StoreKey>) -> Vec<io::Result<()>> {
        let directory = match self {
            Self::Directory(directory) => Arc::clone(directory),
            Self::Bucket(bucket) => return bucket.delete(keys).await,
        };
        let count = keys.len();
        let removed = tokio::task::spawn_blocking(move || {
            keys.iter().map(|key| directory.remove(key.as_str())).collect::<Vec<_>>()
        });
        removed.await.unwrap_or_else(|error| {
            let why = error.to_string();
            (0..count).map(|_| Err(io::Error::other(why.clone()))).collect()
        })
    }

    pub(super) async fn list(&self, shard: u16) -> io::Result<Vec<StoreEntry>> {
        match self {
            Self::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.list(shard)).await
            }
            Self::Bucket(bucket) => bucket.list(shard).await,
        }
    }

    pub(super) async fn remove_listed(&self, leftover: EntryLocation) -> io::Result<()> {
        match (self, leftover) {
            (Self::Directory(directory), EntryLocation::File(name)) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.remove(&name)).await
            }
            (Self::Bucket(bucket), leftover) => bucket.remove(leftover).await,
            (Self::Directory(_), _) => Err(io::Error::other("listed by another store")),
        }
    }

    pub(super) async fn presigned_url(
        &self,
        key: &StoreKey,
        head: bool,
        disposition: String,
        lifetime: Duration,
    ) -> io::Result<Option<String>> {
        match self {
            Self::Directory(_) => Ok(None),
            Self::Bucket(bucket) => bucket.presigned_url(key, head, disposition, lifetime).await.map(Some),
        }
    }
}

pub(super) fn missing(key: &StoreKey) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("blob {key} is not in the store"))
}

pub(super) fn other_size(key: &StoreKey, found: u64, expected: u64) -> io::Error {
    io::Error::other(format!("blob {key} has {found} bytes instead of {expected}"))
}
