//! Sweeps that people ask for, one at a time on a node, and what the last sweep of a node did.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Retention, Swept};
use crate::domain::{Result, Timestamp};

/// A sweep of a node that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSweep {
    /// When it ended.
    pub at: Timestamp,
    /// What it did.
    pub swept: Swept,
}

/// The sweeps of a node; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Sweeps {
    /// The turn of the one that somebody has asked for.
    turn: Arc<Semaphore>,
    last: Arc<Mutex<Option<LastSweep>>>,
}

impl Default for Sweeps {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), last: Arc::default() }
    }
}

impl Sweeps {
    /// Notes a sweep that came to its end.
    pub(super) fn note(&self, last: LastSweep) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}

impl Retention {
    /// Returns the last sweep of this node that came to its end.
    pub fn last_sweep(&self) -> Option<LastSweep> {
        *self.sweeps.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a sweep, after which what is stored is counted anew; `None` while another one that was asked for has not
    /// ended on this node. It goes on if nobody waits for it.
    pub fn begin_sweep(&self) -> Option<JoinHandle<Result<Swept>>> {
        let turn = Arc::clone(&self.sweeps.turn).try_acquire_owned().ok()?;
        let own = self.clone();
        let sweeping = async move {
            let _turn = turn;
            let swept = own.sweep(|_| {}).await;
            let counted = match &swept {
                Ok(_) => own.count_storage().await.map(drop),
                Err(_) => Ok(()),
            };
            for error in [swept.as_ref().err(), counted.as_ref().err()].into_iter().flatten() {
                tracing::error!(causes = error.source_chain(), "the sweep that was asked for failed");
            }
            swept
        };
        Some(tokio::spawn(sweeping))
    }
}
