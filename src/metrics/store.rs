//! Metrics of the store.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::{Each, Labels, short_histogram};

/// An operation of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOperation {
    /// A blob is begun.
    Create,
    /// A blob is opened for reading.
    Open,
    /// The size of a blob is asked for.
    Size,
    /// Blobs are deleted.
    Delete,
    /// A part of the store is listed.
    List,
    /// A URL is signed.
    Sign,
}

const OPERATIONS: [&str; 6] = ["create", "open", "size", "delete", "list", "sign"];

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOutcome {
    /// It was carried out.
    Done,
    /// What it is about does not exist.
    Missing,
    /// It failed.
    Failed,
}

const OUTCOMES: [&str; 3] = ["done", "missing", "failed"];

/// The metrics of a store; clones share them.
#[derive(Debug, Clone)]
pub struct Store {
    family: Family<Labels<2>, Counter>,
    requests: [[Counter; 3]; 6],
    times: Each<Histogram, 6>,
}

impl Default for Store {
    fn default() -> Self {
        let family = Family::default();
        let counter = |operation, outcome| -> Counter {
            Counter::clone(&family.get_or_create(&[("operation", operation), ("outcome", outcome)]))
        };
        let requests = OPERATIONS.map(|operation| OUTCOMES.map(|outcome| counter(operation, outcome)));
        Self { requests, family, times: Each::new("operation", OPERATIONS, short_histogram) }
    }
}

impl Store {
    /// Counts and measures an operation.
    pub fn ended(&self, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        self.requests[operation as usize][outcome as usize].inc();
        self.times.at(operation as usize).observe(took.as_secs_f64());
    }
}

impl Part for Store {
    fn register(&self, registry: &mut Registry) {
        let help = "Operations of the store by their outcome";
        registry.register("artigate_store_requests", help, self.family.clone());
        self.times.register(
            registry,
            "artigate_store_request_seconds",
            "Time that operations of the store take",
        );
    }
}
