//! Removes the bytes of tombstones, and then the tombstones.

use futures_util::{StreamExt, stream};

use crate::catalog::Catalog;
use crate::catalog::deletions::{self, Tombstone};
use crate::domain::{Clock, Error, Result};
use crate::store::{Store, StoreKey};

/// How many tombstones are taken at a time.
const BATCH: i64 = 500;

/// How many blobs are removed at the same time.
const CONCURRENT: usize = 8;

/// What was removed from the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Blobs that are gone.
    pub blobs: usize,
    /// Blobs that could not be removed; they stay queued.
    pub failed: usize,
}

/// Carries out queued removals until none is due. `leased_too` takes over those that another node
/// has begun, for when that one is known to be gone.
///
/// # Errors
/// Those of the catalog.
pub async fn remove_bytes(
    catalog: &Catalog,
    store: &Store,
    clock: &Clock,
    leased_too: bool,
) -> Result<Removed> {
    let mut removed = Removed::default();
    // What fails is leased, too: taken again in this pass it would fail for ever.
    let mut take_leased = leased_too;
    loop {
        let now = clock.now();
        let claimed = catalog.write(move |db| deletions::claim(db, BATCH, take_leased, now)).await?;
        if claimed.is_empty() {
            return Ok(removed);
        }
        let count = claimed.len();
        let gone: Vec<i64> = stream::iter(claimed)
            .map(|tombstone| remove(store, tombstone))
            .buffer_unordered(CONCURRENT)
            .filter_map(|gone| async move { gone })
            .collect()
            .await;
        removed.blobs += gone.len();
        removed.failed += count - gone.len();
        take_leased &= gone.len() == count;
        catalog.write(move |db| deletions::forget(db, &gone)).await?;
    }
}

/// The row's number when its bytes are gone.
async fn remove(store: &Store, tombstone: Tombstone) -> Option<i64> {
    let key: std::result::Result<StoreKey, _> = tombstone.store_key.parse();
    let removed = match key.map_err(Error::internal) {
        Ok(key) => store.delete(&key).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Some(tombstone.id),
        Err(error) => {
            tracing::warn!(artifact.id = tombstone.id, causes = error.causes(), "bytes not removed");
            None
        }
    }
}
