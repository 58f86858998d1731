//! Polling for a state that is reached a little later.

use std::time::Duration;

/// Looks again and again, at most so many times, about a millisecond apart, until it is so. Panics with `what`
/// was waited for when it is not.
pub fn until(times: u32, what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..times {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("waited in vain until {what}");
}
