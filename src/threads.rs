//! Threads: a runtime of its own for work on the network, which may be dropped anywhere.

use std::{fmt, io};

use tokio::task::JoinHandle;

/// A runtime with threads of its own. Dropped, it ends without waiting for its work.
pub struct Threads(Option<tokio::runtime::Runtime>);

impl Threads {
    /// Starts so many threads under a name.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(name: &'static str, count: usize) -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(count).thread_name(name).enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs work to its end, unless it is aborted.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.as_ref().expect("it is there until it is dropped").spawn(work)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for the threads would panic inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads")
    }
}
