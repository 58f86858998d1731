//! Request lines with bytes that an address may not have, and that clients send all the same: `ü` as they
//! typed it, a bare quote. GitLab takes them as they are; the HTTP library's parser would refuse the whole
//! request. Here they are percent-encoded on the way to it, which is what the client meant.
//!
//! That must never touch anything but a request's target, or what one program takes for a body another
//! would take for a request. So requests are followed only as long as it is certain where the next one
//! begins: from the start of a connection, over heads that announce no body. Behind the first head that
//! does, or that looks odd in any way, every byte goes through as it came, until the connection ends.
//!
//! On the way a head is handed on by lines, not by the bytes that a client cares to send one by one: the
//! parser begins anew with whatever comes, and a long head in many pieces would cost its square.

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

/// A longer line is handed on in pieces of this size: so much is held for a connection, and no more.
const MAX_HELD_BYTES: usize = 16 * 1024;

/// A stream whose requests the HTTP library can read.
pub(super) struct Readable<S> {
    stream: S,
    follower: Follower,
    /// What was read and is to be handed on: a line that has not ended, or more than there was room for
    /// when it had grown by encoding.
    ahead: Vec<u8>,
    /// Whether `ahead` may be handed on.
    due: bool,
}

impl<S> Readable<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, follower: Follower::default(), ahead: Vec::new(), due: false }
    }

    fn take_ahead(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        self.due = !self.ahead.is_empty();
        if !self.due {
            self.ahead = Vec::new();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Readable<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        while !this.due {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            let came = &buffer.filled()[before..];
            let is_end = came.is_empty();
            let encoded = this.follower.encode(came);
            this.due = is_end || this.follower.has_ended_line();
            if this.due && encoded.is_none() && this.ahead.is_empty() {
                this.due = false;
                return Poll::Ready(Ok(()));
            }
            this.ahead.extend_from_slice(encoded.as_deref().unwrap_or(came));
            this.due |= this.ahead.len() > MAX_HELD_BYTES;
            buffer.set_filled(before);
        }
        this.take_ahead(buffer);
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
    /// Whether a line of a head ended among the last bytes.
    line_ended: bool,
    word: [u8; MAX_WORD_BYTES],
    word_bytes: usize,
}

impl Follower {
    /// Follows the next bytes and gives them back if some had to be encoded.
    fn encode(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (mut encoded, mut copied, mut at) = (None::<Vec<u8>>, 0, 0);
        self.line_ended = false;
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::Anywhere => break,
                Place::Target if is_refused(byte) => {
                    let encoded = encoded.get_or_insert_default();
                    encoded.extend_from_slice(&bytes[copied..at]);
                    encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
                    copied = at + 1;
                }
                place => {
                    self.place = self.next(place, byte);
                    self.line_ended |= byte == b'\n' && place != Place::Start;
                }
            }
            at += 1;
        }
        if let Some(encoded) = &mut encoded {
            encoded.extend_from_slice(&bytes[copied..]);
        }
        encoded
    }

    /// Whether the parser can go on with the last bytes: lines before a request are none to it.
    fn has_ended_line(&self) -> bool {
        self.line_ended || self.place == Place::Anywhere
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

    /// Bytes that arrive in pieces of one size.
    struct Pieces<'a>(&'a [u8], usize);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(buffer.remaining()));
            buffer.put_slice(piece);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    /// What is handed on, piece by piece, to who has so much room, when the bytes arrive in such pieces.
    fn handed_on(bytes: &[u8], piece: usize, room: usize) -> Vec<Vec<u8>> {
        let mut stream = Readable::new(Pieces(bytes, piece));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        loop {
            let mut space = vec![0; room];
            let mut buffer = ReadBuf::new(&mut space);
            assert!(Pin::new(&mut stream).poll_read(&mut context, &mut buffer).is_ready());
            match buffer.filled() {
                [] => return all,
                piece => all.push(piece.to_vec()),
            }
        }
    }

    fn encoded(bytes: &[u8], piece: usize) -> Vec<u8> {
        handed_on(bytes, piece, 8192).concat()
    }

    #[test]
    fn a_head_is_handed_on_by_lines_however_it_arrives() {
        let head = format!("\r\n\r\nGET /{} HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n", "x".repeat(5_000));
        let pieces = handed_on(head.as_bytes(), 1, 8192);
        assert_eq!(pieces.len(), 4, "the parser begins anew so often");
        assert_eq!(pieces.concat(), head.as_bytes());
        let endless = vec![b'\n'; 300_000];
        assert!(handed_on(&endless, 1, 8192).len() < 100);
        let body = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".to_owned();
        assert_eq!(handed_on(body.as_bytes(), 1, 8192).last().unwrap(), b"c", "a body comes as it arrives");
        assert_eq!(handed_on(b"GET / HT", 1, 8192), [b"GET / HT"], "what ends early is handed on at its end");
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
            bytes in "((GET|POST|PUT) |/|ü|\"|\\?|HTTP/1\\.1|\r\n|\n|\r| |:|Content-Length: 3|Host|a){0,40}",
            piece in 1_usize..9,
        ) {
            let came_out = encoded(bytes.as_bytes(), piece);
            prop_assert_eq!(&came_out, &encoded(bytes.as_bytes(), usize::MAX));
            prop_assert_eq!(&came_out, &handed_on(bytes.as_bytes(), piece, 5).concat());
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
