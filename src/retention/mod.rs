//! Retention deletes expired artifacts, artifacts whose deletion was requested, and bytes that no row
//! references.
//!
//! Every deletion has three steps (mark the row, delete the blob, delete the row) and runs in batches, so
//! that many nodes may delete at once and any of them may die anywhere.

mod asked;
pub mod copy_store;
mod count;
mod fsck;
mod gc;
mod gone;
mod next_sweep;
mod purge;
mod sweep;
mod timer;

use std::time::Duration;

pub use asked::LastSweep;
use asked::Sweeps;
pub use count::count_storage;
pub use fsck::{Checked, CounterFinding, FsckFinding};
pub use gc::{Collected, STEPS, Terms};
pub use purge::Removed;
pub use sweep::Swept;
pub use timer::first_after;

use crate::catalog::Catalog;
use crate::domain::Clock;
use crate::metrics::{self, CatalogGauges};
use crate::store::Store;

/// The number of artifacts per transaction: large enough to be fast, small enough that waiting writers do not
/// notice.
const BATCH: i64 = 1_000;

/// Deletes artifacts, and checks the remaining rows against the store.
#[derive(Debug, Clone)]
pub struct Retention {
    catalog: Catalog,
    store: Store,
    clock: Clock,
    /// How long the tombstone of an expired artifact is kept after the expiry.
    tombstones: Duration,
    /// How long an agent may send no heartbeat.
    agents_lost_after: Duration,
    /// Bytes of copies from an upstream that are kept, if there is one.
    cache_bytes: Option<u64>,
    metrics: metrics::Retention,
    gauges: CatalogGauges,
    sweeps: Sweeps,
}

impl Retention {
    /// Deletes from `catalog` and `store`; keeps tombstones of expired artifacts for `tombstones` after their
    /// expiry, and ends the sessions of agents that send no heartbeat for `agents_lost_after`.
    pub fn new(
        catalog: Catalog,
        store: Store,
        clock: Clock,
        tombstones: Duration,
        agents_lost_after: Duration,
    ) -> Self {
        let (metrics, gauges) = (metrics::Retention::default(), CatalogGauges::default());
        let sweeps = Sweeps::default();
        let cache_bytes = None;
        Self { catalog, store, clock, tombstones, agents_lost_after, cache_bytes, metrics, gauges, sweeps }
    }

    /// Keeps at most so many bytes of copies from an upstream.
    #[must_use]
    pub fn with_cache(self, cache_bytes: Option<u64>) -> Self {
        Self { cache_bytes, ..self }
    }

    /// The metrics of what this node deletes.
    pub fn metrics(&self) -> &metrics::Retention {
        &self.metrics
    }

    /// The gauges over the catalog.
    pub fn gauges(&self) -> &CatalogGauges {
        &self.gauges
    }
}
