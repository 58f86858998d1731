//! Runtime: the thread of its own on which an upstream is asked, which may be dropped anywhere.

use tokio::task::JoinHandle;

pub(super) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    pub(super) fn start() -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("upstream").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs work to its end, unless it is aborted.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.as_ref().expect("it is there until it is dropped").spawn(work)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Waiting for the thread would panic inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
