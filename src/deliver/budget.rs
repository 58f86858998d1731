//! A budget bounds what responses in progress hold, such as memory; it is counted before it is taken.
//!
//! Requests wait in order, for a while, for a budget that is used up; no client has more than three quarters
//! of it.
//!
//! A response whose client reads nothing is ended while others wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::ByteStream;
use crate::domain::{Error, Result};

/// How often a waiting request looks for stalled responses.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A budget; clones share it.
#[derive(Clone)]
pub(super) struct Budget(Arc<Shared>);

struct Shared {
    what: &'static str,
    all: Arc<Semaphore>,
    /// The most units for one client.
    most_each: u32,
    /// The amount of one unit.
    unit: u64,
    total: u32,
    patience: Patience,
    began: Instant,
    clients: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    answers: Mutex<Vec<Weak<Answer>>>,
}

/// The time limits of a budget.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a request waits for a share before it fails with 503.
    pub wait: Duration,
    /// How long a response may make no progress while others wait.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { wait: Duration::from_secs(15), stall: Duration::from_secs(10) }
    }
}

/// A part of a budget; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    units: u32,
    client: Option<IpAddr>,
    _all: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("what", &self.0.what).field("used", &self.used()).finish()
    }
}

impl Budget {
    /// Creates a budget of `total` bytes, or of what else `what` is counted in, kept in steps of `unit`.
    pub(super) fn new(what: &'static str, total: u64, unit: u64, patience: Patience) -> Self {
        let total = u32::try_from(total / unit).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32).max(1);
        Self(Arc::new(Shared {
            what,
            all: Arc::new(Semaphore::new(total as usize)),
            most_each: total - total / 4,
            unit,
            total,
            patience,
            began: Instant::now(),
            clients: Mutex::default(),
            answers: Mutex::default(),
        }))
    }

    /// The amount in use.
    pub(super) fn used(&self) -> u64 {
        (u64::from(self.0.total) - self.0.all.available_permits() as u64) * self.0.unit
    }

    /// Takes `amount` for a response to `client`. More than a client may have counts as all of that: it is
    /// granted once the client holds nothing else.
    ///
    /// # Errors
    /// `Unavailable` when the budget is used up and stays so.
    pub(super) async fn take(&self, amount: u64, client: Option<IpAddr>) -> Result<Share> {
        let shared = &self.0;
        let units = amount.div_ceil(shared.unit).min(shared.most_each.into()) as u32;
        let client = client.map(party);
        let own = match client {
            None => None,
            Some(client) => Some(shared.wait(shared.semaphore_of(client), units, Some(client)).await?),
        };
        let all = shared.wait(Arc::clone(&shared.all), units, None).await?;
        Ok(Share { units, client, _all: all, _own: own })
    }

    /// Returns the bytes of a response that `make` builds and that holds `share`. If its client reads none
    /// while others wait, the stream ends with an error, and the share is free.
    pub(super) fn watch(&self, share: Share, make: impl FnOnce(Share) -> ByteStream) -> ByteStream {
        let (units, client) = (share.units, share.client);
        let answer = Arc::new(Answer {
            bytes: Mutex::new(Some(make(share))),
            moved: AtomicU64::new(self.0.millis()),
            units,
            client,
        });
        let mut answers = lock(&self.0.answers);
        // Ended ones are removed whenever the list would grow.
        if answers.len() == answers.capacity() {
            answers.retain(|answer| answer.strong_count() > 0);
        }
        answers.push(Arc::downgrade(&answer));
        drop(answers);
        Box::pin(Watched { answer, budget: self.clone() })
    }
}

impl Shared {
    fn millis(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn semaphore_of(&self, client: IpAddr) -> Arc<Semaphore> {
        let mut clients = lock(&self.clients);
        if let Some(known) = clients.get(&client).and_then(Weak::upgrade) {
            return known;
        }
        if clients.len() == clients.capacity() {
            clients.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.most_each as usize));
        clients.insert(client, Arc::downgrade(&semaphore));
        semaphore
    }

    /// Waits for `units` of what one client may have, or of the total.
    async fn wait(
        &self,
        semaphore: Arc<Semaphore>,
        units: u32,
        client: Option<IpAddr>,
    ) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&semaphore).try_acquire_many_owned(units) {
            return Ok(permit);
        }
        let (began, mut permit) = (Instant::now(), pin!(semaphore.acquire_many_owned(units)));
        loop {
            self.end_stalled(units, client);
            let left = self.patience.wait.saturating_sub(began.elapsed());
            match timeout(left.min(LOOK_AGAIN), &mut permit).await {
                Ok(permit) => return permit.map_err(Error::internal),
                Err(_) if left.is_zero() => {
                    return Err(Error::unavailable(format!("{} is used up", self.what)));
                }
                Err(_) => {}
            }
        }
    }

    /// Ends stalled responses, the longest stalled first, until `units` are free: those of `client`, or any.
    fn end_stalled(&self, units: u32, client: Option<IpAddr>) {
        let now = self.millis();
        let stall = self.patience.stall.as_millis() as u64;
        let mut stalled: Vec<Arc<Answer>> = lock(&self.answers)
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|answer| client.is_none() || answer.client == client)
            .filter(|answer| now.saturating_sub(answer.moved.load(Ordering::Relaxed)) >= stall)
            .collect();
        stalled.sort_by_key(|answer| answer.moved.load(Ordering::Relaxed));
        let mut freed = 0;
        for answer in stalled {
            if freed >= units {
                break;
            }
            if answer.end() {
                freed += answer.units;
                tracing::warn!(
                    client.address = ?answer.client,
                    "ended a stalled response: other requests wait for {}",
                    self.what
                );
            }
        }
    }
}

/// A response in progress that can be ended from outside.
struct Answer {
    bytes: Mutex<Option<ByteStream>>,
    /// When it was last asked for bytes, in milliseconds since the budget was made.
    moved: AtomicU64,
    units: u32,
    client: Option<IpAddr>,
}

impl Answer {
    /// Ends the response; returns whether it was in progress and not just being polled.
    fn end(&self) -> bool {
        let bytes = match self.bytes.try_lock() {
            Ok(mut bytes) => bytes.take(),
            Err(_) => None,
        };
        bytes.is_some()
    }
}

struct Watched {
    answer: Arc<Answer>,
    budget: Budget,
}

impl Stream for Watched {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answer.moved.store(self.budget.0.millis(), Ordering::Relaxed);
        let mut bytes = lock(&self.answer.bytes);
        let Some(pieces) = bytes.as_mut() else {
            let why = "the client received nothing while other requests waited";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, why))));
        };
        let next = pieces.poll_next_unpin(cx);
        if matches!(next, Poll::Ready(None)) {
            *bytes = Some(Box::pin(futures_util::stream::empty()));
        }
        next
    }
}

/// Returns the address that a client is counted by: the /64 for IPv6, which a customer has at least.
fn party(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        IpAddr::V4(_) => client,
    }
}

/// Locks, also after a panic: no code that holds a lock here can leave its value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
