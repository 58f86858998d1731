//! Metrics of what this node deletes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Part;

/// The metrics of a node's sweeps and collections; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    last_success: Gauge,
    swept: Counter,
    swept_bytes: Counter,
    orphans: Counter,
}

impl Retention {
    /// Notes a sweep that came to its end, in seconds since 1970.
    pub fn sweep_succeeded(&self, at_seconds: i64) {
        self.last_success.set(at_seconds);
    }

    /// Counts artifacts that readers no longer find.
    pub fn swept(&self, artifacts: usize) {
        self.swept.inc_by(artifacts as u64);
    }

    /// Counts bytes that were deleted from the store.
    pub fn swept_bytes(&self, bytes: u64) {
        self.swept_bytes.inc_by(bytes);
    }

    /// Counts blobs that no row referenced.
    pub fn orphans_removed(&self, blobs: usize) {
        self.orphans.inc_by(blobs as u64);
    }
}

impl Part for Retention {
    fn register(&self, registry: &mut Registry) {
        let help = "When this node last completed a sweep, in seconds since 1970; 0 for never";
        let name = "artigate_sweep_last_success_timestamp_seconds";
        registry.register(name, help, self.last_success.clone());
        registry.register("artigate_swept", "Artifacts that this node's sweeps expired", self.swept.clone());
        let help = "Bytes of artifacts that this node deleted from the store";
        registry.register("artigate_swept_bytes", help, self.swept_bytes.clone());
        let help = "Blobs without a row that this node deleted";
        registry.register("artigate_orphans_removed", help, self.orphans.clone());
    }
}
