//! A sweep is one pass over expired artifacts, requested deletions, and the blobs of both.

use super::asked::LastSweep;
use super::purge::Removed;
use super::{BATCH, Retention};
use crate::catalog::tombstones::{self, Cursor};
use crate::catalog::{Catalog, agents, artifacts, builds, clock as database_clock, copies, nodes, uploads};
use crate::domain::{Clock, Result, Timestamp};
use crate::store::StoreKey;

/// How many abandoned uploads are deleted at a time.
const UPLOADS: i64 = 100;

/// The outcome of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Artifacts that readers no longer find.
    pub expired: usize,
    /// The blobs deleted from the store.
    pub removed: Removed,
}

/// Returns the earlier of this node's time and the database's: a deletion cannot be undone if a clock was
/// wrong. A manual clock is used alone.
pub(super) async fn earlier(catalog: &Catalog, clock: &Clock) -> Result<Timestamp> {
    match clock {
        Clock::Manual(_) => Ok(clock.now()),
        Clock::System => Ok(clock.now().min(catalog.read(database_clock::now).await?)),
    }
}

impl Retention {
    /// Makes one pass. Calls `progress` with numbers of expired artifacts and of deleted blobs.
    ///
    /// # Errors
    /// Those of the catalog; earlier deletions stand. Blobs that cannot be deleted are counted and tried
    /// again by a later pass.
    pub async fn sweep(&self, progress: impl Fn(usize)) -> Result<Swept> {
        let Self { catalog, clock, .. } = self;
        let mut expired = 0;
        let mut next = Some(Cursor::default());
        while let Some(after) = next {
            let now = earlier(catalog, clock).await?;
            let batch = catalog.write(move |db| tombstones::expire_batch(db, after, BATCH, now)).await?;
            expired += batch.gone;
            self.metrics.swept(batch.gone);
            progress(batch.gone);
            next = batch.next;
        }
        for request in catalog.read(tombstones::requested_purges).await? {
            let mut next = Some(Cursor::default());
            while let Some(after) = next {
                let now = clock.now();
                let batch =
                    catalog.write(move |db| tombstones::purge_batch(db, request, after, BATCH, now)).await?;
                expired += batch.gone;
                self.metrics.swept(batch.gone);
                progress(batch.gone);
                next = batch.next;
            }
        }
        expired += self.evict_copies(&progress).await?;
        expired += self.empty_gone_projects(&progress).await?;
        let removed = self.remove_bytes(false, progress).await?;
        self.delete_gone_projects().await?;
        self.delete_abandoned_uploads().await?;
        self.cancel_builds().await?;
        self.fill_shown_names().await?;
        self.end_lost_agents().await?;
        let clock_of_all = clock.clone();
        let forgetting = catalog.write(move |db| {
            let now = database_clock::shared(db, &clock_of_all)?;
            nodes::forget_silent(db, now)
        });
        forgetting.await?;
        loop {
            let now = earlier(catalog, clock).await?;
            if catalog.write(move |db| tombstones::delete_old(db, BATCH, now)).await? < BATCH as usize {
                self.metrics.sweep_succeeded(now.as_millis() / 1000);
                let swept = Swept { expired, removed };
                self.sweeps.note(LastSweep { at: now, swept });
                return Ok(swept);
            }
        }
    }

    /// Gives artifacts that a node of the release before has inserted the names that lists find them by.
    async fn fill_shown_names(&self) -> Result<()> {
        let mut next = Some(0);
        while let Some(after) = next {
            next = self.catalog.write(move |db| artifacts::fill_shown_names(db, after, BATCH)).await?;
        }
        Ok(())
    }

    /// Gives copies from the upstream up, oldest first, until the others fit into their room.
    async fn evict_copies(&self, progress: impl Fn(usize)) -> Result<usize> {
        let Some(cache_bytes) = self.cache_bytes else { return Ok(0) };
        let mut all = 0;
        loop {
            let now = self.clock.now();
            let gone = self.catalog.write(move |db| copies::evict_batch(db, cache_bytes, BATCH, now)).await?;
            if gone == 0 {
                return Ok(all);
            }
            all += gone;
            progress(gone);
        }
    }

    /// Cancels builds that nobody took in time, and ends those whose jobs do not end after a cancellation.
    async fn cancel_builds(&self) -> Result<()> {
        let Self { catalog, clock, .. } = self;
        loop {
            let now = earlier(catalog, clock).await?;
            if catalog.write(move |db| builds::cancel_due(db, now)).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Ends the sessions of agents that were not heard of for too long, whose jobs have failed then, and lets jobs wait
    /// again that agents took and did not begin.
    pub(super) async fn end_lost_agents(&self) -> Result<()> {
        let Self { catalog, clock, agents_lost_after, .. } = self;
        let silence = i64::try_from(agents_lost_after.as_millis()).unwrap_or(i64::MAX);
        loop {
            let clock = clock.clone();
            // The clock by which heartbeats are recorded, on whatever node.
            let ending = catalog.write(move |db| {
                let now = database_clock::shared(db, &clock)?;
                let cutoff = Timestamp::from_millis(now.as_millis().saturating_sub(silence));
                agents::end_lost(db, cutoff, now)
            });
            let lost = ending.await?;
            if lost.agents == 0 {
                break;
            }
            tracing::info!(jobs = lost.jobs, "an agent was not heard of, its jobs failed");
        }
        loop {
            let clock = clock.clone();
            let returning = catalog.write(move |db| {
                let now = database_clock::shared(db, &clock)?;
                agents::return_unstarted(db, now)
            });
            if returning.await? == 0 {
                return Ok(());
            }
        }
    }

    /// Deletes uploads in pieces that were abandoned, are a day old, or whose job finished an hour ago.
    async fn delete_abandoned_uploads(&self) -> Result<()> {
        let Self { catalog, store, clock, .. } = self;
        let now = earlier(catalog, clock).await?;
        catalog.write(move |db| uploads::abandon_old(db, now)).await?;
        let kept_millis = i64::try_from(self.tombstones.as_millis()).unwrap_or(i64::MAX);
        let failed_before = Timestamp::from_millis(now.as_millis().saturating_sub(kept_millis));
        catalog.write(move |db| uploads::forget(db, failed_before, now)).await?;
        let mut after = 0;
        loop {
            let some = catalog.read(move |db| uploads::abandoned(db, after, UPLOADS)).await?;
            let Some((last, _)) = some.last() else { return Ok(()) };
            after = *last;
            let mut done = Vec::new();
            for (id, keys) in some {
                let keys: Vec<StoreKey> = keys.iter().filter_map(|key| key.parse().ok()).collect();
                match store.delete_all(keys).await.into_iter().find_map(Result::err) {
                    None => done.push(id),
                    Some(error) => tracing::warn!(
                        causes = error.source_chain(),
                        "pieces of an abandoned upload not deleted"
                    ),
                }
            }
            catalog.write(move |db| uploads::delete(db, &done)).await?;
        }
    }
}
