//! The crew is the catalog's own threads, at most one per connection.
//!
//! Callers hand their work over to them, so that a disk or a database that does not answer holds up neither
//! the workers that speak HTTP nor the threads that read files.
//!
//! Threads start when they are first needed, and end with the crew. Work waits in one queue. Short work (a
//! few rows by key from a local file) is done by at most as many threads as there are cores, one piece after
//! the other, because waking a thread takes longer than the work. If the queue does not move all the same,
//! its threads wait for a disk, and a waiting caller wakes another thread.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::r2d2::Pool;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::Db;
use super::db::Manager;
use crate::domain::{Error, Result};
use crate::metrics::{Database, DatabaseAccess};

/// How long a caller of short work waits before it checks that the queue moves: many times what a piece
/// takes.
const IMPATIENCE: Duration = Duration::from_millis(5);

/// Maximum length of the queue. More work is refused immediately; a client may retry.
const MOST_WAITING: usize = 16_384;

/// The threads and their queue.
pub(super) struct Crew {
    shared: Arc<Shared>,
}

/// The expected duration of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Some microseconds, unless the disk is slow.
    Short,
    /// Anything.
    Any,
}

/// When a caller asked for work, and for which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: std::time::Instant,
    access: DatabaseAccess,
}

impl Asked {
    /// Returns a question that is asked now.
    pub(super) fn to(access: DatabaseAccess) -> Self {
        Self { at: std::time::Instant::now(), access }
    }
}

struct Shared {
    line: Mutex<Line>,
    called: Condvar,
    pool: Pool<Manager>,
    most_threads: usize,
    cores: usize,
    metrics: Database,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Work>,
    /// How many pieces in `waiting` are not short.
    long: usize,
    threads: usize,
    /// Threads without work.
    idle: usize,
    /// Idle threads that were woken and have not resumed yet.
    called: usize,
    /// How many pieces were taken from the queue so far.
    taken: u64,
    /// Threads that are doing short work.
    short: usize,
    closed: bool,
}

struct Work {
    length: Length,
    claim: Arc<Claim>,
    run: Run,
}

type Run = Box<dyn FnOnce(&Pool<Manager>, &Database) + Send>;

impl Crew {
    /// Creates a crew of up to as many threads as the pool has connections; none is started yet.
    pub(super) fn new(pool: Pool<Manager>, metrics: Database) -> Self {
        let most_threads = pool.max_size() as usize;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (line, called) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { line, called, pool, most_threads, cores, metrics }) }
    }

    /// Runs `work` with a connection. It does not begin if the caller was dropped before, and runs to its end
    /// once it has begun. A connection on which it panics is discarded.
    ///
    /// # Errors
    /// Those of `work`; `Unavailable` when it has not begun after `patience`, or no connection is available;
    /// `Internal` when it panics.
    pub(super) async fn run<T, E, F>(
        &self,
        length: Length,
        asked: Asked,
        patience: Duration,
        work: F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        let (answer, mut outcome) = oneshot::channel();
        let run = Box::new(move |pool: &Pool<Manager>, metrics: &Database| {
            let connection = pool.get();
            let began = std::time::Instant::now();
            metrics.waited(asked.access, began - asked.at);
            let done = match connection {
                Ok(mut db) => work(&mut db),
                Err(error) => Err(Error::unavailable(error).into()),
            };
            metrics.took(asked.access, began.elapsed());
            // The receiver was dropped if the request was given up.
            let _ = answer.send(done);
        });
        let claim = Arc::new(Claim::default());
        let wanted = GivenUpOnDrop(Arc::clone(&claim));
        self.shared.line_up(Work { length, claim, run })?;
        let panicked = |_| E::from(Error::internal("a catalog task panicked"));
        let deadline = Instant::now() + patience;
        let mut seen = None;
        while length == Length::Short && Instant::now() < deadline {
            if let Ok(done) = timeout(IMPATIENCE, &mut outcome).await {
                return done.map_err(panicked)?;
            }
            if !wanted.0.is_wanted() || self.shared.call_if_it_stands_still(&mut seen) {
                break;
            }
        }
        match timeout_at(deadline, &mut outcome).await {
            Ok(done) => done.map_err(panicked)?,
            Err(_) if wanted.0.give_up() => Err(busy().into()),
            Err(_) => outcome.await.map_err(panicked)?,
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // The threads are not joined: one of them may wait for a disk.
        self.shared.lock().closed = true;
        self.shared.called.notify_all();
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crew")
    }
}

/// The error for work that did not get a connection in time.
pub(super) fn busy() -> Error {
    Error::unavailable("all connections to the database are in use")
}

impl Shared {
    /// Locks the queue. Poisoning is ignored, because no code under the lock can leave the queue half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line_up(self: &Arc<Self>, work: Work) -> Result<()> {
        let mut line = self.lock();
        if line.waiting.len() >= MOST_WAITING {
            line.drop_given_up();
        }
        if line.waiting.len() >= MOST_WAITING {
            return Err(busy());
        }
        line.push(work);
        self.call_as_needed(line)
    }

    /// Wakes a thread, and returns whether it did, if nothing was taken from the queue since `seen`.
    fn call_if_it_stands_still(self: &Arc<Self>, seen: &mut Option<u64>) -> bool {
        let line = self.lock();
        if line.waiting.is_empty() || seen.replace(line.taken) != Some(line.taken) {
            return false;
        }
        // If no thread can be woken, the next one that finishes its work continues.
        let _ = self.call(line, 1);
        true
    }

    fn call_as_needed(self: &Arc<Self>, line: MutexGuard<'_, Line>) -> Result<()> {
        let wanted = line.wanted(self.cores).saturating_sub(line.called);
        if wanted == 0 { Ok(()) } else { self.call(line, wanted) }
    }

    /// Wakes idle threads, and starts new ones up to the maximum.
    fn call(self: &Arc<Self>, mut line: MutexGuard<'_, Line>, count: usize) -> Result<()> {
        let mut calls = 0;
        for _ in 0..count {
            if line.idle == line.called && (line.threads == self.most_threads || !self.start(&mut line)) {
                break;
            }
            line.called += 1;
            calls += 1;
        }
        let nobody_comes = line.threads == 0;
        drop(line);
        (0..calls).for_each(|_| self.called.notify_one());
        if nobody_comes { Err(Error::unavailable("no thread can be started")) } else { Ok(()) }
    }

    fn start(self: &Arc<Self>, line: &mut Line) -> bool {
        let shared = Arc::clone(self);
        let started = std::thread::Builder::new().name("catalog".into()).spawn(move || shared.serve());
        if let Err(error) = &started {
            tracing::warn!(%error, "a catalog thread cannot be started");
            return false;
        }
        line.threads += 1;
        line.idle += 1;
        true
    }

    /// Runs a thread, which begins as an idle one.
    fn serve(self: Arc<Self>) {
        let mut line = self.lock();
        loop {
            while line.called == 0 && !line.closed {
                line = self.called.wait(line).unwrap_or_else(PoisonError::into_inner);
            }
            if line.closed {
                return;
            }
            line.called -= 1;
            line.idle -= 1;
            while let Some(work) = line.pop() {
                line = self.do_work(work, line);
            }
            line.idle += 1;
        }
    }

    fn do_work<'l>(self: &'l Arc<Self>, work: Work, mut line: MutexGuard<'l, Line>) -> MutexGuard<'l, Line> {
        let short = usize::from(work.length == Length::Short);
        line.short += short;
        // It only fails when there is no thread, and this one exists.
        let _ = self.call_as_needed(line);
        if work.claim.begin() {
            // The pool discards the connection of a panicking thread, because it may be in any state.
            let _ = catch_unwind(AssertUnwindSafe(|| (work.run)(&self.pool, &self.metrics)));
        }
        let mut line = self.lock();
        line.short -= short;
        line
    }
}

impl Line {
    fn push(&mut self, work: Work) {
        self.long += usize::from(work.length == Length::Any);
        self.waiting.push_back(work);
    }

    fn pop(&mut self) -> Option<Work> {
        let work = self.waiting.pop_front()?;
        self.taken += 1;
        self.long -= usize::from(work.length == Length::Any);
        Some(work)
    }

    /// Returns how many threads the waiting work needs.
    fn wanted(&self, cores: usize) -> usize {
        let short = self.waiting.len() - self.long;
        self.long + short.min(cores.saturating_sub(self.short))
    }

    fn drop_given_up(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.long = 0;
        waiting.into_iter().filter(|work| work.claim.is_wanted()).for_each(|work| self.push(work));
    }
}

/// Decides a race for a piece of work: the thread that begins it, or the caller that gives it up.
#[derive(Debug, Default)]
struct Claim(AtomicU8);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Claim {
    fn begin(&self) -> bool {
        self.0.compare_exchange(WAITING, BEGUN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Acquire) == WAITING
    }
}

struct GivenUpOnDrop(Arc<Claim>);

impl Drop for GivenUpOnDrop {
    fn drop(&mut self) {
        self.0.give_up();
    }
}
