//! Server: sockets, workers and the graceful stop.

mod admission;
mod alarm;
mod connection;
mod descriptors;
mod exchange;
mod farewell;
mod http2;
mod http_service;
mod monitoring;
mod presence;
pub mod request;
mod request_stream;
mod spare;
mod tls;
mod transport;
mod turns;
mod write_all;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::KeepAlive;
use actix_web::dev::{Server, fn_factory};
use actix_web::web::{Data, ServiceConfig};
use tokio::sync::Semaphore;

use crate::api;
use crate::app::App;
use crate::domain::{Clock, Error, Result};
use crate::metrics::Exposition;
use crate::settings::Settings;
use crate::web as pages;
use admission::Admission;
use connection::Connections;
use http_service::{HttpConnections, http_service, routes};
use http2::Http2;
use monitoring::monitoring;
use request_stream::Patience;
use spare::{Places, SPARE_CONNECTIONS, Spare};
use tls::Tls;
use turns::Turns;

/// How long closing a connection may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections that the system queues before they are accepted.
const BACKLOG: i32 = 1024;

/// A listening server.
pub struct Listening {
    /// Bound address.
    pub address: SocketAddr,
    /// Bound address of the listener for metrics, if there is one.
    pub metrics: Option<SocketAddr>,
    /// Runs until SIGTERM or SIGINT when awaited.
    pub server: Server,
}

/// Checks that the certificate and its key can be used, if they are configured. Blocks.
///
/// # Errors
/// `Internal`, with the setting, the file and the reason.
pub fn check_tls(settings: &Settings) -> Result<()> {
    Tls::of(settings, &Clock::System).map(drop)
}

/// Listens on the configured address, with as many connections as the process may have open files. Must be
/// called inside an actix system.
///
/// # Errors
/// `Internal` if the address cannot be bound, or the certificate or its key cannot be used.
pub fn listen(app: Arc<App>) -> Result<Listening> {
    let settings = app.settings.clone();
    let tls = Tls::of(&settings, &app.clock)?;
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = descriptors::bounded_connections(&settings);
    let admission = Arc::new(Admission::new(&settings, most));
    let exposition = settings.metrics_listen.as_ref().map(|_| exposition(&app, &admission, tls.as_ref()));
    let shared = Shared {
        app: Data::from(app),
        admission,
        places: Arc::default(),
        wide: Arc::new(http2::wide_windows()),
        tls,
    };
    let cannot = |e| Error::internal(format!("server.listen: cannot listen on {}: {e}", settings.listen));
    let mut builder = Server::build()
        .workers(workers)
        // All connections beyond the admitted ones are spare.
        .max_concurrent_connections(most.saturating_add(SPARE_CONNECTIONS).div_ceil(workers))
        .shutdown_timeout(settings.drain_timeout.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    // Closes idle connections when the server stops; it would wait for them otherwise.
    let stopping = move || {
        let stopping = stopping.clone();
        async move { stopping.notified().await }
    };
    let listeners = bind(&settings.listen).map_err(cannot)?;
    let address = listeners.first().map(TcpListener::local_addr).transpose().map_err(cannot)?;
    let address = address.ok_or_else(|| cannot(std::io::ErrorKind::AddrNotAvailable.into()))?;
    warn_of_listeners_without_tls(&listeners, &settings);
    if let Some(tls) = &shared.tls {
        actix_web::rt::spawn(tls::watch(Arc::clone(tls)));
    }
    for listener in listeners {
        let (shared, stopping) = (shared.clone(), stopping.clone());
        let serve = move || {
            let (shared, stopping) = (shared.clone(), stopping.clone());
            fn_factory(move || connections(shared.clone(), stopping.clone()))
        };
        builder = builder.listen("artigate", listener, serve).map_err(cannot)?;
    }
    let mut metrics = None;
    if let (Some(listen), Some(exposition)) = (&settings.metrics_listen, exposition) {
        let cannot = |e| Error::internal(format!("metrics.listen: cannot listen on {listen}: {e}"));
        let shown = (Arc::new(exposition), Arc::new(Semaphore::new(monitoring::CONNECTIONS)));
        let listeners = bind(listen).map_err(cannot)?;
        metrics = listeners.first().map(TcpListener::local_addr).transpose().map_err(cannot)?;
        for listener in listeners {
            let (shown, stopping) = (shown.clone(), stopping.clone());
            let serve = move || {
                let ((exposition, places), stopping) = (shown.clone(), stopping.clone());
                fn_factory(move || monitoring(Arc::clone(&exposition), Arc::clone(&places), stopping.clone()))
            };
            builder = builder.listen("metrics", listener, serve).map_err(cannot)?;
        }
    }
    Ok(Listening { address, metrics, server: builder.run() })
}

/// Returns all metrics, those of connections included.
fn exposition(app: &Arc<App>, admission: &Arc<Admission>, tls: Option<&Arc<Tls>>) -> Exposition {
    let (open, most) = (Arc::clone(admission), Arc::clone(admission));
    let exposition = app
        .exposition()
        .reading("artigate_connections", "Open connections", None, move || {
            vec![("", open.connections().0 as f64)]
        })
        .reading("artigate_connections_max", "How many connections may be open", None, move || {
            vec![("", most.connections().1 as f64)]
        });
    let Some(tls) = tls.map(Arc::clone) else { return exposition };
    let (name, help) = (
        "artigate_certificate_expiry_timestamp_seconds",
        "When the certificate expires, in seconds since 1970",
    );
    exposition.reading(name, help, None, move || {
        tls.ends_at().map(|end| ("", (end.as_millis() / 1000) as f64)).into_iter().collect()
    })
}

/// What the workers share.
#[derive(Clone)]
struct Shared {
    app: Data<App>,
    admission: Arc<Admission>,
    places: Arc<Places>,
    /// Turns at HTTP/2 with a wide window.
    wide: Arc<Turns>,
    tls: Option<Arc<Tls>>,
}

/// Builds the service of one worker. When the future of `stopping` completes, idle connections are closed.
async fn connections<F: Future<Output = ()> + 'static>(
    shared: Shared,
    stopping: impl Fn() -> F + Clone + 'static,
) -> std::result::Result<Connections<impl HttpConnections>, ()> {
    let Shared { app, admission, places, wide, tls } = shared;
    let (settings, stall_timeout) = (&app.settings, app.settings.stall_timeout);
    let patience = Patience { head: settings.head_timeout, idle: settings.keep_alive };
    let routes = Rc::new(routes(app.clone(), mount).await?);
    let admitted = Arc::clone(&admission);
    let http2 = Http2::new(Rc::clone(&routes), (admitted, wide), patience, stall_timeout, stopping.clone());
    let http = http_service(routes, KeepAlive::Os, DISCONNECT_TIMEOUT, stopping).await?;
    let (http, http2) = (Rc::new(http), Rc::new(http2));
    let spare = Spare::new(app.clone(), tls.clone(), places).await?;
    Ok(Connections { http, http2, tls, admission, patience, spare, stall_timeout })
}

/// Warns if others can reach a listener to which clients send their tokens unencrypted.
fn warn_of_listeners_without_tls(listeners: &[TcpListener], settings: &Settings) {
    if settings.tls_certificate.is_some() || !settings.trusted_proxies.is_empty() {
        return;
    }
    let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
    for address in addresses.filter(|address| !address.ip().to_canonical().is_loopback()) {
        tracing::warn!(
            %address,
            "server.listen can be reached by others, and nothing encrypts the tokens that they send: set \
             server.tls_certificate and server.tls_key, or name the proxy before it in server.trusted_proxies"
        );
    }
}

/// Mounts the pages, which answer only browsers, and behind them the dialects.
fn mount(config: &mut ServiceConfig) {
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
