//! Exchange: a request and its answer, as far as both have come. A connection carries one at a time: the
//! HTTP library writes an answer by what it read last, which must not be the next request already.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{Request, Response};
use actix_web::dev::{Service, ServiceResponse};
use bytes::Bytes;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// No request is under way.
    #[default]
    Idle,
    /// The HTTP library has the head of a request. What it writes now is its own: it cannot read it.
    Asked,
    /// The request is worked on.
    Called,
    /// The answer's head is there, and bytes of it may have been sent.
    Answering,
    /// The answer was made to its end, and perhaps not all of it was sent.
    Answered,
}

/// What a connection and the answers to its requests share.
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

/// Answers a request, and follows how far that has come.
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
        let answer = match answer.await {
            Ok(answer) => Response::from(answer).map_into_boxed_body(),
            Err(error) => error.into(),
        };
        exchange.enter(Phase::Answering);
        Ok(answer.map_body(|_, body| Followed { body, exchange }))
    }
}

/// The body of an answer. It is dropped as soon as the HTTP library has all of it.
pub(super) struct Followed {
    body: BoxBody,
    exchange: Exchange,
}

impl MessageBody for Followed {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.exchange.enter(Phase::Answered);
    }
}
