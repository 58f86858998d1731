//! Readiness: whether the database and the store answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::catalog::Catalog;
use crate::domain::{Error, Result};
use crate::identity::Belonging;
use crate::store::Store;

/// How long a report is reused, so that frequent probes do not reach database and store.
const CACHE_TTL: Duration = Duration::from_secs(1);

/// How long database or store may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The outcome of a check.
#[derive(Debug, Clone)]
pub struct ReadinessReport {
    /// Whether the database answered.
    pub catalog: Result<(), Arc<Error>>,
    /// Whether the store answered and is known to belong to the database.
    pub store: Result<(), Arc<Error>>,
}

/// Runs one check at a time, and reuses its report for a second.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, ReadinessReport)>>);

impl Readiness {
    /// Probes catalog and store at the same time and logs failures. A store that is not known to belong to
    /// the catalog counts as unavailable.
    pub async fn check(&self, catalog: &Catalog, store: &Store, belonging: &Belonging) -> ReadinessReport {
        let mut last = self.0.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < CACHE_TTL
        {
            return found.clone();
        }
        let (catalog, store) = tokio::join!(in_time(catalog.probe()), in_time(store.probe()));
        let store = store.and_then(|()| {
            if belonging.is_known() {
                Ok(())
            } else {
                Err(Arc::new(Error::unavailable("the store is not known to belong to the database")))
            }
        });
        let found = ReadinessReport { catalog, store };
        for (part, outcome) in [("the database", &found.catalog), ("the store", &found.store)] {
            if let Err(error) = outcome {
                tracing::error!(causes = error.source_chain(), "{part} does not answer");
            }
        }
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

async fn in_time(probe: impl Future<Output = Result<()>>) -> Result<(), Arc<Error>> {
    let answer = tokio::time::timeout(PROBE_TIMEOUT, probe).await;
    answer.unwrap_or_else(|late| Err(Error::unavailable(late))).map_err(Arc::new)
}
