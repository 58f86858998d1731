//! Gauges over the whole catalog, which are set in the background and are the same on every node.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::Labels;

/// What the counters of the catalog say, and what was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Artifacts and their bytes, by type.
    pub by_type: Vec<(&'static str, i64, i64)>,
    /// Artifacts past their date that are not locked and that no sweep has taken yet.
    pub expired_waiting: i64,
    /// Their bytes.
    pub expired_waiting_bytes: i64,
    /// How long ago the oldest of these dates was, in seconds.
    pub sweep_lag_seconds: i64,
    /// Artifacts whose bytes are still to be deleted.
    pub deletions_pending: i64,
    /// Quotas of projects and groups that are nearly used up.
    pub quotas_nearly_full: i64,
}

/// The gauges; clones share them.
#[derive(Debug, Clone, Default)]
pub struct CatalogGauges {
    artifacts: Family<Labels<1>, Gauge>,
    bytes: Family<Labels<1>, Gauge>,
    expired_waiting: Gauge,
    expired_waiting_bytes: Gauge,
    sweep_lag_seconds: Gauge,
    deletions_pending: Gauge,
    quotas_nearly_full: Gauge,
}

impl CatalogGauges {
    /// Shows new totals. A type that has no artifact any more shows 0.
    pub fn set(&self, totals: &Totals) {
        for (file_type, artifacts, bytes) in &totals.by_type {
            let labels = [("file_type", *file_type)];
            self.artifacts.get_or_create(&labels).set(*artifacts);
            self.bytes.get_or_create(&labels).set(*bytes);
        }
        self.expired_waiting.set(totals.expired_waiting);
        self.expired_waiting_bytes.set(totals.expired_waiting_bytes);
        self.sweep_lag_seconds.set(totals.sweep_lag_seconds);
        self.deletions_pending.set(totals.deletions_pending);
        self.quotas_nearly_full.set(totals.quotas_nearly_full);
    }
}

impl Part for CatalogGauges {
    fn register(&self, registry: &mut Registry) {
        registry.register("artigate_artifacts", "Artifacts by type", self.artifacts.clone());
        registry.register("artigate_stored_bytes", "Bytes of artifacts by type", self.bytes.clone());
        let help = "Artifacts past their date that are not locked and not removed yet";
        registry.register("artigate_expired_waiting", help, self.expired_waiting.clone());
        registry.register(
            "artigate_expired_waiting_bytes",
            "Their bytes",
            self.expired_waiting_bytes.clone(),
        );
        let help = "Time since the oldest date among them";
        registry.register("artigate_sweep_lag_seconds", help, self.sweep_lag_seconds.clone());
        let help = "Removed artifacts whose bytes are still to be deleted";
        registry.register("artigate_deletions_pending", help, self.deletions_pending.clone());
        let help = "Quotas of projects and groups of which four fifths or more are used";
        registry.register("artigate_quotas_nearly_full", help, self.quotas_nearly_full.clone());
    }
}
