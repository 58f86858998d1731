//! Request stream: hands the requests of a connection to the HTTP library one by one.
//!
//! No byte of a request is handed on before the response to the previous one was sent, because the library
//! would write that response according to what it read last. It is given whole heads that it can read, and
//! bodies as they arrive, without a copy.
//!
//! An unreadable head is refused here, and so is one that arrives too late. A client that closes its side
//! still gets its response.

mod reading;
mod writing;

use std::net::SocketAddr;
use std::task::Context;
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::DISCONNECT_TIMEOUT;
use super::alarm::Alarm;
use super::exchange::{Exchange, Phase};
use super::farewell::Farewell;
use super::presence::Presence;
use super::request::{Framing, Head, MAX_HEAD_BYTES, Progress, Reader, head_too_large};
use crate::http::unreadable::Unreadable;

/// Most bytes of a request's first line kept for the log.
const MAX_LINE_BYTES: usize = 1024;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a head, from its first byte; for the first one, from when the connection was opened.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// The meaning of the next bytes.
#[derive(Debug)]
enum Place {
    Head,
    Body(Framing),
    /// The next request, which waits for the current response.
    Held,
    /// Nothing that will be read.
    Ended,
}

pub(super) struct RequestStream<S> {
    stream: S,
    peer: Option<SocketAddr>,
    patience: Patience,
    exchange: Exchange,
    place: Place,
    reader: Reader,
    /// Bytes that arrived and were not handed on yet.
    ahead: Vec<u8>,
    /// Bytes to hand on first: a head that arrived in several pieces or had to be encoded.
    due: Vec<u8>,
    /// First line of the current request, up to [`MAX_LINE_BYTES`].
    line: Vec<u8>,
    /// Deadline of the next head.
    alarm: Alarm,
    is_first: bool,
    /// Whether the client closed its side.
    is_half_closed: bool,
    /// Whether the response was sent before all of its request arrived; no other can follow.
    is_last: bool,
    presence: Presence,
    farewell: Option<Farewell>,
}

impl<S> RequestStream<S> {
    pub(super) fn new(stream: S, peer: Option<SocketAddr>, patience: Patience) -> Self {
        Self {
            stream,
            peer,
            patience,
            exchange: Exchange::default(),
            place: Place::Head,
            reader: Reader::default(),
            ahead: Vec::new(),
            due: Vec::new(),
            line: Vec::new(),
            alarm: Alarm::after(patience.head),
            is_first: true,
            is_half_closed: false,
            is_last: false,
            presence: Presence::new(false),
            farewell: None,
        }
    }

    /// Counts the time for the first head from when the connection was opened, because TLS has taken some.
    pub(super) fn opened_at(mut self, opened: Instant) -> Self {
        self.alarm = Alarm::at(opened + self.patience.head);
        self
    }

    /// Returns the phase that the connection shares with its responses.
    pub(super) fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }

    /// Begins a request whose head is at the start of `bytes`.
    fn begin(&mut self, head: Head, bytes: &[u8]) {
        self.exchange.enter(Phase::Asked);
        self.reader = Reader::default();
        self.presence = Presence::new(head.takes_interim_answers);
        self.line.clear();
        self.line.extend_from_slice(&bytes[..head.target.end.min(MAX_LINE_BYTES)]);
        self.is_first = false;
        self.is_last = false;
        self.place = Place::Body(head.framing);
        self.settle();
    }

    /// Checks whether the body has ended.
    fn settle(&mut self) {
        let Place::Body(framing) = &self.place else { return };
        match framing.progress() {
            Progress::More => {}
            Progress::Ended if self.is_last => self.place = Place::Ended,
            Progress::Ended => self.place = Place::Held,
            Progress::Broken => {
                self.place = Place::Ended;
                self.farewell = Some(Farewell::new(Vec::new(), DISCONNECT_TIMEOUT));
            }
        }
        if self.is_at_end() {
            self.ahead = Vec::new();
        }
    }

    fn is_at_end(&self) -> bool {
        matches!(self.place, Place::Ended)
    }

    /// Hands on a head that arrived in one piece and needs no encoding, with the part of its body that
    /// follows; keeps all bytes otherwise.
    fn take_at_once(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> bool {
        let came = &buffer.filled()[before..];
        let read = match came {
            [b'\r' | b'\n', ..] => Ok(None),
            _ => self.reader.read(came),
        };
        let Ok(Some(head)) = read else { return self.look_again() };
        if head.is_raw {
            return self.look_again();
        }
        let (this, rest) = came.split_at(head.bytes);
        self.begin(head, this);
        let belongs = self.take_of_body(rest);
        let end = before + this.len() + belongs;
        self.ahead.extend_from_slice(&rest[belongs..]);
        buffer.set_filled(end);
        true
    }

    /// Resets the reader: the bytes are kept and read from there.
    fn look_again(&mut self) -> bool {
        self.reader = Reader::default();
        false
    }

    /// Returns how many of the bytes belong to the current request.
    fn take_of_body(&mut self, bytes: &[u8]) -> usize {
        let Place::Body(framing) = &mut self.place else { return 0 };
        let belongs = framing.follow(bytes);
        self.settle();
        belongs
    }

    /// Reads a complete head from the kept bytes, or refuses it. Returns `false` if more must arrive.
    fn take_from_ahead(&mut self) -> bool {
        if self.reader.seen() == 0 {
            let empty = empty_lines(&self.ahead);
            self.ahead.drain(..empty);
        }
        if matches!(&self.ahead[..], [] | [b'\r']) {
            return false;
        }
        let read = self.reader.read(&self.ahead);
        let mut ahead = std::mem::take(&mut self.ahead);
        let head = match read {
            Ok(Some(head)) => head,
            Ok(None) => {
                self.ahead = ahead;
                return false;
            }
            Err(unreadable) => {
                self.refuse(&unreadable, Some(&ahead));
                return true;
            }
        };
        self.due = head.encoded(&ahead);
        if self.due.len() > MAX_HEAD_BYTES {
            self.due = Vec::new();
            self.refuse(&head_too_large(), Some(&ahead));
            return true;
        }
        let bytes = head.bytes;
        self.begin(head, &ahead);
        ahead.drain(..bytes);
        self.ahead = ahead;
        true
    }

    /// Keeps the bytes of an incomplete head.
    fn keep(&mut self, bytes: &[u8]) {
        if self.ahead.is_empty() && !self.is_first {
            self.alarm.set(self.patience.head);
        }
        self.ahead.extend_from_slice(bytes);
    }

    fn refuse(&mut self, unreadable: &Unreadable, line: Option<&[u8]>) {
        let line = line.map(|line| &line[..line.len().min(MAX_LINE_BYTES)]);
        self.farewell = Some(Farewell::new(unreadable.refuse(self.peer, line), DISCONNECT_TIMEOUT));
        self.ahead = Vec::new();
        self.place = Place::Ended;
    }

    /// Ends a connection that waited too long for a head.
    fn give_up(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        if ahead.is_empty() && !self.is_first {
            self.place = Place::Ended;
            return;
        }
        let late = Unreadable::too_late("the request head did not arrive in time");
        self.refuse(&late, (!ahead.is_empty()).then_some(&ahead));
    }

    /// Handles a client that closed its side where a head, or the rest of a body, should arrive.
    fn end(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        if matches!(self.place, Place::Head) && !ahead.is_empty() {
            self.refuse(&Unreadable::wrong("the request ends inside its head"), Some(&ahead));
        }
        self.place = Place::Ended;
    }

    /// Goes on to the next request after a response was sent.
    fn release(&mut self, cx: &mut Context<'_>) {
        self.exchange.enter(Phase::Idle);
        match self.place {
            Place::Held => {
                self.place = Place::Head;
                let is_there = !self.ahead.is_empty();
                self.alarm.set(if is_there { self.patience.head } else { self.patience.idle });
                // Nothing is left to do until more arrives, unless bytes are here already: those are read
                // next.
                if self.alarm.poll(cx).is_ready() || is_there || self.is_half_closed {
                    cx.waker().wake_by_ref();
                }
            }
            Place::Body(_) => self.is_last = true,
            Place::Head | Place::Ended => {}
        }
    }
}

/// Returns how many bytes of empty lines come first.
fn empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match bytes[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests;
