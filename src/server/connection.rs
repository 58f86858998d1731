//! One connection, from its acceptance to its end.

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

/// How much of an answer may wait in the system for a client to take what was sent. Without a bound a slow
/// client is given megabytes at once, at the cost of everybody's time and of memory that nobody counts.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

/// What serves connections on one worker.
pub(super) struct Connections<S> {
    /// Speaks HTTP on a connection until it ends.
    pub(super) http: S,
    pub(super) admission: Arc<Admission>,
    /// How long a client may take for its requests.
    pub(super) patience: Patience,
    /// Serves those that are not admitted.
    pub(super) spare: Spare,
    /// How long a client may take nothing of what is sent.
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

/// Small streamed answers would otherwise wait for the client's delayed acknowledgement. A client that
/// takes nothing of an answer holds a file and its buffers for nobody. Only the system sees that: it gives
/// the connection up when nothing was taken for so long, probes of a full window included.
fn set_up(stream: &TcpStream, timeout: Duration) {
    let socket = socket2::SockRef::from(stream);
    if let Err(error) = socket.set_tcp_nodelay(true) {
        tracing::debug!(%error, "small answers will be slow");
    }
    if let Err(error) = socket.set_tcp_user_timeout(Some(timeout)) {
        tracing::debug!(%error, "a stalled connection will not be noticed");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::debug!(%error, "a slow client will hold more of the system's memory");
    }
}

/// Tells the log how a connection ended that did not end well. What cannot be read has its own line, with the
/// target, from when it was refused.
fn report(error: &DispatchError, peer: Option<SocketAddr>) {
    let client = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
    match error {
        DispatchError::Body(error) => {
            tracing::error!(client.address = client, %error, "an answer was cut off");
        }
        DispatchError::Service(_) | DispatchError::InternalError => {
            tracing::error!(client.address = client, %error, "a connection failed");
        }
        _ => tracing::debug!(client.address = client, %error, "a connection was given up"),
    }
}
