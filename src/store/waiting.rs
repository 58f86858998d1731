//! Threads of the store that wait for the disk, for reads of data that is not in memory. However many wait,
//! and however long, other threads stay free.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The number of reads that wait for the disk at the same time, each on a thread; more wait without one.
const READS: usize = 64;

/// The pool of threads.
#[derive(Debug)]
pub(super) struct Waiting {
    /// `Some` until it is dropped.
    threads: Option<Runtime>,
    turns: Arc<Semaphore>,
    /// How long a read may wait for a thread.
    patience: Duration,
    /// How long the disk may then be silent.
    silence: Duration,
}

impl Waiting {
    /// Starts no thread yet. A read fails if it gets none within `patience`, or if the disk does not answer
    /// within as long again.
    pub(super) fn new(patience: Duration) -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        let threads = builder.max_blocking_threads(READS).thread_name("disk").build()?;
        Ok(Self {
            threads: Some(threads),
            turns: Arc::new(Semaphore::new(READS)),
            patience,
            silence: patience,
        })
    }

    /// Runs `read` on one of the threads. Dropping the future cancels a read that still waits for a thread; a
    /// read that has one holds it until the disk answers.
    ///
    /// # Errors
    /// `TimedOut` when no thread becomes free, or the disk does not answer; those of `read`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => match timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await {
                Ok(turn) => turn.map_err(io::Error::other)?,
                Err(_) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "too many reads wait for the disk"));
                }
            },
        };
        let Some(threads) = &self.threads else { return Err(io::Error::other("no threads")) };
        let reading = threads.spawn_blocking(move || {
            let _turn = turn;
            read()
        });
        match timeout(self.silence, reading).await {
            Ok(read) => read.map_err(io::Error::other)?,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer")),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Waiting for the threads would panic inside another runtime, and take as long as the disk does.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    /// A disk that does not answer until it is told to.
    fn hung_disk() -> (mpsc::Sender<()>, impl Fn() -> io::Result<()> + Clone + Send) {
        let (answer, answered) = mpsc::channel::<()>();
        let answered = Arc::new(std::sync::Mutex::new(answered));
        (answer, move || {
            let _ = answered.lock().unwrap().recv();
            Ok(())
        })
    }

    /// A pool whose reads do not wait for a thread.
    fn impatient() -> Waiting {
        let mut waiting = Waiting::new(Duration::ZERO).unwrap();
        waiting.silence = Duration::from_secs(60);
        waiting
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap()
    }

    #[test]
    fn a_disk_that_does_not_answer_takes_no_thread_of_others() {
        let waiting = impatient();
        let (answer, read) = hung_disk();
        runtime().block_on(async {
            let mut reads = Box::pin(join_all((0..READS).map(|_| waiting.run(read.clone()))));
            assert!(futures_util::poll!(&mut reads).is_pending());
            let refused = waiting.run(|| Ok(())).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
            assert_eq!(crate::domain::Error::from(refused).kind(), crate::domain::ErrorKind::Unavailable);
            // The runtime's one blocking thread is free for everything else.
            assert_eq!(tokio::task::spawn_blocking(|| 7).await.unwrap(), 7);
            drop(answer);
            for read in reads.await {
                read.unwrap();
            }
            waiting.run(|| Ok(())).await.unwrap();
        });
    }

    #[test]
    fn a_reader_that_leaves_before_its_turn_takes_none() {
        let waiting = Waiting::new(Duration::from_secs(60)).unwrap();
        let (answer, read) = hung_disk();
        runtime().block_on(async {
            let mut reads = Box::pin(join_all((0..READS).map(|_| waiting.run(read.clone()))));
            assert!(futures_util::poll!(&mut reads).is_pending());
            let (was_read, tells) = mpsc::channel::<()>();
            let mut leaves = Box::pin(waiting.run(move || was_read.send(()).map_err(io::Error::other)));
            assert!(futures_util::poll!(&mut leaves).is_pending());
            drop(leaves);
            drop(answer);
            reads.await;
            waiting.run(|| Ok(())).await.unwrap();
            assert!(tells.recv().is_err(), "its read was never made");
        });
    }

    #[test]
    fn a_read_that_the_disk_does_not_answer_fails_and_its_thread_is_not_taken_for_free() {
        let mut waiting = Waiting::new(Duration::ZERO).unwrap();
        let (answer, read) = hung_disk();
        runtime().block_on(async {
            for _ in 0..READS {
                let failed = waiting.run(read.clone()).await.unwrap_err();
                assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
            }
            assert_eq!(waiting.turns.available_permits(), 0);
            drop(answer);
            waiting.patience = Duration::from_secs(60);
            waiting.silence = Duration::from_secs(60);
            waiting.run(|| Ok(())).await.unwrap();
        });
    }

    #[test]
    fn a_store_that_is_dropped_does_not_wait_for_the_disk() {
        let waiting = impatient();
        let (answer, read) = hung_disk();
        runtime().block_on(async {
            let mut reading = Box::pin(waiting.run(read));
            assert!(futures_util::poll!(&mut reading).is_pending());
            drop(reading);
        });
        drop(waiting);
        drop(answer);
    }
}
