//! Room: the bytes that copies may take, those on their way included.
//!
//! It is made before the first byte of an archive is fetched: copies that were not used for longest give way. The bytes
//! that other nodes fetch at the same time are seen when they are stored.

use std::sync::{Arc, Mutex, PoisonError};

use super::Inner;
use super::failure::PullFailure;
use crate::catalog::copies;
use crate::domain::Error;

/// Copies that give way in one transaction.
const BATCH: i64 = 1_000;

/// When to come back if archives on their way take all the room, in seconds.
const RETRY_AFTER: u32 = 5;

/// Bytes of archives that are on their way.
#[derive(Debug, Default)]
pub(super) struct Coming(Arc<Mutex<u64>>);

/// Bytes that are kept free for an archive, until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    bytes: u64,
    coming: Arc<Mutex<u64>>,
}

impl Coming {
    /// Adds an archive, and returns the bytes of all.
    fn add(&self, bytes: u64) -> (Reserved, u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.saturating_add(bytes);
        (Reserved { bytes, coming: Arc::clone(&self.0) }, *all)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut all = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.saturating_sub(self.bytes);
    }
}

impl Inner {
    /// Makes room for an archive. One that nobody has asked for makes no other give way.
    pub(super) async fn make_room(&self, bytes: u64, is_ahead: bool) -> Result<Reserved, PullFailure> {
        let (reserved, coming) = self.coming.add(bytes);
        let Some(cache_bytes) = self.cache_bytes else { return Ok(reserved) };
        let Some(for_others) = cache_bytes.checked_sub(coming) else {
            let why = "archives that are being fetched take all the room of cache_size";
            return Err(Error::unavailable(why).with_retry_after(RETRY_AFTER).into());
        };
        let catalog = &self.ingest.catalog;
        if catalog.read(copies::total_bytes).await? <= for_others {
            return Ok(reserved);
        }
        if is_ahead {
            return Err(PullFailure::no_room());
        }
        let now = self.now();
        let evict = move |db: &mut crate::catalog::Db| copies::evict_batch(db, for_others, BATCH, now);
        while catalog.write(evict).await? > 0 {
            self.evicted.notify_one();
        }
        Ok(reserved)
    }
}
