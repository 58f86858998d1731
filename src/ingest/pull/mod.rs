//! Pull: archives that are not here and that the upstream has are fetched with the caller's own credential, checked,
//! and stored as copies, each once, however many ask for it at the same time.
//!
//! Whoever asks first gets the bytes while they are being stored. The last ones wait until all are there and end as an
//! archive does; they do not wait for the disk and the rows of the copy.

mod bulk;
mod failure;
mod fetching;
mod room;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::BoxStream;
use tokio::sync::Notify;

use super::Ingest;
use crate::domain::{Clock, Error, Timestamp};
use crate::metrics::PullOutcome;
use crate::store::StoreKey;
use crate::upstream::{ArchiveAt, Asker, Upstream};
pub use bulk::{Fetched, Pace};
pub use failure::PullFailure;
use room::Coming;
use stream::Tee;

/// How often somebody tries for whom others were refused.
const TRIES: usize = 4;

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
    /// When the job was created, of an archive that is fetched before anybody has asked for it: it makes no other copy
    /// give way, and is the first to do so itself.
    pub ahead: Option<Timestamp>,
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
    /// Bytes of copies that are kept.
    cache_bytes: Option<u64>,
    coming: Coming,
    /// Tells that copies have given way, whose bytes are to be deleted.
    evicted: Notify,
    flights: Mutex<HashMap<i64, Flight>>,
}

impl Pulls {
    /// Fetches from the upstream, if there is one; nothing larger than `limit_bytes`, and at most `cache_bytes` in all.
    pub fn new(
        ingest: Arc<Ingest>,
        upstream: Option<Upstream>,
        clock: Clock,
        limit_bytes: u64,
        cache_bytes: Option<u64>,
    ) -> Self {
        let pulls = |upstream| {
            let (coming, evicted, flights) = (Coming::default(), Notify::new(), Mutex::default());
            Arc::new(Inner { ingest, upstream, clock, limit_bytes, cache_bytes, coming, evicted, flights })
        };
        Self(upstream.filter(Upstream::pulls).map(pulls))
    }

    /// Waits until copies have given way to others, so that their bytes can be deleted.
    pub async fn evicted(&self) {
        match &self.0 {
            Some(inner) => inner.evicted.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Fetches an archive, or waits for whoever does, until it is stored.
    ///
    /// # Errors
    /// [`PullFailure`].
    pub async fn store(&self, order: PullOrder) -> std::result::Result<(), PullFailure> {
        let inner = self.inner()?;
        let mut tries = 1;
        loop {
            let (flight, is_own) = inner.begin(&order, None).await?;
            match flight.await {
                // What another one may not have is not refused to this one.
                Err(failure) if failure.is_of_asker() && !is_own && tries < TRIES => tries += 1,
                ended => return ended.map(drop),
            }
        }
    }

    /// Fetches an archive, and returns its bytes while it is being stored; if somebody else is at it, waits for it.
    ///
    /// # Errors
    /// [`PullFailure`], before a byte is returned.
    pub async fn coming(&self, order: PullOrder) -> std::result::Result<Pulled, PullFailure> {
        let inner = self.inner()?;
        let mut tries = 1;
        loop {
            let (tee, tapped) = Tee::new();
            let (flight, is_own) = inner.begin(&order, Some(tee)).await?;
            // Whoever only joins has given his own tee up.
            if let Ok(Announced { size, filename }) = tapped.announced.await {
                let rest = stream::Rest { flight, store: inner.ingest.store.clone() };
                let bytes = stream::bytes(tapped.pieces, size, rest);
                return Ok(Pulled::Coming(ComingArchive { size, filename, bytes }));
            }
            match flight.await {
                Err(failure) if failure.is_of_asker() && !is_own && tries < TRIES => tries += 1,
                ended => return ended.map(|_| Pulled::Stored),
            }
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
    /// Joins whoever fetches the archive, or begins to fetch it in a turn of the order's own reader; returns whether it
    /// began.
    async fn begin(
        self: &Arc<Self>,
        order: &PullOrder,
        tee: Option<Tee>,
    ) -> std::result::Result<(Flight, bool), PullFailure> {
        let job_id = order.archive.job_id;
        if let Some(flight) = self.flights().get(&job_id) {
            return Ok((flight.clone(), false));
        }
        // Nobody waits for the turn of another reader.
        let turn = self.upstream.fetch_turn(&order.asker, order.client).await;
        let turn = turn.map_err(|outage| PullFailure::outage(self.upstream.name(), outage))?;
        let mut flights = self.flights();
        if let Some(flight) = flights.get(&job_id) {
            return Ok((flight.clone(), false));
        }
        let (inner, order) = (Arc::clone(self), order.clone());
        let fetching = self.upstream.spawn(async move {
            let _turn = turn;
            let fetched = inner.find_or_fetch(order, tee).await;
            inner.flights().remove(&job_id);
            fetched
        });
        let given_up = || Err(Error::unavailable("the download was given up").into());
        let flight = fetching.map(move |ended| ended.unwrap_or_else(|_| given_up())).boxed().shared();
        flights.insert(job_id, flight.clone());
        Ok((flight, true))
    }

    async fn find_or_fetch(
        self: &Arc<Self>,
        order: PullOrder,
        tee: Option<Tee>,
    ) -> std::result::Result<PulledCopy, PullFailure> {
        let job_id = order.archive.job_id;
        // Another download may have ended between the question for the archive and this one.
        if let Some(copy) = self.find_stored(job_id).await? {
            return Ok(copy);
        }
        let fetched = Arc::clone(self).fetch(order, tee).await;
        let (outcome, bytes) = match &fetched {
            Ok(copy) => (PullOutcome::Stored, copy.size),
            Err(failure) if failure.retry_after_seconds().is_some() => (PullOutcome::Failed, 0),
            Err(_) => (PullOutcome::Refused, 0),
        };
        self.upstream.metrics().pulled(outcome, bytes);
        if let Err(failure) = &fetched {
            tracing::warn!(job.id = job_id, reason = %failure, "an archive of the upstream is not fetched");
        }
        fetched
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<i64, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
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
