//! A raw socket connection: bytes are sent unchanged, and all received bytes are visible.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection and what it brought so far that nobody looked at yet.
pub struct Raw {
    pub stream: TcpStream,
    came: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub struct RawAnswer {
    pub head: String,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, came: Vec::new() }
    }

    /// A connection on which so much was sent.
    pub fn with(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::connect(address);
        raw.send(bytes);
        raw
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as much as the server takes.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Sends nothing more, and still listens.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads more; `false` at the end.
    fn read(&mut self) -> bool {
        let mut piece = [0; 64 * 1024];
        let count = self.stream.read(&mut piece).unwrap_or(0);
        self.came.extend_from_slice(&piece[..count]);
        count > 0
    }

    /// Reads the head of an answer, an interim one included.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.came.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.came.split_off(at + 4);
                return String::from_utf8(std::mem::replace(&mut self.came, rest)).unwrap();
            }
            assert!(self.read(), "closed behind {:?}", String::from_utf8_lossy(&self.came));
        }
    }

    /// Reads the next answer, which has a body unless it answers `HEAD`.
    pub fn answer(&mut self, is_head: bool) -> RawAnswer {
        let mut head = self.head();
        while head.starts_with("HTTP/1.1 100 ") {
            head = self.head();
        }
        let mut answer = RawAnswer { head, body: Vec::new() };
        let length = if is_head { 0 } else { answer.length() };
        while self.came.len() < length {
            assert!(self.read(), "closed within the body of {answer:?}");
        }
        answer.body = self.came.drain(..length).collect();
        answer
    }

    /// Whether anything of an answer comes before the connection ends.
    pub fn is_answered(&mut self) -> bool {
        !self.came.is_empty() || self.read()
    }

    /// Everything to the end of the connection.
    pub fn rest(&mut self) -> String {
        while self.read() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.came)).into_owned()
    }
}

impl RawAnswer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn length(&self) -> usize {
        self.header("content-length").map_or(0, |length| length.parse().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
