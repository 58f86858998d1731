//! Head: the lines of a request before its body, up to the empty one.
//!
//! Clients send targets with bytes that a URL may not have: an unencoded `ü`, a bare quote. GitLab accepts
//! them; the HTTP library would refuse the whole request. Here they are percent-encoded, which is what the
//! client meant.

use std::ops::Range;

use crate::http::token::is_token_byte;
use crate::http::unreadable::Unreadable;

use super::framing::Framing;

/// Largest head in bytes; the HTTP library refuses a larger one.
pub const MAX_HEAD_BYTES: usize = 128 * 1024 - 1;

/// Most headers; the HTTP library has room for no more.
pub(in crate::server) const MAX_HEADERS: usize = 96;

/// Longest method in bytes; a longer first word does not begin a request.
const MAX_METHOD_BYTES: usize = 32;

/// A valid head of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Size in bytes, the empty line included.
    pub bytes: usize,
    /// Byte range of the target.
    pub target: Range<usize>,
    /// Whether the target has bytes that must be encoded.
    pub is_raw: bool,
    /// Whether the version is HTTP/1.1 and not 1.0: only then may an interim response be sent.
    pub takes_interim_answers: bool,
    /// Extent of the body.
    pub framing: Framing,
}

impl Head {
    /// Returns the head as the HTTP library accepts it, with its target encoded; `bytes` begin with the head.
    pub fn encoded(&self, bytes: &[u8]) -> Vec<u8> {
        let Range { start, end } = self.target.clone();
        let mut encoded = bytes[..start].to_vec();
        encoded.extend(encoded_target(&bytes[start..end]));
        encoded.extend_from_slice(&bytes[end..self.bytes]);
        encoded
    }
}

/// Returns a target as the HTTP library accepts it: bytes that other servers accept are encoded.
pub(in crate::server) fn encoded_target(target: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(target.len());
    for &byte in target {
        if is_refused(byte) {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            encoded.push(byte);
        }
    }
    encoded
}

/// Reads a head that arrives in any number of pieces, without looking twice at what it has seen.
#[derive(Debug, Default)]
pub struct Reader {
    seen: usize,
    line_is_good: bool,
}

impl Reader {
    /// Returns how many bytes were looked at.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Reads the head at the start of `bytes`, without empty lines before it; they are all bytes since its
    /// beginning, those of the last call included. `None` if it is incomplete.
    ///
    /// # Errors
    /// If the head is invalid, as early as that is certain.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Unreadable> {
        let seen = std::mem::replace(&mut self.seen, bytes.len());
        // The empty line may begin in the bytes of the last call.
        let end = end_of_head(bytes, seen.saturating_sub(3));
        match end {
            Some(end) if end <= MAX_HEAD_BYTES => read(&bytes[..end]).map(Some),
            None if bytes.len() <= MAX_HEAD_BYTES => self.check_begin(bytes, seen).map(|()| None),
            _ => Err(head_too_large()),
        }
    }

    /// Checks the first bytes, or the first line, of an incomplete head: a client of another protocol waits
    /// for a response after them.
    fn check_begin(&mut self, bytes: &[u8], seen: usize) -> Result<(), Unreadable> {
        if self.line_is_good {
            return Ok(());
        }
        if let Some(end) = bytes[seen..].iter().position(|byte| *byte == b'\n') {
            Line::read(without_return(&bytes[..seen + end]))?;
            self.line_is_good = true;
        }
        let begin = &bytes[..bytes.len().min(MAX_METHOD_BYTES + 1)];
        let method = begin.split(|byte| *byte == b' ').next().unwrap_or_default();
        if !is_method(method) {
            return Err(no_request_line());
        }
        Ok(())
    }
}

/// Finds the end of the first empty line after another line.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        at += found + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Parses a complete head.
fn read(bytes: &[u8]) -> Result<Head, Unreadable> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(without_return);
    let line = Line::read(lines.next().unwrap_or_default())?;
    let mut announced = Announced::default();
    for header in lines.take_while(|line| !line.is_empty()) {
        announced.add(header)?;
    }
    let framing = announced.framing(&line)?;
    let start = line.method.len() + 1;
    Ok(Head {
        bytes: bytes.len(),
        target: start..start + line.target.len(),
        is_raw: line.target.iter().any(|byte| is_refused(*byte)),
        takes_interim_answers: line.is_1_1,
        framing,
    })
}

/// A request line.
struct Line<'a> {
    method: &'a [u8],
    target: &'a [u8],
    is_1_1: bool,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Result<Self, Unreadable> {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(no_request_line());
        };
        let is_1_1 = version == b"HTTP/1.1";
        if !is_method(method) || target.is_empty() || !(is_1_1 || version == b"HTTP/1.0") {
            return Err(no_request_line());
        }
        if target.iter().any(|byte| *byte < b'!' || *byte == 0x7f) {
            return Err(Unreadable::wrong("the target has a control character"));
        }
        Ok(Self { method, target, is_1_1 })
    }
}

/// Headers that decide where the request ends.
#[derive(Default)]
struct Announced {
    headers: usize,
    hosts: usize,
    length: Option<u64>,
    codings: usize,
    is_chunked: bool,
    is_upgrade: bool,
}

impl Announced {
    fn add(&mut self, header: &[u8]) -> Result<(), Unreadable> {
        if matches!(header, [b' ' | b'\t', ..]) {
            return Err(Unreadable::wrong("a header is folded: a line begins with a space"));
        }
        let colon = header.iter().position(|byte| *byte == b':');
        let (name, value) = header.split_at(colon.ok_or_else(|| Unreadable::wrong(NO_HEADER))?);
        if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
            return Err(Unreadable::wrong(NO_HEADER));
        }
        let value = &value[1..];
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            let name = String::from_utf8_lossy(name);
            return Err(Unreadable::wrong(format!("the header {name} has a control character")));
        }
        self.headers += 1;
        if self.headers > MAX_HEADERS {
            return Err(Unreadable::too_large(format!("there are more than {MAX_HEADERS} headers")));
        }
        self.note(name, value)
    }

    /// Records a header that matters. Most do not, and are told apart by their length.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unreadable> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.hosts += 1,
            7 if is(b"upgrade") => self.is_upgrade |= trimmed(value).eq_ignore_ascii_case(b"websocket"),
            14 if is(b"content-length") => {
                if self.length.is_some() {
                    return Err(Unreadable::wrong("Content-Length: given twice"));
                }
                self.length = Some(length(trimmed(value))?);
            }
            17 if is(b"transfer-encoding") => {
                self.codings += 1;
                self.is_chunked = trimmed(value).eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, line: &Line<'_>) -> Result<Framing, Unreadable> {
        if self.hosts > 1 || (self.hosts == 0 && line.is_1_1) {
            return Err(Unreadable::wrong("Host: expected once"));
        }
        if self.codings > 0 && (self.codings > 1 || !self.is_chunked || !line.is_1_1) {
            return Err(Unreadable::wrong("Transfer-Encoding: expected chunked, once, in HTTP/1.1"));
        }
        if self.codings > 0 && self.length.is_some() {
            return Err(Unreadable::wrong("Transfer-Encoding and Content-Length exclude each other"));
        }
        if line.method == b"POST" && !line.is_1_1 && self.length.is_none() && !self.is_upgrade {
            return Err(Unreadable::wrong("Content-Length: expected in a POST of HTTP/1.0"));
        }
        Ok(match self.length {
            _ if self.is_chunked => Framing::chunked(),
            _ if self.is_upgrade => Framing::ToEnd,
            None | Some(0) if line.method == b"CONNECT" => Framing::ToEnd,
            length => Framing::Length(length.unwrap_or(0)),
        })
    }
}

/// Returns the refusal of a head of more than [`MAX_HEAD_BYTES`].
pub fn head_too_large() -> Unreadable {
    Unreadable::too_large(format!("the head is larger than {MAX_HEAD_BYTES} bytes"))
}

const NO_HEADER: &str = "a header line is not a name, a colon and a value";

fn no_request_line() -> Unreadable {
    Unreadable::wrong("the first line is not a method, a target and HTTP/1.0 or HTTP/1.1")
}

fn length(value: &[u8]) -> Result<u64, Unreadable> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok());
    length.ok_or_else(|| Unreadable::wrong("Content-Length: expected one whole number"))
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn trimmed(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

fn is_method(name: &[u8]) -> bool {
    (1..=MAX_METHOD_BYTES).contains(&name.len()) && name.iter().all(|byte| is_token_byte(*byte))
}

/// Whether the HTTP library refuses a byte in a target that other servers accept.
fn is_refused(byte: u8) -> bool {
    byte >= 0x80 || matches!(byte, b'"' | b'<' | b'>' | b'`')
}

#[cfg(test)]
mod tests;
