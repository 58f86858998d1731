//! Shares: turns for work that is bounded in all, of which no single holder gets more than a part.
//!
//! Whoever waits for a turn of his own holds none of the others', so a crowd behind one holder delays nobody else.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All turns, and those of each holder that has or waits for one. Clones share them.
#[derive(Clone)]
pub struct Shares<K> {
    all: Arc<Semaphore>,
    of_one: usize,
    holders: Holders<K>,
}

type Holders<K> = Arc<Mutex<HashMap<K, Holder>>>;

#[derive(Debug)]
struct Holder {
    turns: Arc<Semaphore>,
    /// How many have or wait for a turn.
    users: usize,
}

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    // Dropped in this order: the place goes last, so that nobody finds the holder without turns that are still taken.
    _one_of_all: OwnedSemaphorePermit,
    _one_of_his: OwnedSemaphorePermit,
    _place: Place<K>,
}

/// A holder's entry, as long as he has or waits for a turn.
#[derive(Debug)]
struct Place<K: Eq + Hash> {
    key: K,
    holders: Holders<K>,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// Permits `count` turns at a time, at most `of_one` of them to one holder.
    pub fn new(count: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), of_one, holders: Holders::default() }
    }

    /// Waits for a turn, however long that takes.
    pub async fn take(&self, key: K) -> Share<K> {
        let (place, turns) = self.place(key);
        let one_of_his = turns.acquire_owned().await.expect("it is never closed");
        let one_of_all = Arc::clone(&self.all).acquire_owned().await.expect("it is never closed");
        Share { _one_of_all: one_of_all, _one_of_his: one_of_his, _place: place }
    }

    /// Returns how many turns are free.
    pub fn left(&self) -> usize {
        self.all.available_permits()
    }

    fn place(&self, key: K) -> (Place<K>, Arc<Semaphore>) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Holder { turns: Arc::new(Semaphore::new(self.of_one)), users: 0 };
        let holder = holders.entry(key.clone()).or_insert_with(new);
        holder.users += 1;
        (Place { key, holders: Arc::clone(&self.holders) }, Arc::clone(&holder.turns))
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = holders.get_mut(&self.key) {
            holder.users -= 1;
            if holder.users == 0 {
                holders.remove(&self.key);
            }
        }
    }
}

impl<K> fmt::Debug for Shares<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shares, {} free", self.all.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_holder_gets_his_part_and_the_others_get_the_rest() {
        let shares = Shares::new(3, 2);
        let now = |key: &'static str| shares.take(key).now_or_never();
        let (first, second) = (now("a").unwrap(), now("a").unwrap());
        assert!(now("a").is_none(), "his part is taken");
        let third = now("b").unwrap();
        assert!(now("b").is_none() && shares.left() == 0, "all are taken");
        drop(first);
        let fourth = now("b").unwrap();
        drop((second, third, fourth));
        assert_eq!(shares.left(), 3);
        assert!(shares.holders.lock().unwrap().is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_crowd_behind_one_holder_delays_nobody_else() {
        let shares = Shares::new(2, 1);
        let held = shares.take("a").now_or_never().unwrap();
        let mut crowd: Vec<_> = (0..10).map(|_| Box::pin(shares.take("a"))).collect();
        for waiting in &mut crowd {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(shares.take("b").now_or_never().unwrap());
        drop(held);
        assert!(crowd[0].as_mut().now_or_never().is_some());
    }
}
