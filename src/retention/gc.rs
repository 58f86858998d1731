//! Finds bytes that no row names — left by a node that died between blob and row, or in the middle
//! of an upload — and removes those that belong to nobody at work and are old enough.
//!
//! The store is gone through twice: what would go is counted before anything does.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::Retention;
use super::purge::Removed;
use crate::catalog::writers::Living;
use crate::catalog::{Catalog, gc_marks, writers};
use crate::domain::{Error, ErrorKind, Result};
use crate::identity::Agreed;
use crate::store::{SHARDS, Store, StoreEntry, StoreKey};

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
    /// Blobs and uploads without a row that somebody is at work on.
    pub spared: usize,
}

/// What may go.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How old what nobody names must be.
    pub grace: Duration,
    /// Whether more than half of a store may go.
    pub force: bool,
}

/// How often `progress` is told of a step.
pub const STEPS: usize = 2 * SHARDS as usize;

/// How many blobs are looked at, and removed, at a time.
const BATCH: usize = 500;

/// How much older than the grace an unfinished upload must be whose growing cannot be seen and whose owner
/// is not known.
const UNSEEN_GROWTH: Duration = Duration::from_secs(24 * 3600);

/// Of a store with no more blobs than that, all may go without being asked for.
const FEW_BLOBS: usize = 100;

impl Retention {
    /// Carries out all queued removals, then removes what nobody names, nobody is at work on, and is older than
    /// `terms` say by the store's own clock; `progress` is told of each of [`STEPS`].
    ///
    /// Nothing that was acknowledged is ever lost to this, and no upload fails by it whose writer is written
    /// down, whatever the grace. Nodes of the release before do not write theirs down: a grace shorter than one
    /// of their uploads takes makes it fail, and it has to be sent again.
    ///
    /// # Errors
    /// `Conflict` when more than half of the store would go and `terms` do not allow it: nothing is removed
    /// then. Those of catalog and store; what was done until then stays done.
    pub async fn collect(&self, agreed: &Agreed, terms: Terms, progress: impl Fn()) -> Result<Collected> {
        let Self { catalog, store, .. } = self;
        let collection = Collection { catalog, store, now: store.now().await?, grace: terms.grace };
        catalog.write(writers::give_up_dead).await?;
        let (mut blobs, mut orphans) = (0, 0);
        let mut collected = Collected::default();
        let mut with_leftovers = Vec::new();
        for shard in 0..SHARDS {
            let found = collection.look_through(shard).await?;
            blobs += found.blobs;
            orphans += found.orphans.len();
            collected.spared += found.spared;
            if !(found.orphans.is_empty() && found.unfinished.is_empty()) {
                with_leftovers.push(shard);
            }
            progress();
        }
        if blobs > FEW_BLOBS && orphans > blobs / 2 && !terms.force {
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
        Ok(collected)
    }
}

fn too_many(orphans: usize, blobs: usize, agreed: &Agreed) -> Error {
    let Agreed { database, store } = agreed;
    let why = format!(
        "{orphans} of the {blobs} blobs in {store} are named by no row of {database}, and that is more than \
         half: it may be an older copy of the database. Nothing was removed; --force removes them"
    );
    Error::new(ErrorKind::Conflict, why)
}

/// A pass over the store.
struct Collection<'a> {
    catalog: &'a Catalog,
    store: &'a Store,
    /// By the store's clock, at the start.
    now: SystemTime,
    grace: Duration,
}

/// What lies in a shard.
#[derive(Default)]
struct Found {
    /// How many blobs, named or not.
    blobs: usize,
    /// Old ones that nobody names.
    orphans: Vec<StoreEntry>,
    /// Old uploads that nobody is at work on.
    unfinished: Vec<StoreEntry>,
    /// What would be among these two if nobody were at work on it.
    spared: usize,
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

    /// Who is at work is asked after what lies there was listed, and before which of it is named: a writer
    /// that is gone by then is gone for good, and with it whoever could name its keys from then on.
    async fn judge(&self, items: Vec<StoreEntry>, found: &mut Found) -> Result<()> {
        let living = self.catalog.read(writers::living).await?;
        let keys: Vec<String> = items.iter().filter_map(key_of).map(StoreKey::to_string).collect();
        // Most of what lies there has its row; that is asked without holding anybody up.
        let unnamed = self.catalog.read(move |db| gc_marks::unreferenced(db, keys)).await?;
        let unnamed: HashSet<String> = unnamed.into_iter().collect();
        for item in items {
            let is_named = key_of(&item).is_some_and(|key| !unnamed.contains(key.as_str()));
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
            // What is doomed stays so: whoever stored it may come to name it long after it is gone.
            let doomed = self.catalog.write(move |db| gc_marks::mark(db, &keys)).await?;
            let is_doomed = |key: &StoreKey| doomed.iter().any(|doomed| doomed == key.as_str());
            for item in batch.iter().filter(|item| key_of(item).is_some_and(is_doomed)) {
                self.store.remove_listed(item).await?;
                collected.orphans += 1;
                collected.bytes += item.size;
            }
        }
        Ok(())
    }
}

/// The key that something has or is to get.
fn key_of(item: &StoreEntry) -> Option<&StoreKey> {
    item.key.as_ref().or(item.upload_of.as_ref())
}

/// Whether something is in the hands of a living writer. An upload whose key a row names is a copy.
fn is_at_work_on(living: &Living, item: &StoreEntry, is_named: bool) -> bool {
    if is_named {
        living.copying
    } else {
        key_of(item).and_then(StoreKey::writer).is_some_and(|writer| living.keys.contains(&writer))
    }
}
