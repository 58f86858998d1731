//! Timers of `serve`: sweeps on every node, and collections that one node makes for all.

use std::time::Duration;

use super::{Collected, Retention, Swept, Terms};
use crate::catalog::{Catalog, leases};
use crate::domain::{Error, ErrorKind, Result};
use crate::identity;
use crate::settings::Settings;

/// The name of the collection lease.
const COLLECTING: &str = "gc";

/// The name of the lease of counts.
const COUNTING: &str = "count";

/// How old counts of what is stored become.
const COUNTS: Duration = Duration::from_secs(5 * 60);

/// How often a node checks whether they are due, and shows them in its metrics.
const COUNT_QUESTIONS: Duration = Duration::from_secs(60);

/// The least time from a node's start to its first collection, without [`JITTER_SECONDS`]: nodes that start
/// after a failure have other things to do.
const FIRST_AFTER: Duration = Duration::from_secs(3 * 60);

/// The most that is added to it, in seconds, so that nodes that start together do not collect at once.
const JITTER_SECONDS: u64 = 10 * 60;

/// The interval at which a node checks whether a collection is due, unless `retention.gc_interval` is
/// shorter.
const QUESTIONS: Duration = Duration::from_secs(10 * 60);

/// How often lost agents are looked for at least.
const LONGEST_WATCH: Duration = Duration::from_secs(60);

/// Returns how long after its start a node first checks whether a collection is due; always the same for a
/// node.
pub fn first_after(node: i64) -> Duration {
    FIRST_AFTER + Duration::from_secs(node.unsigned_abs() % JITTER_SECONDS)
}

impl Retention {
    /// Sweeps every `interval`, for as long as it is polled; zero means never. A pass that fails is
    /// logged, and the next one begins anew.
    pub async fn sweep_forever(self, interval: Duration) {
        if interval.is_zero() {
            return;
        }
        let mut timer = tokio::time::interval(interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            match self.sweep(|_| {}).await {
                Ok(swept) if swept == Swept::default() => tracing::debug!("nothing to sweep"),
                Ok(swept) => tracing::info!(
                    expired = swept.expired,
                    removed = swept.removed.blobs,
                    failed = swept.removed.failed,
                    "expired artifacts swept"
                ),
                Err(error) => tracing::error!(causes = error.source_chain(), "the sweep failed"),
            }
        }
    }

    /// Looks for lost agents more often than `agents.lost_after`, for as long as it is polled: what they ran is shown as
    /// running until then.
    pub async fn watch_agents_forever(self) {
        let interval = (self.agents_lost_after / 3).clamp(Duration::from_secs(1), LONGEST_WATCH);
        loop {
            tokio::time::sleep(interval).await;
            if let Err(error) = self.end_lost_agents().await {
                tracing::error!(causes = error.source_chain(), "lost agents were not looked for");
            }
        }
    }

    /// Counts what is stored every five minutes, unless another node does, and shows it in the metrics, for as long as it is
    /// polled. `node` is the node's unique ID.
    pub async fn count_forever(self, node: i64) {
        loop {
            if let Err(error) = self.count_if_due(node).await {
                tracing::error!(causes = error.source_chain(), "what is stored was not counted");
            }
            if let Err(error) = self.show_totals().await {
                tracing::warn!(causes = error.source_chain(), "the metrics do not show what is stored");
            }
            tokio::time::sleep(COUNT_QUESTIONS).await;
        }
    }

    /// Counts what is stored if the last count was five minutes ago and no other node is counting; returns whether it did.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn count_if_due(&self, node: i64) -> Result<bool> {
        let catalog = &self.catalog;
        if !catalog.write(move |db| leases::take(db, COUNTING, node, COUNTS)).await? {
            return Ok(false);
        }
        let counted = self.count_storage().await;
        let done = counted.is_ok();
        catalog.write(move |db| leases::give_back(db, COUNTING, node, done)).await?;
        counted.map(|_| true)
    }

    /// Collects every `retention.gc_interval`, for as long as it is polled, unless another node does; zero
    /// means never. `node` is the node's unique ID. Failures and refusals are logged.
    pub async fn collect_forever(self, settings: Settings, node: i64) {
        if settings.gc_interval.is_zero() {
            return;
        }
        let mut pause = first_after(node).min(settings.gc_interval);
        loop {
            tokio::time::sleep(pause).await;
            pause = QUESTIONS.min(settings.gc_interval);
            match self.collect_if_due(&settings, node).await {
                Ok(None) => tracing::debug!("no garbage collection is due on this node"),
                Ok(Some(collected)) => tracing::info!(
                    orphans = collected.orphans,
                    unfinished = collected.unfinished,
                    bytes = collected.bytes,
                    spared = collected.spared,
                    removed = collected.removed.blobs,
                    "garbage collection finished"
                ),
                Err(error) => {
                    tracing::error!(%error, causes = error.source_chain(), "the garbage collection failed")
                }
            }
        }
    }

    /// Collects if the last collection was `retention.gc_interval` ago and no other node is collecting;
    /// otherwise returns `None`. Runs without [`Terms::force`].
    ///
    /// # Errors
    /// `Conflict` when database and store do not belong together, or too much would be deleted; those of
    /// catalog and store.
    pub async fn collect_if_due(&self, settings: &Settings, node: i64) -> Result<Option<Collected>> {
        let Self { catalog, store, .. } = self;
        let interval = settings.gc_interval;
        if !catalog.write(move |db| leases::take(db, COLLECTING, node, interval)).await? {
            return Ok(None);
        }
        let terms = Terms { grace: settings.orphan_grace, force: false };
        let collecting = async {
            let agreed = identity::check(catalog, store, settings).await?;
            self.collect(&agreed, terms, || {}).await
        };
        let collected = tokio::select! {
            collected = collecting => collected,
            error = renew(catalog, node) => Err(error),
        };
        // A refusal would be the same on a next try; a missing answer may pass.
        let done = match &collected {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::Conflict,
        };
        catalog.write(move |db| leases::give_back(db, COLLECTING, node, done)).await?;
        collected.map(Some)
    }
}

/// Renews the lease; ends only when that fails.
async fn renew(catalog: &Catalog, node: i64) -> Error {
    loop {
        tokio::time::sleep(leases::RENEWAL).await;
        match catalog.write(move |db| leases::renew(db, COLLECTING, node)).await {
            Ok(true) => {}
            Ok(false) => return Error::unavailable("another node has taken over"),
            Err(error) => return error,
        }
    }
}
