//! A GitLab as far as a gateway asks it: users, projects, pipelines, jobs and tokens in memory, behind the API's own
//! words. It counts what it is asked, and keeps every question that no gateway should send.

use serde_json::{Value, json};
mod answers;
pub mod application;
mod archives;
pub mod polls;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::until;

/// A stub on loopback. Dropped, it fails the test if it was asked anything strange.
pub struct StubGitLab {
    /// Its address, with a path as an instance below a relative root has it.
    pub url: String,
    state: Arc<Mutex<State>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the stub knows, and what it was asked.
#[derive(Default)]
pub struct State {
    pub users: BTreeMap<i64, StubUser>,
    pub projects: BTreeMap<i64, StubProject>,
    /// Paths that projects had before, and that nobody has taken since.
    pub moved: BTreeMap<String, i64>,
    pub pipelines: BTreeMap<i64, StubPipeline>,
    pub jobs: BTreeMap<i64, StubJob>,
    pub tokens: BTreeMap<String, StubToken>,
    /// What is answered in place of an answer.
    pub failure: Option<Failure>,
    /// Paths below its API for which no answer is given: 414.
    pub fails_below: Option<String>,
    /// Whether every answer waits.
    pub held: bool,
    /// Whether job tokens may list jobs, as in newer releases.
    pub lists_jobs_for_jobs: bool,
    /// Whether job tokens may not list the successful jobs of their project, but those of a pipeline.
    pub lists_no_successes_for_jobs: bool,
    /// How many calls are left, and the second when there are all again.
    pub calls_left: Option<(u64, u64)>,
    /// Where downloads are redirected to.
    pub bucket: Option<String>,
    /// How many bytes of a download are sent before it waits until it is let go.
    pub stalls_after: Option<usize>,
    /// Whether downloads end early.
    pub breaks_off: bool,
    /// Runners that ask for a job.
    pub polls: polls::Polls,
    /// The gateway as an application, once somebody signs in.
    pub application: Option<application::Application>,
    /// Whether a proxy sends it whatever is not for the gateway, below no relative root.
    stands_behind_a_proxy: bool,
    calls: Vec<Call>,
    strange: Vec<String>,
    url: String,
}

#[derive(Clone)]
pub struct StubUser {
    pub username: &'static str,
    pub admin: bool,
}

#[derive(Clone)]
pub struct StubProject {
    pub path: String,
    pub visibility: &'static str,
    pub public_jobs: bool,
    /// Levels by user.
    pub members: BTreeMap<i64, Value>,
    /// Projects whose job tokens are let in.
    pub allows: BTreeSet<i64>,
}

#[derive(Clone)]
pub struct StubPipeline {
    pub project: i64,
    pub ref_name: &'static str,
    pub status: &'static str,
    pub source: &'static str,
    pub parent: Option<i64>,
}

#[derive(Clone)]
pub struct StubJob {
    pub pipeline: i64,
    pub name: &'static str,
    pub status: &'static str,
    pub user: Option<i64>,
    /// The archive that the GitLab itself holds.
    pub archive: Option<Vec<u8>>,
    /// The lowest level that may read it.
    pub archive_level: i64,
}

impl StubJob {
    pub fn of(pipeline: i64, name: &'static str, status: &'static str, user: Option<i64>) -> Self {
        Self { pipeline, name, status, user, archive: None, archive_level: 0 }
    }
}

#[derive(Clone)]
pub enum StubToken {
    Personal { user: i64, scopes: &'static [&'static str], expires_at: Option<&'static str> },
    OAuth { user: i64, scopes: &'static [&'static str] },
    Job(i64),
}

/// An answer that no question deserves.
#[derive(Clone)]
pub enum Failure {
    /// This status, with a page of HTML.
    Status(u16),
    /// 429, with this `Retry-After`.
    Limited(u32),
    /// This body with status 200.
    Body(&'static str, &'static str),
    /// A redirect to there.
    Redirect(String),
    /// A redirect to there for good, as of a project that has moved.
    Moved(String),
    /// The connection is closed without an answer.
    Hangup,
    /// More bytes than an answer may have.
    Flood,
}

/// A question as it came.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    /// The header of the credential and the credential.
    pub credential: Option<(String, String)>,
    pub forwarded_for: Option<String>,
}

impl StubGitLab {
    /// Starts one that knows nothing.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/base");
        let state = State { url: url.clone(), lists_jobs_for_jobs: true, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let stopping = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&state), Arc::clone(&stopping));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { url, state, stopping, thread: Some(thread) }
    }

    /// Looks at what it knows, or changes it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The paths that it was asked for since the last time, below `/api/v4`, in order.
    pub fn asked(&self) -> Vec<String> {
        let prefix = |path: &str| path.strip_prefix("/base/api/v4").map(str::to_owned);
        self.calls().iter().map(|call| prefix(&call.path).unwrap_or_else(|| call.path.clone())).collect()
    }

    /// Its address and port.
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/base")
    }

    /// Takes whatever a proxy sends it, and the proxy's address for its own.
    pub fn stand_behind(&self, url: &str) {
        let mut state = self.state();
        state.stands_behind_a_proxy = true;
        state.url = url.to_owned();
    }

    /// How many questions have come since the last time that they were looked at.
    pub fn count(&self) -> usize {
        self.state().calls.len()
    }

    /// The paths that it was asked for since the last time, which stay to be looked at.
    pub fn seen(&self) -> Vec<String> {
        self.state().calls.iter().map(|call| call.path.clone()).collect()
    }

    /// What it was asked since the last time.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }
}

impl Drop for StubGitLab {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.authority());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let strange = std::mem::take(&mut self.state().strange);
        if !std::thread::panicking() {
            assert!(strange.is_empty(), "asked what no gateway should ask: {strange:#?}");
        }
    }
}

/// Answers the questions of one connection.
fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut writing = stream.try_clone().unwrap();
    let mut reading = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reading.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        loop {
            let mut line = String::new();
            if reading.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        if state.lock().unwrap().stands_behind_a_proxy {
            first = first.replacen(" /", " /base/", 1);
        }
        if polls::is_poll(&first) {
            if polls::serve(first.trim_end(), &headers, &mut reading, &mut writing, state) {
                continue;
            }
            return;
        }
        if application::is_for_application(&first) {
            let answer = application::serve(first.trim_end(), &headers, &mut reading, state);
            if answer.is_none_or(|answer| writing.write_all(&answer).is_err()) {
                return;
            }
            continue;
        }
        let answer = state.lock().unwrap().answer(first.trim_end(), &headers);
        until(60_000, "the GitLab is let go", || !state.lock().unwrap().held);
        let Some(answer) = answer else { return };
        if first.contains("/artifacts ") && first.starts_with("GET") {
            let (stalls_after, breaks_off) = {
                let state = state.lock().unwrap();
                (state.stalls_after, state.breaks_off)
            };
            if let Some(after) = stalls_after.filter(|after| *after < answer.len()) {
                if writing.write_all(&answer[..after]).is_err() {
                    return;
                }
                until(60_000, "the download is let go", || state.lock().unwrap().stalls_after.is_none());
                if writing.write_all(&answer[after..]).is_err() {
                    return;
                }
                continue;
            }
            if breaks_off {
                let _ = writing.write_all(&answer[..answer.len() - 10]);
                return;
            }
        }
        if writing.write_all(&answer).is_err() {
            return;
        }
    }
}

fn response(status: u16, media: &str, extra: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nDate: Sun, 01 Feb 2026 12:00:03 GMT\r\nContent-Type: {media}\r\n\
         RateLimit-Name: throttle_authenticated_api\r\nRateLimit-Limit: 2000\r\nRateLimit-Remaining: 1990\r\n\
         {extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn unauthorized() -> (u16, Value) {
    (401, json!({"message": "401 Unauthorized"}))
}

fn not_found() -> (u16, Value) {
    (404, json!({"message": "404 Project Not Found"}))
}

impl Failure {
    fn answer(&self) -> Option<Vec<u8>> {
        let page = "<html><body>gateway</body></html>";
        Some(match self {
            Self::Hangup => return None,
            Self::Status(status) => response(*status, "text/html", "", page),
            Self::Limited(seconds) => {
                response(429, "text/plain", &format!("Retry-After: {seconds}\r\n"), "Retry later\n")
            }
            Self::Body(media, body) => response(200, media, "", body),
            Self::Redirect(to) => response(302, "text/html", &format!("Location: {to}\r\n"), page),
            Self::Moved(to) => response(301, "application/json", &format!("Location: {to}\r\n"), "{}"),
            Self::Flood => response(200, "application/json", "", &format!("[{}1]", "1,".repeat(2_200_000))),
        })
    }
}
