//! Connection: one TCP connection, from its acceptance to its end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_web::dev::Service;
use actix_web::rt::net::TcpStream;
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use super::admission::Admission;
use super::http_service::HttpConnections;
use super::http2::Http2;
use super::request_stream::{Patience, RequestStream};
use super::spare::Spare;
use super::tls::Tls;
use super::transport::Transport;

/// Most bytes of a response in the system's buffer before the client reads. Without a bound a slow client is
/// given megabytes at once, at the cost of everybody's time and of uncounted memory.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

/// Serves the connections of one worker.
pub(super) struct Connections<S> {
    /// Speaks HTTP/1.1 on a connection until it ends.
    pub(super) http: Rc<S>,
    /// Speaks HTTP/2 on a connection whose client chose that.
    pub(super) http2: Rc<Http2>,
    /// TLS, if the listener speaks it.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) admission: Arc<Admission>,
    /// How long a client may take for its requests.
    pub(super) patience: Patience,
    /// Serves connections that were not admitted.
    pub(super) spare: Spare,
    /// How long a client may read nothing of a response.
    pub(super) stall_timeout: Duration,
}

impl<S: HttpConnections> Service<TcpStream> for Connections<S> {
    type Response = ();
    type Error = ();
    type Future = LocalBoxFuture<'static, Result<(), ()>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.http.poll_ready(cx).map_err(|_| ())
    }

    fn call(&self, stream: TcpStream) -> Self::Future {
        let peer = stream.peer_addr().ok();
        set_up(&stream, self.stall_timeout);
        let Some(admitted) = self.admission.admit(peer.map(|peer| peer.ip())) else {
            let served = self.spare.serve(stream, peer);
            return Box::pin(async {
                served.await;
                Ok(())
            });
        };
        let Some(tls) = self.tls.clone() else {
            let requests = RequestStream::new(Transport::Plain(stream), peer, self.patience);
            let served = self.http.call((requests, Protocol::Http1, peer));
            return Box::pin(async move {
                let _admitted = admitted;
                served.await.map_err(|error| report(&error, peer))
            });
        };
        let (http, http2, patience) = (Rc::clone(&self.http), Rc::clone(&self.http2), self.patience);
        Box::pin(async move {
            let _admitted = admitted;
            let opened = Instant::now();
            let Some(stream) = tls.accept(stream, peer, patience.head).await else { return Ok(()) };
            let transport = Transport::Tls(Box::new(stream));
            if transport.is_http2() {
                http2.serve(transport, peer, opened).await;
                return Ok(());
            }
            let requests = RequestStream::new(transport, peer, patience).opened_at(opened);
            let served = http.call((requests, Protocol::Http1, peer));
            served.await.map_err(|error| report(&error, peer))
        })
    }
}

/// Sets the socket's options. `TCP_NODELAY`: small streamed responses would wait for the client's delayed
/// acknowledgement. `TCP_USER_TIMEOUT`: a client that reads nothing of a response holds a file and buffers,
/// and only the system sees that; it closes the connection when nothing was read for so long, probes of a
/// full window included.
fn set_up(stream: &TcpStream, timeout: Duration) {
    let socket = socket2::SockRef::from(stream);
    if let Err(error) = socket.set_tcp_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set: small responses will be slow");
    }
    if let Err(error) = socket.set_tcp_user_timeout(Some(timeout)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT cannot be set: stalled connections will stay open");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT cannot be set: slow clients will hold more kernel memory");
    }
}

/// Logs how a connection failed. An unreadable request has its own line, with the target, from when it was
/// refused.
fn report(error: &DispatchError, peer: Option<SocketAddr>) {
    let client = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
    match error {
        DispatchError::Body(error) => {
            tracing::error!(client.address = client, %error, "a response was cut off");
        }
        DispatchError::Service(_) | DispatchError::InternalError => {
            tracing::error!(client.address = client, %error, "a connection failed");
        }
        _ => tracing::debug!(client.address = client, %error, "a connection was closed"),
    }
}
