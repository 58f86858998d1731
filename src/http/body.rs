//! Request body: a stream shared by the handler that reads it and the response that drains it.
//!
//! If the connection were closed while a refused client still sends, the reset would lose the response; so
//! the response is sent first, and the rest of the body is read after it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::future::Future;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::domain::{Error, ErrorKind, Result, byte_size};
use crate::http::measured::Measured;

/// How long a refused client may pause before the rest of its body is no longer read.
const DRAIN_IDLE: Duration = Duration::from_secs(30);

/// How long a refused client may go on sending in total.
const DRAIN_TOTAL: Duration = Duration::from_secs(600);

/// Fewest bytes that a client must send in each [`RATE_WINDOW`], so that no client holds an upload slot with
/// a byte now and then. It is 1 KiB/s; every usable line is many times faster.
const LEAST_BYTES: u64 = 120 * 1024;

/// How long a client may take to send [`LEAST_BYTES`]. Only the time spent waiting for the client counts:
/// while the server writes or is busy, it cannot send.
const RATE_WINDOW: Duration = Duration::from_secs(120);

/// The body of one request. Clones read from the same stream.
#[derive(Clone)]
pub struct RequestBody(Rc<RefCell<State>>);

struct State {
    payload: Payload,
    ended: bool,
    stall_timeout: Duration,
    /// When the wait for the next bytes began; `None` while there is none.
    waiting: Option<Instant>,
    /// Timer of the stall timeout. Set once, and reset only when it fires too early, because most bodies end
    /// before.
    alarm: Option<Pin<Box<Sleep>>>,
    rate: Rate,
    /// Bytes so far, and who counts them at the end.
    received: u64,
    measured: Option<Rc<Measured>>,
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(measured) = &self.measured {
            measured.received(self.received);
        }
    }
}

/// The client's transfer rate in the current window.
#[derive(Debug)]
struct Rate {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Rate {
    fn over(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts a piece that was waited for; returns whether the client sends fast enough.
    fn counts(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < self.window {
            return true;
        }
        let enough = self.bytes >= LEAST_BYTES;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

impl RequestBody {
    /// Takes over the body of a request. Reading fails if the client sends nothing for `stall_timeout`, or
    /// less than 1 KiB/s over two minutes.
    pub fn new(payload: Payload, stall_timeout: Duration) -> Self {
        Self::with_rate(payload, stall_timeout, Rate::over(RATE_WINDOW))
    }

    fn with_rate(payload: Payload, stall_timeout: Duration, rate: Rate) -> Self {
        let ended = matches!(payload, Payload::None);
        Self(Rc::new(RefCell::new(State {
            payload,
            ended,
            stall_timeout,
            waiting: None,
            alarm: None,
            rate,
            received: 0,
            measured: None,
        })))
    }

    /// Counts the bytes that are read for the metrics.
    pub(super) fn is_measured_by(&self, measured: Rc<Measured>) {
        self.0.borrow_mut().measured = Some(measured);
    }

    /// Restarts the wait for the client: the time since the last piece was the server's.
    pub fn wait_from_now(&self) {
        self.0.borrow_mut().waiting = None;
    }

    /// Reads to the end, so that a body cut off after its last part is not taken for a complete one.
    ///
    /// # Errors
    /// `Invalid` if the body is incomplete.
    pub async fn finish(&mut self) -> Result<()> {
        while let Some(piece) = self.next().await {
            piece.map_err(broken_off)?;
        }
        Ok(())
    }

    /// Reads the whole body into memory.
    ///
    /// # Errors
    /// `TooLarge` if it is longer than `limit` bytes, `Invalid` if it is incomplete.
    pub async fn read_whole(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        self.read_more(&mut whole, limit, limit).await?;
        Ok(whole)
    }

    /// Reads on into memory, until there are more than `enough` bytes; returns whether the body has ended.
    ///
    /// # Errors
    /// As [`RequestBody::read_whole`].
    pub async fn read_more(&mut self, read: &mut Vec<u8>, enough: u64, limit: u64) -> Result<bool> {
        while read.len() as u64 <= enough {
            let Some(piece) = self.next().await else { return Ok(true) };
            let piece = piece.map_err(broken_off)?;
            if read.len() as u64 + piece.len() as u64 > limit {
                let limit = byte_size::show(limit);
                return Err(Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit}")));
            }
            read.extend_from_slice(&piece);
        }
        Ok(false)
    }

    /// Returns the response; after it is sent, the rest of the body is read and discarded.
    pub fn drain_behind(self, answer: HttpResponse) -> HttpResponse {
        if self.0.borrow().ended {
            return answer;
        }
        answer.map_body(|_, body| {
            Draining {
                answer: Box::pin(body),
                answered: false,
                body: self,
                idle: Box::pin(sleep_until(Instant::now() + DRAIN_IDLE)),
                deadline: Instant::now() + DRAIN_TOTAL,
            }
            .boxed()
        })
    }
}

/// Returns the error for an incomplete body.
pub fn broken_off(error: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Invalid, "the request body is incomplete").with_source(error.to_string())
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = &mut *self.0.borrow_mut();
        if state.ended {
            return Poll::Ready(None);
        }
        let piece = match Pin::new(&mut state.payload).poll_next(cx) {
            Poll::Ready(piece) => state.arrived(piece),
            Poll::Pending => {
                ready!(state.poll_stalled(cx));
                Some(Err(too_slow("the client sent nothing for too long")))
            }
        };
        state.ended = !matches!(piece, Some(Ok(_)));
        Poll::Ready(piece)
    }
}

type Piece = Option<Result<Bytes, PayloadError>>;

impl State {
    fn arrived(&mut self, piece: Piece) -> Piece {
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        if let Some(Ok(bytes)) = &piece {
            self.received += bytes.len() as u64;
        }
        match piece {
            Some(Ok(bytes)) if !self.rate.counts(waited, bytes.len()) => {
                Some(Err(too_slow("the client sent less than 1 KiB/s")))
            }
            piece => piece,
        }
    }

    /// Ready when the client has sent nothing for `stall_timeout`.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.waiting.get_or_insert_with(Instant::now) + self.stall_timeout;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
        }
    }
}

fn too_slow(why: &'static str) -> PayloadError {
    PayloadError::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}

struct Draining {
    answer: Pin<Box<actix_web::body::BoxBody>>,
    answered: bool,
    body: RequestBody,
    idle: Pin<Box<Sleep>>,
    deadline: Instant,
}

impl MessageBody for Draining {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if !this.answered {
            if let Some(piece) = ready!(this.answer.as_mut().poll_next(cx)) {
                return Poll::Ready(Some(piece));
            }
            this.answered = true;
            this.idle.as_mut().reset(Instant::now() + DRAIN_IDLE);
        }
        while let Poll::Ready(piece) = Pin::new(&mut this.body).poll_next(cx) {
            match piece {
                Some(Ok(_)) if Instant::now() < this.deadline => {
                    this.idle.as_mut().reset(Instant::now() + DRAIN_IDLE);
                }
                _ => return Poll::Ready(None),
            }
        }
        this.idle.as_mut().poll(cx).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::rt::System;
    use futures_util::stream;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_kibibyte_a_second_is_enough_and_less_over_two_minutes_is_not() {
        let sent = |pieces: usize, bytes: usize, waited: Duration| {
            let mut rate = Rate::over(RATE_WINDOW);
            (0..pieces).all(|_| rate.counts(waited, bytes))
        };
        assert!(sent(100_000, 1024, Duration::from_secs(1)), "for a day");
        assert!(!sent(200, 1000, Duration::from_secs(1)));
        assert!(!sent(2, 1, MINUTE), "a byte a minute");
        assert!(sent(1, 1, MINUTE), "a pause is none yet");
        assert!(sent(1000, 120 * 1024, 2 * MINUTE), "in gushes");
        assert!(sent(1000, 1, Duration::ZERO), "what does not have to be waited for is never slow");
        let mut late = Rate::over(RATE_WINDOW);
        assert!(late.counts(MINUTE, 10 << 20) && late.counts(MINUTE, 1));
        assert!(late.counts(MINUTE, 1) && !late.counts(MINUTE, 1), "each two minutes count for themselves");
    }

    /// Returns a body whose pieces must be waited for.
    fn body(pieces: Vec<&'static [u8]>, rate: Rate) -> RequestBody {
        let pieces = stream::iter(pieces).then(|piece| async move {
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(piece))
        });
        RequestBody::with_rate(Payload::Stream { payload: Box::pin(pieces) }, MINUTE, rate)
    }

    #[test]
    fn a_body_that_comes_too_slowly_breaks_off_and_any_other_is_read() {
        System::new().block_on(async {
            let read = body(vec![b"a", b"b"], Rate::over(RATE_WINDOW)).read_whole(10).await;
            assert_eq!(read.unwrap(), b"ab");
            let error = body(vec![b"a", b"b"], Rate::over(Duration::ZERO)).read_whole(10).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(
                error.source_chain().unwrap().contains("less than 1 KiB/s"),
                "{:?}",
                error.source_chain()
            );
        });
    }
}
