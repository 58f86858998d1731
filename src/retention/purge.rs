//! Purging deletes the blobs of tombstones, then the tombstones.

use super::Retention;
use crate::catalog::clock as database_clock;
use crate::catalog::leftovers;
use crate::catalog::tombstones::{self, Tombstone};
use crate::domain::Result;
use crate::store::{Store, StoreKey};

/// The number of tombstones leased at a time.
const BATCH: i64 = 500;

/// The outcome of a purge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Blobs that were deleted or missing.
    pub blobs: usize,
    /// Blobs that could not be deleted; they stay queued.
    pub failed: usize,
}

impl Retention {
    /// Carries out queued deletions until none is due. `leased_too` takes over those leased by another node,
    /// which must be known to be dead. Calls `progress` with the number of deleted blobs.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn remove_bytes(&self, leased_too: bool, progress: impl Fn(usize)) -> Result<Removed> {
        let Self { catalog, store, clock, tombstones, .. } = self;
        let keep_for = *tombstones;
        let mut removed = Removed::default();
        // Failed ones are leased, too: taken over again in this pass, they would fail for ever.
        let mut take_leased = leased_too;
        loop {
            let now = clock.now();
            let shared_clock = clock.clone();
            let claiming = catalog.write(move |db| {
                let shared = database_clock::shared(db, &shared_clock)?;
                tombstones::lease(db, BATCH, take_leased, now, shared)
            });
            let claimed = claiming.await?;
            if claimed.is_empty() {
                break;
            }
            let count = claimed.len();
            let (gone, bytes) = remove_all(store, claimed).await;
            self.metrics.swept_bytes(bytes);
            removed.blobs += gone.len();
            progress(gone.len());
            removed.failed += count - gone.len();
            take_leased &= gone.len() == count;
            catalog.write(move |db| tombstones::finish(db, &gone, keep_for)).await?;
        }
        self.remove_leftovers(leased_too, &mut removed, progress).await?;
        Ok(removed)
    }

    /// Deletes blobs of deleted projects until none is due.
    async fn remove_leftovers(
        &self,
        leased_too: bool,
        removed: &mut Removed,
        progress: impl Fn(usize),
    ) -> Result<()> {
        let Self { catalog, store, clock, .. } = self;
        let mut take_leased = leased_too;
        loop {
            let clock = clock.clone();
            let claiming = catalog.write(move |db| {
                let shared = database_clock::shared(db, &clock)?;
                leftovers::lease(db, BATCH, take_leased, shared)
            });
            let claimed = claiming.await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let count = claimed.len();
            let (gone, bytes) = remove_keys(store, claimed).await;
            self.metrics.swept_bytes(bytes);
            removed.blobs += gone.len();
            progress(gone.len());
            removed.failed += count - gone.len();
            take_leased &= gone.len() == count;
            catalog.write(move |db| leftovers::finish(db, &gone)).await?;
        }
    }
}

/// Deletes the blobs; returns the keys of those that are deleted, and their bytes.
async fn remove_keys(store: &Store, blobs: Vec<(String, i64)>) -> (Vec<String>, u64) {
    // A text that is no key names no blob.
    let (valid, nameless): (Vec<_>, Vec<_>) =
        blobs.into_iter().partition(|(key, _)| key.parse::<StoreKey>().is_ok());
    let mut gone: Vec<String> = nameless.into_iter().map(|(key, _)| key).collect();
    let parsed: Vec<StoreKey> = valid.iter().filter_map(|(key, _)| key.parse().ok()).collect();
    let outcomes = store.delete_all(parsed).await;
    let mut deleted_bytes = 0;
    for ((key, bytes), outcome) in valid.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => {
                deleted_bytes += bytes.unsigned_abs();
                gone.push(key);
            }
            Err(error) => tracing::warn!(key, causes = error.source_chain(), "blob not deleted"),
        }
    }
    (gone, deleted_bytes)
}

/// Deletes the blobs; returns the IDs of the rows whose blob is deleted, and the bytes of these.
async fn remove_all(store: &Store, tombstones: Vec<Tombstone>) -> (Vec<i64>, u64) {
    let mut rows = Vec::new();
    let mut keys: Vec<StoreKey> = Vec::new();
    for tombstone in tombstones {
        match tombstone.store_key.parse() {
            Ok(key) => {
                rows.push((tombstone.id, u64::try_from(tombstone.size_bytes).unwrap_or(0)));
                keys.push(key);
            }
            Err(error) => tracing::warn!(artifact.id = tombstone.id, %error, "blob not deleted"),
        }
    }
    let outcomes = store.delete_all(keys).await;
    let gone = rows.into_iter().zip(outcomes).filter_map(|((id, bytes), outcome)| match outcome {
        Ok(()) => Some((id, bytes)),
        Err(error) => {
            tracing::warn!(artifact.id = id, causes = error.source_chain(), "blob not deleted");
            None
        }
    });
    let (ids, bytes): (Vec<i64>, Vec<u64>) = gone.unzip();
    (ids, bytes.into_iter().sum())
}
