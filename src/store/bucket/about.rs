//! What a bucket tells about itself: what time it is there, and which instance it belongs to.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::Bucket;

/// The object that tells the time.
const CLOCK: &str = "clock";

/// The object that holds the instance id.
const INSTANCE_ID: &str = "instance-id";

impl Bucket {
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
