//! Sockets, workers and the graceful stop.

use std::any::Any;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App as Routes, HttpServer, web};
use tracing_actix_web::TracingLogger;

use crate::api;
use crate::app::App;
use crate::domain::{Error, Result};
use crate::http::middleware::dress;
use crate::http::request_log::RequestSpan;

/// How much of an answer may wait in the system for a client to take what was sent. Without a bound a slow
/// client is given megabytes at once, at the cost of everybody's time and of memory that nobody counts.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

/// How long a connection that is being closed may take to do so.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that listens.
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// Runs until SIGTERM or SIGINT when awaited.
    pub server: Server,
}

/// Listens on the address of the settings. Must be called inside an actix system.
///
/// # Errors
/// `Internal` when the address cannot be had.
pub fn listen(app: Arc<App>) -> Result<Listening> {
    let settings = app.settings.clone();
    let (address, stall_timeout) = (settings.listen, settings.stall_timeout);
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let shared = web::Data::from(app);
    let server = HttpServer::new(move || {
        let app = Routes::new().app_data(shared.clone()).configure(api::routes);
        app.wrap(from_fn(dress)).wrap(TracingLogger::<RequestSpan>::new())
    })
    // Small streamed answers would otherwise wait for the client's delayed acknowledgement.
    .tcp_nodelay(true)
    .on_connect(move |connection, _| set_up(connection, stall_timeout))
    .workers(workers)
    .max_connections(settings.max_connections.div_ceil(workers))
    .client_request_timeout(settings.head_timeout)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(settings.keep_alive)
    // A client that closed its side takes nothing more. Else nobody would notice while there is nothing to be
    // sent: what is computed for it would be computed for nobody.
    .h1_allow_half_closed(false)
    .shutdown_timeout(settings.drain_timeout.as_secs())
    .bind(&address)
    .map_err(|e| Error::internal(format!("server.listen: cannot listen on {address}: {e}")))?;
    let bound = server.addrs().first().copied();
    let address = bound.ok_or_else(|| Error::internal(format!("no address for {address}")))?;
    Ok(Listening { address, server: server.run() })
}

/// A client that takes nothing of an answer holds a file and its buffers for nobody. Only the system sees
/// that: it gives the connection up when nothing was taken for so long, probes of a full window included.
fn set_up(connection: &dyn Any, timeout: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let socket = socket2::SockRef::from(stream);
    if let Err(error) = socket.set_tcp_user_timeout(Some(timeout)) {
        tracing::debug!(%error, "a stalled connection will not be noticed");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::debug!(%error, "a slow client will hold more of the system's memory");
    }
}
