//! Request lines with bytes that an address may not have, and that clients send all the same: `ü` as they
//! typed it, a bare quote. GitLab takes them as they are; the HTTP library's parser would refuse the whole
//! request. Here they are percent-encoded on the way to it, which is what the client meant.
//!
//! That must never touch anything but a request's target, or what one program takes for a body another
//! would take for a request. So requests are followed only as long as it is certain where the next one
//! begins: from the start of a connection, over heads that announce no body. Behind the first head that
//! does, or that looks odd in any way, every byte goes through as it came, until the connection ends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The methods of requests that are followed; another one, `CONNECT` above all, may begin anything.
const METHODS: &[&[u8]] = &[b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"];

/// Headers behind which something else than the next request may come.
const BODY_HEADERS: &[&[u8]] = &[b"content-length", b"transfer-encoding", b"upgrade"];

/// Longer words are none of those that matter.
const MAX_WORD_BYTES: usize = 20;

/// A stream whose requests the HTTP library can read.
pub(super) struct Readable<S> {
    stream: S,
    follower: Follower,
    /// What was read and did not fit when it had grown by encoding.
    ahead: Vec<u8>,
}

impl<S> Readable<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, follower: Follower::default(), ahead: Vec::new() }
    }

    fn take_ahead(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Readable<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            this.take_ahead(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        if let Some(encoded) = this.follower.encode(&buffer.filled()[before..]) {
            buffer.set_filled(before);
            this.ahead = encoded;
            this.take_ahead(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Readable<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where in a request the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Before a request; empty lines may come first.
    #[default]
    Start,
    Method,
    Target,
    /// Behind the target.
    Version,
    /// In the name of a header, or at the end of all.
    Name,
    Value,
    /// Behind the carriage return of the empty line.
    LastLine,
    /// Nobody knows, and nobody will.
    Anywhere,
}

/// Follows what a client sends, from byte to byte.
#[derive(Default)]
struct Follower {
    place: Place,
    word: [u8; MAX_WORD_BYTES],
    word_bytes: usize,
}

impl Follower {
    /// Follows the next bytes and gives them back if some had to be encoded.
    fn encode(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (mut encoded, mut copied, mut at) = (None::<Vec<u8>>, 0, 0);
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::Anywhere => break,
                Place::Target if is_refused(byte) => {
                    let encoded = encoded.get_or_insert_default();
                    encoded.extend_from_slice(&bytes[copied..at]);
                    encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
                    copied = at + 1;
                }
                place => self.place = self.next(place, byte),
            }
            at += 1;
        }
        if let Some(encoded) = &mut encoded {
            encoded.extend_from_slice(&bytes[copied..]);
        }
        encoded
    }

    fn next(&mut self, place: Place, byte: u8) -> Place {
        match (place, byte) {
            (Place::Start, b'\r' | b'\n') => Place::Start,
            (Place::Start, _) => {
                self.word_bytes = 0;
                self.next(Place::Method, byte)
            }
            (Place::Method, b' ') if METHODS.contains(&self.word()) => Place::Target,
            (Place::Method, b'A'..=b'Z') => self.add(byte, Place::Method),
            (Place::Target, b' ') => Place::Version,
            (Place::Target, b'!'..=b'~') => Place::Target,
            (Place::Version, b'\n') => self.line(),
            (Place::Version, _) => Place::Version,
            (Place::Name, b'\r') if self.word_bytes == 0 => Place::LastLine,
            (Place::Name, b'\n') if self.word_bytes == 0 => Place::Start,
            (Place::Name, b':') if !self.announces_body() => Place::Value,
            (Place::Name, b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') => {
                self.add(byte, Place::Name)
            }
            (Place::Value, b'\n') => self.line(),
            (Place::Value, _) => Place::Value,
            (Place::LastLine, b'\n') => Place::Start,
            _ => Place::Anywhere,
        }
    }

    fn line(&mut self) -> Place {
        self.word_bytes = 0;
        Place::Name
    }

    /// What does not fit is counted all the same.
    fn add(&mut self, byte: u8, place: Place) -> Place {
        if let Some(free) = self.word.get_mut(self.word_bytes) {
            *free = byte;
        }
        self.word_bytes += 1;
        place
    }

    fn word(&self) -> &[u8] {
        self.word.get(..self.word_bytes).unwrap_or_default()
    }

    fn announces_body(&self) -> bool {
        BODY_HEADERS.iter().any(|name| self.word().eq_ignore_ascii_case(name))
    }
}

/// Whether the HTTP library refuses a byte in a target that other servers take.
fn is_refused(byte: u8) -> bool {
    byte >= 0x80 || matches!(byte, b'"' | b'<' | b'>' | b'`')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out when the bytes arrive in pieces of this size.
    fn encoded(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut follower = Follower::default();
        let encode = |piece: &[u8]| follower.encode(piece).unwrap_or_else(|| piece.to_vec());
        bytes.chunks(piece).flat_map(encode).collect()
    }

    fn shown(text: &str) -> String {
        let whole = encoded(text.as_bytes(), usize::MAX);
        for piece in 1..=7 {
            assert_eq!(encoded(text.as_bytes(), piece), whole, "in pieces of {piece}");
        }
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn what_a_target_may_not_have_is_encoded_in_every_request_without_a_body() {
        let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: ü\r\nX-ü: \"ü\"\r\n\r\n");
        assert_eq!(
            shown("GET /ü?j=\"b\"<`> HTTP/1.1\r\n\r\n"),
            "GET /%C3%BC?j=%22b%22%3C%60%3E HTTP/1.1\r\n\r\n"
        );
        let plain = "GET /a HTTP/1.1\nHost: \"ü\"\n\n";
        assert_eq!(shown(&format!("\r\n{plain}GET /ü x")), format!("\r\n{plain}GET /%C3%BC x"));
        assert_eq!(shown(&ask("/ü")), ask("/%C3%BC"), "and nothing else of it");
    }

    #[test]
    fn behind_anything_that_may_have_a_body_every_byte_goes_through() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nUPGRADE: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length : 9\r\n\r\n",
            "GET / HTTP/1.1\r\nX: y\r\n Content-Length: 9\r\n\r\n",
            "GET / HTTP/1.1\r\n\rx\r\n\r\n",
            "CONNECT x:1 HTTP/1.1\r\n\r\n",
            "get / HTTP/1.1\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\nCöntent: x\r\n\r\n",
        ] {
            let text = format!("{head}GET /ü HTTP/1.1\r\n\r\n");
            assert_eq!(shown(&text), text);
        }
    }

    proptest! {
        #[test]
        fn only_targets_are_changed_and_only_by_encoding(
            bytes in "((GET|POST|PUT) |/|ü|\"|\\?|HTTP/1.1|\r\n|\n|\r| |:|Content-Length: 3|Host|a){0,40}",
            piece in 1_usize..9,
        ) {
            let came_out = encoded(bytes.as_bytes(), piece);
            prop_assert_eq!(&came_out, &encoded(bytes.as_bytes(), usize::MAX));
            let undone: Vec<u8> = percent_encoding::percent_decode(&came_out).collect();
            prop_assert_eq!(undone, bytes.as_bytes());
            let lines = |bytes: &[u8]| bytes.split(|byte| matches!(byte, b'\n' | b' ')).count();
            prop_assert_eq!(lines(&came_out), lines(bytes.as_bytes()));
        }

        #[test]
        fn any_bytes_go_through(bytes: Vec<u8>, piece in 1_usize..9) {
            encoded(&bytes, piece);
        }
    }
}
