//! A turn permits one upload. Turns are bounded in all, per project and per job, so that the holder of one
//! token cannot hold them all.
//!
//! A turn is acquired in three steps, each first come, first served: the job's, the project's, and one of
//! all. An upload that waits in one step holds no place in the next, so a crowd behind one job delays no
//! other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::domain::{Error, Result};

/// How long an upload waits while no other one of its job ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it waits that long: in all less than the ten minutes that a runner waits for an answer.
const MOST_WAITS: usize = 5;

/// The number of turns per job. A runner uploads one artifact after the other; the second turn is for a retry
/// after a lost connection that still seems alive here.
const OF_A_JOB: usize = 2;

/// The number of turns per job for pieces, which clients send in parallel: while some go to the disk, others arrive.
const OF_A_JOBS_PIECES: usize = 4;

/// What a job sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    /// An artifact, or the list that orders its pieces.
    Whole,
    /// A piece.
    Piece,
    /// Nothing: a file is taken out of its archive.
    Removal,
}

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
    Job(i64, Sent),
    Project(i64),
}

/// The turns of a job or project.
#[derive(Debug)]
struct Queue {
    turns: Arc<Semaphore>,
    /// How many turns have ended.
    ended: AtomicU64,
}

/// The queue of each job and project that has or waits for a turn; others have no entry.
type Keys = Arc<Mutex<HashMap<Key, Arc<Queue>>>>;

/// A place in the queue of a key, or a turn of it.
#[derive(Debug)]
struct Place {
    key: Key,
    queue: Arc<Queue>,
    permit: Option<OwnedSemaphorePermit>,
    keys: Keys,
}

/// Whose turns are all taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// Those of the job.
    OfJob,
    /// Those of the project.
    OfProject,
    /// All.
    All,
}

impl Turns {
    /// Permits `count` turns at a time, half of them for one project.
    pub(super) fn new(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), of_a_project: (count / 2).max(1), keys: Keys::default() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `Unavailable` when none is free and none of the job's ends within a minute, or after five minutes.
    pub(super) async fn wait(&self, project_id: i64, job_id: i64, sent: Sent) -> Result<Turn> {
        let mut turn = std::pin::pin!(self.take(project_id, job_id, sent));
        let mut ended = self.ended(job_id, sent);
        for _ in 0..MOST_WAITS {
            if let Ok(turn) = tokio::time::timeout(PATIENCE, &mut turn).await {
                return turn.map_err(Error::internal);
            }
            let before = std::mem::replace(&mut ended, self.ended(job_id, sent));
            if before == ended {
                break;
            }
        }
        Err(Error::unavailable(match self.taken(project_id) {
            Taken::All => "upload limit reached (limits.concurrent_uploads)",
            Taken::OfProject => "upload limit of the project reached (half of limits.concurrent_uploads)",
            Taken::OfJob => "upload limit of the job reached: none of its other uploads has ended",
        }))
    }

    /// Waits for a turn, however long that takes.
    ///
    /// # Errors
    /// None in fact: the semaphores are never closed.
    async fn take(&self, project_id: i64, job_id: i64, sent: Sent) -> Result<Turn, AcquireError> {
        let count = match sent {
            Sent::Whole => OF_A_JOB,
            Sent::Piece => OF_A_JOBS_PIECES,
            // Each makes a new archive of the one before.
            Sent::Removal => 1,
        };
        let of_job = self.place(Key::Job(job_id, sent), count).await?;
        let of_project = self.place(Key::Project(project_id), self.of_a_project).await?;
        let one_of_all = Arc::clone(&self.all).acquire_owned().await?;
        Ok(Turn { _one_of_all: one_of_all, _of_project: of_project, _of_job: of_job })
    }

    /// Counts the turns of a job that have ended, as long as the job has or waits for one.
    fn ended(&self, job_id: i64, sent: Sent) -> u64 {
        lock(&self.keys).get(&Key::Job(job_id, sent)).map_or(0, |queue| queue.ended.load(Ordering::Relaxed))
    }

    /// Tells why a job has to wait. Who waits for a project's turn holds one of its job, so the question begins
    /// with all.
    fn taken(&self, project_id: i64) -> Taken {
        if self.all.available_permits() == 0 {
            return Taken::All;
        }
        let of_project =
            lock(&self.keys).get(&Key::Project(project_id)).map(|it| it.turns.available_permits());
        if of_project == Some(0) { Taken::OfProject } else { Taken::OfJob }
    }

    async fn place(&self, key: Key, count: usize) -> Result<Place, AcquireError> {
        let mut place = {
            let mut keys = lock(&self.keys);
            let queue = keys.entry(key).or_insert_with(|| {
                Arc::new(Queue { turns: Arc::new(Semaphore::new(count)), ended: AtomicU64::new(0) })
            });
            Place { key, queue: Arc::clone(queue), permit: None, keys: Arc::clone(&self.keys) }
        };
        place.permit = Some(Arc::clone(&place.queue.turns).acquire_owned().await?);
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.permit.take().is_some() {
            self.queue.ended.fetch_add(1, Ordering::Relaxed);
        }
        let mut keys = lock(&self.keys);
        // Only the map and this place hold it: nobody waits, and the next upload makes a new entry.
        if Arc::strong_count(&self.queue) == 2 {
            keys.remove(&self.key);
        }
    }
}

/// Locks the map, also after a panic: no code under the lock can leave it half changed.
fn lock(keys: &Keys) -> MutexGuard<'_, HashMap<Key, Arc<Queue>>> {
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
        poll(&mut pin!(turns.take(project_id, job_id, Sent::Whole)))
    }

    #[test]
    fn a_job_has_two_turns_and_a_project_half_of_them_all() {
        let turns = Turns::new(8);
        let first: Vec<_> = (0..4).map(|n| at_once(&turns, 1, 10 + n / 2).unwrap()).collect();
        assert!(at_once(&turns, 1, 10).is_none(), "job 10 has two");
        assert!(at_once(&turns, 1, 12).is_none(), "project 1 has four");
        assert_eq!(turns.taken(1), Taken::OfProject);
        let second: Vec<_> = (0..4).map(|n| at_once(&turns, 2, 20 + n).unwrap()).collect();
        assert!(at_once(&turns, 3, 30).is_none(), "all are given out");
        assert_eq!(turns.taken(3), Taken::All);
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
        let mut crowd: Vec<_> = (0..50).map(|_| Box::pin(turns.take(1, 10, Sent::Whole))).collect();
        assert!(crowd.iter_mut().all(|line| poll(&mut line.as_mut()).is_none()));
        let other = at_once(&turns, 2, 20).expect("the other half is free");
        let mut waiting = Box::pin(turns.take(2, 21, Sent::Whole));
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
    fn a_job_sees_that_its_own_turns_end() {
        let turns = Turns::new(8);
        let (first, second) = (at_once(&turns, 1, 10).unwrap(), at_once(&turns, 1, 10).unwrap());
        let mut waiting = Box::pin(turns.take(1, 10, Sent::Whole));
        assert!(poll(&mut waiting.as_mut()).is_none());
        assert_eq!((turns.ended(10, Sent::Whole), turns.taken(1)), (0, Taken::OfJob));
        drop(first);
        let third = poll(&mut waiting.as_mut()).unwrap();
        assert_eq!(turns.ended(10, Sent::Whole), 1);
        drop((second, third, waiting));
        assert_eq!(turns.ended(10, Sent::Whole), 0, "nothing is remembered of those who left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_waits_as_long_as_its_own_uploads_end() {
        let turns = Turns::new(8);
        // Blocks of a slow line, two at a time: the ninth waits for more than three times its patience.
        let block = async || {
            let turn = turns.take(1, 10, Sent::Whole).await.unwrap();
            tokio::time::sleep(PATIENCE - Duration::from_secs(10)).await;
            drop(turn);
        };
        let crowd = futures_util::future::join_all((0..8).map(|_| block()));
        let (_, last) = tokio::join!(crowd, turns.wait(1, 10, Sent::Whole));
        last.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_whose_uploads_do_not_end_is_told_why() {
        let turns = Turns::new(2);
        let why = async |project, job| turns.wait(project, job, Sent::Whole).await.unwrap_err().reason();
        let one = turns.wait(1, 10, Sent::Whole).await.unwrap();
        assert!(why(1, 11).await.contains("of the project"));
        let other = turns.wait(2, 20, Sent::Whole).await.unwrap();
        assert!(why(3, 30).await.contains("limits.concurrent_uploads"));
        drop((one, other));
        let turns = Turns::new(8);
        let _held =
            (turns.wait(1, 10, Sent::Whole).await.unwrap(), turns.wait(1, 10, Sent::Whole).await.unwrap());
        let refused = turns.wait(1, 10, Sent::Whole).await.unwrap_err();
        assert!(refused.reason().contains("of the job"), "{refused}");
    }

    #[test]
    fn pieces_of_a_job_have_turns_of_their_own() {
        let turns = Turns::new(16);
        let piece = || poll(&mut pin!(turns.take(1, 10, Sent::Piece)));
        let held: Vec<_> = (0..4).map(|_| piece().unwrap()).collect();
        assert!(piece().is_none(), "four pieces at a time");
        let whole = at_once(&turns, 1, 10).expect("the list need not wait for them");
        drop((held, whole));
    }

    #[test]
    fn one_turn_in_all_is_everybodys_in_turn() {
        let turns = Turns::new(1);
        let held = at_once(&turns, 1, 10).unwrap();
        let mut waiting = Box::pin(turns.take(2, 20, Sent::Whole));
        assert!(poll(&mut waiting.as_mut()).is_none());
        drop(held);
        assert!(poll(&mut waiting.as_mut()).is_some());
    }
}
