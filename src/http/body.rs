//! A request's body, shared between who reads it and who must see it through to its end.
//!
//! A client that is refused while it still sends would lose the answer to a reset connection if we
//! closed at once; so every answer to an unread body goes out first and the rest is read behind it.

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
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::domain::{Error, Kind, Result, byte_size};

/// How long a refused client may pause before we stop reading what it sends.
const DRAIN_IDLE: Duration = Duration::from_secs(30);

/// How long a refused client may go on sending in all.
const DRAIN_TOTAL: Duration = Duration::from_secs(600);

/// The body of one request. Clones read from the same stream.
#[derive(Clone)]
pub struct RequestBody(Rc<RefCell<State>>);

struct State {
    payload: Payload,
    ended: bool,
    stall_timeout: Duration,
    /// Runs while we wait for the client.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// Takes over the body of a request, which breaks off when the client sends nothing for
    /// `stall_timeout`.
    pub fn new(payload: Payload, stall_timeout: Duration) -> Self {
        let ended = matches!(payload, Payload::None);
        Self(Rc::new(RefCell::new(State { payload, ended, stall_timeout, stalled: None })))
    }

    /// Reads to the end, so that a body which was cut off behind its last part is not taken for a
    /// whole one.
    ///
    /// # Errors
    /// `Invalid` when the body breaks off.
    pub async fn finish(&mut self) -> Result<()> {
        while let Some(piece) = self.next().await {
            piece.map_err(broken_off)?;
        }
        Ok(())
    }

    /// Reads a body that is held in memory.
    ///
    /// # Errors
    /// `TooLarge` when it is longer than `limit` bytes, `Invalid` when it breaks off.
    pub async fn read_whole(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await {
            let piece = piece.map_err(broken_off)?;
            if whole.len() as u64 + piece.len() as u64 > limit {
                let limit = byte_size::show(limit);
                return Err(Error::new(Kind::TooLarge, format!("the body is larger than {limit}")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The answer, behind which the rest of the body is read and thrown away.
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

/// The error for a body that did not arrive in full.
pub fn broken_off(error: impl std::error::Error) -> Error {
    Error::new(Kind::Invalid, "the request body is incomplete").because(error.to_string())
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = &mut *self.0.borrow_mut();
        if state.ended {
            return Poll::Ready(None);
        }
        let piece = match Pin::new(&mut state.payload).poll_next(cx) {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                let timeout = state.stall_timeout;
                let stalled = state.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
                ready!(stalled.as_mut().poll(cx));
                Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into())))
            }
        };
        state.stalled = None;
        state.ended = !matches!(piece, Some(Ok(_)));
        Poll::Ready(piece)
    }
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
