//! Monitoring: the listener of its own that shows the metrics, to those who can reach it.
//!
//! It has no credentials, because monitoring systems differ in those that they can send; so it listens on an
//! address of its own, and the main listener knows nothing of it.

use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{KeepAlive, Protocol};
use actix_service::{ServiceFactory, map_config};
use actix_web::App as Routes;
use actix_web::dev::{AppConfig, Service};
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::http_service::{HttpConnections, http_service};
use super::request_stream::{Patience, RequestStream};
use super::transport::Transport;
use crate::metrics::{Exposition, Form};

/// Most connections; further ones are closed at once.
pub(super) const CONNECTIONS: usize = 32;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection without a request stays open: systems ask every 15 to 60 seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Longest life of a connection.
const LIFE: Duration = Duration::from_secs(3600);

/// Serves the connections of one worker.
pub(super) struct Monitoring<S> {
    http: S,
    places: Arc<Semaphore>,
}

/// Builds the service of one worker; all workers share `places`.
pub(super) async fn monitoring<F: Future<Output = ()> + 'static>(
    exposition: Arc<Exposition>,
    places: Arc<Semaphore>,
    stopping: impl Fn() -> F + 'static,
) -> Result<Monitoring<impl HttpConnections>, ()> {
    let routes = Routes::new()
        .app_data(Data::from(exposition))
        .service(web::resource("/metrics").get(metrics).head(metrics))
        .service(web::resource("/-/liveness").get(liveness).head(liveness))
        .default_service(web::to(|| ready(nothing())));
    let routes = map_config(routes, |()| AppConfig::default()).new_service(()).await?;
    let http = http_service(Rc::new(routes), KeepAlive::Os, HEAD_TIMEOUT, stopping).await?;
    Ok(Monitoring { http, places })
}

async fn metrics(request: HttpRequest, exposition: Data<Exposition>) -> HttpResponse {
    let accept = request.headers().get("accept").and_then(|accept| accept.to_str().ok());
    let form = Form::accepted(accept);
    HttpResponse::Ok()
        .insert_header(("content-type", form.media_type()))
        .insert_header(("cache-control", "no-store"))
        .body(exposition.text(form))
}

async fn liveness() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

fn nothing() -> HttpResponse {
    HttpResponse::NotFound().json(json!({ "message": "404 Not Found - there is /metrics and /-/liveness" }))
}

impl<S: HttpConnections> Service<TcpStream> for Monitoring<S> {
    type Response = ();
    type Error = ();
    type Future = LocalBoxFuture<'static, Result<(), ()>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.http.poll_ready(cx).map_err(|_| ())
    }

    fn call(&self, stream: TcpStream) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Box::pin(ready(Ok(()))) };
        let peer: Option<SocketAddr> = stream.peer_addr().ok();
        let patience = Patience { head: HEAD_TIMEOUT, idle: IDLE_TIMEOUT };
        let requests = RequestStream::new(Transport::Plain(stream), peer, patience);
        let served = timeout(LIFE, self.http.call((requests, Protocol::Http1, peer)));
        Box::pin(async move {
            let _place = place;
            // A scrape that broke off is the business of who asked.
            drop(served.await);
            Ok(())
        })
    }
}
