//! Benchmarks of the server's parts, each by itself: `cargo bench --bench parts [NAME…]`.
//!
//! Every line is the median of many short runs. `benches/compare` measures whole requests.

mod archive;
mod delivery;
mod form;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long each part is watched.
const WATCHED: Duration = Duration::from_secs(1);

/// How long one run takes at least, so that looking at the clock does not count.
const RUN: Duration = Duration::from_millis(5);

fn main() {
    println!("| part | time each | MB/s |");
    println!("| --- | ---: | ---: |");
    archive::measure();
    delivery::measure();
    form::measure();
}

/// Whether a part was asked for: all are when none is named.
fn is_wanted(part: &str) -> bool {
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    names.peek().is_none() || names.any(|name| part.contains(&name))
}

/// Prints how long `work`, which goes over so many bytes, takes.
fn part<T>(name: &str, bytes: usize, mut work: impl FnMut() -> T) {
    if !is_wanted(name) {
        return;
    }
    let mut run = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(work());
        }
        start.elapsed() / times
    };
    let once = run(1).max(Duration::from_nanos(1));
    let times = u32::try_from(RUN.as_nanos() / once.as_nanos()).unwrap_or(u32::MAX).max(1);
    let (start, mut runs) = (Instant::now(), Vec::new());
    while start.elapsed() < WATCHED || runs.len() < 5 {
        runs.push(run(times));
    }
    runs.sort_unstable();
    let median = runs[runs.len() / 2];
    let rate = match bytes {
        0 => "–".to_owned(),
        bytes => format!("{:.0}", bytes as f64 / median.as_secs_f64() / 1e6),
    };
    println!("| {name} | {median:.2?} | {rate} |");
}
