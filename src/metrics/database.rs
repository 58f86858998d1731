//! Metrics of the database.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::{Each, short_histogram};

/// What work on the database does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseAccess {
    /// It only reads.
    Read,
    /// It may write.
    Write,
}

/// The metrics of a node's work on the database; clones share them.
#[derive(Debug, Clone)]
pub struct Database {
    waits: Each<Histogram, 2>,
    queries: Each<Histogram, 2>,
}

impl Default for Database {
    fn default() -> Self {
        let each = || Each::new("kind", ["read", "write"], short_histogram);
        Self { waits: each(), queries: each() }
    }
}

impl Database {
    /// Measures how long work has waited for a thread, a connection and, to write, its turn.
    pub fn waited(&self, access: DatabaseAccess, time: Duration) {
        self.waits.at(access as usize).observe(time.as_secs_f64());
    }

    /// Measures how long work took.
    pub fn took(&self, access: DatabaseAccess, time: Duration) {
        self.queries.at(access as usize).observe(time.as_secs_f64());
    }
}

impl Part for Database {
    fn register(&self, registry: &mut Registry) {
        let help = "Time that work on the database waits for a thread and a connection";
        self.waits.register(registry, "artigate_db_wait_seconds", help);
        let help = "Time that work on the database takes, of one or several statements";
        self.queries.register(registry, "artigate_db_query_seconds", help);
    }
}
