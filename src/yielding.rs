//! Yielding: long computations on threads of their own that often yield the core, so that they do not delay
//! small requests.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Time between calls to `yield_now`. After a yield, waiting threads run for a full time slice
/// (milliseconds), so this thread gets a small share of a busy core and all of an idle one.
const TIME_SLICE: Duration = Duration::from_micros(150);

/// How long a worker computes for one response before it yields.
pub const WORKER_TIME_SLICE: Duration = Duration::from_micros(250);

/// The number of steps between reads of the clock.
const STEPS: u32 = 32;

/// Runs `work` on a thread of its own. The caller bounds the number of these threads.
///
/// # Errors
/// If the thread cannot be started, or `work` panics.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    spawn(move || {
        // The receiver is gone if the request was given up.
        let _ = done.send(work());
    })?;
    result.await.map_err(io::Error::other)
}

/// Drops `value` on a thread of its own, or on this one if that cannot be started.
pub fn drop_in_background<T: Send + 'static>(value: T) {
    let _ = spawn(move || drop(value));
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("background".into()).spawn(work).map(drop)
}

/// Writes a value as JSON, pretty ones in indentation by two spaces; yields the core at intervals.
///
/// # Errors
/// Those of the value.
pub fn json(value: &impl serde::Serialize, pretty: bool) -> serde_json::Result<Vec<u8>> {
    let mut writer = YieldingWriter { text: Vec::new(), budget: YieldBudget::begin() };
    if pretty {
        serde_json::to_writer_pretty(&mut writer, value)?;
    } else {
        serde_json::to_writer(&mut writer, value)?;
    }
    Ok(writer.text)
}

struct YieldingWriter {
    text: Vec<u8>,
    budget: YieldBudget,
}

impl io::Write for YieldingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.budget.tick();
        self.text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Yields the core at intervals during long work. Otherwise a waiting thread gets the core at the end of the
/// scheduler's time slice, which is longer than a small request takes.
#[derive(Debug)]
pub struct YieldBudget {
    steps: u32,
    began: Instant,
}

impl YieldBudget {
    /// Begins a time slice.
    pub fn begin() -> Self {
        Self { steps: 0, began: Instant::now() }
    }

    /// Counts a step of less than a microsecond; yields if the time slice is over.
    pub fn tick(&mut self) {
        self.steps += 1;
        if self.steps == STEPS {
            self.steps = 0;
            self.checkpoint();
        }
    }

    /// Ends a longer step; yields if the time slice is over.
    pub fn checkpoint(&mut self) {
        if self.began.elapsed() > TIME_SLICE {
            std::thread::yield_now();
            self.began = Instant::now();
        }
    }
}
