//! Finds bytes that no row names — left by a node that died between blob and row, or in the middle
//! of an upload — and removes those that are old enough not to belong to anybody at work.

use std::time::{Duration, SystemTime};

use super::remove::{Removed, remove_bytes};
use crate::catalog::{Catalog, orphans};
use crate::domain::{Clock, Result};
use crate::store::{Listed, SHARDS, Store};

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Queued removals that were carried out.
    pub removed: Removed,
    /// Blobs that no row named.
    pub orphans: usize,
    /// Uploads that were never finished.
    pub unfinished: usize,
    /// Bytes of both.
    pub bytes: u64,
}

/// How many blobs are removed at a time.
const BATCH: usize = 500;

/// How much older than the grace an unfinished upload must be whose growing cannot be seen.
const UNSEEN_GROWTH: Duration = Duration::from_secs(24 * 3600);

/// Carries out all queued removals, then removes what nobody names and is older than `grace`;
/// `progress` is told of each of the store's [`SHARDS`] that is done.
///
/// Nothing that was acknowledged is ever lost to this. A grace shorter than an upload takes only makes
/// somebody's upload fail, who has to send it again; one of zero takes everything that is not finished.
///
/// # Errors
/// Those of catalog and store; what was done until then stays done.
pub async fn collect(
    catalog: &Catalog,
    store: &Store,
    clock: &Clock,
    grace: Duration,
    progress: impl Fn(),
) -> Result<Collected> {
    let removed = remove_bytes(catalog, store, clock, true, |_| {}).await?;
    let mut collected = Collected { removed, ..Collected::default() };
    // The store's files carry the machine's time, not that of a clock set by hand.
    let now = SystemTime::now();
    let is_old = |item: &Listed| {
        let extra = if item.grows_unseen && !grace.is_zero() { UNSEEN_GROWTH } else { Duration::ZERO };
        now.checked_sub(grace + extra).is_some_and(|newest| item.modified <= newest)
    };
    for shard in 0..SHARDS {
        let listed = store.list(shard).await?;
        let (blobs, unfinished): (Vec<Listed>, Vec<Listed>) =
            listed.into_iter().filter(is_old).partition(|item| item.key.is_some());
        for item in unfinished {
            store.remove_listed(&item).await?;
            collected.unfinished += 1;
            collected.bytes += item.size;
        }
        for batch in blobs.chunks(BATCH) {
            remove_unnamed(catalog, store, clock, batch, &mut collected).await?;
        }
        progress();
    }
    Ok(collected)
}

async fn remove_unnamed(
    catalog: &Catalog,
    store: &Store,
    clock: &Clock,
    blobs: &[Listed],
    collected: &mut Collected,
) -> Result<()> {
    let keys: Vec<String> = blobs.iter().filter_map(|item| Some(item.key.as_ref()?.to_string())).collect();
    // Most of what lies there has its row; that is asked without holding anybody up.
    let unnamed = catalog.read(move |db| orphans::unnamed(db, keys)).await?;
    if unnamed.is_empty() {
        return Ok(());
    }
    let at = clock.now();
    let doomed = catalog.write(move |db| orphans::doom(db, &unnamed, at)).await?;
    for item in blobs {
        if item.key.as_ref().is_some_and(|key| doomed.iter().any(|doomed| doomed == key.as_str())) {
            store.remove_listed(item).await?;
            collected.orphans += 1;
            collected.bytes += item.size;
        }
    }
    catalog.write(move |db| orphans::pardon(db, &doomed)).await
}
