//! Uploads that end early, and rejections of clients that are still sending.

use std::io::{Read, Write};

use artigate::settings::Settings;

use crate::support::fixtures::{self, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, chunks, read_answer};
use crate::support::zips;

/// How often an answer must arrive out of so many tries.
const TRIES: usize = 20;

on_both_databases!(
    a_body_that_ends_early_leaves_nothing_behind,
    a_connection_that_vanishes_leaves_nothing_behind,
    a_wrong_content_length_stores_nothing,
    a_form_that_is_none_is_refused
);

fn a_body_that_ends_early_leaves_nothing_behind(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let form = || Form::default().file("artifacts.zip", &zips::noise(600_000));
    let whole = form().bytes();
    let request = || gateway.post(UPLOAD).job_token(RUNNING).form_type();
    let ends: [(&str, Vec<u8>); 4] = [
        ("in the file", chunks(&whole[..300_000], 4096)),
        ("before the last boundary", chunks(&form().unfinished(), 4096)),
        ("before the last chunk", chunks(&whole, 4096)),
        ("in the middle of a chunk", chunks(&whole, 4096)[..200_000].to_vec()),
    ];
    for (end, body) in ends {
        let mut stream = request().header("Transfer-Encoding", "chunked").connect();
        stream.write_all(&body).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = read_answer(stream, false);
        assert!(answer.is_err() || answer.unwrap().status == 400, "cut off {end}");
        gateway.until_blobs(1);
        assert_eq!(gateway.get(UPLOADED).send().status, 404, "cut off {end}");
    }
    let retry = request().chunked(&whole, 4096).send();
    assert_eq!(retry.status, 201);
}

fn a_connection_that_vanishes_leaves_nothing_behind(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let form = Form::default().file("artifacts.zip", &zips::noise(600_000)).unfinished();
    let mut stream =
        gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", "9999999").connect();
    stream.write_all(&form).unwrap();
    gateway.until_blobs(2);
    drop(stream);
    gateway.until_blobs(1);
    assert_eq!(gateway.get(UPLOADED).send().status, 404);
}

fn a_wrong_content_length_stores_nothing(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let form = Form::default().file("artifacts.zip", b"content").bytes();
    let request = |length: usize| {
        let length = length.to_string();
        gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length)
    };
    let mut stream = request(form.len() - 10).connect();
    stream.write_all(&form).unwrap();
    // A client that sends no valid request is done sending; that may end the connection before there is an
    // answer.
    let mut answers = String::new();
    let _ = stream.read_to_string(&mut answers);
    assert!(answers.is_empty() || answers.starts_with("HTTP/1.1 400 "), "{answers}");
    gateway.until_blobs(1);
    let mut stream = request(form.len() + 10).connect();
    stream.write_all(&form).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    gateway.until_blobs(1);
    assert_eq!(gateway.get(UPLOADED).send().status, 404);
    let mut stream =
        gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", "ten").connect();
    let _ = stream.write_all(&form);
    assert_eq!(status_line(stream), "HTTP/1.1 400 Bad Request");
}

fn a_form_that_is_none_is_refused(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    for (content_type, body) in [
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=abc", "no boundary anywhere"),
        (
            "multipart/form-data; boundary=abc",
            "--abc\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--abd--\r\n",
        ),
        ("multipart/form-data; boundary=abc", "--abc\r\nno header\r\n\r\nx\r\n--abc--\r\n"),
    ] {
        let request = gateway.post(UPLOAD).job_token(RUNNING).header("Content-Type", content_type);
        let answer = request.body(body.into()).send();
        assert_eq!(answer.status, 400, "{content_type}: {body}");
    }
    gateway.until_blobs(1);
}

fn status_line(mut stream: std::net::TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// A client that sends its whole body before it looks at the answer, as many libraries do.
fn refusals_of(gateway: &Gateway, token: &str, body: &[u8]) -> Vec<u16> {
    let tries = (0..TRIES).map(|_| {
        let request =
            gateway.post(UPLOAD).job_token(token).form_type().header("Transfer-Encoding", "chunked");
        let mut stream = request.connect();
        stream.write_all(body).expect("the server takes all that is sent");
        read_answer(stream, false).map_or(0, |answer| answer.status)
    });
    tries.collect()
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending_every_time() {
    let gateway =
        Gateway::on_sqlite_with(|settings: &mut Settings| settings.max_artifact_bytes = Some(1 << 20));
    fixtures::small(&gateway, b"");
    let mut body = chunks(&Form::default().file("a", &zips::noise(16 << 20)).bytes(), 32 * 1024);
    body.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(refusals_of(&gateway, "wrong", &body), [403; TRIES]);
    assert_eq!(refusals_of(&gateway, fixtures::FINISHED, &body), [403; TRIES]);
    assert_eq!(refusals_of(&gateway, RUNNING, &body), [413; TRIES]);
    gateway.until_blobs(1);
}

#[test]
fn a_refusal_comes_before_the_body_for_a_client_that_listens() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"");
    for (token, length, status) in [("wrong", "1000000", 403), (RUNNING, "99999999999", 413)] {
        let request = gateway.post(UPLOAD).job_token(token).form_type().header("Content-Length", length);
        let answer = read_answer(request.connect(), false).unwrap();
        assert_eq!((answer.status, answer.complete), (status, true));
    }
}

#[test]
fn a_refused_request_of_another_kind_reaches_its_sender_too() {
    let gateway = Gateway::on_sqlite();
    let body = zips::noise(8 << 20);
    for path in ["/api/v4/nonsense", "/api/v4/jobs/1/artifacts/authorize"] {
        for _ in 0..TRIES {
            let answer = gateway.post(path).body(body.clone()).send();
            assert!(matches!(answer.status, 403 | 404), "{path}");
        }
    }
}

#[test]
fn an_artifact_whose_job_ends_meanwhile_is_refused() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"");
    let form = Form::default().file("artifacts.zip", &zips::noise(600_000)).bytes();
    let (first, rest) = form.split_at(300_000);
    let length = form.len().to_string();
    let mut stream =
        gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length).connect();
    stream.write_all(first).unwrap();
    gateway.until_blobs(2);
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: b, status: canceled, jobs: [{id: 20, name: build, status: canceled}]}]}]");
    stream.write_all(rest).unwrap();
    let answer = read_answer(stream, false).unwrap();
    assert_eq!(answer.error(), (403, r#"{"message":"403 Forbidden - Job is not processing on runner"}"#));
    assert_eq!(answer.header("job-status"), Some("canceled"));
    gateway.until_blobs(1);
}
