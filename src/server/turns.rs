//! Turns of connections at what costs memory, bounded in all and per client address.
//!
//! Further ones wait. A turn of the address comes before one of all, so a crowd behind one address delays no
//! other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of a node at one thing.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    of_an_address: usize,
    of: Addresses,
}

/// The turns of each address that has or waits for one; others have no entry.
type Addresses = Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>;

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _one_of_all: Option<OwnedSemaphorePermit>,
    _of_address: Option<Place>,
}

/// A place in the queue of an address, or a turn of it.
#[derive(Debug)]
struct Place {
    address: IpAddr,
    turns: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    of: Addresses,
}

impl Turns {
    /// Permits `most` at a time, of which one address gets so many.
    pub(super) fn new(most: usize, of_an_address: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), of_an_address, of: Addresses::default() }
    }

    /// Waits for a turn of an address; a connection without a known peer counts for none.
    pub(super) async fn wait(&self, address: Option<IpAddr>) -> Turn {
        let of_address = match address {
            Some(address) => Some(self.place(address).await),
            None => None,
        };
        // The semaphore is never closed.
        let one_of_all = Arc::clone(&self.all).acquire_owned().await.ok();
        Turn { _one_of_all: one_of_all, _of_address: of_address }
    }

    /// Returns a turn of an address if there is one now.
    pub(super) fn at_once(&self, address: Option<IpAddr>) -> Option<Turn> {
        self.wait(address).now_or_never()
    }

    async fn place(&self, address: IpAddr) -> Place {
        let mut place = {
            let mut of = lock(&self.of);
            let turns = of.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.of_an_address)));
            Place { address, turns: Arc::clone(turns), permit: None, of: Arc::clone(&self.of) }
        };
        place.permit = Arc::clone(&place.turns).acquire_owned().await.ok();
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        let mut of = lock(&self.of);
        // Only the map and this place hold it: nobody waits, and the next connection makes a new entry.
        if Arc::strong_count(&self.turns) == 2 {
            of.remove(&self.address);
        }
    }
}

/// Locks the map, also after a panic: no code under the lock can leave it half changed.
fn lock(of: &Addresses) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_once(turns: &Turns, address: &str) -> Option<Turn> {
        turns.at_once(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_has_its_share_and_others_have_theirs() {
        let turns = Turns::new(3, 2);
        let held = [at_once(&turns, "192.0.2.1"), at_once(&turns, "192.0.2.1")].map(Option::unwrap);
        assert!(at_once(&turns, "192.0.2.1").is_none());
        let other = at_once(&turns, "192.0.2.2").unwrap();
        assert!(at_once(&turns, "192.0.2.3").is_none(), "three in all");
        assert!(turns.wait(None).now_or_never().is_none());
        drop(other);
        drop((turns.wait(None).now_or_never().unwrap(), held));
        assert!(lock(&turns.of).is_empty(), "nothing is remembered of those who left");
    }

    #[test]
    fn a_crowd_behind_one_address_waits_in_nobody_elses_way() {
        let turns = Turns::new(2, 1);
        let held = at_once(&turns, "192.0.2.1").unwrap();
        let address = Some("192.0.2.1".parse().unwrap());
        let mut crowd: Vec<_> = (0..50).map(|_| Box::pin(turns.wait(address))).collect();
        assert!(crowd.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        assert!(at_once(&turns, "192.0.2.2").is_some());
        drop(held);
        assert!(crowd.iter_mut().any(|waiting| waiting.now_or_never().is_some()));
        drop(crowd);
        assert!(lock(&turns.of).is_empty());
    }
}
