//! Garbage collection deletes old blobs and uploads that no row references and no living writer works on.
//!
//! They are left by a node that died between blob and row, or in the middle of an upload.
//!
//! The store is listed twice: orphans are counted before anything is deleted.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::Retention;
use super::purge::Removed;
use crate::catalog::usage::{self, LastCollection};
use crate::catalog::writers::Living;
use crate::catalog::{Catalog, clock as database_clock, gc_marks, writers};
use crate::domain::{Error, ErrorKind, Result, Timestamp};
use crate::identity::Agreed;
use crate::store::{SHARDS, Store, StoreEntry, StoreKey};

/// The outcome of a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Queued deletions that were carried out.
    pub removed: Removed,
    /// Deleted blobs that no row referenced.
    pub orphans: usize,
    /// Deleted uploads that were never finished.
    pub unfinished: usize,
    /// The size of both in bytes.
    pub bytes: u64,
    /// Old blobs and uploads without a row that a living writer works on.
    pub spared: usize,
}

/// The conditions for deletion.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The least age of unreferenced blobs and uploads.
    pub grace: Duration,
    /// Whether more than half of a store may be deleted.
    pub force: bool,
}

/// The number of calls of `progress`.
pub const STEPS: usize = 2 * SHARDS as usize;

/// The number of blobs that are checked, and deleted, at a time.
const BATCH: usize = 500;

/// How often marking is tried again.
const MARK_TRIES: usize = 5;

/// The age beyond the grace of an unfinished upload whose last write and writer are unknown.
const UNSEEN_GROWTH: Duration = Duration::from_secs(24 * 3600);

/// The largest number of blobs of a store that may all be deleted without `force`.
const FEW_BLOBS: usize = 100;

impl Retention {
    /// Carries out all queued deletions, then deletes blobs and uploads that no row references, no living
    /// writer works on, and that are older than `terms` require by the store's own clock; calls `progress`
    /// [`STEPS`] times.
    ///
    /// Acknowledged bytes are never lost, and no upload with a recorded writer fails, whatever the grace.
    /// Nodes of the previous release do not record theirs: one of their uploads that takes longer than the
    /// grace fails, and has to be sent again.
    ///
    /// # Errors
    /// `Conflict` when more than half of the store would be deleted and `terms` do not allow it: nothing is
    /// deleted then. Those of catalog and store; earlier deletions stand.
    pub async fn collect(&self, agreed: &Agreed, terms: Terms, progress: impl Fn()) -> Result<Collected> {
        let Self { catalog, store, .. } = self;
        let collection = Collection { catalog, store, now: store.now().await?, grace: terms.grace };
        catalog.write(writers::give_up_dead).await?;
        let (mut blobs, mut orphans) = (0, 0);
        let mut collected = Collected::default();
        let mut with_leftovers = Vec::new();
        let mut seen = LastCollection::default();
        for shard in 0..SHARDS {
            let found = collection.look_through(shard).await?;
            blobs += found.blobs;
            orphans += found.orphans.len();
            found.add_to(&mut seen);
            collected.spared += found.spared;
            if !(found.orphans.is_empty() && found.unfinished.is_empty()) {
                with_leftovers.push(shard);
            }
            progress();
        }
        seen.deleted = !(blobs > FEW_BLOBS && orphans > blobs / 2 && !terms.force);
        let (kept, clock) = (seen.clone(), self.clock.clone());
        let keeping = catalog.write(move |db| {
            let now = database_clock::shared(db, &clock)?;
            usage::keep_collection(db, &kept, now)
        });
        keeping.await?;
        if !seen.deleted {
            return Err(too_many(orphans, blobs, agreed));
        }
        collected.removed = self.remove_bytes(true, |_| {}).await?;
        for shard in 0..SHARDS {
            if with_leftovers.contains(&shard) {
                let found = collection.look_through(shard).await?;
                collection.remove(found, &mut collected).await?;
            }
            progress();
        }
        self.metrics.orphans_removed(collected.orphans);
        Ok(collected)
    }
}

fn too_many(orphans: usize, blobs: usize, agreed: &Agreed) -> Error {
    let Agreed { database, store } = agreed;
    let why = format!(
        "no row of {database} references {orphans} of the {blobs} blobs in {store}, and that is more than \
         half: the database may be an older copy. Nothing was deleted; --force deletes them"
    );
    Error::new(ErrorKind::Conflict, why)
}

/// A pass over the store.
struct Collection<'a> {
    catalog: &'a Catalog,
    store: &'a Store,
    /// The time at the start, by the store's clock.
    now: SystemTime,
    grace: Duration,
}

/// The contents of a shard.
#[derive(Default)]
struct Found {
    /// All blobs, referenced or not.
    blobs: usize,
    /// Old blobs that no row references.
    orphans: Vec<StoreEntry>,
    /// Old uploads that no living writer works on.
    unfinished: Vec<StoreEntry>,
    /// Entries left out of these two because a living writer works on them.
    spared: usize,
}

impl Found {
    /// Adds what is to be deleted to what was found so far.
    fn add_to(&self, seen: &mut LastCollection) {
        for item in self.orphans.iter().chain(&self.unfinished) {
            let age = item.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let at = Timestamp::from_millis(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            seen.orphans += 1;
            seen.bytes += item.size;
            seen.oldest_at = Some(seen.oldest_at.map_or(at, |oldest| oldest.min(at)));
        }
    }
}

impl Collection<'_> {
    async fn look_through(&self, shard: u16) -> Result<Found> {
        let listed = self.store.list(shard).await?;
        let mut found =
            Found { blobs: listed.iter().filter(|item| item.key.is_some()).count(), ..Found::default() };
        let mut old: Vec<StoreEntry> = listed.into_iter().filter(|item| self.is_old(item)).collect();
        while !old.is_empty() {
            let rest = old.split_off(old.len().min(BATCH));
            self.judge(std::mem::replace(&mut old, rest), &mut found).await?;
        }
        Ok(found)
    }

    fn is_old(&self, item: &StoreEntry) -> bool {
        let has_owner = item.upload_of.as_ref().is_some_and(|key| key.writer().is_some());
        let unseen = item.age_is_lower_bound && !has_owner && !self.grace.is_zero();
        let age = self.grace + if unseen { UNSEEN_GROWTH } else { Duration::ZERO };
        self.now.checked_sub(age).is_some_and(|newest| item.modified <= newest)
    }

    /// Sorts listed entries into `found`. Reads the living writers after the listing and before the rows: a
    /// writer that has ended by then is ended for good, so nothing can come to reference its keys after that.
    async fn judge(&self, items: Vec<StoreEntry>, found: &mut Found) -> Result<()> {
        let living = self.catalog.read(writers::living).await?;
        let keys: Vec<String> = items.iter().filter_map(key_of).map(StoreKey::to_string).collect();
        // Most entries have a row; checking that first holds nobody up.
        let unreferenced = self.catalog.read(move |db| gc_marks::unreferenced(db, keys)).await?;
        let unreferenced: HashSet<String> = unreferenced.into_iter().collect();
        for item in items {
            let is_named = key_of(&item).is_some_and(|key| !unreferenced.contains(key.as_str()));
            match (item.key.is_some(), is_named) {
                (true, true) => {}
                _ if is_at_work_on(&living, &item, is_named) => found.spared += 1,
                (true, false) => found.orphans.push(item),
                (false, _) => found.unfinished.push(item),
            }
        }
        Ok(())
    }

    async fn remove(&self, found: Found, collected: &mut Collected) -> Result<()> {
        for item in found.unfinished {
            self.store.remove_listed(&item).await?;
            collected.unfinished += 1;
            collected.bytes += item.size;
        }
        for batch in found.orphans.chunks(BATCH) {
            let keys: Vec<String> = batch.iter().filter_map(key_of).map(StoreKey::to_string).collect();
            // Marks are kept: the writer of a blob may try to reference it long after it was deleted.
            let doomed = self.mark(keys).await?;
            let is_doomed = |key: &StoreKey| doomed.iter().any(|doomed| doomed == key.as_str());
            for item in batch.iter().filter(|item| key_of(item).is_some_and(is_doomed)) {
                self.store.remove_listed(item).await?;
                collected.orphans += 1;
                collected.bytes += item.size;
            }
        }
        Ok(())
    }

    /// Marks keys. A transaction that references several blobs and this one may wait for each other: the database
    /// then ends one of them, and marking is tried again.
    async fn mark(&self, keys: Vec<String>) -> Result<Vec<String>> {
        let mut tries = 0;
        loop {
            let some = keys.clone();
            match self.catalog.write(move |db| gc_marks::mark(db, &some)).await {
                Err(error) if error.kind() == ErrorKind::Unavailable && tries < MARK_TRIES => tries += 1,
                marked => return marked,
            }
        }
    }
}

/// The key that an entry has or will get.
fn key_of(item: &StoreEntry) -> Option<&StoreKey> {
    item.key.as_ref().or(item.upload_of.as_ref())
}

/// Whether a living writer works on an entry. An upload whose key a row references is a copy.
fn is_at_work_on(living: &Living, item: &StoreEntry, is_named: bool) -> bool {
    if is_named {
        living.copying
    } else {
        key_of(item).and_then(StoreKey::writer).is_some_and(|writer| living.keys.contains(&writer))
    }
}
