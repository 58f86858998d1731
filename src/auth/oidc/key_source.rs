//! Key source: the keys of one issuer, held in memory and fetched again when they are old or a token names another.
//!
//! Fetches are a minute apart, failed ones too, and one at a time, so tokens with invented keys cost an issuer nothing.
//! Keys that are known verify meanwhile. A fetch is a task of its own: it goes on when the request that began it ends, and
//! counts only when it has ended itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::fetch::KeyFetcher;
use super::jwt::Algorithm;
use super::key_set::{Key, KeySet};
use crate::domain::{Error, Result, Timestamp};

/// Shortest time between two fetches.
const COOLDOWN: Duration = Duration::from_secs(60);

/// Bounds of the time for which keys are fresh; the shorter one if the issuer says nothing.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(86_400);

/// For how long keys are used that are no longer fresh, while they cannot be fetched.
const STALE: Duration = Duration::from_secs(86_400);

/// The keys of one issuer.
pub(super) struct KeySource(Arc<Inner>);

struct Inner {
    fetcher: KeyFetcher,
    held: Mutex<Held>,
}

/// A fetch, for everybody who waits for it.
type Fetching = Shared<BoxFuture<'static, ()>>;

#[derive(Default)]
struct Held {
    keys: Option<HeldKeys>,
    /// When the last fetch began that came to its end.
    tried_at: Option<Timestamp>,
    fetching: Option<Fetching>,
}

#[derive(Debug, Clone)]
struct HeldKeys {
    set: Arc<KeySet>,
    fresh_until: Timestamp,
    usable_until: Timestamp,
}

/// Ends a fetch however it ends, so that another one can begin.
struct Ending(Arc<Inner>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.held().fetching = None;
    }
}

impl KeySource {
    pub(super) fn new(fetcher: KeyFetcher) -> Self {
        Self(Arc::new(Inner { fetcher, held: Mutex::default() }))
    }

    /// Finds the key that a token names; `None` if the issuer has none such.
    ///
    /// # Errors
    /// `Unavailable` if there are no keys, or only ones that are too old.
    pub(super) async fn find(&self, id: &str, algorithm: Algorithm, now: Timestamp) -> Result<Option<Key>> {
        let fetching = {
            let mut held = self.0.held();
            let known = held.find(id, algorithm, now);
            match &held.fetching {
                _ if known.is_some() && held.is_fresh(now) => return Ok(known),
                // Whoever knows the key goes on with it.
                Some(_) if known.is_some() => return Ok(known),
                // A fetch that has begun may bring the key.
                Some(fetching) => fetching.clone(),
                None if held.is_cooling(now) => return held.answer(known, now),
                None => self.begin(&mut held, now),
            }
        };
        fetching.await;
        let held = self.0.held();
        held.answer(held.find(id, algorithm, now), now)
    }

    fn begin(&self, held: &mut Held, now: Timestamp) -> Fetching {
        let ending = Ending(Arc::clone(&self.0));
        let task = tokio::spawn(async move { ending.0.fetch(now).await });
        let fetching = task.map(drop).boxed().shared();
        held.fetching = Some(fetching.clone());
        fetching
    }
}

impl Inner {
    async fn fetch(&self, now: Timestamp) {
        let fetched = match self.fetcher.keys().await {
            Ok(document) => KeySet::parse(&document.bytes)
                .map(|set| (set, document.max_age))
                .ok_or_else(|| "there is no key in it that can be used".to_owned()),
            Err(why) => Err(why),
        };
        let mut held = self.held();
        held.tried_at = Some(now);
        match fetched {
            Ok((set, max_age)) => {
                let fresh = max_age.unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST);
                let after = |time: Duration| now.plus_seconds(time.as_secs()).unwrap_or(now);
                held.keys = Some(HeldKeys {
                    set: Arc::new(set),
                    fresh_until: after(fresh),
                    usable_until: after(fresh + STALE),
                });
            }
            Err(why) => tracing::warn!(why, "the keys of an issuer of ID tokens cannot be fetched"),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource {:?}", self.0.fetcher)
    }
}

impl Held {
    fn find(&self, id: &str, algorithm: Algorithm, now: Timestamp) -> Option<Key> {
        let keys = self.keys.as_ref().filter(|keys| now < keys.usable_until)?;
        keys.set.find(id, algorithm).cloned()
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.keys.as_ref().is_some_and(|keys| now < keys.fresh_until)
    }

    /// Whether the last fetch was less than a minute ago. A clock that was set back ends the wait.
    fn is_cooling(&self, now: Timestamp) -> bool {
        let cooldown = i64::try_from(COOLDOWN.as_millis()).unwrap_or(i64::MAX);
        self.tried_at.is_some_and(|at| (0..cooldown).contains(&(now.as_millis() - at.as_millis())))
    }

    fn answer(&self, key: Option<Key>, now: Timestamp) -> Result<Option<Key>> {
        if key.is_none() && self.keys.as_ref().is_none_or(|keys| now >= keys.usable_until) {
            return Err(Error::unavailable("the keys of the issuer of an ID token are not known"));
        }
        Ok(key)
    }
}
