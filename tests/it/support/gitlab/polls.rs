//! Runners' questions for a job at the stub: read whole, kept, held as long as a test wants, and answered with any bytes.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

use super::State;

/// What runners are answered, and what they have asked.
#[derive(Default)]
pub struct Polls {
    /// The answer, head and body; the connection is closed without one if it is empty.
    pub answer: Vec<u8>,
    /// Whether they wait.
    pub held: bool,
    /// How many wait.
    pub waiting: usize,
    /// How many have left while they waited.
    pub left: usize,
    /// The questions as they came.
    pub seen: Vec<Poll>,
}

/// A question of a runner.
#[derive(Debug, Clone)]
pub struct Poll {
    /// The first line.
    pub first: String,
    /// The headers, whose names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Polls {
    /// Answers from now on with this.
    pub fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let mut answer = format!("HTTP/1.1 {status} X\r\n");
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        if status != 204 {
            answer.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.answer = [answer.as_bytes(), b"\r\n", body].concat();
    }
}

pub(super) fn is_poll(first: &str) -> bool {
    first.starts_with("POST ") && first.contains("/api/v4/jobs/request")
}

/// Answers a question; `false` if the connection ends with it.
pub(super) fn serve(
    first: &str,
    headers: &[(String, String)],
    reading: &mut BufReader<TcpStream>,
    writing: &mut TcpStream,
    state: &Mutex<State>,
) -> bool {
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().unwrap()];
    if reading.read_exact(&mut body).is_err() {
        return false;
    }
    {
        let mut state = state.lock().unwrap();
        let poll = Poll { first: first.to_owned(), headers: headers.to_vec(), body };
        state.polls.seen.push(poll);
        state.polls.waiting += 1;
    }
    let stays = waits(writing, state);
    let mut state = state.lock().unwrap();
    state.polls.waiting -= 1;
    if !stays {
        state.polls.left += 1;
        return false;
    }
    let answer = state.polls.answer.clone();
    drop(state);
    !answer.is_empty() && writing.write_all(&answer).is_ok()
}

/// Waits as long as the questions are held; `false` if the client leaves meanwhile.
fn waits(stream: &TcpStream, state: &Mutex<State>) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    let mut stays = true;
    while stays && state.lock().unwrap().polls.held {
        stays = match stream.peek(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => {
                matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
            }
        };
    }
    stream.set_read_timeout(None).unwrap();
    stays
}
