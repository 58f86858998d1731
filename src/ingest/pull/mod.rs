//! Pull: archives that are not here and that the upstream has are fetched with the caller's own credential, checked,
//! and stored as copies, each once, however many ask for it at the same time.
//!
//! Whoever asks first gets the bytes while they are being stored. The last ones wait until all are there and end as an
//! archive does; they do not wait for the disk and the rows of the copy.

mod bulk;
mod failure;
mod fetching;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::BoxStream;
use tokio::sync::oneshot;

use super::Ingest;
use crate::domain::{Clock, Error, Timestamp};
use crate::store::StoreKey;
use crate::upstream::{ArchiveAt, Asker, Upstream};
pub use bulk::Fetched;
pub use failure::PullFailure;
use stream::Tee;

/// An archive that somebody may fetch from the upstream, and his credential.
#[derive(Debug, Clone)]
pub struct PullOrder {
    /// Whose credential is shown.
    pub asker: Asker,
    /// The address of the one who asks.
    pub client: Option<IpAddr>,
    /// The archive.
    pub archive: ArchiveAt,
    /// The pipeline of the asking job, if a job asks.
    pub pipeline_id: Option<i64>,
}

/// The copy of an archive, recorded.
#[derive(Debug, Clone)]
pub struct PulledCopy {
    key: StoreKey,
    size: u64,
}

/// What became of an order.
pub enum Pulled {
    /// The copy is stored.
    Stored,
    /// It is being stored, and these are its bytes.
    Coming(ComingArchive),
}

/// An archive that is being stored.
pub struct ComingArchive {
    /// Its size in bytes.
    pub size: u64,
    /// The file name that the download suggests.
    pub filename: String,
    /// Its bytes. They end early if the copy turns out to be none.
    pub bytes: BoxStream<'static, std::io::Result<bytes::Bytes>>,
}

/// What is known of an archive when its first bytes are here.
#[derive(Debug)]
struct Announced {
    size: u64,
    filename: String,
}

type Flight = Shared<BoxFuture<'static, std::result::Result<PulledCopy, PullFailure>>>;

/// Fetches archives. Clones share the work in progress.
#[derive(Clone)]
pub struct Pulls(Option<Arc<Inner>>);

struct Inner {
    ingest: Arc<Ingest>,
    upstream: Upstream,
    clock: Clock,
    limit_bytes: u64,
    flights: Mutex<HashMap<i64, Flight>>,
}

impl Pulls {
    /// Fetches from the upstream, if there is one; nothing larger than `limit_bytes`.
    pub fn new(ingest: Arc<Ingest>, upstream: Option<Upstream>, clock: Clock, limit_bytes: u64) -> Self {
        let pulls =
            |upstream| Arc::new(Inner { ingest, upstream, clock, limit_bytes, flights: Mutex::default() });
        Self(upstream.filter(Upstream::pulls).map(pulls))
    }

    /// Fetches an archive, or waits for whoever does, until it is stored.
    ///
    /// # Errors
    /// [`PullFailure`].
    pub async fn store(&self, order: PullOrder) -> std::result::Result<(), PullFailure> {
        let inner = self.inner()?;
        inner.begin(order, None).await.map(drop)
    }

    /// Fetches an archive, and returns its bytes while it is being stored; if somebody else is at it, waits for it.
    ///
    /// # Errors
    /// [`PullFailure`], before a byte is returned.
    pub async fn coming(&self, order: PullOrder) -> std::result::Result<Pulled, PullFailure> {
        let inner = self.inner()?;
        let (tee, tapped) = Tee::new();
        let flight = inner.begin(order, Some(tee));
        // Whoever only joins has given his own tee up.
        match tapped.announced.await {
            Ok(Announced { size, filename }) => {
                let rest = stream::Rest { flight, store: inner.ingest.store.clone() };
                let bytes = stream::bytes(tapped.pieces, size, rest);
                Ok(Pulled::Coming(ComingArchive { size, filename, bytes }))
            }
            Err(oneshot::error::RecvError { .. }) => flight.await.map(|_| Pulled::Stored),
        }
    }

    /// Waits while the archive of a job is being fetched, because whoever has its last byte may go on to keep or delete
    /// the copy.
    pub async fn settled(&self, job_id: i64) {
        if let Some(flight) = self.0.as_ref().and_then(|inner| inner.flight(job_id)) {
            // Whoever began it learns how it ends.
            let _ = flight.await;
        }
    }

    fn inner(&self) -> std::result::Result<&Arc<Inner>, PullFailure> {
        self.0.as_ref().ok_or_else(|| PullFailure::from(Error::internal("nothing is fetched")))
    }
}

impl Inner {
    fn begin(self: &Arc<Self>, order: PullOrder, tee: Option<Tee>) -> Flight {
        let job_id = order.archive.job_id;
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&job_id) {
            return flight.clone();
        }
        let inner = Arc::clone(self);
        let fetching = self.upstream.spawn(async move {
            let fetched = Arc::clone(&inner).fetch(order, tee).await;
            if let Err(failure) = &fetched {
                tracing::warn!(job.id = job_id, reason = %failure, "an archive of the upstream is not fetched");
            }
            inner.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&job_id);
            fetched
        });
        let given_up = || Err(Error::unavailable("the download was given up").into());
        let flight = fetching.map(move |ended| ended.unwrap_or_else(|_| given_up())).boxed().shared();
        flights.insert(job_id, flight.clone());
        flight
    }

    fn flight(&self, job_id: i64) -> Option<Flight> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).get(&job_id).cloned()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Pulls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pulls of {:?}", self.0.as_ref().map(|inner| &inner.upstream))
    }
}
