//! Requests that cannot be parsed: each is rejected with a reason, and the bytes after it are never read as a
//! request.

use std::time::Duration;

use crate::program::Serving;
use crate::support::fixtures::{self, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::raw::Raw;

const GOOD: &str = "GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n";

/// A request that would be answered if the bytes before it were read otherwise than they are.
const HIDDEN: &str = "GET /-/liveness?hidden HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_head_that_can_be_read_in_two_ways_is_read_in_none() {
    let gateway = Gateway::on_sqlite();
    let hidden = HIDDEN.len();
    for (lines, says) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked".to_owned(), "Transfer-Encoding"),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {hidden}"), "Transfer-Encoding"),
        ("Content-Length: 5\r\nContent-Length: 5".to_owned(), "Content-Length"),
        ("Content-Length: 5\r\ncontent-length: 0".to_owned(), "Content-Length"),
        ("Content-Length: 5, 5".to_owned(), "Content-Length"),
        ("Content-Length: +5".to_owned(), "Content-Length"),
        ("Content-Length: -1".to_owned(), "Content-Length"),
        ("Content-Length: 0x5".to_owned(), "Content-Length"),
        ("Content-Length:".to_owned(), "Content-Length"),
        ("Content-Length: 18446744073709551616".to_owned(), "Content-Length"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(), "Transfer-Encoding"),
        ("Transfer-Encoding: identity".to_owned(), "Transfer-Encoding"),
        ("Transfer-Encoding: gzip, chunked".to_owned(), "Transfer-Encoding"),
        ("Transfer-Encoding: xchunked".to_owned(), "Transfer-Encoding"),
        ("Transfer-Encoding : chunked".to_owned(), "header"),
        ("Content-Length : 5".to_owned(), "header"),
        ("X: y\r\n Content-Length: 5".to_owned(), "folded"),
        ("X: y\r\n\tTransfer-Encoding: chunked".to_owned(), "folded"),
        (" X: y".to_owned(), "folded"),
        ("X: y\rContent-Length: 5".to_owned(), "control"),
        ("X: y\r\r\nZ: z".to_owned(), "control"),
        ("X: \0".to_owned(), "control"),
        ("X\0: y".to_owned(), "header"),
        (": y".to_owned(), "header"),
        ("X".to_owned(), "header"),
        ("Host: x".to_owned(), "Host"),
    ] {
        let mut raw = Raw::with(gateway.address, GOOD);
        assert_eq!(raw.answer(false).status(), 200);
        raw.try_send(format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n{HIDDEN}"));
        let answer = raw.answer(false);
        assert_eq!(answer.status(), 400, "{lines:?}: {answer:?}");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let message = json["message"].as_str().unwrap();
        assert!(message.starts_with("400 Bad Request - ") && message.contains(says), "{lines:?}: {message}");
        assert_eq!(raw.rest(), "", "{lines:?}");
    }
}

#[test]
fn whatever_is_refused_before_anybody_reads_it_is_refused_as_everything_is() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.head_timeout = Duration::from_secs(1));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(96));
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let raw_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "\u{fc}".repeat(40_000));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET /\r\n", 400),
        ("GET / a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("GET /x HTTP/1.1\r\nHost: x\r\n", 408),
        ("", 408),
        (&many, 431),
        (&large, 431),
        (&raw_line, 431),
    ] {
        let mut raw = Raw::connect(gateway.address);
        raw.try_send(request);
        let answer = raw.answer(false);
        let shown: String = request.chars().take(60).collect();
        assert_eq!(answer.status(), status, "{shown:?}: {answer:?}");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect(&shown);
        assert!(json["message"].as_str().unwrap().starts_with(&format!("{status} ")), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
        assert_eq!(raw.rest(), "", "{shown:?}");
    }
    let mut raw = Raw::with(gateway.address, "HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!((raw.answer(true).status(), raw.rest().as_str()), (400, ""));
}

#[test]
fn chunks_that_can_be_read_in_two_ways_end_the_connection() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    let head = gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Transfer-Encoding", "chunked");
    let (head, size) = (head.head_text(), HIDDEN.len());
    let extension = "x".repeat(2 << 20);
    for chunks in [
        format!("+{size:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("-1\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("0x{size:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!(" {size:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("{size:x} {size:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("1{:016x}\r\n{HIDDEN}\r\n0\r\n\r\n", size),
        format!("{size:x}\n{HIDDEN}\n0\n\n"),
        format!("{size:x};x\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("{size:x};{extension}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("0\r\nX: {extension}\r\n\r\n"),
        format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", size - 1),
        format!("{:x}\r\n{HIDDEN}0\r\n\r\n", size),
        format!("\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("0\r\nX: y\n\n{HIDDEN}\r\n"),
    ] {
        let mut raw = Raw::with(gateway.address, &head);
        raw.try_send(format!("{chunks}{HIDDEN}"));
        let answer = raw.answer(false);
        assert_eq!(answer.status(), 400, "{answer:?}");
        assert_eq!(raw.rest(), "", "one answer for one request: {:?}", &chunks[..chunks.len().min(40)]);
    }
    let fine = format!("{size:X} ; a=b; c=\"d\"\r\n{HIDDEN}\r\n000\r\nX-Trailer: y\r\n\r\n");
    let mut raw = Raw::with(gateway.address, format!("{head}{fine}{HIDDEN}"));
    assert_eq!(raw.answer(false).status(), 400, "no form");
    assert_eq!(raw.answer(false).status(), 200, "and the next request");
}

#[test]
fn the_log_says_who_asked_for_what_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::plain(folder.path());
    for target in ["/a/glpat-S3CRET/b?job=x", "/a?private_token=S3CRET&job=x", "/\u{fc}?x=y&job_token=S3CRET"]
    {
        for lines in ["X : y\r\n", "Content-Length: x\r\n"] {
            serving.log.lock().unwrap().clear();
            let bad = format!("{GOOD}GET {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
            let mut raw = Raw::with(serving.address(), bad);
            assert_eq!(raw.answer(false).status(), 200);
            let id = raw.answer(false).header("x-request-id").unwrap().to_owned();
            let path = target.split(['?', 'g']).next().unwrap().to_owned();
            let says = |line: &String| {
                ["a malformed request was rejected", "127.0.0.1", "GET", "[FILTERED]", &path, &id]
                    .iter()
                    .all(|part| line.contains(part))
            };
            let found = (0..10_000).any(|_| {
                std::thread::park_timeout(Duration::from_millis(1));
                serving.log.lock().unwrap().iter().any(says)
            });
            let log = serving.log.lock().unwrap().join("\n");
            assert!(found && !log.contains("S3CRET") && !log.contains("ERROR"), "{log}");
        }
    }
    assert_eq!(serving.stop(), Some(0));
}
