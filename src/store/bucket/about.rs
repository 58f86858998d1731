//! What a bucket tells about itself: what time it is there, and which instance it belongs to.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::Bucket;
use crate::store::StoreKey;

/// The object that tells the time.
const CLOCK: &str = "clock";

/// The object that holds the instance id.
const INSTANCE_ID: &str = "instance-id";

/// How many names are asked for first to see whether a blob is there: of three, one is neither [`CLOCK`] nor
/// [`INSTANCE_ID`].
const FEW_NAMES: usize = 3;

/// How many are asked for then, and how often, where somebody else's objects lie in front.
const MANY_NAMES: usize = 1_000;
const QUESTIONS: usize = 5;

impl Bucket {
    /// Whether a blob lies here: mostly one question for a few names. Where so many foreign objects lie in front
    /// that it takes too long to tell, the answer is yes.
    pub(in crate::store) async fn holds_blobs(self: &Arc<Self>) -> io::Result<bool> {
        let bucket = Arc::clone(self);
        self.run(async move {
            let prefix = bucket.prefix_of_all();
            let below = prefix.as_deref().unwrap_or_default();
            let is_blob = |path: &Path| {
                path.as_ref().strip_prefix(below).is_some_and(|name| name.parse::<StoreKey>().is_ok())
            };
            let mut options =
                PaginatedListOptions { max_keys: Some(FEW_NAMES), ..PaginatedListOptions::default() };
            for _ in 0..QUESTIONS {
                let page = bucket.asking.list_paginated(prefix.as_deref(), options.clone()).await?;
                if page.result.objects.iter().any(|object| is_blob(&object.location)) {
                    return Ok(true);
                }
                if page.page_token.is_none() {
                    return Ok(false);
                }
                options.page_token = page.page_token;
                options.max_keys = Some(MANY_NAMES);
            }
            Ok(true)
        })
        .await
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
