//! The bucket backend stores blobs as objects of an S3-compatible bucket, `PREFIX/ab/ab12…`.
//!
//! All requests run on a separate runtime. A pooled connection belongs to the runtime that opened it: if that
//! were a worker of the server, the next user of the connection would wait for that worker.

mod about;
mod ask;
mod connect;
mod multipart_uploads;
mod read;
mod write;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::client::HttpClient;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use object_store::{ObjectStore, ObjectStoreExt};

use super::StoreKey;
use super::entry::{EntryLocation, StoreEntry};
use crate::threads::Threads;
pub(super) use write::BlobWriter;

/// A bucket and the prefix of its blobs.
#[derive(Debug)]
pub(super) struct Bucket {
    /// The bucket's name.
    name: String,
    /// Its address, for messages.
    endpoint: String,
    /// Whether requests are not signed.
    is_anonymous: bool,
    s3: AmazonS3,
    /// The same with few tries, for requests that must be answered soon.
    asking: AmazonS3,
    /// For the one request that `object_store` does not offer: listing multipart uploads.
    http: HttpClient,
    prefix: Path,
    runtime: Threads,
}

impl Bucket {
    fn path(&self, key: &StoreKey) -> Path {
        self.prefix.clone().join(key.folder()).join(key.name())
    }

    /// The prefix of all objects of the store; `None` if they have the whole bucket.
    fn prefix_of_all(&self) -> Option<String> {
        Some(format!("{}/", self.prefix)).filter(|prefix| prefix != "/")
    }

    /// Runs `work` on the bucket's runtime.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        self.runtime.spawn(work).await.map_err(io::Error::other)?.map_err(failed)
    }

    pub(super) async fn size_of(self: &Arc<Self>, key: &StoreKey) -> io::Result<Option<u64>> {
        let (bucket, path) = (Arc::clone(self), self.path(key));
        match self.run(async move { bucket.s3.head(&path).await }).await {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes blobs, each with its own outcome; a missing blob is no error.
    pub(super) async fn delete(self: &Arc<Self>, keys: Vec<StoreKey>) -> Vec<io::Result<()>> {
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let (bucket, count) = (Arc::clone(self), keys.len());
        let deleted = self.runtime.spawn(async move {
            let outcomes = bucket.s3.delete_stream(stream::iter(paths).boxed());
            outcomes.map(|outcome| outcome.map(|_| ())).collect::<Vec<_>>().await
        });
        let mut outcomes: Vec<io::Result<()>> = match deleted.await {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| gone(outcome.map_err(failed))).collect(),
            Err(error) => vec![Err(io::Error::other(error))],
        };
        // A request for many that fails as a whole has one outcome for all of them.
        outcomes.resize_with(count, || Err(io::Error::other("not deleted")));
        outcomes
    }

    pub(super) async fn list(self: &Arc<Self>, shard: u16) -> io::Result<Vec<StoreEntry>> {
        let folder = self.prefix.clone().join(StoreKey::folder_of(shard));
        let (bucket, asked) = (Arc::clone(self), folder.clone());
        let objects: Vec<_> =
            self.run(async move { bucket.s3.list(Some(&asked)).try_collect().await }).await?;
        let mut listed: Vec<StoreEntry> = objects
            .into_iter()
            .filter_map(|object| {
                let key: StoreKey =
                    format!("{}/{}", StoreKey::folder_of(shard), object.location.filename()?).parse().ok()?;
                let modified = SystemTime::from(object.last_modified);
                Some(StoreEntry::blob(key, object.size, modified, EntryLocation::Object(object.location)))
            })
            .collect();
        listed.extend(self.unfinished(folder).await?);
        Ok(listed)
    }

    pub(super) async fn remove(self: &Arc<Self>, leftover: EntryLocation) -> io::Result<()> {
        let bucket = Arc::clone(self);
        gone(
            self.run(async move {
                match leftover {
                    EntryLocation::Object(path) => bucket.s3.delete(&path).await,
                    EntryLocation::Unfinished { path, upload_id } => {
                        bucket.s3.abort_multipart(&path, &upload_id).await
                    }
                    // Listed by another store.
                    EntryLocation::File(_) => Ok(()),
                }
            })
            .await,
        )
    }

    /// Returns a URL from which its holder may read the blob for `lifetime`.
    pub(super) async fn presigned_url(
        self: &Arc<Self>,
        key: &StoreKey,
        head: bool,
        disposition: String,
        lifetime: Duration,
    ) -> io::Result<String> {
        let (bucket, path) = (Arc::clone(self), self.path(key));
        let method = if head { Method::HEAD } else { Method::GET };
        let options = SignedUrlOptions::new().with_query([
            ("response-content-disposition", disposition),
            ("response-content-type", "application/octet-stream".to_owned()),
        ]);
        let url = self.run(async move { bucket.s3.signed_url_opts(method, &path, lifetime, &options).await });
        Ok(url.await?.to_string())
    }
}

/// Turns `NotFound` into success: there is nothing to delete.
fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Converts an error of the bucket. One that may pass becomes `NotConnected`: whatever the bucket answered,
/// its data is not at fault.
fn failed(error: object_store::Error) -> io::Error {
    use object_store::Error as Store;
    let kind = match &error {
        Store::NotFound { .. } => io::ErrorKind::NotFound,
        Store::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        Store::Generic { .. } | Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            io::ErrorKind::NotConnected
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
