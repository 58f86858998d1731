//! Progress output on standard error: a bar on a terminal, elsewhere a line every few seconds.
//!
//! Outside a terminal, work that ends within a few seconds prints nothing.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The least time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of one piece of work.
pub(super) struct Progress(Form);

enum Form {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

impl Progress {
    /// Starts the output. `what` is a text such as `checking artifacts`; `total` is the number of items, if
    /// known.
    pub(super) fn new(what: &'static str, total: Option<usize>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(Form::Lines(Mutex::new(Lines::new(what, total, Instant::now()))));
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total as u64), "{msg} [{bar:40}] {pos} of {len}, {eta} left"),
            None => (ProgressBar::no_length(), "{msg} {spinner} {pos}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(Form::Bar(bar.with_style(style).with_message(what)))
    }

    /// Counts `count` more items as done.
    pub(super) fn advance(&self, count: usize) {
        match &self.0 {
            Form::Bar(bar) => bar.inc(count as u64),
            Form::Lines(lines) => {
                // A panic while the lock is held cannot leave the counters inconsistent.
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(line) = lines.advance(count, Instant::now()) {
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Tells something besides, on a line of its own.
    pub(super) fn note(&self, text: &str) {
        match &self.0 {
            Form::Bar(bar) => bar.println(text),
            Form::Lines(_) => eprintln!("{text}"),
        }
    }

    /// Ends the output; clears a bar.
    pub(super) fn finish(self) {
        if let Form::Bar(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Progress as lines: the counters, and the time of the last line.
struct Lines {
    what: &'static str,
    total: Option<usize>,
    done: usize,
    last: Instant,
}

impl Lines {
    fn new(what: &'static str, total: Option<usize>, now: Instant) -> Self {
        Self { what, total, done: 0, last: now }
    }

    fn advance(&mut self, count: usize, now: Instant) -> Option<String> {
        self.done += count;
        if now.duration_since(self.last) < LINE_INTERVAL {
            return None;
        }
        self.last = now;
        Some(match self.total {
            Some(total) => format!("{}: {} of {total}", self.what, self.done),
            None => format!("{}: {}", self.what, self.done),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_no_faster_than_every_few_seconds() {
        let start = Instant::now();
        let mut lines = Lines::new("checking artifacts", Some(100), start);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(lines.advance(10, at(4_999)), None);
        assert_eq!(lines.advance(10, at(5_000)).as_deref(), Some("checking artifacts: 20 of 100"));
        assert_eq!(lines.advance(10, at(9_999)), None);
        assert_eq!(lines.advance(10, at(60_000)).as_deref(), Some("checking artifacts: 40 of 100"));
        let mut lines = Lines::new("removing", None, start);
        assert_eq!(lines.advance(3, at(5_000)).as_deref(), Some("removing: 3"));
    }
}
