//! Limits: on the cost of an archive, on concurrent uploads, on clients that neither send nor receive, on
//! connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use artigate::settings::Settings;

use crate::program::{Serving, artigate};
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, read_answer};
use crate::support::zips;

#[test]
fn an_archive_past_a_limit_is_served_whole_and_says_why_not_file_by_file() {
    let archive = zips::deflated(&[("a", b"a"), ("b", b"b"), ("c", b"c")]);
    for (change, says) in [
        ((|settings| settings.archive_entries = 2) as fn(&mut Settings), "3 entries"),
        (|settings| settings.archive_directory_bytes = 100, "bytes"),
    ] {
        let gateway = Gateway::on_sqlite_with(change);
        fixtures::small(&gateway, &archive);
        for path in [format!("{ARCHIVE}/a"), format!("{ARCHIVE}/tree"), format!("{ARCHIVE}?path=x")] {
            let answer = gateway.get(&path).send();
            assert_eq!(answer.status, 422, "{path}");
            assert!(answer.text().contains(says), "{}", answer.text());
        }
        assert!(gateway.get(ARCHIVE).send().body == archive);
    }
}

#[test]
fn a_file_that_would_unpack_to_too_much_is_refused_and_smaller_ones_are_not() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.max_uncompressed_bytes = Some(1000));
    let archive = zips::deflated(&[("bomb", &vec![0; 1001]), ("fine", &[0; 1000])]);
    fixtures::small(&gateway, &archive);
    let refused = gateway.get(&format!("{ARCHIVE}/bomb")).send();
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("limits.max_uncompressed_size (1000 B)"), "{}", refused.text());
    assert_eq!(gateway.get(&format!("{ARCHIVE}/fine")).send().body, [0; 1000]);
    let stored = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(5000))]);
    fixtures::small(&gateway, &stored);
    assert_eq!(gateway.get(&format!("{ARCHIVE}/big")).send().status, 200, "nothing is unpacked here");
}

#[test]
fn uploads_beyond_those_at_once_wait_for_their_turn() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.concurrent_uploads = 1);
    fixtures::small(&gateway, b"");
    let form = |kind: &str| {
        Form::default()
            .field("artifact_type", kind)
            .field("artifact_format", "raw")
            .file("a", &zips::noise(600_000))
            .bytes()
    };
    let begin = |kind: &str| {
        let body = form(kind);
        let length = body.len().to_string();
        (
            gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length).connect(),
            body,
        )
    };
    let (mut first, body) = begin("sast");
    first.write_all(&body[..300_000]).unwrap();
    gateway.until_blobs(2);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let (mut second, body) = begin("dast");
            second.write_all(&body).unwrap();
            read_answer(second, false).unwrap().status
        });
        assert_eq!(gateway.get(ARCHIVE).send().status, 200, "readers do not wait");
        assert_eq!(gateway.blobs().len(), 2, "the second has not begun");
        first.write_all(&body[300_000..]).unwrap();
        assert_eq!(read_answer(first, false).unwrap().status, 201);
        assert_eq!(second.join().unwrap(), 201);
    });
}

#[test]
fn a_jobs_crowd_of_uploads_holds_two_turns_and_others_go_on() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.concurrent_uploads = 6);
    fixtures::small(&gateway, b"");
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: b, status: running, jobs: [{id: 30, name: other, status: running, token: t30}]}]}, {id: 2, path: other/project, pipelines: [{id: 300, ref: main, sha: c, status: running, jobs: [{id: 40, name: build, status: running, token: t40}]}]}]");
    let form = Form::default().file("a", &zips::noise(600_000)).bytes();
    let length = form.len().to_string();
    let mut crowd: Vec<TcpStream> = (0..20)
        .map(|_| {
            let request = gateway.post(UPLOAD).job_token(RUNNING).form_type();
            let mut stream = request.header("Content-Length", &length).connect();
            stream.write_all(&form[..300_000]).unwrap();
            stream
        })
        .collect();
    gateway.until_blobs(1 + 2);
    for (job, token) in [(30, "t30"), (40, "t40")] {
        let request = gateway.post(&format!("/api/v4/jobs/{job}/artifacts")).job_token(token);
        assert_eq!(request.form(Form::default().file("a", b"x")).send().status, 201, "job {job}");
    }
    gateway.until_blobs(3 + 2);
    for stream in &mut crowd {
        stream.write_all(&form[300_000..]).unwrap();
    }
    for stream in crowd {
        assert_eq!(read_answer(stream, false).unwrap().status, 201, "the crowd is served in turn");
    }
    gateway.until_blobs(3 + 1);
}

#[test]
fn an_upload_that_stalls_is_given_up_and_leaves_nothing() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.stall_timeout = Duration::from_secs(1));
    fixtures::small(&gateway, b"");
    let form = Form::default().file("a", &zips::noise(600_000)).bytes();
    let length = form.len().to_string();
    let mut stream =
        gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length).connect();
    stream.write_all(&form[..300_000]).unwrap();
    let answer = read_answer(stream, false).unwrap();
    assert_eq!(answer.error(), (400, r#"{"message":"400 Bad request - the request body is incomplete"}"#));
    gateway.until_blobs(1);
}

#[test]
fn a_reader_that_takes_nothing_is_cut_off() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.stall_timeout = Duration::from_secs(1));
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(60 << 20))]);
    fixtures::small(&gateway, &archive);
    let stream = gateway.get(ARCHIVE).connect();
    let mut first = [0; 1];
    stream.peek(&mut first).unwrap();
    let blob = gateway.blobs().remove(0);
    until_closed(&blob);
    let answer = read_answer(stream, false).unwrap();
    assert!(answer.status == 200 && !answer.complete, "{} bytes came", answer.body.len());
    assert_eq!(gateway.get(&format!("{ARCHIVE}/tree")).send().status, 200);
}

/// Waits until nobody in this process has the file open any more.
fn until_closed(file: &Path) {
    for _ in 0..60_000 {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        if !open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target == file) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("{} is still open", file.display());
}

#[test]
fn a_head_that_does_not_end_is_given_up_while_others_are_served() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.head_timeout = Duration::from_secs(1));
    fixtures::small(&gateway, b"bytes");
    let mut slow: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(gateway.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(gateway.get(ARCHIVE).send().text(), "bytes");
    }
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut said = Vec::new();
        // Either it is told, or it is just cut off.
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let gateway = Gateway::on_sqlite();
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    let _ = stream.write_all(head.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 431 ") || said.starts_with(b"HTTP/1.1 400 "),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert_eq!(gateway.get("/-/liveness").send().status, 200);
}

#[test]
fn ten_thousand_idle_connections_are_held_and_others_are_served() {
    const IDLE: usize = 10_000;
    raise_open_files();
    let folder = tempfile::tempdir().unwrap();
    let mut command = artigate(folder.path(), &["serve"]);
    command.env("ARTIGATE_LIMITS__CONNECTIONS_PER_ADDRESS", "0");
    let serving = Serving::run(command);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    };
    let mut idle: Vec<TcpStream> =
        (0..IDLE).map(|_| TcpStream::connect(serving.address()).unwrap()).collect();
    for stream in idle.iter_mut().step_by(1_000) {
        ask(stream);
    }
    let mut last = TcpStream::connect(serving.address()).unwrap();
    ask(&mut last);
    let memory = serving.peak_memory_bytes();
    assert!(memory < 300 << 20, "{memory} bytes");
    drop(idle);
    assert_eq!(serving.stop(), Some(0));
}

/// The test holds the other ends of all those connections.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
