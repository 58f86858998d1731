//! Signing keys: the catalog's, held in memory for a while.
//!
//! Every use has a key of its own, derived from the stored secret, so that a signature for one use is none for
//! another.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::hmac;

use crate::catalog::{Catalog, keys};
use crate::domain::{Error, Result, Timestamp};

/// How long keys are used before they are read again, so that a rotation on another node is noticed.
const FRESH: Duration = Duration::from_secs(30);

/// The pause between two reads that signatures of unknown keys cause: they wait for the next one together, so that
/// forged ones cost ten reads a second, however many they are.
const PAUSE: Duration = Duration::from_millis(100);

/// How far beyond the newest key that is known an ID is asked for. The database counts them up by one, and skips some
/// when a server dies.
const FURTHEST: i64 = 1_000;

/// The length of a secret, in bytes.
const SECRET_BYTES: usize = 32;

/// A key, derived for each use.
pub struct SigningKey {
    /// Its ID, which signatures name.
    pub id: i64,
    /// Signs links.
    pub links: hmac::Key,
    /// Signs tokens: a secret for HMAC-SHA-256.
    pub tokens: [u8; 32],
    /// Signs the addresses of reports.
    pub reports: hmac::Key,
    /// Seals what the addresses of reports hold: a secret for ChaCha20-Poly1305.
    pub seals: [u8; 32],
}

/// The signing keys of the catalog. Clones share them.
#[derive(Clone)]
pub struct SigningKeys {
    catalog: Catalog,
    cached: Arc<Mutex<Cached>>,
    /// Held by the one that reads for all who wait.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Cached {
    keys: Vec<Arc<SigningKey>>,
    /// When the last read began that succeeded.
    read_at: Option<Instant>,
    /// When the last read began that failed.
    failed_at: Option<Instant>,
}

/// What to do about the key of a signature.
#[derive(Debug)]
enum Lookup {
    /// It is known.
    Found(Arc<SigningKey>),
    /// There is no such key.
    None,
    /// The catalog was asked since, and did not answer.
    Failed,
    /// The catalog knows, and may be asked from then on.
    AskFrom(Instant),
}

impl Cached {
    /// Looks for a key, for somebody who came at `came` and asks at `now`.
    fn look(&self, id: i64, came: Instant, now: Instant) -> Lookup {
        let read_since = self.read_at.is_some_and(|at| at >= came);
        let is_fresh = read_since || self.read_at.is_some_and(|at| now.duration_since(at) < FRESH);
        if is_fresh && let Some(key) = self.keys.iter().find(|key| key.id == id) {
            return Lookup::Found(Arc::clone(key));
        }
        if is_fresh && (read_since || !self.may_have_come(id)) {
            return Lookup::None;
        }
        if self.failed_at.is_some_and(|at| at >= came) {
            return Lookup::Failed;
        }
        Lookup::AskFrom(self.read_at.max(self.failed_at).map_or(now, |last| last + PAUSE))
    }

    /// Whether a key of this ID may have been created after the last read. IDs grow, and what was accepted no more
    /// is not again.
    fn may_have_come(&self, id: i64) -> bool {
        let newest = self.keys.first().map_or(0, |key| key.id);
        id > newest && id - newest <= FURTHEST
    }
}

impl SigningKeys {
    /// Reads keys from `catalog` when they are needed.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, cached: Arc::default(), reading: Arc::default() }
    }

    /// Returns the key that signs. The first use of an instance creates it.
    ///
    /// # Errors
    /// Those of the catalog; `Internal` when the system gives no randomness.
    pub async fn newest(&self, now: Timestamp) -> Result<Arc<SigningKey>> {
        if let Some(key) = self.cached(FRESH).and_then(|keys| keys.into_iter().next()) {
            return Ok(key);
        }
        if let Some(key) = self.read().await?.into_iter().next() {
            return Ok(key);
        }
        let secret = new_secret()?;
        self.catalog.write(move |db| keys::ensure(db, &secret, now)).await?;
        let keys = self.read().await?;
        keys.into_iter().next().ok_or_else(|| Error::internal("there is no signing key"))
    }

    /// Returns an accepted key by its ID, also one that another node has just created: an unknown ID waits up to
    /// 100 ms for the next read, together with all others.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn find(&self, id: i64) -> Result<Option<Arc<SigningKey>>> {
        let came = Instant::now();
        if let Some(found) = answer(self.look(id, came)) {
            return found;
        }
        let _reading = self.reading.lock().await;
        // Whoever held it before may have read for this one, too.
        match self.look(id, came) {
            Lookup::AskFrom(time) => tokio::time::sleep_until(time.into()).await,
            known => return answer(known).unwrap_or(Ok(None)),
        }
        Ok(self.read().await?.into_iter().find(|key| key.id == id))
    }

    fn look(&self, id: i64, came: Instant) -> Lookup {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).look(id, came, Instant::now())
    }

    /// Returns the keys that were read less than `age` ago.
    fn cached(&self, age: Duration) -> Option<Vec<Arc<SigningKey>>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.read_at.filter(|at| at.elapsed() < age).map(|_| cached.keys.clone())
    }

    async fn read(&self) -> Result<Vec<Arc<SigningKey>>> {
        let began = Instant::now();
        let rows = self.catalog.read(keys::accepted).await;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = rows.inspect_err(|_| cached.failed_at = Some(began))?;
        let keys: Vec<_> = rows.into_iter().map(|(id, secret)| Arc::new(derive(id, &secret))).collect();
        // A read that began later may have ended first.
        if cached.read_at.is_none_or(|at| at <= began) {
            (cached.keys, cached.read_at) = (keys.clone(), Some(began));
        }
        Ok(keys)
    }
}

/// What a lookup answers without a read; `None` if it needs one.
fn answer(lookup: Lookup) -> Option<Result<Option<Arc<SigningKey>>>> {
    match lookup {
        Lookup::Found(key) => Some(Ok(Some(key))),
        Lookup::None => Some(Ok(None)),
        Lookup::Failed => Some(Err(Error::unavailable("the signing keys cannot be read"))),
        Lookup::AskFrom(_) => None,
    }
}

/// Creates the secret of a key.
///
/// # Errors
/// `Internal` when the system gives no randomness.
pub fn new_secret() -> Result<[u8; SECRET_BYTES]> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
    Ok(secret)
}

fn derive(id: i64, secret: &[u8]) -> SigningKey {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let links = hmac::sign(&root, b"artigate links 1");
    let secret_for = |purpose: &[u8]| {
        let mut derived = [0; 32];
        derived.copy_from_slice(hmac::sign(&root, purpose).as_ref());
        derived
    };
    let reports = hmac::sign(&root, b"artigate reports 1");
    let key = |secret: hmac::Tag| hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
    SigningKey {
        id,
        links: key(links),
        tokens: secret_for(b"artigate tokens 1"),
        reports: key(reports),
        seals: secret_for(b"artigate report seals 1"),
    }
}

/// Returns a key whose secret everybody knows.
#[cfg(test)]
pub(super) fn derived_for_tests(id: i64) -> SigningKey {
    derive(id, &id.to_be_bytes())
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey {}", self.id)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that were read at `at`, the newest with this ID.
    fn read(newest: i64, at: Instant) -> Cached {
        let keys = [newest, newest - 1].map(|id| Arc::new(derive(id, b"secret")));
        Cached { keys: keys.into(), read_at: Some(at), failed_at: None }
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn an_unknown_key_is_asked_for_unless_the_catalog_was_asked_since() {
        let begin = Instant::now();
        let (cached, came) = (read(7, begin), begin + MOMENT);
        assert!(matches!(cached.look(7, came, came), Lookup::Found(_)));
        let Lookup::AskFrom(time) = cached.look(8, came, came) else { panic!("it may have come") };
        assert_eq!(time, begin + PAUSE);
        // Somebody else has read meanwhile.
        let later = came + PAUSE;
        assert!(matches!(read(7, later).look(8, came, later), Lookup::None));
        assert!(matches!(read(8, later).look(8, came, later), Lookup::Found(_)));
        let failed = Cached { failed_at: Some(later), ..read(7, begin) };
        assert!(matches!(failed.look(8, came, later), Lookup::Failed));
        assert!(matches!(failed.look(7, came, later), Lookup::Found(_)));
        let again = later + MOMENT;
        assert!(matches!(failed.look(8, again, again), Lookup::AskFrom(time) if time == later + PAUSE));
    }

    #[test]
    fn a_key_that_cannot_have_come_is_not_asked_for() {
        let begin = Instant::now();
        let (cached, came) = (read(7, begin), begin + MOMENT);
        for id in [i64::MIN, -1, 0, 5, 8 + FURTHEST, i64::MAX] {
            assert!(matches!(cached.look(id, came, came), Lookup::None), "{id}");
        }
        // What is known is asked for again when it is old, whatever the ID.
        let late = begin + FRESH;
        for id in [5, 7, 8] {
            assert!(matches!(cached.look(id, late, late), Lookup::AskFrom(_)), "{id}");
        }
        assert!(matches!(Cached::default().look(1, begin, begin), Lookup::AskFrom(time) if time == begin));
    }
}
