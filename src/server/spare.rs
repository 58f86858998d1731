//! Spare connections: a few beyond those that there may be, so that whoever looks after the server learns that
//! it is alive while others hold all the rest. They are told whether the server is well, and 503 to anything
//! else.
//!
//! Whoever fills them, too, keeps nobody out: each has some seconds, and where all are taken a new one takes
//! the place of the oldest one of the address that has most.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
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
use super::http_service::http_service;
use super::request_stream::{Patience, RequestStream};
use crate::api;
use crate::app::App;

/// How many have a place at the same time.
const PLACES: usize = 32;

/// How many are open at the same time: those that have a place, and those that have just lost it.
pub(super) const SPARE_CONNECTIONS: usize = 2 * PLACES;

/// How long one goes on without its place: of many that come at once the first have lost theirs before anybody
/// has looked at what they ask.
const GRACE: Duration = Duration::from_millis(5);

/// How long a client may take for the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long for each request; there is one.
const PATIENCE: Patience = Patience { head: HEAD_TIMEOUT, idle: HEAD_TIMEOUT };

/// How long one lasts at most. Database and store have five seconds to say how they are, and who asks may have
/// to wait for as long until those have been asked for somebody before.
const LIFE: Duration = Duration::from_secs(12);

/// What serves them on one worker.
pub(super) struct Spare {
    http: Box<Http>,
    places: Arc<Places>,
}

/// Speaks HTTP on a connection until it ends.
type Http = dyn Fn(RequestStream<TcpStream>, Option<SocketAddr>) -> LocalBoxFuture<'static, ()>;

impl Spare {
    /// The places are shared by all workers.
    pub(super) async fn new(app: Data<App>, places: Arc<Places>) -> Result<Self, ()> {
        let (mount, never) = (api::routes_without_room, std::future::pending);
        let http = http_service(app, mount, KeepAlive::Disabled, HEAD_TIMEOUT, never).await?;
        let http = move |stream, peer| -> LocalBoxFuture<'static, ()> {
            let served = http.call((stream, Protocol::Http1, peer));
            // Whoever sends nonsense here is none that the log has to know.
            Box::pin(async move { drop(served.await) })
        };
        Ok(Self { http: Box::new(http), places })
    }

    /// Serves one until it is answered, its time is over, or its place is taken.
    pub(super) fn serve(&self, stream: TcpStream, peer: Option<SocketAddr>) -> LocalBoxFuture<'static, ()> {
        let (place, taken) = self.places.take(peer.map(|peer| counted_as(peer.ip())));
        let served = timeout(LIFE, (self.http)(RequestStream::new(stream, peer, PATIENCE), peer));
        Box::pin(async move {
            let _place = place;
            let over = async {
                let _ = taken.await;
                sleep(GRACE).await;
            };
            select(Box::pin(served), Box::pin(over)).await;
        })
    }
}

/// The places that there are for spare connections.
#[derive(Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// The oldest first.
    holders: VecDeque<Holder>,
    /// How many there have been.
    count: u64,
}

struct Holder {
    number: u64,
    address: Option<IpAddr>,
    /// Dropping it ends the connection.
    _end: oneshot::Sender<()>,
}

/// A place that is held until this is dropped, or the other half of it is told that it was taken.
struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    /// A place for a connection of an address, and what tells when it is taken again.
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
            // Of several it is the last in this order, and so the oldest.
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
