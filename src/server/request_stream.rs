//! A stream of requests, handed on one by one: of the next not a byte goes to the HTTP library before the
//! answer to the one before was sent, for it would write that answer by what it read last. What it is given
//! are whole heads that it can read, and bodies as they come, without a copy.
//!
//! What cannot be read is refused here, and so is a head that does not come in time. That a client closes
//! its side ends nothing that it may still wait for.

mod reading;
mod writing;

use std::net::SocketAddr;
use std::task::Context;
use std::time::Duration;

use tokio::io::ReadBuf;

use super::DISCONNECT_TIMEOUT;
use super::alarm::Alarm;
use super::exchange::{Exchange, Phase};
use super::farewell::Farewell;
use super::presence::Presence;
use super::request::{Framing, Head, MAX_HEAD_BYTES, Progress, Reader, head_too_large};
use crate::http::unreadable::Unreadable;

/// How much of a request's first line is kept for the log.
const MAX_LINE_BYTES: usize = 1024;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a head, from its first byte; for the first one, from when the connection was opened.
    pub(super) head: Duration,
    /// Before the next request.
    pub(super) idle: Duration,
}

/// What the next bytes are.
#[derive(Debug)]
enum Place {
    Head,
    Body(Framing),
    /// The next request, which waits for the answer.
    Held,
    /// Nothing that anybody will read.
    Ended,
}

pub(super) struct RequestStream<S> {
    stream: S,
    peer: Option<SocketAddr>,
    patience: Patience,
    exchange: Exchange,
    place: Place,
    reader: Reader,
    /// What came and was not handed on yet.
    ahead: Vec<u8>,
    /// What is handed on first: a head that did not come in one piece, or not as it can be read.
    due: Vec<u8>,
    /// The first line of the request under way, as far as it is kept.
    line: Vec<u8>,
    /// For the next head.
    alarm: Alarm,
    is_first: bool,
    /// Whether the client closed its side.
    is_half_closed: bool,
    /// Whether the answer was sent before all of its request came; no other can follow.
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

    /// What the connection shares with the answers to its requests.
    pub(super) fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }

    /// Begins with a request whose head stands at the start of `bytes`.
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

    /// Looks whether the body has come to its end.
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

    /// Hands a head on that came in one piece and as it can be read, and what belongs to the request behind
    /// it; else keeps everything.
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

    /// What came is kept, and read from there.
    fn look_again(&mut self) -> bool {
        self.reader = Reader::default();
        false
    }

    /// How many of the bytes belong to the request under way.
    fn take_of_body(&mut self, bytes: &[u8]) -> usize {
        let Place::Body(framing) = &mut self.place else { return 0 };
        let belongs = framing.follow(bytes);
        self.settle();
        belongs
    }

    /// Reads a head from what came, if all of it did, or refuses it.
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

    /// Keeps what came for a head of which more must come.
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

    /// Ends what waited too long for a head.
    fn give_up(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        if ahead.is_empty() && !self.is_first {
            self.place = Place::Ended;
            return;
        }
        let late = Unreadable::too_late("the head did not come in time");
        self.refuse(&late, (!ahead.is_empty()).then_some(&ahead));
    }

    /// The client closed its side where a head, or the rest of a body, should come.
    fn end(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        if matches!(self.place, Place::Head) && !ahead.is_empty() {
            self.refuse(&Unreadable::wrong("the request ends within its head"), Some(&ahead));
        }
        self.place = Place::Ended;
    }

    /// Goes on to the next request behind an answer that was sent.
    fn release(&mut self, cx: &mut Context<'_>) {
        self.exchange.enter(Phase::Idle);
        match self.place {
            Place::Held => {
                self.place = Place::Head;
                let is_there = !self.ahead.is_empty();
                self.alarm.set(if is_there { self.patience.head } else { self.patience.idle });
                // Either nothing is to be done until more comes, or it is there and is to be looked at.
                if self.alarm.poll(cx).is_ready() || is_there || self.is_half_closed {
                    cx.waker().wake_by_ref();
                }
            }
            Place::Body(_) => self.is_last = true,
            Place::Head | Place::Ended => {}
        }
    }
}

/// How many bytes of empty lines come first.
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
