//! Finds bytes that no row names — left by a node that died between blob and row, or in the middle
//! of an upload — and removes those that are old enough not to belong to anybody at work.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::remove::{Removed, remove_bytes};
use crate::catalog::{Catalog, deletions};
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

/// Carries out all queued removals, then removes what nobody names and is older than `grace`;
/// `progress` is told of each of the store's [`SHARDS`] that is done.
///
/// A grace shorter than an upload takes to be recorded removes what somebody is just handing over:
/// zero is for a store that nobody writes to.
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
    let mut collected = Collected {
        removed: remove_bytes(catalog, store, clock, true, |_| {}).await?,
        ..Collected::default()
    };
    // The store's files carry the machine's time, not that of a clock set by hand.
    let newest = SystemTime::now().checked_sub(grace);
    for shard in 0..SHARDS {
        let listed = store.list(shard).await?;
        let old: Vec<Listed> =
            listed.into_iter().filter(|item| newest.is_some_and(|newest| item.modified <= newest)).collect();
        let named = named(catalog, &old).await?;
        for item in old {
            let is_orphan = match &item.key {
                Some(key) if named.contains(key.as_str()) => continue,
                key => key.is_some(),
            };
            store.remove_listed(&item).await?;
            collected.bytes += item.size;
            if is_orphan {
                collected.orphans += 1;
            } else {
                collected.unfinished += 1;
            }
        }
        progress();
    }
    Ok(collected)
}

/// The keys among the listed that rows name.
async fn named(catalog: &Catalog, listed: &[Listed]) -> Result<HashSet<String>> {
    let mut named = HashSet::new();
    let keys: Vec<String> = listed.iter().filter_map(|item| Some(item.key.as_ref()?.to_string())).collect();
    for batch in keys.chunks(500) {
        let batch = batch.to_vec();
        let found = catalog.read(move |db| {
            deletions::named_among(db, &batch.iter().map(String::as_str).collect::<Vec<_>>())
        });
        named.extend(found.await?);
    }
    Ok(named)
}
