//! A bucket's own facts: its clock, its instance ID, and whether it holds blobs.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::Bucket;
use crate::store::StoreKey;

/// The object that is written to read the clock.
const CLOCK: &str = "clock";

/// The object that holds the instance ID.
const INSTANCE_ID: &str = "instance-id";

/// The number of names requested first to see whether there is a blob: of three, one is neither [`CLOCK`] nor
/// [`INSTANCE_ID`].
const FEW_NAMES: usize = 3;

/// The number of names per further request, and the most requests, if foreign objects sort before the blobs.
const MANY_NAMES: usize = 1_000;
const QUESTIONS: usize = 5;

impl Bucket {
    /// Returns whether the bucket holds a blob, mostly with one request for a few names. If so many foreign
    /// objects sort first that it takes too long to tell, the answer is yes.
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

    /// Returns the time of the clock that stamps objects here, from an object that is written for it. The
    /// object stays: of two callers at a time, neither deletes the other's.
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

    /// Writes the instance ID; keeps an existing one.
    pub(in crate::store) async fn write_instance_id(self: &Arc<Self>, text: Vec<u8>) -> io::Result<()> {
        let (bucket, path) = (Arc::clone(self), self.prefix.clone().join(INSTANCE_ID));
        let create = PutOptions::from(PutMode::Create);
        match self.run(async move { bucket.s3.put_opts(&path, text.into(), create).await }).await {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}
