//! Spare connections: a few beyond the admitted ones, so that monitoring learns that the server is alive
//! while others hold all the rest.
//!
//! They get the health endpoints, and 503 for anything else.
//!
//! Clients that fill them lock out no other: each connection has some seconds, and if all places are taken a
//! new one replaces the oldest of the address that has most.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_http::{KeepAlive, Protocol};
use actix_web::dev::Service;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use futures_util::future::{LocalBoxFuture, select};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::admission::counted_as;
use super::http_service::{http_service, routes};
use super::request_stream::{Patience, RequestStream};
use super::tls::Tls;
use super::transport::Transport;
use crate::api;
use crate::app::App;

/// Most connections that have a place.
const PLACES: usize = 32;

/// Most open connections: those that have a place, and those that have just lost it.
pub(super) const SPARE_CONNECTIONS: usize = 2 * PLACES;

/// How long a connection goes on without its place: of many that arrive at once, the first have lost theirs
/// before their request is read.
const GRACE: Duration = Duration::from_millis(5);

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeouts of a connection, which serves one request.
const REQUEST_TIMEOUT: Patience = Patience { head: HEAD_TIMEOUT, idle: HEAD_TIMEOUT };

/// Longest life of a connection. A readiness check takes up to five seconds, and may first have to wait as
/// long for one that runs already.
const LIFE: Duration = Duration::from_secs(12);

/// Serves the spare connections of one worker.
pub(super) struct Spare {
    http: Rc<Http>,
    tls: Option<Arc<Tls>>,
    places: Arc<Places>,
}

/// Speaks HTTP on a connection until it ends.
type Http = dyn Fn(RequestStream<Transport>, Option<SocketAddr>) -> LocalBoxFuture<'static, ()>;

impl Spare {
    /// Builds the service; all workers share `places`.
    pub(super) async fn new(app: Data<App>, tls: Option<Arc<Tls>>, places: Arc<Places>) -> Result<Self, ()> {
        let routes = Rc::new(routes(app, api::routes_without_room).await?);
        let never = std::future::pending;
        let http = http_service(routes, KeepAlive::Disabled, HEAD_TIMEOUT, never).await?;
        let http = move |stream, peer| -> LocalBoxFuture<'static, ()> {
            let served = http.call((stream, Protocol::Http1, peer));
            // Errors of spare connections are not worth a log line.
            Box::pin(async move { drop(served.await) })
        };
        Ok(Self { http: Rc::new(http), tls, places })
    }

    /// Serves a connection until it is answered, its time is over, or its place is taken.
    pub(super) fn serve(&self, stream: TcpStream, peer: Option<SocketAddr>) -> LocalBoxFuture<'static, ()> {
        let (place, taken) = self.places.take(peer.map(|peer| counted_as(peer.ip())));
        let (http, tls) = (Rc::clone(&self.http), self.tls.clone());
        let served = async move {
            let transport = match tls {
                None => Some(Transport::Plain(stream)),
                Some(tls) => {
                    let accepted = tls.accept_spare(stream, peer, HEAD_TIMEOUT).await;
                    accepted.map(|stream| Transport::Tls(Box::new(stream)))
                }
            };
            if let Some(transport) = transport {
                http(RequestStream::new(transport, peer, REQUEST_TIMEOUT), peer).await;
            }
        };
        Box::pin(async move {
            let _place = place;
            let served = timeout(LIFE, served);
            let over = async {
                let _ = taken.await;
                sleep(GRACE).await;
            };
            select(Box::pin(served), Box::pin(over)).await;
        })
    }
}

/// The places for spare connections.
#[derive(Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// Oldest first.
    holders: VecDeque<Holder>,
    /// Places taken so far.
    count: u64,
}

struct Holder {
    number: u64,
    address: Option<IpAddr>,
    /// Dropping it ends the connection.
    _end: oneshot::Sender<()>,
}

/// A place; held until this is dropped or a new connection takes it.
struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    /// Takes a place for a connection of an address; the receiver resolves when another takes it.
    fn take(self: &Arc<Self>, address: Option<IpAddr>) -> (Place, oneshot::Receiver<()>) {
        let (end, is_taken) = oneshot::channel();
        let mut taken = self.lock();
        let Taken { holders, count } = &mut *taken;
        if holders.len() >= PLACES {
            let crowd = |of: Option<IpAddr>| {
                holders
                    .iter()
                    .map(|holder| holder.address)
                    .chain([address])
                    .filter(|other| *other == of)
                    .count()
            };
            // The last of several in this order is chosen, and so the oldest.
            let oldest = (0..holders.len()).rev().max_by_key(|at| crowd(holders[*at].address));
            oldest.map(|at| holders.remove(at));
        }
        let number = *count;
        *count += 1;
        holders.push_back(Holder { number, address, _end: end });
        (Place { places: Arc::clone(self), number }, is_taken)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().holders.retain(|holder| holder.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Held = (Place, oneshot::Receiver<()>);

    fn take(places: &Arc<Places>, peer: &str) -> Held {
        places.take(Some(peer.parse().unwrap()))
    }

    fn is_held(held: &mut Held) -> bool {
        held.1.try_recv() == Err(oneshot::error::TryRecvError::Empty)
    }

    #[test]
    fn a_crowd_takes_its_own_places_and_leaves_those_of_others() {
        let places = Arc::default();
        let mut probe = take(&places, "192.0.2.9");
        let mut crowd: Vec<Held> = (0..1000)
            .map(|number| take(&places, if number % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" }))
            .collect();
        assert!(is_held(&mut probe));
        let held: Vec<bool> = crowd.iter_mut().map(is_held).collect();
        assert_eq!(held.iter().filter(|held| **held).count(), PLACES - 1);
        assert!(held[1000 - (PLACES - 1)..].iter().all(|held| *held), "those that are there are the newest");
    }

    #[test]
    fn where_nobody_has_more_than_others_the_oldest_goes() {
        let places = Arc::default();
        let mut all: Vec<Held> =
            (0..=PLACES).map(|number| take(&places, &format!("192.0.2.{number}"))).collect();
        assert!(!is_held(&mut all[0]) && all[1..].iter_mut().all(is_held));
    }

    #[test]
    fn a_place_that_was_left_is_free() {
        let places = Arc::default();
        let mut first = take(&places, "192.0.2.1");
        for _ in 0..1000 {
            drop(take(&places, "192.0.2.1"));
        }
        assert!(is_held(&mut first));
        drop(first);
        assert!(places.lock().holders.is_empty());
    }
}
