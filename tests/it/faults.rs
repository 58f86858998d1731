//! Faults around a server: the answers to clients, the log lines, and recovery without a restart.
//!
//! Faults of the bucket are in `buckets`.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use artigate::domain::Timestamp;

use crate::program::{Serving, artigate};
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request, read_answer};
use crate::support::until;
use crate::support::zips;

fn unavailable(answer: &Answer) {
    let body = r#"{"message":"503 Service Unavailable"}"#;
    assert_eq!((answer.status, answer.header("retry-after"), answer.text()), (503, Some("5"), body));
}

#[test]
fn a_database_that_is_gone_is_a_503_and_service_returns_with_it() {
    let (gateway, gate) =
        Gateway::on_postgres_behind_a_gate(|settings| settings.database_timeout = Duration::from_secs(1));
    fixtures::small(&gateway, b"bytes");
    assert_eq!(gateway.get(ARCHIVE).send().text(), "bytes");
    let form = || Form::default().file("a", &zips::noise(2 << 20));
    for _ in 0..2 {
        gate.close();
        unavailable(&gateway.get(ARCHIVE).send());
        unavailable(&gateway.post(UPLOAD).job_token(RUNNING).chunked_form(form()).send());
        unavailable(
            &Request::new(gateway.address, "DELETE", ARCHIVE).private_token(fixtures::MAINTAINER).send(),
        );
        let ready = gateway.get("/-/readiness").send();
        assert_eq!(
            ready.error(),
            (503, r#"{"db_check":[{"status":"failed"}],"status":"failed","store_check":[{"status":"ok"}]}"#)
        );
        assert_eq!(gateway.get("/-/liveness").send().error(), (200, r#"{"status":"ok"}"#));
        assert_eq!(gateway.get("/-/health").send().text(), "artigate OK");
        gate.open();
        until(10_000, "the archive is back", || gateway.get(ARCHIVE).send().status == 200);
        until(10_000, "readiness is as it should be", || gateway.get("/-/readiness").send().status == 200);
    }
    assert_eq!(gateway.post(UPLOAD).job_token(RUNNING).chunked_form(form()).send().status, 201);
}

#[test]
fn an_upload_whose_database_goes_meanwhile_is_not_acknowledged_and_can_be_repeated() {
    let (gateway, gate) =
        Gateway::on_postgres_behind_a_gate(|settings| settings.database_timeout = Duration::from_secs(1));
    fixtures::small(&gateway, b"bytes");
    let body = Form::default().file("a", &zips::noise(600_000)).bytes();
    let length = body.len().to_string();
    let request = || gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length);
    let mut stream = request().connect();
    stream.write_all(&body[..300_000]).unwrap();
    gateway.until_blobs(2);
    gate.close();
    stream.write_all(&body[300_000..]).unwrap();
    unavailable(&read_answer(stream, false).unwrap());
    gate.open();
    until(10_000, "readiness is as it should be", || gateway.get("/-/readiness").send().status == 200);
    assert_eq!(gateway.get(UPLOADED).send().status, 404);
    let mut stream = request().connect();
    stream.write_all(&body).unwrap();
    assert_eq!(read_answer(stream, false).unwrap().status, 201);
    // Until then it might belong to an upload that goes on.
    gateway.block_on(gateway.app.ingest.writers().retire());
    let collected = gateway.collect(Duration::ZERO).unwrap();
    assert_eq!(collected.orphans, 1, "the bytes that no row came to name");
    assert_eq!(gateway.get(UPLOADED).send().body.len(), 600_000);
}

#[test]
fn a_store_whose_folders_are_gone_is_a_503_and_service_returns_with_them() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let (blobs, aside) = (gateway.path().join("blobs"), gateway.path().join("aside"));
    let body = Form::default().file("a", &zips::noise(600_000)).bytes();
    let length = body.len().to_string();
    let request = gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length);
    let mut under_way = request.connect();
    under_way.write_all(&body[..300_000]).unwrap();
    gateway.until_blobs(2);
    std::fs::rename(&blobs, &aside).unwrap();
    under_way.write_all(&body[300_000..]).unwrap();
    unavailable(&read_answer(under_way, false).unwrap());
    unavailable(&gateway.post(UPLOAD).job_token(RUNNING).form_type().body(body.clone()).send());
    assert_eq!(gateway.get("/-/readiness").send().status, 503);
    std::fs::rename(&aside, &blobs).unwrap();
    assert_eq!(gateway.post(UPLOAD).job_token(RUNNING).form_type().body(body).send().status, 201);
    assert_eq!(gateway.get(UPLOADED).send().body.len(), 600_000);
}

#[test]
fn a_database_file_that_is_gone_or_another_takes_no_more_changes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("archive.zip"), zips::deflated(&[("a.txt", b"hello")])).unwrap();
    std::fs::write(folder.path().join("registry.yml"), fixtures::small_document()).unwrap();
    assert!(artigate(folder.path(), &["load", "registry.yml"]).output().unwrap().status.success());
    let serving = Serving::plain(folder.path());
    let upload = |kind: &str| {
        let target = format!("{UPLOAD}?artifact_type={kind}&artifact_format=raw");
        let request = Request::new(serving.address(), "POST", &target).job_token(RUNNING);
        request.form(Form::default().file("a", b"x")).send()
    };
    let readiness = || Request::new(serving.address(), "GET", "/-/readiness").send().status;
    assert_eq!((upload("sast").status, readiness()), (201, 200));
    let data = folder.path().join("artigate-data");
    let (file, aside) = (data.join("artigate.db"), data.join("aside.db"));
    let refuses = |what: &str| {
        unavailable(&upload("dast"));
        until(10_000, "readiness is as it should be", || readiness() == 503);
        let names = |line: &String| line.contains("ERROR") && line.contains(&format!("artigate.db {what}"));
        until(10_000, "the log says so", || serving.log.lock().unwrap().iter().any(names));
    };
    std::fs::rename(&file, &aside).unwrap();
    refuses("was deleted or moved");
    std::fs::copy(&aside, &file).unwrap();
    refuses("was replaced");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(upload("dast").status, 201);
    until(10_000, "readiness is as it should be", || readiness() == 200);
    assert_eq!(serving.stop(), Some(0));
}

/// A gateway whose store is a file system of its own of a few megabytes, seen by nobody else.
struct Confined {
    serving: Serving,
    folder: tempfile::TempDir,
}

impl Confined {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("archive.zip"), zips::deflated(&[("a.txt", b"hello")])).unwrap();
        std::fs::write(folder.path().join("registry.yml"), fixtures::small_document()).unwrap();
        std::fs::create_dir_all(folder.path().join("artigate-data/blobs")).unwrap();
        let mut plain = artigate(folder.path(), &["serve"]);
        let script = format!(
            "mount -t tmpfs -o size=8m tmpfs artigate-data/blobs && {program} load registry.yml >&2 && exec {program} serve",
            program = plain.get_program().to_str().unwrap()
        );
        plain.env("ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE", "0");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script]).current_dir(folder.path());
        command.env("ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE", "0");
        Self { serving: Serving::run(command), folder }
    }

    /// Changes how the file system is mounted.
    fn remount(&self, options: &str) {
        let id = self.serving.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "--user", "--mount", "--target", &id, "mount", "-o"]);
        command.arg(format!("remount,{options}")).arg(self.folder.path().join("artigate-data/blobs"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn get(&self, path: &str) -> Answer {
        Request::new(self.serving.address(), "GET", path).send()
    }

    fn upload(&self, kind: &str, bytes: usize) -> Answer {
        let target = format!("{UPLOAD}?artifact_type={kind}&artifact_format=raw");
        let request = Request::new(self.serving.address(), "POST", &target).job_token(RUNNING);
        request.chunked_form(Form::default().file("a", &zips::noise(bytes))).send()
    }

    fn log_says(&self, text: &str) -> bool {
        self.serving.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// Counts the blobs in its store, seen through its eyes.
    fn blobs(&self) -> usize {
        let seen = format!(
            "/proc/{}/root{}",
            self.serving.id(),
            self.folder.path().join("artigate-data/blobs").display()
        );
        let folders = std::fs::read_dir(Path::new(&seen)).unwrap();
        folders.filter_map(|folder| Some(std::fs::read_dir(folder.unwrap().path()).ok()?.count())).sum()
    }
}

#[test]
fn a_full_disk_is_a_507_and_reading_goes_on() {
    let confined = Confined::begin();
    let insufficient = (507, r#"{"message":"507 Insufficient Storage"}"#);
    assert_eq!(confined.upload("sast", 20 << 20).error(), insufficient);
    until(10_000, "the log says so", || confined.log_says("No space left on device"));
    assert_eq!(confined.get(&format!("{ARCHIVE}/a.txt")).text(), "hello");
    until(10_000, "its bytes are gone", || confined.blobs() == 1);
    assert_eq!(confined.upload("sast", 1 << 20).status, 201, "what fits is taken");
    assert_eq!(confined.upload("dast", 20 << 20).error(), insufficient);
    confined.remount("size=64m");
    assert_eq!(confined.upload("dast", 20 << 20).status, 201, "with more room it is taken, too");
    assert_eq!(confined.get(&format!("{UPLOADED}?file_type=dast")).body.len(), 20 << 20);
}

#[test]
fn a_disk_that_may_only_be_read_is_a_507_and_reading_goes_on() {
    let confined = Confined::begin();
    assert_eq!(confined.upload("sast", 1000).status, 201);
    confined.remount("ro");
    assert_eq!(confined.upload("dast", 1000).error(), (507, r#"{"message":"507 Insufficient Storage"}"#));
    until(10_000, "the log says so", || confined.log_says("Read-only file system"));
    assert_eq!(confined.get(&format!("{ARCHIVE}/a.txt")).text(), "hello");
    assert_eq!(confined.get("/-/readiness").status, 200, "it serves what it has");
    confined.remount("rw");
    assert_eq!(confined.upload("dast", 1000).status, 201);
}

on_both_databases!(a_clock_that_jumps_takes_nothing_that_is_locked_and_leaves_nothing_behind);

fn a_clock_that_jumps_takes_nothing_that_is_locked_and_leaves_nothing_behind(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let upload = |kind: &str, expiry: &str| {
        let target = format!("{UPLOAD}?artifact_type={kind}&artifact_format=raw&expire_in={expiry}");
        gateway.post(&target).job_token(RUNNING).form(Form::default().file("a", b"x")).send().status
    };
    assert_eq!((upload("sast", "1+day"), upload("dast", "never")), (201, 201));
    let sweep = || gateway.sweep();
    let day = 86_400;
    gateway.advance_clock(-10 * 365 * day);
    assert_eq!(sweep().expired, 0);
    gateway.advance_clock(30 * 365 * day);
    // A node with that clock has claimed what it is about to remove, and dies.
    let now = gateway.now();
    gateway.write_catalog(move |db| {
        artigate::catalog::tombstones::expire_batch(db, Default::default(), 100, now)
    });
    let claimed =
        gateway.write_catalog(move |db| artigate::catalog::tombstones::lease(db, 100, false, now, now));
    assert_eq!(claimed.len(), 1);
    gateway.advance_clock(-20 * 365 * day);
    assert!(gateway.now() > Timestamp::parse("2026-01-01").unwrap());
    assert_eq!(sweep().removed.blobs, 1, "a claim from the far future holds nobody up");
    gateway.until_blobs(2);
    let status = |kind: &str| gateway.get(&format!("{UPLOADED}?file_type={kind}")).send().status;
    assert_eq!((gateway.get(ARCHIVE).send().status, status("sast"), status("dast")), (200, 404, 200));
}

/// A gateway under load in a process of its own.
fn loaded(folder: &Path, drain: &str) -> Serving {
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(30 << 20))]);
    std::fs::write(folder.join("archive.zip"), archive).unwrap();
    std::fs::write(folder.join("registry.yml"), fixtures::small_document()).unwrap();
    assert!(artigate(folder, &["load", "registry.yml"]).output().unwrap().status.success());
    let mut command = artigate(folder, &["serve"]);
    command.env("ARTIGATE_SERVER__DRAIN_TIMEOUT", drain);
    Serving::run(command)
}

#[test]
fn what_is_under_way_at_a_stop_is_finished_and_nothing_new_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let serving = loaded(folder.path(), "60");
    let address = serving.address();
    let mut idle = std::net::TcpStream::connect(address).unwrap();
    let download = Request::new(address, "GET", ARCHIVE).connect();
    let mut first = [0; 1];
    download.peek(&mut first).unwrap();
    let form = Form::default().file("a", &zips::noise(3 << 20)).bytes();
    let length = form.len().to_string();
    let request = Request::new(address, "POST", UPLOAD).job_token(RUNNING).form_type();
    let mut upload = request.header("Content-Length", &length).connect();
    upload.write_all(&form[..1_000_000]).unwrap();
    // The bytes that the gateway has read of the upload show in its store.
    let blobs = folder.path().join("artigate-data/blobs");
    let count = || {
        let folders = std::fs::read_dir(&blobs).unwrap();
        folders.filter_map(|folder| std::fs::read_dir(folder.unwrap().path()).ok()).flatten().count()
    };
    until(10_000, "the second has come", || count() == 2);
    serving.terminate();
    until(10_000, "nobody listens", || std::net::TcpStream::connect(address).is_err());
    upload.write_all(&form[1_000_000..]).unwrap();
    assert_eq!(read_answer(upload, false).unwrap().status, 201);
    let answer = read_answer(download, false).unwrap();
    assert!(answer.complete && answer.status == 200);
    assert_eq!(serving.wait(), Some(0));
    assert_eq!(idle.read(&mut first).unwrap_or(0), 0, "a connection without a request does not hold it up");
    assert!(count() == 2);
}

#[test]
fn a_stop_does_not_wait_longer_than_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let serving = loaded(folder.path(), "1");
    let download = Request::new(serving.address(), "GET", ARCHIVE).connect();
    let mut first = [0; 1];
    download.peek(&mut first).unwrap();
    serving.terminate();
    // Nobody takes the rest.
    assert_eq!(serving.wait(), Some(0));
    assert!(!read_answer(download, false).is_ok_and(|answer| answer.complete));
}
