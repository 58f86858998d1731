//! Key source: the keys of one issuer, held in memory and fetched again when they are old or a token names another.
//!
//! Fetches are a minute apart, failed ones too, and one at a time, so tokens with invented keys cost an issuer nothing.
//! Keys that are known verify meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
#[derive(Debug)]
pub(super) struct KeySource {
    fetcher: KeyFetcher,
    held: Mutex<Held>,
    /// Held by the one that fetches.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Held {
    keys: Option<HeldKeys>,
    tried_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct HeldKeys {
    set: Arc<KeySet>,
    fresh_until: Timestamp,
    usable_until: Timestamp,
}

impl KeySource {
    pub(super) fn new(fetcher: KeyFetcher) -> Self {
        Self { fetcher, held: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    /// Finds the key that a token names; `None` if the issuer has none such.
    ///
    /// # Errors
    /// `Unavailable` if there are no keys, or only ones that are too old.
    pub(super) async fn find(&self, id: &str, algorithm: Algorithm, now: Timestamp) -> Result<Option<Key>> {
        let held = self.held();
        let known = held.find(id, algorithm, now);
        if known.is_some() {
            if held.is_fresh(now) || held.is_cooling(now) {
                return Ok(known);
            }
            // The others go on with the keys there are.
            if let Ok(_turn) = self.flight.try_lock() {
                self.fetch(now).await;
            }
        } else {
            // A fetch that has begun may bring the key.
            let _turn = self.flight.lock().await;
            let held = self.held();
            if held.find(id, algorithm, now).is_none() && !held.is_cooling(now) {
                self.fetch(now).await;
            }
        }
        let held = self.held();
        held.answer(held.find(id, algorithm, now), now)
    }

    async fn fetch(&self, now: Timestamp) {
        self.change(|held| held.tried_at = Some(now));
        let fetched = match self.fetcher.keys().await {
            Ok(document) => KeySet::parse(&document.bytes)
                .map(|set| (set, document.max_age))
                .ok_or_else(|| "there is no key in it that can be used".to_owned()),
            Err(why) => Err(why),
        };
        match fetched {
            Ok((set, max_age)) => {
                let fresh = max_age.unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST);
                let after = |time: Duration| now.plus_seconds(time.as_secs()).unwrap_or(now);
                let keys = HeldKeys {
                    set: Arc::new(set),
                    fresh_until: after(fresh),
                    usable_until: after(fresh + STALE),
                };
                self.change(|held| held.keys = Some(keys));
            }
            Err(why) => tracing::warn!(why, "the keys of an issuer of ID tokens cannot be fetched"),
        }
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner));
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
