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

/// How soon keys are read again for a signature of an unknown key, so that forged ones cost no read each.
const RETRY: Duration = Duration::from_secs(1);

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
}

/// The signing keys of the catalog. Clones share them.
#[derive(Clone)]
pub struct SigningKeys {
    catalog: Catalog,
    cached: Arc<Mutex<Cached>>,
}

#[derive(Default)]
struct Cached {
    keys: Vec<Arc<SigningKey>>,
    read_at: Option<Instant>,
}

impl SigningKeys {
    /// Reads keys from `catalog` when they are needed.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, cached: Arc::default() }
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

    /// Returns an accepted key by its ID.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn find(&self, id: i64) -> Result<Option<Arc<SigningKey>>> {
        let of = |keys: Vec<Arc<SigningKey>>| keys.into_iter().find(|key| key.id == id);
        if let Some(key) = self.cached(FRESH).and_then(of) {
            return Ok(Some(key));
        }
        if self.cached(RETRY).is_some() {
            return Ok(None);
        }
        Ok(of(self.read().await?))
    }

    /// Returns the keys that were read less than `age` ago.
    fn cached(&self, age: Duration) -> Option<Vec<Arc<SigningKey>>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.read_at.filter(|at| at.elapsed() < age).map(|_| cached.keys.clone())
    }

    async fn read(&self) -> Result<Vec<Arc<SigningKey>>> {
        let rows = self.catalog.read(keys::accepted).await?;
        let keys: Vec<_> = rows.into_iter().map(|(id, secret)| Arc::new(derive(id, &secret))).collect();
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        *cached = Cached { keys: keys.clone(), read_at: Some(Instant::now()) };
        Ok(keys)
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
    let mut tokens = [0; 32];
    tokens.copy_from_slice(hmac::sign(&root, b"artigate tokens 1").as_ref());
    SigningKey { id, links: hmac::Key::new(hmac::HMAC_SHA256, links.as_ref()), tokens }
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
