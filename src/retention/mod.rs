//! What goes, and when: expired artifacts, removed ones, bytes that nobody names.
//!
//! Everything goes in three steps — mark, remove bytes, forget the row — in batches, so that many
//! nodes may do it at once and any of them may die anywhere.

mod check;
mod collect;
mod remove;
mod sweep;

pub use check::{Checked, Fault, check};
pub use collect::{Collected, collect};
pub use remove::{Removed, remove_bytes};
pub use sweep::{Swept, sweep};

use std::time::Duration;

use crate::catalog::Catalog;
use crate::domain::Clock;
use crate::store::Store;

/// Sweeps every `interval`, for as long as it is polled; zero means never. A pass that fails is
/// logged, and the next one begins anew.
pub async fn sweep_forever(catalog: Catalog, store: Store, clock: Clock, interval: Duration) {
    if interval.is_zero() {
        return;
    }
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        match sweep(&catalog, &store, &clock, |_| {}).await {
            Ok(swept) if swept == Swept::default() => tracing::debug!("nothing to sweep"),
            Ok(swept) => tracing::info!(
                expired = swept.expired,
                removed = swept.removed.blobs,
                failed = swept.removed.failed,
                "expired artifacts swept"
            ),
            Err(error) => tracing::error!(causes = error.causes(), "the sweep failed"),
        }
    }
}
