//! Belonging: whether the database and the store of a running server are known to belong together.
//!
//! Until they are, the server accepts no writes: the store's owner could delete bytes that were acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{agree, check};
use crate::catalog::Catalog;
use crate::domain::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::Store;

/// How long database and store may take to return their IDs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The interval of checks while database and store do not answer or do not belong together.
const AGAIN: Duration = Duration::from_secs(5);

/// The interval of checks while they belong together: a file system may be unmounted under a server.
const STILL: Duration = Duration::from_secs(60);

/// Whether database and store are known to belong together; false before the first check.
#[derive(Debug, Default)]
pub struct Belonging {
    now: AtomicBool,
    /// Whether it was ever known: after that, a store is not given an ID.
    ever: AtomicBool,
}

impl Belonging {
    /// Whether it is known at present.
    pub fn is_known(&self) -> bool {
        self.now.load(Ordering::SeqCst)
    }

    /// Checks both, with [`agree`] until they have agreed once and with [`check`] after that. If one does not
    /// answer, the known state stays.
    ///
    /// # Errors
    /// `Conflict` when they do not belong together; `Unavailable` after five seconds; those of catalog and
    /// store.
    pub async fn look(&self, catalog: &Catalog, store: &Store, settings: &Settings) -> Result<()> {
        let asking = async {
            if self.ever.load(Ordering::SeqCst) {
                check(catalog, store, settings).await
            } else {
                agree(catalog, store, settings).await
            }
        };
        let late =
            |_| Err(Error::unavailable("database and store did not return their instance IDs in time"));
        let found = tokio::time::timeout(ANSWER_TIMEOUT, asking).await.unwrap_or_else(late);
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

    /// Repeats [`Belonging::look`] for as long as it is polled, and logs changes.
    pub async fn watch(&self, catalog: &Catalog, store: &Store, settings: &Settings) {
        loop {
            let was_known = self.is_known();
            tokio::time::sleep(if was_known { STILL } else { AGAIN }).await;
            match self.look(catalog, store, settings).await {
                Ok(()) if was_known => {}
                Ok(()) => tracing::info!("database and store belong together; writes are accepted"),
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    tracing::error!("{error}; writes are rejected until then");
                }
                // Other consequences of a missing answer are logged elsewhere.
                Err(_) if was_known => {}
                Err(error) => tracing::warn!(
                    causes = error.source_chain(),
                    "it is not known yet whether database and store belong together; writes are rejected"
                ),
            }
        }
    }
}
