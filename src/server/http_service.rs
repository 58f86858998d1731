//! HTTP service: speaks HTTP on a connection, admitted or spare.

use std::net::SocketAddr;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{ServiceFactory, apply_fn_factory, map_config};
use actix_web::App as Routes;
use actix_web::dev::{AppConfig, Service};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Data, ServiceConfig};
use tracing_actix_web::TracingLogger;

use super::exchange;
use super::request_stream::RequestStream;
use crate::app::App;
use crate::http::middleware::request_context;
use crate::http::request_log::RequestSpan;
use crate::web::error_pages;

/// A connection's request stream, its protocol and its peer.
pub(super) type Connection = (RequestStream<TcpStream>, Protocol, Option<SocketAddr>);

/// Builds the service of one worker, with the routes that `mount` adds. When the future of `stopping`
/// completes, idle connections are closed.
pub(super) async fn http_service<F: Future<Output = ()> + 'static>(
    app: Data<App>,
    mount: fn(&mut ServiceConfig),
    keep_alive: KeepAlive,
    disconnect_timeout: Duration,
    stopping: impl Fn() -> F + 'static,
) -> Result<impl Service<Connection, Response = (), Error = DispatchError, Future: 'static>, ()> {
    let routes = Routes::new()
        .app_data(app)
        .configure(mount)
        .wrap(from_fn(request_context))
        .wrap(from_fn(error_pages))
        .wrap(TracingLogger::<RequestSpan>::new());
    let routes = map_config(routes, |()| AppConfig::default());
    HttpService::build()
        .keep_alive(keep_alive)
        // The request stream enforces the timeouts; the library would for the first request only.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(disconnect_timeout)
        // A client that closed its side may still wait for a response; `presence` detects one that has left.
        .h1_allow_half_closed(true)
        .on_connect_ext(|stream: &RequestStream<TcpStream>, data| {
            data.insert(stream.exchange());
        })
        .graceful_shutdown_signal(stopping)
        .finish(apply_fn_factory(routes, exchange::answer))
        .new_service(())
        .await
}
