//! Several requests on one connection: one after another, or pipelined.

use std::time::Duration;

use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;
use crate::support::raw::Raw;
use crate::support::zips;

fn head(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

#[test]
fn requests_sent_together_are_answered_each_as_it_asked() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let (get, ask) = (head("GET", ARCHIVE, ""), head("HEAD", ARCHIVE, ""));
    let old = format!("GET {ARCHIVE} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let live = head("HEAD", "/-/liveness", "");
    for row in [
        vec![("HEAD", &ask), ("GET", &get)],
        vec![("GET", &get), ("HEAD", &ask)],
        vec![("HEAD", &ask), ("HEAD", &ask), ("GET", &get), ("GET", &get)],
        vec![("HEAD", &live), ("GET", &old), ("HEAD", &ask), ("GET", &get), ("GET", &old)],
        vec![("GET", &get); 40],
    ] {
        let together: String = row.iter().map(|(_, text)| text.as_str()).collect();
        let mut raw =
            Raw::with(gateway.address, together + &head("GET", "/-/liveness", "Connection: close\r\n"));
        for (method, text) in &row {
            let answer = raw.answer(*method == "HEAD");
            let version = if text.contains("HTTP/1.0") { "HTTP/1.0 200 " } else { "HTTP/1.1 200 " };
            assert!(answer.head.starts_with(version), "{row:?}: {answer:?}");
            let kept = (version == "HTTP/1.0 200 ").then_some("keep-alive");
            assert_eq!(answer.header("connection"), kept, "{row:?}: {answer:?}");
            if **text == get || **text == old {
                assert_eq!(answer.text(), "bytes");
            }
            if **text == ask {
                assert_eq!((answer.length(), answer.text()), (5, ""));
            }
        }
        let last = raw.answer(false);
        assert_eq!((last.status(), last.header("connection")), (200, Some("close")));
        assert_eq!(raw.rest(), "");
    }
}

#[test]
fn a_request_for_the_head_of_an_archive_leaves_the_connection_to_the_next_one() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, &zips::noise(300_000));
    let mut raw = Raw::connect(gateway.address);
    for _ in 0..20 {
        raw.send(head("HEAD", ARCHIVE, ""));
        assert_eq!(raw.answer(true).length(), 300_000);
        raw.send(head("GET", ARCHIVE, "Range: bytes=0-9\r\n"));
        let answer = raw.answer(false);
        assert_eq!((answer.status(), answer.body.len()), (206, 10));
    }
}

#[test]
fn bodies_stand_between_requests_however_they_are_framed_and_cut() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let noise = zips::noise(100_000);
    let form = Form::default().file("a", &noise).bytes();
    let upload = || gateway.post(UPLOAD).job_token(RUNNING).form_type();
    let plain = upload().header("Content-Length", &form.len().to_string()).head_text();
    let chunked = upload().header("Transfer-Encoding", "chunked").head_text();
    let mut chunks = crate::support::http_client::chunks(&form, 10_000);
    chunks.extend_from_slice(b"0\r\nX-Trailer: y\r\n\r\n");
    let ask = head("HEAD", &format!("{ARCHIVE}?x=\u{fc}"), "");
    let together = [
        ask.as_bytes(),
        plain.as_bytes(),
        &form,
        ask.as_bytes(),
        chunked.as_bytes(),
        &chunks,
        head("POST", "/-/liveness", "Content-Length: 0\r\n").as_bytes(),
        head("GET", "/-/liveness?\u{fc}", "").as_bytes(),
        ask.as_bytes(),
    ]
    .concat();
    for piece in [1000, 7_777, usize::MAX] {
        let mut raw = Raw::connect(gateway.address);
        for piece in together.chunks(piece.min(together.len())) {
            raw.send(piece);
        }
        let said: Vec<u16> = [true, false, true, false, false, false, true]
            .map(|is_head| raw.answer(is_head).status())
            .into_iter()
            .collect();
        assert_eq!(said, [200, 201, 200, 201, 200, 200, 200], "in pieces of {piece}");
        assert!(gateway.get(UPLOADED).send().body == noise);
    }
}

#[test]
fn a_client_that_waits_for_leave_to_send_gets_it_and_the_next_request_is_answered() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let form = Form::default().file("a", b"uploaded").bytes();
    let upload = gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Expect", "100-continue");
    let upload = upload.header("Content-Length", &form.len().to_string()).head_text();
    let mut raw = Raw::with(gateway.address, head("HEAD", ARCHIVE, "") + &upload);
    assert_eq!(raw.answer(true).status(), 200);
    assert!(raw.head().starts_with("HTTP/1.1 100 Continue"));
    raw.send([&form, head("HEAD", ARCHIVE, "").as_bytes(), head("GET", UPLOADED, "").as_bytes()].concat());
    assert_eq!(raw.answer(false).status(), 201);
    assert_eq!(raw.answer(true).length(), 5);
    assert_eq!(raw.answer(false).text(), "uploaded");
}

/// The head is given up, not the connection that carries nothing.
#[test]
fn every_head_of_a_connection_must_come_in_time() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.head_timeout = Duration::from_secs(1));
    fixtures::small(&gateway, b"bytes");
    for begun in ["GET /", "GET /-/liveness HTTP/1.1\r\n", "GET /-/liveness HTTP/1.1\r\nHost: x\r\nX: "] {
        let mut raw = Raw::with(gateway.address, head("GET", ARCHIVE, ""));
        assert_eq!(raw.answer(false).text(), "bytes");
        raw.send(begun);
        let answer = raw.answer(false);
        assert_eq!((answer.status(), answer.header("connection")), (408, Some("close")), "{answer:?}");
        assert_eq!(raw.rest(), "");
    }
    let mut raw = Raw::with(gateway.address, head("GET", ARCHIVE, ""));
    assert_eq!(raw.answer(false).text(), "bytes");
    raw.send("GET /-/liveness HTTP/1.1\r\nHost: x\r\nX: ");
    raw.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let was_closed = (0..1200).any(|_| {
        raw.try_send("y");
        !matches!(raw.stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert!(was_closed, "a byte now and then is not enough");
}
