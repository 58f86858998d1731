//! What a bucket is asked about itself: whether it is there, what time it is, and whose it is.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::Bucket;

/// How long the bucket may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The object that tells the time.
const CLOCK: &str = "clock";

/// The object that holds the instance id.
const INSTANCE_ID: &str = "instance-id";

impl Bucket {
    /// Whether the bucket answers: any object will do, and one that is not there does.
    pub(in crate::store) async fn probe(self: &Arc<Self>) -> io::Result<()> {
        let bucket = Arc::clone(self);
        let asked = self.run(async move { bucket.s3.head(&bucket.prefix.clone().join("probe")).await });
        match tokio::time::timeout(PROBE_TIMEOUT, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(late) => Err(io::Error::new(io::ErrorKind::TimedOut, late)),
        }
    }

    /// The time by the clock that objects here get theirs from, as one that is written for it tells. It stays
    /// for the next who asks: of two at a time, neither takes the other's away.
    pub(in crate::store) async fn now(self: &Arc<Self>) -> io::Result<SystemTime> {
        let (bucket, path) = (Arc::clone(self), self.prefix.clone().join(CLOCK));
        let found = self.run(async move {
            bucket.s3.put(&path, PutPayload::new()).await?;
            bucket.s3.head(&path).await
        });
        Ok(SystemTime::from(found.await?.last_modified))
    }

    pub(in crate::store) async fn instance_id(self: &Arc<Self>) -> io::Result<Option<Vec<u8>>> {
        let (bucket, path) = (Arc::clone(self), self.prefix.clone().join(INSTANCE_ID));
        match self.run(async move { bucket.s3.get(&path).await?.bytes().await }).await {
            Ok(text) => Ok(Some(text.to_vec())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves one that is there as it is.
    pub(in crate::store) async fn write_instance_id(self: &Arc<Self>, text: Vec<u8>) -> io::Result<()> {
        let (bucket, path) = (Arc::clone(self), self.prefix.clone().join(INSTANCE_ID));
        let create = PutOptions::from(PutMode::Create);
        match self.run(async move { bucket.s3.put_opts(&path, text.into(), create).await }).await {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}
