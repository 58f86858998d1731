//! The clients of the chaos test: each remembers every acknowledgement and checks the server against it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use artigate::domain::Sha256Digest;

use super::nodes::{Installation, Nodes};
use crate::support::fixtures::{MAINTAINER, MEMBERS, USERS};
use crate::support::http_client::{Answer, BOUNDARY, Form, read_answer};
use crate::support::zips::noise;

/// Jobs that may upload, numbered from 1; each has one archive.
pub const JOBS: usize = 4_000;

/// The project whose artifacts are all removed in the end. Every fifth job is one of its.
pub const PURGED_PROJECT: usize = 2;

/// The number of the first job whose archive is loaded, and how many are loaded with one document.
const FIRST_LOADED: usize = 100_001;
const LOADED_AT_ONCE: usize = 20;

/// How often a request is tried again, on another node each time.
const TRIES: usize = 40;

pub fn document() -> String {
    let project = |id: usize, is_its: fn(usize) -> bool| {
        let jobs: Vec<String> = (1..=JOBS)
            .filter(|job| is_its(*job))
            .map(|job| format!("{{id: {job}, name: j{job}, status: running, token: t{job}}}"))
            .collect();
        format!(
            "  - {{id: {id}, path: group/p{id}, visibility: public, keep_latest_artifact: false, members: {MEMBERS}, pipelines: [{{id: {id}, ref: main, sha: a, status: running, user: developer, jobs: [{}]}}]}}\n",
            jobs.join(", ")
        )
    };
    format!("{USERS}projects:\n{}{}", project(1, |job| !is_purged(job)), project(2, is_purged))
}

fn is_purged(job: usize) -> bool {
    job.is_multiple_of(5)
}

fn project_of(job: usize) -> usize {
    if is_purged(job) { PURGED_PROJECT } else { 1 }
}

/// The promise that a job was given.
#[derive(Debug, Clone)]
struct Promise {
    job: usize,
    sha256: Sha256Digest,
    /// It may go by itself.
    expires: bool,
    /// Somebody has asked for its removal.
    deleted: bool,
}

#[derive(Default)]
pub struct Clients {
    next_job: AtomicUsize,
    promises: Mutex<Vec<Promise>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    uploads: AtomicUsize,
    loaded: AtomicUsize,
    downloads: AtomicUsize,
    kept: AtomicUsize,
    deleted: AtomicUsize,
    failures: AtomicUsize,
}

/// Numbers that are not random, and look as if they were.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

impl Clients {
    pub fn new() -> Self {
        Self { next_job: AtomicUsize::new(1), ..Self::default() }
    }

    pub fn summary(&self) -> String {
        let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        let Counts { uploads, loaded, downloads, kept, deleted, failures } = &self.counts;
        format!(
            "{} uploads, {} loaded, {} downloads, {} kept, {} deleted, {} requests tried again",
            count(uploads),
            count(loaded),
            count(downloads),
            count(kept),
            count(deleted),
            count(failures)
        )
    }

    pub fn upload_until(&self, nodes: &Nodes, seed: u64, stop: &AtomicBool) {
        let mut dice = Dice(seed * 2 + 0x9e37_79b9);
        while !stop.load(Ordering::SeqCst) {
            let job = self.next_job.fetch_add(1, Ordering::SeqCst);
            if job > JOBS {
                return;
            }
            let size = match dice.roll(8) {
                0 => 8_500_000 + dice.roll(3_000_000),
                1 | 2 => 100_000 + dice.roll(900_000),
                _ => 1 + dice.roll(20_000),
            };
            let mut content = noise(size);
            content[0] = job as u8;
            content.extend_from_slice(&job.to_le_bytes());
            let expires = !is_purged(job) && dice.roll(3) == 0;
            self.upload(nodes, job, &content, expires, &mut dice);
        }
    }

    /// A runner sends the same again until it is acknowledged.
    fn upload(&self, nodes: &Nodes, job: usize, content: &[u8], expires: bool, dice: &mut Dice) {
        let expiry = if expires { "2" } else { "never" };
        let target = format!("/api/v4/jobs/{job}/artifacts?expire_in={expiry}");
        let body = Form::default().file("artifacts.zip", content).bytes();
        let head = format!("JOB-TOKEN: t{job}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n");
        for _ in 0..TRIES {
            match ask(nodes.address(dice.roll(3)), "POST", &target, &head, &body) {
                Some(answer) if answer.status == 201 => {
                    let sha256 = Sha256Digest::of(content);
                    self.promises.lock().unwrap().push(Promise { job, sha256, expires, deleted: false });
                    self.counts.uploads.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                // An earlier try may have been recorded and have expired since.
                Some(answer) if !matches!(answer.status, 503) => panic!("{target}: {answer:?}"),
                _ => self.counts.failures.fetch_add(1, Ordering::SeqCst),
            };
        }
        panic!("{target} was never acknowledged");
    }

    /// Loads registry files with archives, each of which is there in full once the command says so.
    pub fn load_until(&self, installation: &Installation, stop: &AtomicBool) {
        for first in (FIRST_LOADED..).step_by(LOADED_AT_ONCE * 5) {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            // None of the project whose artifacts are all removed.
            let jobs: Vec<usize> = (first..).filter(|job| !is_purged(*job)).take(LOADED_AT_ONCE).collect();
            let contents: Vec<Vec<u8>> =
                jobs.iter().map(|job| format!("loaded for {job}").into_bytes()).collect();
            let declared = jobs.iter().zip(&contents).map(|(job, content)| {
                std::fs::write(installation.path().join(format!("{job}.bin")), content).unwrap();
                format!("{{id: {job}, name: j{job}, status: success, artifacts: [{{file: {job}.bin}}]}}")
            });
            let declared: Vec<String> = declared.collect();
            let document = format!(
                "projects: [{{id: 1, path: group/p1, pipelines: [{{id: 1, ref: main, sha: a, status: running, jobs: [{}]}}]}}]",
                declared.join(", ")
            );
            std::fs::write(installation.path().join("loaded.yml"), document).unwrap();
            // Refused when it was taken for dead meanwhile, and loaded again.
            while !installation.command(&["load", "loaded.yml"]).output().unwrap().status.success() {
                self.counts.failures.fetch_add(1, Ordering::SeqCst);
            }
            let promises = jobs.iter().zip(&contents).map(|(job, content)| Promise {
                job: *job,
                sha256: Sha256Digest::of(content),
                expires: false,
                deleted: false,
            });
            self.promises.lock().unwrap().extend(promises);
            self.counts.loaded.fetch_add(jobs.len(), Ordering::SeqCst);
        }
    }

    pub fn download_until(&self, nodes: &Nodes, seed: u64, stop: &AtomicBool) {
        let mut dice = Dice(seed * 2 + 0x51ed_2701);
        while !stop.load(Ordering::SeqCst) {
            let promises = self.promises.lock().unwrap();
            let promise = promises.get(dice.roll(promises.len().max(1))).cloned();
            drop(promises);
            let Some(promise) = promise else {
                std::thread::yield_now();
                continue;
            };
            if !promise.expires && !promise.deleted {
                self.hold_to(nodes, &promise, &mut dice);
            }
        }
    }

    /// Reads what was promised, and takes nothing else for it.
    fn hold_to(&self, nodes: &Nodes, promise: &Promise, dice: &mut Dice) {
        let target = path(promise.job, "");
        for _ in 0..TRIES {
            let answer = ask(nodes.address(dice.roll(3)), "GET", &target, "", b"");
            match answer {
                Some(answer) if answer.status == 200 && answer.complete => {
                    assert_eq!(Sha256Digest::of(&answer.body), promise.sha256, "{target} has other bytes");
                    self.counts.downloads.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Some(answer) if answer.status == 404 && self.is_deleted(promise.job) => return,
                Some(answer) if !matches!(answer.status, 200 | 503) => panic!("{target} is lost: {answer:?}"),
                _ => self.counts.failures.fetch_add(1, Ordering::SeqCst),
            };
        }
        panic!("{target} was never read");
    }

    fn is_deleted(&self, job: usize) -> bool {
        self.promises.lock().unwrap().iter().any(|promise| promise.job == job && promise.deleted)
    }

    pub fn keep_and_delete_until(&self, nodes: &Nodes, seed: u64, stop: &AtomicBool) {
        let mut dice = Dice(seed * 2 + 0x2545_f491);
        let mut known = 0;
        while !stop.load(Ordering::SeqCst) {
            let mut promises = self.promises.lock().unwrap();
            // One for each that has come, so that most stay.
            if promises.len() == known {
                drop(promises);
                std::thread::yield_now();
                continue;
            }
            known += 1;
            let number = dice.roll(promises.len());
            let delete = dice.roll(3) == 0;
            let Some(promise) = promises.get_mut(number).filter(|promise| !promise.deleted) else { continue };
            // From here on it may be gone, whatever the answer is.
            promise.deleted = delete;
            let promise = promise.clone();
            drop(promises);
            if delete {
                self.delete(nodes, &promise, &mut dice);
            } else if promise.expires {
                self.keep(nodes, number, &promise, &mut dice);
            }
        }
    }

    fn delete(&self, nodes: &Nodes, promise: &Promise, dice: &mut Dice) {
        let head = format!("PRIVATE-TOKEN: {MAINTAINER}\r\n");
        for _ in 0..TRIES {
            match ask(nodes.address(dice.roll(3)), "DELETE", &path(promise.job, ""), &head, b"") {
                Some(answer) if answer.status == 204 => {
                    self.counts.deleted.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Some(answer) if answer.status != 503 => panic!("{answer:?}"),
                _ => self.counts.failures.fetch_add(1, Ordering::SeqCst),
            };
        }
        panic!("{} was never deleted", promise.job);
    }

    /// An artifact that could be kept exists for ever; one that expired before that is deleted.
    fn keep(&self, nodes: &Nodes, number: usize, promise: &Promise, dice: &mut Dice) {
        let head = format!("PRIVATE-TOKEN: {MAINTAINER}\r\n");
        match ask(nodes.address(dice.roll(3)), "POST", &path(promise.job, "/keep"), &head, b"") {
            Some(answer) if answer.status == 200 => {
                self.promises.lock().unwrap()[number].expires = false;
                self.counts.kept.fetch_add(1, Ordering::SeqCst);
            }
            Some(answer) if !matches!(answer.status, 404 | 503) => panic!("{answer:?}"),
            _ => {}
        }
    }

    /// Has all of a project's artifacts removed.
    pub fn purge(&self, nodes: &Nodes) {
        let target = format!("/api/v4/projects/{PURGED_PROJECT}/artifacts");
        let head = format!("PRIVATE-TOKEN: {MAINTAINER}\r\n");
        let answer = ask(nodes.address(0), "DELETE", &target, &head, b"").unwrap();
        assert_eq!(answer.status, 202);
        for promise in self.promises.lock().unwrap().iter_mut().filter(|promise| is_purged(promise.job)) {
            promise.deleted = true;
        }
    }

    /// Reads everything that must be there and misses everything that must not; tells how much is there.
    pub fn check_everything(&self, nodes: &Nodes) -> usize {
        let promises = self.promises.lock().unwrap().clone();
        let mut there = 0;
        for promise in &promises {
            let answer = ask(nodes.address(0), "GET", &path(promise.job, ""), "", b"").unwrap();
            if promise.deleted {
                assert_eq!(answer.status, 404, "{promise:?} was deleted");
            } else if !promise.expires {
                assert!(answer.status == 200 && answer.complete, "{promise:?} is lost: {}", answer.status);
                assert_eq!(Sha256Digest::of(&answer.body), promise.sha256, "{promise:?}");
                there += 1;
            }
        }
        there
    }
}

fn path(job: usize, more: &str) -> String {
    format!("/api/v4/projects/{}/jobs/{job}/artifacts{more}", project_of(job))
}

/// Returns the answer of a node; `None` without one, as the node is being killed.
pub fn ask(node: SocketAddr, method: &str, target: &str, head: &str, body: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(node).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(60))).ok()?;
    let length = body.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: {node}\r\n{head}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    // It may answer, or die, before it has read everything.
    let _ = stream.write_all(body);
    read_answer(stream, false).ok()
}
