//! Exchange: a request and its response, as far as both have come.
//!
//! A connection carries one at a time: the HTTP library writes a response according to what it read last,
//! which must not be the next request already.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{Request, Response};
use actix_web::dev::{Service, ServiceResponse};
use bytes::Bytes;

use crate::http::measured::Measured;

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// No request is in progress.
    #[default]
    Idle,
    /// The HTTP library has the head of a request. A response that it writes now is its own: it cannot parse
    /// the head.
    Asked,
    /// A handler works on the request.
    Called,
    /// The response's head is made, and bytes of it may have been sent.
    Answering,
    /// The response is complete, and perhaps not all of it was sent.
    Answered,
}

/// The phase that a connection and its responses share.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange(Rc<Cell<Phase>>);

impl Exchange {
    pub(super) fn phase(&self) -> Phase {
        self.0.get()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.0.set(phase);
    }
}

/// Answers a request and tracks its phase.
pub(super) fn answer<S, B>(
    request: Request,
    routes: &S,
) -> impl Future<Output = Result<Response<Followed>, S::Error>> + use<S, B>
where
    S: Service<Request, Response = ServiceResponse<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let exchange = request.conn_data::<Exchange>().cloned().unwrap_or_default();
    exchange.enter(Phase::Called);
    let answer = routes.call(request);
    async move {
        let mut measured = None;
        let answer = match answer.await {
            Ok(answer) => {
                measured = Measured::of_response(&answer);
                Response::from(answer).map_into_boxed_body()
            }
            Err(error) => error.into(),
        };
        exchange.enter(Phase::Answering);
        Ok(answer.map_body(|_, body| Followed { body, exchange, measured, sent: 0 }))
    }
}

/// Returns the response to a request of which no handler knows.
pub(super) fn failed(answer: Response<BoxBody>) -> Response<Followed> {
    answer.map_body(|_, body| Followed { body, exchange: Exchange::default(), measured: None, sent: 0 })
}

/// A response body that tracks the phase: the HTTP library drops it as soon as it has all of it.
pub(super) struct Followed {
    body: BoxBody,
    exchange: Exchange,
    /// Counts what is sent, if that is measured.
    measured: Option<Rc<Measured>>,
    /// Bytes so far.
    sent: u64,
}

impl MessageBody for Followed {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let piece = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &piece {
            self.sent += bytes.len() as u64;
        }
        piece
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.exchange.enter(Phase::Answered);
        if let Some(measured) = &self.measured {
            measured.sent(self.sent);
        }
    }
}
