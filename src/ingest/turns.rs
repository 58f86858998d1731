//! A turn permits one upload. Turns are bounded in all, per project and per job, so that the holder of one
//! token cannot hold them all.
//!
//! A turn is acquired in three steps, each first come, first served: the job's, the project's, and one of
//! all. An upload that waits in one step holds no place in the next, so a crowd behind one job delays no
//! other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The number of turns per job. A runner uploads one artifact after the other; the second turn is for a retry
/// after a lost connection that still seems alive here.
const OF_A_JOB: usize = 2;

/// All turns, and the queues for them.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    of_a_project: usize,
    keys: Keys,
}

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _one_of_all: OwnedSemaphorePermit,
    _of_project: Place,
    _of_job: Place,
}

/// A job or a project for which turns are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Job(i64),
    Project(i64),
}

/// The turns of each job and project that has or waits for one; others have no entry.
type Keys = Arc<Mutex<HashMap<Key, Arc<Semaphore>>>>;

/// A place in the queue of a key, or a turn of it.
#[derive(Debug)]
struct Place {
    key: Key,
    turns: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    keys: Keys,
}

impl Turns {
    /// Permits `count` turns at a time, half of them for one project.
    pub(super) fn new(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), of_a_project: (count / 2).max(1), keys: Keys::default() }
    }

    /// Waits for a turn, however long that takes.
    ///
    /// # Errors
    /// None in fact: the semaphores are never closed.
    pub(super) async fn take(&self, project_id: i64, job_id: i64) -> Result<Turn, AcquireError> {
        let of_job = self.place(Key::Job(job_id), OF_A_JOB).await?;
        let of_project = self.place(Key::Project(project_id), self.of_a_project).await?;
        let one_of_all = Arc::clone(&self.all).acquire_owned().await?;
        Ok(Turn { _one_of_all: one_of_all, _of_project: of_project, _of_job: of_job })
    }

    async fn place(&self, key: Key, count: usize) -> Result<Place, AcquireError> {
        let mut place = {
            let mut keys = lock(&self.keys);
            let turns = keys.entry(key).or_insert_with(|| Arc::new(Semaphore::new(count)));
            Place { key, turns: Arc::clone(turns), permit: None, keys: Arc::clone(&self.keys) }
        };
        place.permit = Some(Arc::clone(&place.turns).acquire_owned().await?);
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        let mut keys = lock(&self.keys);
        // Only the map and this place hold it: nobody waits, and the next upload makes a new entry.
        if Arc::strong_count(&self.turns) == 2 {
            keys.remove(&self.key);
        }
    }
}

/// Locks the map, also after a panic: no code under the lock can leave it half changed.
fn lock(keys: &Keys) -> MutexGuard<'_, HashMap<Key, Arc<Semaphore>>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;

    fn poll(line: &mut Pin<&mut impl Future<Output = Result<Turn, AcquireError>>>) -> Option<Turn> {
        match line.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(turn) => Some(turn.unwrap()),
            std::task::Poll::Pending => None,
        }
    }

    fn at_once(turns: &Turns, project_id: i64, job_id: i64) -> Option<Turn> {
        poll(&mut pin!(turns.take(project_id, job_id)))
    }

    #[test]
    fn a_job_has_two_turns_and_a_project_half_of_them_all() {
        let turns = Turns::new(8);
        let first: Vec<_> = (0..4).map(|n| at_once(&turns, 1, 10 + n / 2).unwrap()).collect();
        assert!(at_once(&turns, 1, 10).is_none(), "job 10 has two");
        assert!(at_once(&turns, 1, 12).is_none(), "project 1 has four");
        let second: Vec<_> = (0..4).map(|n| at_once(&turns, 2, 20 + n).unwrap()).collect();
        assert!(at_once(&turns, 3, 30).is_none(), "all are given out");
        drop(second);
        let third = at_once(&turns, 3, 30).unwrap();
        drop((first, third));
        assert_eq!(turns.all.available_permits(), 8);
        assert!(lock(&turns.keys).is_empty(), "nothing is remembered of those who left");
    }

    #[test]
    fn a_crowd_behind_one_job_is_in_nobody_elses_way() {
        let turns = Turns::new(2);
        let held = at_once(&turns, 1, 10).unwrap();
        let mut crowd: Vec<_> = (0..50).map(|_| Box::pin(turns.take(1, 10))).collect();
        assert!(crowd.iter_mut().all(|line| poll(&mut line.as_mut()).is_none()));
        let other = at_once(&turns, 2, 20).expect("the other half is free");
        let mut waiting = Box::pin(turns.take(2, 21));
        assert!(poll(&mut waiting.as_mut()).is_none());
        drop(held);
        assert!(poll(&mut waiting.as_mut()).is_none(), "its own project has its share");
        drop(other);
        let next = poll(&mut waiting.as_mut()).expect("first of its project");
        let served = crowd.iter_mut().filter_map(|line| poll(&mut line.as_mut())).next();
        assert!(served.is_some());
        drop((crowd, next, served, waiting));
        assert!(lock(&turns.keys).is_empty());
    }

    #[test]
    fn one_turn_in_all_is_everybodys_in_turn() {
        let turns = Turns::new(1);
        let held = at_once(&turns, 1, 10).unwrap();
        let mut waiting = Box::pin(turns.take(2, 20));
        assert!(poll(&mut waiting.as_mut()).is_none());
        drop(held);
        assert!(poll(&mut waiting.as_mut()).is_some());
    }
}
