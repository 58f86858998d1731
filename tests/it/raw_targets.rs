//! Request targets with bytes that a URL may not contain, as people type them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::program::Serving;
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, read_answer};
use crate::support::zips;

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite();
    let zip = zips::deflated(&[("grüße.txt", b"hello"), ("a\"b.txt", b"quoted")]);
    Fixture::project("g/p").public().pipeline(1, "bär").job(1, "büild").archive(&zip).load(&gateway);
    gateway
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn head(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn get(gateway: &Gateway, target: &str) -> Answer {
    let mut stream = connect(gateway.address);
    stream.write_all(head(target).as_bytes()).unwrap();
    read_answer(stream, false).unwrap()
}

/// Reads so many answers, of small bodies, as text.
fn read_all(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn letters_and_quotes_are_taken_as_they_are() {
    let gateway = gateway();
    let by_ref = "/api/v4/projects/1/jobs/artifacts/bär";
    assert_eq!(get(&gateway, &format!("{by_ref}/download?job=büild")).status, 200);
    assert_eq!(get(&gateway, &format!("{by_ref}/raw/grüße.txt?job=büild")).text(), "hello");
    assert_eq!(get(&gateway, &format!("{by_ref}/raw/a\"b.txt?job=büild&x=\"<>`")).text(), "quoted");
    assert_eq!(get(&gateway, "/api/v4/projects/1/jobs/1/artifacts/grüße.txt").text(), "hello");
    assert_eq!(get(&gateway, "/g/p/-/jobs/artifacts/bär/raw/grüße.txt?job=büild").text(), "hello");
}

#[test]
fn they_are_taken_in_every_request_of_a_connection_and_in_pieces_of_any_size() {
    let gateway = gateway();
    let target = "/api/v4/projects/1/jobs/1/artifacts/grüße.txt";
    let close = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut stream = connect(gateway.address);
    for byte in head(target).bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    stream.write_all(format!("{}{close}", head(target)).as_bytes()).unwrap();
    let all = read_all(stream);
    assert_eq!((all.matches("HTTP/1.1 200").count(), all.matches("\r\n\r\nhello").count()), (3, 3), "{all}");
}

#[test]
fn a_body_behind_such_a_target_arrives_as_it_was_sent() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"");
    let noise = zips::noise(200_000);
    let form = Form::default().file("a", &noise).bytes();
    let mut stream = connect(gateway.address);
    let upload = gateway.post(&format!("{UPLOAD}?x=ü")).job_token(RUNNING).form_type();
    let upload = upload.header("Content-Length", &form.len().to_string()).head_text();
    stream.write_all(head("/-/liveness?ü").as_bytes()).unwrap();
    stream.write_all(upload.as_bytes()).unwrap();
    stream.write_all(&form).unwrap();
    stream.write_all(b"GET /-/liveness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let all = read_all(stream);
    assert_eq!((all.matches("HTTP/1.1 200").count(), all.matches("HTTP/1.1 201").count()), (2, 1), "{all}");
    assert!(gateway.get(UPLOADED).send().body == noise);
}

#[test]
fn what_cannot_be_read_is_refused_and_the_log_says_whom() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::plain(folder.path());
    for unreadable in [
        "GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /ü HTTP/1.1\r\nHost : x\r\n\r\n",
    ] {
        serving.log.lock().unwrap().clear();
        let mut stream = connect(serving.address());
        stream.write_all(unreadable.as_bytes()).unwrap();
        assert!(read_all(stream).contains("HTTP/1.1 400 Bad Request"));
        let says =
            |line: &String| line.contains("a malformed request was rejected") && line.contains("127.0.0.1");
        let found = (0..10_000).any(|_| {
            std::thread::park_timeout(Duration::from_millis(1));
            serving.log.lock().unwrap().iter().any(says)
        });
        let log = serving.log.lock().unwrap().join("\n");
        assert!(found && !log.contains("ERROR"), "{log}");
    }
    assert_eq!(serving.stop(), Some(0));
}
