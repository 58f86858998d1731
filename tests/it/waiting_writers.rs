//! Waiting for SQLite's single writer, shared by all processes.
//!
//! An unauthorized request is rejected without waiting for the writer; an authorized one is answered in time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::support::ended::Ended;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request, read_answer};

/// Every way to change the catalog that does not take an upload's bytes first.
const CHANGES: &[(&str, &str)] = &[
    ("POST", "/api/v4/projects/1/jobs/10/artifacts/keep"),
    ("DELETE", "/api/v4/projects/1/jobs/10/artifacts"),
    ("DELETE", "/api/v4/projects/1/artifacts"),
    ("POST", "/api/v4/projects/1/jobs/10/erase"),
    ("PATCH", "/api/registry/v1/jobs/20"),
    ("PATCH", "/api/registry/v1/pipelines/200"),
    ("POST", "/api/registry/v1/jobs/20/token"),
    ("PUT", "/api/registry/v1/documents"),
];

#[test]
fn who_may_not_change_anything_is_refused_while_another_process_writes() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let path = gateway.path().join("artigate.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    for (method, path) in CHANGES {
        let ask = || {
            let request =
                Request::new(gateway.address, method, path).header("Content-Type", "application/json");
            request.body(b"{}".to_vec())
        };
        assert_eq!(ask().send().status, 401, "{method} {path} by nobody");
        assert_eq!(ask().private_token("wrong").send().status, 401, "{method} {path} with a wrong token");
        assert_eq!(
            ask().job_token(fixtures::RUNNING).send().status,
            401,
            "{method} {path} with a job's token"
        );
        assert_eq!(ask().private_token(fixtures::GUEST).send().status, 403, "{method} {path} by a guest");
    }
    let missing =
        gateway.post("/api/v4/projects/1/jobs/99/artifacts/keep").private_token(fixtures::ADMIN).send();
    assert_eq!(missing.status, 404);
    let running = gateway.post("/api/v4/projects/1/jobs/20/erase").private_token(fixtures::ADMIN).send();
    assert_eq!(running.error().0, 403);
    other.batch_execute("ROLLBACK").unwrap();
    let keep =
        gateway.post("/api/v4/projects/1/jobs/10/artifacts/keep").private_token(fixtures::ADMIN).send();
    assert_eq!(keep.status, 200, "and who may gets it done");
}

/// Another program that holds SQLite's lock until it is dropped.
fn holder_of(database: &Path) -> Ended {
    let mut command = Command::new("sqlite3");
    command.arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = Ended(command.spawn().expect("sqlite3"));
    holder.0.stdin.as_mut().unwrap().write_all(b"BEGIN IMMEDIATE; SELECT 'held';\n").unwrap();
    let mut said = [0; 4];
    holder.0.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"held");
    holder
}

#[test]
fn changes_are_refused_in_time_while_another_process_holds_the_lock_and_everything_else_goes_on() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let changes = || {
        let with = |(method, path): (&str, &str)| Request::new(gateway.address, method, path);
        let keep = with(CHANGES[0]).private_token(fixtures::ADMIN);
        let erase = with(CHANGES[3]).private_token(fixtures::ADMIN);
        let form =
            Form::default().field("artifact_format", "raw").field("artifact_type", "sast").file("a", b"x");
        let upload = gateway.post(fixtures::UPLOAD).job_token(fixtures::RUNNING).form(form);
        [keep, upload, erase]
    };
    let holder = holder_of(&gateway.path().join("artigate.db"));
    let answers: Vec<TcpStream> = changes().iter().map(Request::connect).collect();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            for stream in answers {
                // A change may wait a minute.
                stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
                let answer = read_answer(stream, false).unwrap();
                let body = r#"{"message":"503 Service Unavailable"}"#;
                assert_eq!(
                    (answer.status, answer.header("retry-after"), answer.text()),
                    (503, Some("5"), body)
                );
            }
        });
        while !waiting.is_finished() {
            assert_eq!(gateway.get("/-/liveness").send().status, 200);
            assert_eq!(gateway.get("/-/readiness").send().status, 200, "it serves what it has");
            assert_eq!(gateway.get(fixtures::ARCHIVE).send().text(), "bytes");
            let jobs = gateway.get("/api/v4/projects/1/jobs").private_token(fixtures::GUEST);
            assert_eq!(jobs.send().status, 200);
            std::thread::park_timeout(Duration::from_millis(10));
        }
        waiting.join().unwrap();
    });
    gateway.until_blobs(1);
    drop(holder);
    let done = changes().map(|change| change.send().status);
    assert_eq!(done, [200, 201, 201], "and afterwards they are made");
    assert_eq!(gateway.get(fixtures::ARCHIVE).send().status, 404, "it is erased");
}
