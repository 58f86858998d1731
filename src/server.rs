//! Server: sockets, workers and the graceful stop.

mod admission;
mod alarm;
mod connection;
mod descriptors;
mod exchange;
mod farewell;
mod http_service;
mod presence;
pub mod request;
mod request_stream;
mod spare;
mod write_all;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_http::KeepAlive;
use actix_web::dev::{Server, fn_factory};
use actix_web::web::{Data, ServiceConfig};

use crate::api;
use crate::app::App;
use crate::domain::{Error, Result};
use crate::web as pages;
use admission::Admission;
use connection::Connections;
use http_service::http_service;
use request_stream::Patience;
use spare::{Places, SPARE_CONNECTIONS, Spare};

/// How long closing a connection may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections that the system queues before they are accepted.
const BACKLOG: i32 = 1024;

/// A listening server.
pub struct Listening {
    /// Bound address.
    pub address: SocketAddr,
    /// Runs until SIGTERM or SIGINT when awaited.
    pub server: Server,
}

/// Listens on the configured address, with as many connections as the process may have open files. Must be
/// called inside an actix system.
///
/// # Errors
/// `Internal` if the address cannot be bound.
pub fn listen(app: Arc<App>) -> Result<Listening> {
    let settings = app.settings.clone();
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = descriptors::bounded_connections(&settings);
    let admission = Arc::new(Admission::new(&settings, most));
    let places = Arc::new(Places::default());
    let shared = Data::from(app);
    let cannot = |e| Error::internal(format!("server.listen: cannot listen on {}: {e}", settings.listen));
    let mut builder = Server::build()
        .workers(workers)
        // All connections beyond the admitted ones are spare.
        .max_concurrent_connections(most.saturating_add(SPARE_CONNECTIONS).div_ceil(workers))
        .shutdown_timeout(settings.drain_timeout.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    let listeners = bind(&settings.listen).map_err(cannot)?;
    let address = listeners.first().map(TcpListener::local_addr).transpose().map_err(cannot)?;
    let address = address.ok_or_else(|| cannot(std::io::ErrorKind::AddrNotAvailable.into()))?;
    for listener in listeners {
        let (shared, admission, places) = (shared.clone(), Arc::clone(&admission), Arc::clone(&places));
        let (settings, stopping) = (settings.clone(), stopping.clone());
        let serve = move || {
            let (shared, admission, places) = (shared.clone(), Arc::clone(&admission), Arc::clone(&places));
            let (settings, stopping) = (settings.clone(), stopping.clone());
            fn_factory(move || {
                let stopping = stopping.clone();
                // Closes idle connections when the server stops; it would wait for them otherwise.
                let stopping = move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                };
                let app = shared.clone();
                let http = http_service(app, routes, KeepAlive::Os, DISCONNECT_TIMEOUT, stopping);
                let (admission, stall_timeout) = (Arc::clone(&admission), settings.stall_timeout);
                let patience = Patience { head: settings.head_timeout, idle: settings.keep_alive };
                let spare = Spare::new(shared.clone(), Arc::clone(&places));
                async move {
                    let (http, spare) = (http.await?, spare.await?);
                    Ok::<_, ()>(Connections { http, admission, patience, spare, stall_timeout })
                }
            })
        };
        builder = builder.listen("artigate", listener, serve).map_err(cannot)?;
    }
    Ok(Listening { address, server: builder.run() })
}

/// Mounts the pages, which answer only browsers, and behind them the dialects.
fn routes(config: &mut ServiceConfig) {
    pages::mount(config);
    api::routes(config);
}

/// Binds every address of a host name; one success is enough.
fn bind(listen: &str) -> std::io::Result<Vec<TcpListener>> {
    let bound = listen.to_socket_addrs()?.map(bind_one);
    let (bound, mut failed): (Vec<_>, Vec<_>) = bound.partition(Result::is_ok);
    match failed.pop() {
        Some(Err(error)) if bound.is_empty() => Err(error),
        _ => bound.into_iter().collect(),
    }
}

fn bind_one(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
