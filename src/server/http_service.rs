//! HTTP service: speaks HTTP on a connection, admitted or spare.

use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{ServiceFactory, apply_fn_factory, map_config};
use actix_web::App as Routes;
use actix_web::dev::{AppConfig, Service, ServiceResponse, fn_factory};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use tracing_actix_web::TracingLogger;

use super::exchange;
use super::request_stream::RequestStream;
use super::transport::Transport;
use crate::app::App;
use crate::http::middleware::request_context;
use crate::http::request_log::RequestSpan;
use crate::web::error_pages;

/// A connection's request stream, its protocol and its peer.
pub(super) type Connection = (RequestStream<Transport>, Protocol, Option<SocketAddr>);

/// Speaks HTTP on a connection until it ends.
pub(super) trait HttpConnections:
    Service<Connection, Response = (), Error = DispatchError, Future: 'static> + 'static
{
}

impl<S> HttpConnections for S where
    S: Service<Connection, Response = (), Error = DispatchError, Future: 'static> + 'static
{
}

/// Builds the routes of one worker that `mount` adds, in the middleware of every request.
pub(super) async fn routes(
    app: Data<App>,
    mount: fn(&mut ServiceConfig),
) -> Result<
    impl Service<
        Request,
        Response = ServiceResponse<impl MessageBody + 'static>,
        Error = impl Into<Response<BoxBody>> + 'static,
        Future: 'static,
    >,
    (),
> {
    let routes = Routes::new()
        .app_data(app)
        .configure(mount)
        .wrap(from_fn(request_context))
        .wrap(from_fn(error_pages))
        .wrap(TracingLogger::<RequestSpan>::new());
    map_config(routes, |()| AppConfig::default()).new_service(()).await
}

/// Builds the service of one worker for HTTP/1.1. When the future of `stopping` completes, idle connections
/// are closed.
pub(super) async fn http_service<S, B, F: Future<Output = ()> + 'static>(
    routes: Rc<S>,
    keep_alive: KeepAlive,
    disconnect_timeout: Duration,
    stopping: impl Fn() -> F + 'static,
) -> Result<impl HttpConnections, ()>
where
    S: Service<Request, Response = ServiceResponse<B>, Future: 'static> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    B: MessageBody + 'static,
{
    let routes = fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&routes))));
    HttpService::build()
        .keep_alive(keep_alive)
        // The request stream enforces the timeouts; the library would for the first request only.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(disconnect_timeout)
        // A client that closed its side may still wait for a response; `presence` detects one that has left.
        .h1_allow_half_closed(true)
        .on_connect_ext(|stream: &RequestStream<Transport>, data| {
            data.insert(stream.exchange());
        })
        .graceful_shutdown_signal(stopping)
        .finish(apply_fn_factory(routes, exchange::answer))
        .new_service(())
        .await
}
