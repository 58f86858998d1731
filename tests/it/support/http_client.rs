//! An HTTP/1.1 client that shows the bytes on the wire and can break the protocol as a test needs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to be sent.
pub struct Request {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
    is_head: bool,
}

/// An answer as it was received.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body is as long as its `Content-Length` said.
    pub complete: bool,
    /// The body of a refusal as GitLab has it, and the reason that readers of a project find beside it.
    without_reason: Option<(String, String)>,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
        Self { address, head, body: Vec::new(), is_head: method == "HEAD" }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Names another host than the address that the request is sent to.
    pub fn at_host(mut self, host: &str) -> Self {
        self.head =
            self.head.replacen(&format!("Host: {}\r\n", self.address), &format!("Host: {host}\r\n"), 1);
        self
    }

    pub fn private_token(self, token: &str) -> Self {
        self.header("PRIVATE-TOKEN", token)
    }

    pub fn job_token(self, token: &str) -> Self {
        self.header("JOB-TOKEN", token)
    }

    /// A body with `Content-Length`.
    pub fn body(mut self, bytes: Vec<u8>) -> Self {
        self = self.header("Content-Length", &bytes.len().to_string());
        self.body = bytes;
        self
    }

    /// A body in chunks of `size` bytes, as the runner sends it.
    pub fn chunked(mut self, bytes: &[u8], size: usize) -> Self {
        self = self.header("Transfer-Encoding", "chunked");
        self.body = chunks(bytes, size);
        self.body.extend_from_slice(b"0\r\n\r\n");
        self
    }

    /// Returns the head as it is sent, for tests that send several requests on one connection.
    pub fn head_text(&self) -> String {
        format!("{}\r\n", self.head)
    }

    /// Sends everything and reads the answer.
    pub fn send(self) -> Answer {
        let (stream, is_head) = (self.connect(), self.is_head);
        read_answer(stream, is_head).unwrap()
    }

    /// Sends head and body as they are, without waiting for an answer.
    pub fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{}\r\n", self.head).as_bytes()).unwrap();
        // A server may answer and close before it has read everything.
        let _ = stream.write_all(&self.body);
        stream
    }
}

/// The bytes framed as HTTP chunks, without the last one.
pub fn chunks(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in bytes.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed
}

/// Reads one answer; a body that is cut short is returned as far as it came.
pub fn read_answer(mut stream: TcpStream, is_head: bool) -> io::Result<Answer> {
    let mut received = Vec::new();
    let head_end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => received.extend_from_slice(&piece[..length]),
        }
    };
    let mut body = received.split_off(head_end);
    let head = String::from_utf8(received).unwrap();
    let mut lines = head.lines();
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    if status == 100 {
        return read_behind(body, stream, is_head);
    }
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        let (body, complete) = read_chunks(&mut stream, body)?;
        return Ok(Answer { status, headers, without_reason: apart(&body), body, complete });
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    let length: usize = if is_head || matches!(status, 204 | 304) {
        0
    } else {
        length.expect("every other answer has a Content-Length")
    };
    while body.len() < length {
        let mut piece = vec![0; 256 * 1024];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => body.extend_from_slice(&piece[..count]),
        }
    }
    assert!(body.len() <= length || status == 304, "more bytes than Content-Length says");
    let complete = body.len() == length;
    let _ = stream.shutdown(Shutdown::Both);
    Ok(Answer { status, headers, without_reason: apart(&body), body, complete })
}

/// Reads a body of chunks to its end, or to where it is cut.
fn read_chunks(stream: &mut TcpStream, mut received: Vec<u8>) -> io::Result<(Vec<u8>, bool)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = received[at..].windows(2).position(|window| window == b"\r\n");
        let size = line.map(|end| {
            let text = std::str::from_utf8(&received[at..at + end]).unwrap();
            (usize::from_str_radix(text, 16).unwrap(), at + end + 2)
        });
        match size {
            Some((size, start)) if received.len() >= start + size + 2 => {
                body.extend_from_slice(&received[start..start + size]);
                at = start + size + 2;
                if size == 0 {
                    return Ok((body, true));
                }
            }
            _ => {
                let mut piece = vec![0; 256 * 1024];
                match stream.read(&mut piece)? {
                    0 => return Ok((body, false)),
                    count => received.extend_from_slice(&piece[..count]),
                }
            }
        }
    }
}

/// Takes the reason out of a refusal that has one.
fn apart(body: &[u8]) -> Option<(String, String)> {
    let (message, rest) = std::str::from_utf8(body).ok()?.split_once(",\"reason\":\"")?;
    let is_refusal = message.starts_with("{\"message\":\"404 ");
    is_refusal.then(|| (format!("{message}}}"), rest.trim_end_matches("\"}").to_owned()))
}

/// An answer behind `100 Continue`; none of it has arrived with that in practice.
fn read_behind(rest: Vec<u8>, stream: TcpStream, is_head: bool) -> io::Result<Answer> {
    assert!(rest.is_empty(), "an answer together with 100 Continue");
    read_answer(stream, is_head)
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The status and the body, for answers that are errors; without the reason that may stand beside
    /// GitLab's own words.
    pub fn error(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        (self.status, self.without_reason.as_ref().map_or(self.text(), |(message, _)| message))
    }

    /// The reason beside GitLab's own words.
    pub fn reason(&self) -> Option<&str> {
        self.without_reason.as_ref().map(|(_, reason)| reason.as_str())
    }
}

/// A multipart form as clients write it.
#[derive(Default)]
pub struct Form(Vec<u8>);

pub const BOUNDARY: &str = "8f2c4d6b0a1e3f5d7c9b8a6f4e2d0c1b";

impl Form {
    pub fn file(self, filename: &str, bytes: &[u8]) -> Self {
        self.part(&format!("name=\"file\"; filename=\"{filename}\""), bytes)
    }

    pub fn file_field(self, field: &str, bytes: &[u8]) -> Self {
        self.part(&format!("name=\"{field}\"; filename=\"x\""), bytes)
    }

    pub fn field(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    /// A part whose `Content-Disposition` is these parameters.
    pub fn part(mut self, disposition: &str, bytes: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    pub fn bytes(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }

    /// The form without its end.
    pub fn unfinished(self) -> Vec<u8> {
        self.0
    }
}

impl Request {
    pub fn form_type(self) -> Self {
        self.header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"))
    }

    /// A form with `Content-Length`, as curl sends it.
    pub fn form(self, form: Form) -> Self {
        self.form_type().body(form.bytes())
    }

    /// A form in chunks, as the runner sends it.
    pub fn chunked_form(self, form: Form) -> Self {
        self.form_type().chunked(&form.bytes(), 4096)
    }
}
