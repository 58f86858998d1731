//! A *node* is a process that serves. It shows itself in the catalog once a minute, so that operators see which nodes
//! there are, whichever of them they ask.

use std::time::Duration;

use crate::catalog::{Catalog, clock as database_clock, nodes};
use crate::domain::{Clock, Result};
use crate::store::StoreKey;

/// How often a node shows itself.
pub const BEAT: Duration = Duration::from_secs(60);

/// This process.
#[derive(Debug)]
pub struct Node {
    catalog: Catalog,
    clock: Clock,
    number: i64,
}

impl Node {
    /// Returns a node that nobody has seen yet.
    pub fn new(catalog: Catalog, clock: Clock) -> Self {
        Self { catalog, clock, number: StoreKey::random_writer() }
    }

    /// Its number, unique as far as chance allows.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Its name, made of the number.
    pub fn name(&self) -> String {
        nodes::name_of(self.number)
    }

    /// Shows itself once.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn show(&self) -> Result<()> {
        let (number, clock) = (self.number, self.clock.clone());
        let showing = self.catalog.write(move |db| {
            let now = database_clock::shared(db, &clock)?;
            nodes::see(db, number, env!("CARGO_PKG_VERSION"), now)
        });
        showing.await
    }

    /// Shows itself once a minute, for as long as it is polled.
    pub async fn show_forever(&self) {
        loop {
            if let Err(error) = self.show().await {
                tracing::warn!(causes = error.source_chain(), "this node cannot be shown to operators");
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Tells that it stops. If the catalog does not answer, it is shown as not seen any more.
    pub async fn leave(&self) {
        let number = self.number;
        if let Err(error) = self.catalog.write(move |db| nodes::leave(db, number)).await {
            tracing::warn!(
                causes = error.source_chain(),
                "the database is not told that this node stops, and shows it for a day"
            );
        }
    }
}
