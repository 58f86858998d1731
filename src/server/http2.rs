//! HTTP/2: serves the requests of a connection side by side.
//!
//! The HTTP library's own support would bring a second version of `h2` into the program, so a connection is
//! driven here, and its requests go to the same routes. The bounds of HTTP/1.1 hold: a client's time for its
//! first request, between two, and while it accepts nothing of a response. Each request beside the first
//! counts as one more connection (`admission`), so that no client has more in progress than connections.

mod request;
mod resets;
mod response;

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{Request, Response};
use actix_web::dev::{Service, ServiceResponse};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use tokio::time::{Instant, timeout_at};

use super::DISCONNECT_TIMEOUT;
use super::admission::{Admission, counted_as};
use super::alarm::Alarm;
use super::exchange::{self, Followed};
use super::request::MAX_HEAD_BYTES;
use super::request_stream::Patience;
use super::transport::Transport;
use super::turns::{Turn, Turns};
use resets::Resets;
use response::End;

/// Most requests of a connection that are in progress.
const MAX_REQUESTS: u32 = 100;

/// Most bytes of request bodies of a connection that wait to be read: as many as HTTP/1.1 keeps of a head and
/// what follows it.
const WINDOW_BYTES: u32 = 256 * 1024;

/// The same for a connection whose requests were read so far: on a long line, a client must send ahead to be
/// fast.
const WIDE_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// How many bytes of bodies were read before the window is widened.
const READ_BYTES: u64 = 1024 * 1024;

/// Most connections with a wide window on a node.
const WIDE: usize = 64;

/// Most connections of one address with a wide window.
const WIDE_OF_AN_ADDRESS: usize = 16;

/// Most bytes of a response that wait to be sent.
const UNSENT_BYTES: usize = 64 * 1024;

/// Most streams whose end the client may not know yet: frames of those are ignored.
const ENDED_STREAMS: usize = 64;

/// Most streams that may be reset because their client broke the protocol; then the connection ends.
const FAULTY_STREAMS: usize = 64;

/// Returns the turns at wide windows of a node.
pub(super) fn wide_windows() -> Turns {
    Turns::new(WIDE, WIDE_OF_AN_ADDRESS)
}

/// Serves the HTTP/2 connections of one worker.
pub(super) struct Http2 {
    answer: Box<Answer>,
    admission: Arc<Admission>,
    wide: Arc<Turns>,
    patience: Patience,
    /// How long a client may accept nothing of a response.
    stall_timeout: Duration,
    stopping: Box<Stopping>,
}

/// Answers a request.
type Answer = dyn Fn(Request) -> LocalBoxFuture<'static, Response<Followed>>;

/// Ready when the server stops.
type Stopping = dyn Fn() -> LocalBoxFuture<'static, ()>;

impl Http2 {
    pub(super) fn new<S, B, F: Future<Output = ()> + 'static>(
        routes: Rc<S>,
        (admission, wide): (Arc<Admission>, Arc<Turns>),
        patience: Patience,
        stall_timeout: Duration,
        stopping: impl Fn() -> F + 'static,
    ) -> Self
    where
        S: Service<Request, Response = ServiceResponse<B>, Future: 'static> + 'static,
        S::Error: Into<Response<BoxBody>> + 'static,
        B: MessageBody + 'static,
    {
        let answer = move |request| -> LocalBoxFuture<'static, Response<Followed>> {
            let answer = exchange::answer(request, &*routes);
            Box::pin(async move {
                match answer.await {
                    Ok(answer) => answer,
                    Err(error) => exchange::failed(error.into()),
                }
            })
        };
        let stopping = move || -> LocalBoxFuture<'static, ()> { Box::pin(stopping()) };
        let (answer, stopping) = (Box::new(answer), Box::new(stopping));
        Self { answer, admission, wide, patience, stall_timeout, stopping }
    }

    /// Serves a connection, opened at that time, until it ends.
    pub(super) async fn serve(self: Rc<Self>, stream: Transport, peer: Option<SocketAddr>, opened: Instant) {
        let deadline = opened + self.patience.head;
        let client = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
        let ended = match timeout_at(deadline, bounds().handshake(stream)).await {
            Ok(Ok(connection)) => {
                let connection = Connection {
                    stopping: (self.stopping)(),
                    peer,
                    connection,
                    exchanges: FuturesUnordered::new(),
                    is_closing: false,
                    idle: Idle::First(deadline),
                    alarm: Alarm::at(deadline),
                    resets: Resets::default(),
                    read: Rc::default(),
                    wide: None,
                    http2: self,
                };
                connection.await
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                return tracing::debug!(client.address = client, "an HTTP/2 client said nothing in time");
            }
        };
        if let Err(error) = ended {
            tracing::debug!(client.address = client, %error, "a connection was closed");
        }
    }
}

fn bounds() -> Builder {
    let mut bounds = Builder::new();
    bounds
        .max_concurrent_streams(MAX_REQUESTS)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_send_buffer_size(UNSENT_BYTES)
        .max_concurrent_reset_streams(ENDED_STREAMS)
        .max_local_error_reset_streams(Some(FAULTY_STREAMS));
    bounds
}

/// A connection and its requests in progress; ready when it has ended.
struct Connection {
    http2: Rc<Http2>,
    peer: Option<SocketAddr>,
    connection: h2::server::Connection<Transport, Bytes>,
    exchanges: FuturesUnordered<LocalBoxFuture<'static, End>>,
    stopping: LocalBoxFuture<'static, ()>,
    /// Whether the client was told that no further request is taken.
    is_closing: bool,
    idle: Idle,
    /// Deadline while no request is in progress.
    alarm: Alarm,
    resets: Resets,
    /// Bytes of bodies that were read since the connection was last without a request.
    read: Rc<Cell<u64>>,
    /// The turn at a wide window.
    wide: Option<Turn>,
}

/// Why a connection has no request in progress.
#[derive(Debug, Clone, Copy)]
enum Idle {
    /// The first one must come by then.
    First(Instant),
    /// The last one ended then.
    Since(Instant),
}

impl Future for Connection {
    type Output = Result<(), h2::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !this.is_closing && this.stopping.as_mut().poll(cx).is_ready() {
            this.close();
        }
        loop {
            // First the requests: what they send is written when the connection is polled.
            while let Poll::Ready(Some(end)) = this.exchanges.poll_next_unpin(cx) {
                this.note(end);
            }
            this.fit_window();
            match this.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => this.begin(request, respond),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        this.poll_idle(cx)
    }
}

impl Connection {
    /// Begins to answer a request.
    fn begin(&mut self, request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let is_first = self.exchanges.is_empty();
        let place = (!is_first).then(|| self.http2.admission.admit(self.peer.map(|peer| peer.ip())));
        if let Some(None) = place {
            // The word for a request that was not looked at: a client may send it again.
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        let (http2, peer, read) = (Rc::clone(&self.http2), self.peer, Rc::clone(&self.read));
        self.exchanges.push(Box::pin(async move {
            let _place = place;
            http2.exchange(request, respond, peer, read).await
        }));
    }

    /// Notes how a request has ended. A client that takes back more requests than it lets be answered keeps
    /// the server busy at no cost of its own.
    fn note(&mut self, end: End) {
        if self.exchanges.is_empty() {
            self.idle = Idle::Since(Instant::now());
        }
        if self.resets.are_too_many_with(end) && !self.is_closing {
            let client = self.peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
            tracing::warn!(
                client.address = client,
                "an HTTP/2 client resets its requests: it is disconnected"
            );
            self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            self.exchanges.clear();
            self.is_closing = true;
            self.idle = Idle::Since(Instant::now());
        }
    }

    /// Widens the window of a connection whose requests are read, if there is a turn, and narrows it when the
    /// connection has no request any more.
    fn fit_window(&mut self) {
        let is_read = !self.exchanges.is_empty() && self.read.get() >= READ_BYTES;
        if is_read && self.wide.is_none() {
            let address = self.peer.map(|peer| counted_as(peer.ip()));
            let Some(turn) = self.http2.wide.at_once(address) else { return };
            if self.set_window(WIDE_WINDOW_BYTES) {
                self.wide = Some(turn);
            }
        } else if self.exchanges.is_empty() && self.wide.is_some() && self.set_window(WINDOW_BYTES) {
            self.read.set(0);
            self.wide = None;
        }
    }

    /// Sets the window; not while the client has not acknowledged the last one.
    fn set_window(&mut self, bytes: u32) -> bool {
        let is_set = self.connection.set_initial_window_size(bytes).is_ok();
        if is_set {
            self.connection.set_target_window_size(bytes);
        }
        is_set
    }

    /// Tells the client that no further request is taken; the connection ends after those in progress.
    fn close(&mut self) {
        self.connection.graceful_shutdown();
        self.is_closing = true;
        self.idle = Idle::Since(Instant::now());
    }

    /// Closes a connection that had no request in progress for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        if !self.exchanges.is_empty() {
            return Poll::Pending;
        }
        let due = match self.idle {
            _ if self.is_closing && !self.connection.has_streams() => self.since() + DISCONNECT_TIMEOUT,
            // The end of a response was not accepted yet.
            _ if self.connection.has_streams() => self.since() + self.http2.stall_timeout,
            Idle::First(deadline) => deadline,
            Idle::Since(since) => since + self.http2.patience.idle,
        };
        self.alarm.set_at(due);
        if self.alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        if self.is_closing {
            return Poll::Ready(Ok(()));
        }
        self.close();
        // The words of the end are written when the connection is polled next.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn since(&self) -> Instant {
        match self.idle {
            Idle::First(time) | Idle::Since(time) => time,
        }
    }
}

impl Http2 {
    /// Answers a request, unless its client takes it back.
    async fn exchange(
        &self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        peer: Option<SocketAddr>,
        read: Rc<Cell<u64>>,
    ) -> End {
        let is_head = request.method() == http::Method::HEAD;
        let expects_continue = request::expects_continue(&request);
        let answer = match request::translated(request, peer, read) {
            Ok(request) => {
                if expects_continue && response::go_on(&mut respond).is_err() {
                    return End::Broken;
                }
                let mut answer = (self.answer)(request);
                let answered = std::future::poll_fn(|cx| match respond.poll_reset(cx) {
                    Poll::Ready(_) => Poll::Ready(None),
                    Poll::Pending => answer.as_mut().poll(cx).map(Some),
                });
                match answered.await {
                    Some(answer) => answer,
                    None => return End::TakenBack,
                }
            }
            Err(refusal) => exchange::failed(refusal),
        };
        response::send(answer, respond, is_head, self.stall_timeout, peer).await
    }
}
