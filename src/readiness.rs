//! Whether the parts that every request needs answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::catalog::Catalog;
use crate::domain::{Error, Result};
use crate::identity::Belonging;
use crate::store::Store;

/// How long an answer is good: whoever asks without pause asks us, and not the parts behind us.
const CACHE_TTL: Duration = Duration::from_secs(1);

/// How long a part may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What was found, one part each.
#[derive(Debug, Clone)]
pub struct ReadinessReport {
    /// The catalog.
    pub catalog: Result<(), Arc<Error>>,
    /// The store.
    pub store: Result<(), Arc<Error>>,
}

/// Asks one at a time, and remembers for a moment.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, ReadinessReport)>>);

impl Readiness {
    /// Asks catalog and store, at the same time; what does not answer is logged. A store that is not known to
    /// belong to the catalog is as good as none.
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
                Err(Arc::new(Error::unavailable("it is not known to belong to the database")))
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
