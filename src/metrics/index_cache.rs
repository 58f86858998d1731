//! Metrics of the cache of indexes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::Each;

/// What a request found in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// The index.
    Hit,
    /// Nothing: the index was read.
    Miss,
    /// Nothing, and the archive has more than is read of one.
    TooLarge,
}

/// The metrics of a cache; clones share them.
#[derive(Debug, Clone)]
pub struct IndexCacheUse(Each<Counter, 3>);

impl Default for IndexCacheUse {
    fn default() -> Self {
        Self(Each::new("result", ["hit", "miss", "too_large"], Counter::default))
    }
}

impl IndexCacheUse {
    /// Counts a request.
    pub fn looked(&self, found: Looked) {
        self.0.at(found as usize).inc();
    }
}

impl Part for IndexCacheUse {
    fn register(&self, registry: &mut Registry) {
        let help = "Requests for the index of an archive";
        self.0.register(registry, "artigate_index_cache_requests", help);
    }
}
