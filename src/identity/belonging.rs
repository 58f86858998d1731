//! What a running server knows of whether its database and its store belong together. Until it knows, it takes no
//! writes: what it acknowledged could be collected by the store's owner.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{agree, check};
use crate::catalog::Catalog;
use crate::domain::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::Store;

/// How long database and store may take to say whose they are.
const PATIENCE: Duration = Duration::from_secs(5);

/// How soon they are asked again that did not say, or that do not belong together.
const AGAIN: Duration = Duration::from_secs(5);

/// How soon those are asked again that belonged together: a file system may be unmounted under a server.
const STILL: Duration = Duration::from_secs(60);

/// Whether database and store are known to belong together; not before they were asked.
#[derive(Debug, Default)]
pub struct Belonging {
    now: AtomicBool,
    /// Whether it was known at any time: a store is not given an id later.
    ever: AtomicBool,
}

impl Belonging {
    /// Whether it is known just now.
    pub fn is_known(&self) -> bool {
        self.now.load(Ordering::SeqCst)
    }

    /// Asks both, as [`agree`] the first time and as [`check`] once they have agreed. What does not answer changes
    /// nothing of what is known.
    ///
    /// # Errors
    /// `Conflict` when they do not belong together; `Unavailable` after five seconds; those of both.
    pub async fn look(&self, catalog: &Catalog, store: &Store, settings: &Settings) -> Result<()> {
        let asking = async {
            if self.ever.load(Ordering::SeqCst) {
                check(catalog, store, settings).await
            } else {
                agree(catalog, store, settings).await
            }
        };
        let late = |_| Err(Error::unavailable("the store does not say in time whose it is"));
        let found = tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(late);
        match &found {
            Ok(_) => {
                self.ever.store(true, Ordering::SeqCst);
                self.now.store(true, Ordering::SeqCst);
            }
            Err(error) if error.kind() == ErrorKind::Conflict => self.now.store(false, Ordering::SeqCst),
            Err(_) => {}
        }
        found.map(drop)
    }

    /// Asks again and again, for as long as it is polled, and logs what changes.
    pub async fn watch(&self, catalog: &Catalog, store: &Store, settings: &Settings) {
        loop {
            let was_known = self.is_known();
            tokio::time::sleep(if was_known { STILL } else { AGAIN }).await;
            match self.look(catalog, store, settings).await {
                Ok(()) if was_known => {}
                Ok(()) => tracing::info!("database and store belong together, writes are taken"),
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    tracing::error!("{error}; until then no writes are taken");
                }
                // What else it costs that they do not answer is said elsewhere.
                Err(_) if was_known => {}
                Err(error) => tracing::warn!(
                    causes = error.source_chain(),
                    "whose the store is cannot be told yet, no writes are taken"
                ),
            }
        }
    }
}
