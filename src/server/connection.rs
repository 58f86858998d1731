//! Connection: one TCP connection, from its acceptance to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_web::dev::Service;
use actix_web::rt::net::TcpStream;
use futures_util::future::LocalBoxFuture;

use super::admission::Admission;
use super::http_service::Connection;
use super::request_stream::{Patience, RequestStream};
use super::spare::Spare;

/// Most bytes of a response in the system's buffer before the client reads. Without a bound a slow client is
/// given megabytes at once, at the cost of everybody's time and of uncounted memory.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

/// Serves the connections of one worker.
pub(super) struct Connections<S> {
    /// Speaks HTTP on a connection until it ends.
    pub(super) http: S,
    pub(super) admission: Arc<Admission>,
    /// How long a client may take for its requests.
    pub(super) patience: Patience,
    /// Serves connections that were not admitted.
    pub(super) spare: Spare,
    /// How long a client may read nothing of a response.
    pub(super) stall_timeout: Duration,
}

impl<S> Service<TcpStream> for Connections<S>
where
    S: Service<Connection, Error = DispatchError>,
    S::Future: 'static,
{
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
        let requests = RequestStream::new(stream, peer, self.patience);
        let served = self.http.call((requests, Protocol::Http1, peer));
        Box::pin(async move {
            let _admitted = admitted;
            served.await.map(|_| ()).map_err(|error| report(&error, peer))
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
