//! Sockets, workers and the graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App as Routes, HttpServer, web};
use tracing_actix_web::TracingLogger;

use crate::api;
use crate::app::App;
use crate::domain::{Error, Result};
use crate::http::middleware::dress;
use crate::http::span::RequestSpan;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// How long an idle connection is kept; longer than the runner's 90 seconds would be of no use.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

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
    let address = app.settings.listen.clone();
    let drain_seconds = app.settings.drain_timeout.as_secs();
    let shared = web::Data::from(app);
    let server = HttpServer::new(move || {
        Routes::new()
            .app_data(shared.clone())
            .configure(api::routes)
            .wrap(TracingLogger::<RequestSpan>::new())
            .wrap(from_fn(dress))
    })
    // Small streamed answers would otherwise wait for the client's delayed acknowledgement.
    .tcp_nodelay(true)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(drain_seconds)
    .bind(&address)
    .map_err(|e| Error::internal(format!("server.listen: cannot listen on {address}: {e}")))?;
    let bound = server.addrs().first().copied();
    let address = bound.ok_or_else(|| Error::internal(format!("no address for {address}")))?;
    Ok(Listening { address, server: server.run() })
}
