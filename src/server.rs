//! Sockets, workers and the graceful stop.

mod admission;
mod connection;
mod descriptors;
mod request_line;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{ServiceFactory, map_config};
use actix_web::dev::{AppConfig, Server, fn_factory};
use actix_web::middleware::from_fn;
use actix_web::{App as Routes, web};
use tracing_actix_web::TracingLogger;

use crate::api;
use crate::app::App;
use crate::domain::{Error, Result};
use crate::http::middleware::dress;
use crate::http::request_log::RequestSpan;
use admission::Admission;
use connection::Connections;

/// How long a connection that is being closed may take to do so.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections the system holds that nobody has accepted yet.
const BACKLOG: i32 = 1024;

/// A server that listens.
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// Runs until SIGTERM or SIGINT when awaited.
    pub server: Server,
}

/// Listens on the address of the settings, with as many connections as the process may have files
/// open. Must be called inside an actix system.
///
/// # Errors
/// `Internal` when the address cannot be had.
pub fn listen(app: Arc<App>) -> Result<Listening> {
    let settings = app.settings.clone();
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = descriptors::bounded_connections(&settings);
    let admission = Arc::new(Admission::new(&settings, most));
    let shared = web::Data::from(app);
    let cannot = |e| Error::internal(format!("server.listen: cannot listen on {}: {e}", settings.listen));
    let mut builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(most.div_ceil(workers))
        .shutdown_timeout(settings.drain_timeout.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    let listeners = bind(&settings.listen).map_err(cannot)?;
    let address = listeners.first().map(TcpListener::local_addr).transpose().map_err(cannot)?;
    let address = address.ok_or_else(|| cannot(std::io::ErrorKind::AddrNotAvailable.into()))?;
    for listener in listeners {
        let (shared, admission) = (shared.clone(), Arc::clone(&admission));
        let (settings, stopping) = (settings.clone(), stopping.clone());
        let serve = move || {
            let (shared, admission) = (shared.clone(), Arc::clone(&admission));
            let (settings, stopping) = (settings.clone(), stopping.clone());
            fn_factory(move || {
                let routes = Routes::new()
                    .app_data(shared.clone())
                    .configure(api::routes)
                    .wrap(from_fn(dress))
                    .wrap(TracingLogger::<RequestSpan>::new());
                let stopping = stopping.clone();
                let http = HttpService::build()
                    .keep_alive(settings.keep_alive)
                    .client_request_timeout(settings.head_timeout)
                    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                    // A client that closed its side takes nothing more. Else nobody would notice while there is
                    // nothing to be sent: what is computed for it would be computed for nobody.
                    .h1_allow_half_closed(false)
                    // Idle connections are closed when the server stops; without it, it would wait for
                    // them.
                    .graceful_shutdown_signal(move || {
                        let stopping = stopping.clone();
                        async move { stopping.notified().await }
                    })
                    .finish(map_config(routes, |()| AppConfig::default()))
                    .new_service(());
                let (admission, stall_timeout) = (Arc::clone(&admission), settings.stall_timeout);
                async move { Ok::<_, ()>(Connections { http: http.await?, admission, stall_timeout }) }
            })
        };
        builder = builder.listen("artigate", listener, serve).map_err(cannot)?;
    }
    Ok(Listening { address, server: builder.run() })
}

/// Binds every address that a name stands for, and is content with one.
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
