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
            let gone = remove_all(store, claimed).await;
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
            let gone = remove_keys(store, claimed).await;
            removed.blobs += gone.len();
            progress(gone.len());
            removed.failed += count - gone.len();
            take_leased &= gone.len() == count;
            catalog.write(move |db| leftovers::finish(db, &gone)).await?;
        }
    }
}

/// Deletes the blobs; returns the keys of those that are deleted.
async fn remove_keys(store: &Store, keys: Vec<String>) -> Vec<String> {
    // A text that is no key names no blob.
    let (valid, mut gone): (Vec<String>, Vec<String>) =
        keys.into_iter().partition(|key| key.parse::<StoreKey>().is_ok());
    let parsed: Vec<StoreKey> = valid.iter().filter_map(|key| key.parse().ok()).collect();
    let outcomes = store.delete_all(parsed).await;
    for (key, outcome) in valid.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => gone.push(key),
            Err(error) => tracing::warn!(key, causes = error.source_chain(), "blob not deleted"),
        }
    }
    gone
}

/// Deletes the blobs; returns the IDs of the rows whose blob is deleted.
async fn remove_all(store: &Store, tombstones: Vec<Tombstone>) -> Vec<i64> {
    let mut rows = Vec::new();
    let mut keys: Vec<StoreKey> = Vec::new();
    for tombstone in tombstones {
        match tombstone.store_key.parse() {
            Ok(key) => {
                rows.push(tombstone.id);
                keys.push(key);
            }
            Err(error) => tracing::warn!(artifact.id = tombstone.id, %error, "blob not deleted"),
        }
    }
    let outcomes = store.delete_all(keys).await;
    let gone = rows.into_iter().zip(outcomes).filter_map(|(id, outcome)| match outcome {
        Ok(()) => Some(id),
        Err(error) => {
            tracing::warn!(artifact.id = id, causes = error.source_chain(), "blob not deleted");
            None
        }
    });
    gone.collect()
}
