//! Flights: questions that are being asked, each once for everybody who waits for it.
//!
//! What was asked before a project was forgotten may be answered after that: such an answer goes to those who wait for
//! it, and is neither joined nor remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, Shared};
use quick_cache::sync::Cache as Map;

use super::answer::{Outage, Told};
use super::question::{Key, ProjectKey};

/// A question that is being asked, for everybody who waits for it.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Told, Outage>>>;

/// Most projects of which it is known when they were forgotten.
const FORGOTTEN: usize = 10_000;

/// All flights.
pub(super) struct Flights(Mutex<State>);

pub(super) struct State {
    all: HashMap<Key, (u64, Flight)>,
    /// Flights have numbers in the order in which they begin.
    next: u64,
    /// The first flight that began after a project was forgotten.
    forgotten: Map<i64, u64>,
    /// The first flight that began after the owner of some credential was forgotten.
    of_all: u64,
}

impl Default for Flights {
    fn default() -> Self {
        let state = State { all: HashMap::new(), next: 0, forgotten: Map::new(FORGOTTEN), of_all: 0 };
        Self(Mutex::new(state))
    }
}

impl Flights {
    /// Locks them: nothing begins, ends or is forgotten until the guard is dropped.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn find(&self, key: &Key) -> Option<Flight> {
        self.all.get(key).map(|(_, flight)| flight.clone())
    }

    /// Returns the number of the next flight.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn begin(&mut self, key: Key, number: u64, flight: Flight) {
        self.all.insert(key, (number, flight));
    }

    pub(super) fn end(&mut self, key: &Key, number: u64) {
        if self.all.get(key).is_some_and(|(other, _)| *other == number) {
            self.all.remove(key);
        }
    }

    /// Whether what a flight tells of a project may be remembered.
    pub(super) fn is_current(&self, number: u64, project: Option<i64>) -> bool {
        let since = project.and_then(|id| self.forgotten.get(&id)).unwrap_or(0);
        number > since.max(self.of_all)
    }

    /// Gives up what is being asked about a project.
    pub(super) fn forget_project(&mut self, id: i64) {
        self.forgotten.insert(id, self.next);
        self.all.retain(|key, _| key.project != Some(ProjectKey::Id(id)));
    }

    /// Gives up everything that is being asked.
    pub(super) fn forget_all(&mut self) {
        self.of_all = self.next;
        self.all.clear();
    }
}
