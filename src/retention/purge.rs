//! Removes the bytes of tombstones, and then the tombstones.

use super::Retention;
use crate::catalog::tombstones::{self, Tombstone};
use crate::domain::Result;
use crate::store::{Store, StoreKey};

/// How many tombstones are taken at a time.
const BATCH: i64 = 500;

/// What was removed from the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Blobs that are gone.
    pub blobs: usize,
    /// Blobs that could not be removed; they stay queued.
    pub failed: usize,
}

impl Retention {
    /// Carries out queued removals until none is due. `leased_too` takes over those that another node
    /// has begun, for when that one is known to be gone. `progress` is told how many blobs are gone.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn remove_bytes(&self, leased_too: bool, progress: impl Fn(usize)) -> Result<Removed> {
        let Self { catalog, store, clock, tombstones } = self;
        let keep_for = *tombstones;
        let mut removed = Removed::default();
        // What fails is leased, too: taken again in this pass it would fail for ever.
        let mut take_leased = leased_too;
        loop {
            let now = clock.now();
            let claimed = catalog.write(move |db| tombstones::lease(db, BATCH, take_leased, now)).await?;
            if claimed.is_empty() {
                return Ok(removed);
            }
            let count = claimed.len();
            let gone = remove_all(store, claimed).await;
            removed.blobs += gone.len();
            progress(gone.len());
            removed.failed += count - gone.len();
            take_leased &= gone.len() == count;
            catalog.write(move |db| tombstones::finish(db, &gone, keep_for)).await?;
        }
    }
}

/// The rows whose bytes are gone.
async fn remove_all(store: &Store, tombstones: Vec<Tombstone>) -> Vec<i64> {
    let mut rows = Vec::new();
    let mut keys: Vec<StoreKey> = Vec::new();
    for tombstone in tombstones {
        match tombstone.store_key.parse() {
            Ok(key) => {
                rows.push(tombstone.id);
                keys.push(key);
            }
            Err(error) => tracing::warn!(artifact.id = tombstone.id, %error, "bytes not removed"),
        }
    }
    let outcomes = store.delete_all(keys).await;
    let gone = rows.into_iter().zip(outcomes).filter_map(|(id, outcome)| match outcome {
        Ok(()) => Some(id),
        Err(error) => {
            tracing::warn!(artifact.id = id, causes = error.source_chain(), "bytes not removed");
            None
        }
    });
    gone.collect()
}
