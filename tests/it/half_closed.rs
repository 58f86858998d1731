//! Clients that close their sending side after the request and still read the answer, as `nc -N` and many
//! HTTP/1.0 clients do.

use std::time::Duration;

use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;
use crate::support::raw::Raw;
use crate::support::zips;

#[test]
fn a_client_that_closed_its_side_gets_its_answers() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    for _ in 0..20 {
        for request in [
            format!("GET {ARCHIVE} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET {ARCHIVE} HTTP/1.0\r\n\r\n"),
            format!("GET {ARCHIVE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ] {
            let mut raw = Raw::with(gateway.address, &request);
            raw.half_close();
            assert_eq!(raw.answer(false).text(), "bytes", "{request}");
            assert_eq!(raw.rest(), "", "and the connection ends");
        }
        let head = format!("GET {ARCHIVE} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut raw = Raw::with(gateway.address, head.repeat(5));
        raw.half_close();
        for _ in 0..5 {
            assert_eq!(raw.answer(false).text(), "bytes");
        }
        assert_eq!(raw.rest(), "");
    }
}

#[test]
fn an_upload_behind_which_the_client_closed_its_side_is_taken() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let noise = zips::noise(6 << 20);
    let form = Form::default().file("a", &noise).bytes();
    let upload = gateway.post(UPLOAD).job_token(RUNNING).form_type();
    let upload = upload.header("Content-Length", &form.len().to_string()).head_text();
    let mut raw = Raw::with(gateway.address, [upload.as_bytes(), &form].concat());
    raw.half_close();
    assert_eq!(raw.answer(false).status(), 201);
    assert!(gateway.get(UPLOADED).send().body == noise);
}

#[test]
fn a_body_that_ends_too_early_is_refused_in_words() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let upload = gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", "1000");
    let mut raw = Raw::with(gateway.address, upload.head_text() + "--x");
    raw.half_close();
    let answer = raw.answer(false);
    assert!(answer.status() == 400 && answer.text().contains("incomplete"), "{answer:?}");
}

#[test]
fn a_head_that_ends_too_early_is_refused_in_words_and_silence_is_answered_by_silence() {
    let gateway = Gateway::on_sqlite();
    let mut raw = Raw::with(gateway.address, "GET / HTTP/1.1\r\nHost");
    raw.half_close();
    let answer = raw.answer(false);
    assert!(answer.status() == 400 && answer.text().contains("inside its head"), "{answer:?}");
    let mut raw = Raw::connect(gateway.address);
    raw.half_close();
    assert_eq!(raw.rest(), "");
}

/// An upload that waits until another one has ended, which it cannot.
struct Waiting {
    gateway: Gateway,
    first: Raw,
    rest: Vec<u8>,
}

impl Waiting {
    fn begin(connections: usize) -> Self {
        let gateway = Gateway::on_sqlite_with(|settings| {
            settings.concurrent_uploads = 1;
            settings.connections_per_address = Some(connections);
        });
        fixtures::small(&gateway, b"");
        let form = Form::default().file("a", &zips::noise(600_000)).bytes();
        let head = gateway.post(UPLOAD).job_token(RUNNING).form_type();
        let head = head.header("Content-Length", &form.len().to_string()).head_text();
        let (begin, rest) = form.split_at(300_000);
        let first = Raw::with(gateway.address, [head.as_bytes(), begin].concat());
        gateway.until_blobs(2);
        Self { gateway, first, rest: rest.to_vec() }
    }

    fn form() -> Vec<u8> {
        let form = Form::default().field("artifact_type", "dast").field("artifact_format", "raw");
        form.file("a", &zips::noise(1_000)).bytes()
    }

    /// Another upload with a head of this version and these headers, and this behind it.
    fn upload(&self, version: &str, header: (&str, &str), body: &[u8]) -> Raw {
        let head = self.gateway.post(UPLOAD).job_token(RUNNING).form_type().header(header.0, header.1);
        let head = head.head_text().replace("HTTP/1.1", version);
        Raw::with(self.gateway.address, [head.as_bytes(), body].concat())
    }
}

#[test]
fn a_client_that_closed_its_side_is_asked_while_it_waits_and_gets_its_answer() {
    let mut waiting = Waiting::begin(10);
    let form = Waiting::form();
    let length = form.len().to_string();
    let mut raw = waiting.upload("HTTP/1.1", ("Content-Length", &length), &form);
    raw.half_close();
    for _ in 0..3 {
        assert_eq!(raw.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut old = waiting.upload("HTTP/1.0", ("Content-Length", &length), &form);
    old.half_close();
    assert_eq!(old.rest(), "", "one that cannot be asked is given up");
    waiting.first.send(&waiting.rest);
    assert_eq!(waiting.first.answer(false).status(), 201);
    assert_eq!(raw.answer(false).status(), 201);
    assert_eq!(raw.rest(), "");
}

#[test]
fn a_client_that_has_left_is_noticed_while_its_request_waits() {
    let waiting = Waiting::begin(4);
    let form = Waiting::form();
    let length = form.len().to_string();
    let next = b"GET /api/v4/version HTTP/1.1\r\nHost: x\r\n\r\n";
    let chunk = [format!("{:x}\r\n", form.len()).as_bytes(), &form, b"\r\n0\r\n\r\n"].concat();
    let length = ("Content-Length", length.as_str());
    let mut clients = vec![
        waiting.upload("HTTP/1.1", length, &form),
        waiting.upload("HTTP/1.1", length, &[&form[..], next].concat()),
        waiting.upload("HTTP/1.1", ("Transfer-Encoding", "chunked"), &chunk),
    ];
    for client in &clients {
        client.half_close();
    }
    for client in &mut clients {
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    }
    let live = |raw: &mut Raw| {
        raw.try_send(next);
        // One beyond the bound is told that there is no room.
        raw.is_answered() && raw.answer(false).status() != 503
    };
    assert!(!live(&mut Raw::connect(waiting.gateway.address)), "there are as many as there may be");
    drop(clients);
    let mut others = Vec::new();
    for _ in 0..30_000 {
        let mut raw = Raw::connect(waiting.gateway.address);
        if live(&mut raw) {
            others.push(raw);
        }
        if others.len() == 3 {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("only {} are noticed", others.len());
}
