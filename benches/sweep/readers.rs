//! Readers that fetch a small file over kept-alive connections.
//!
//! Their pace is steady, so that they leave the machine to the code that is measured beside them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::seed::{CONTENT, PATH};

const READERS: usize = 4;

/// The time between two requests of a reader.
const PACE: Duration = Duration::from_millis(10);

/// How long requests took, sorted.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn percentile(&self, fraction: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * fraction).round() as usize).copied().unwrap_or_default()
    }
}

/// Reads for as long as `work` takes.
pub(crate) fn watch(address: &str, work: impl FnOnce()) -> Latencies {
    let stop = AtomicBool::new(false);
    let mut all = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read_until(address, &stop))).collect();
        work();
        stop.store(true, Ordering::Relaxed);
        readers
            .into_iter()
            .flat_map(|reader| reader.join().expect("every answer is right"))
            .collect::<Vec<_>>()
    });
    all.sort_unstable();
    Latencies(all)
}

fn read_until(address: &str, stop: &AtomicBool) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).expect("the gateway reads");
        read_answer(&mut answers);
        latencies.push(began.elapsed());
        std::thread::sleep(PACE.saturating_sub(began.elapsed()));
    }
    latencies
}

fn read_answer(answers: &mut impl BufRead) {
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    while line != "\r\n" {
        line.clear();
        answers.read_line(&mut line).expect("a header");
    }
    let mut body = vec![0; CONTENT.len()];
    answers.read_exact(&mut body).expect("the body");
    assert_eq!(body, CONTENT);
}
