//! Long work on a thread of its own, at a lower priority than everything that somebody waits for only
//! briefly: while it computes, small requests are answered as if it were not there.

use std::io;

use tokio::sync::oneshot;

/// Runs `work` on such a thread. The caller bounds how many there are at a time.
///
/// # Errors
/// When there can be no thread, or `work` panics.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name("background".into()).spawn(move || {
        give_way();
        // Nobody waits for it any more when its request was given up.
        let _ = done.send(work());
    })?;
    result.await.map_err(io::Error::other)
}

/// About a tenth of a core that others want, all of one that they do not. It only goes down, so no
/// right is needed; where it fails, the work is merely not as quiet.
#[cfg(target_os = "linux")]
fn give_way() {
    const NICE: i32 = 10;
    // On Linux this is a matter of threads: nobody but this one is meant.
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
