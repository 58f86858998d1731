//! Long work on a thread of its own that often lets others have the core: while it computes, small
//! requests are answered as if it were not there.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How long it works before it lets others have the core. The scheduler gives it the next turn when they
/// had a time slice, of some milliseconds: of a core that others want it gets a small part, of one that
/// they do not it gets all.
const TIME_SLICE: Duration = Duration::from_micros(150);

/// How long a worker computes for one answer before others get a turn.
pub const WORKER_TIME_SLICE: Duration = Duration::from_micros(250);

/// How many steps are made between looks at the clock.
const STEPS: u32 = 32;

/// Runs `work` on such a thread. The caller bounds how many there are at a time.
///
/// # Errors
/// When there can be no thread, or `work` panics.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    spawn(move || {
        // Nobody waits for it any more when its request was given up.
        let _ = done.send(work());
    })?;
    result.await.map_err(io::Error::other)
}

/// Drops what takes long to drop on such a thread; without one, here.
pub fn drop_in_background<T: Send + 'static>(value: T) {
    let _ = spawn(move || drop(value));
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("background".into()).spawn(work).map(drop)
}

/// The pace of long work. Without it, somebody who comes for the core would get it at the end of a time
/// slice; that is longer than a small request takes in all.
#[derive(Debug)]
pub struct YieldBudget {
    steps: u32,
    began: Instant,
}

impl YieldBudget {
    /// Begins a turn.
    pub fn begin() -> Self {
        Self { steps: 0, began: Instant::now() }
    }

    /// Counts a step of less than a microsecond.
    pub fn tick(&mut self) {
        self.steps += 1;
        if self.steps == STEPS {
            self.steps = 0;
            self.checkpoint();
        }
    }

    /// Ends a step of many.
    pub fn checkpoint(&mut self) {
        if self.began.elapsed() > TIME_SLICE {
            std::thread::yield_now();
            self.began = Instant::now();
        }
    }
}
