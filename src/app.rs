//! The application: its long-lived parts, built once from the settings and passed down; there are no globals.

use tokio::sync::Semaphore;

use crate::access::Access;
use crate::archive::Limits;
use crate::auth::keys::SigningKeys;
use crate::auth::{FailedLoginLimiter, IdTokens};
use crate::catalog::Catalog;
use crate::deliver::{Capacity, Deliver, IndexCache};
use crate::domain::{Clock, Result};
use crate::identity::Belonging;
use crate::ingest::Ingest;
use crate::readiness::Readiness;
use crate::registry::Registry;
use crate::retention::Retention;
use crate::settings::Settings;
use crate::store::Store;

/// How many bodies of hooks are held at once; each may be 25 MiB.
const HOOK_TURNS: usize = 8;

/// The parts that a request may need.
#[derive(Debug)]
pub struct App {
    /// Configuration.
    pub settings: Settings,
    /// Clock; manual in tests.
    pub clock: Clock,
    /// Database access.
    pub catalog: Catalog,
    /// Blob storage.
    pub store: Store,
    /// Finds and authorizes what a request is about.
    pub access: Access,
    /// Receives artifacts.
    pub ingest: Ingest,
    /// Sends artifacts.
    pub deliver: Deliver,
    /// Deletes artifacts.
    pub retention: Retention,
    /// Changes the registry.
    pub registry: Registry,
    /// Sign links and tokens.
    pub keys: SigningKeys,
    /// Verifies the ID tokens of other CI systems' jobs.
    pub id_tokens: IdTokens,
    /// Counts failed authentications.
    pub failed_auth: FailedLoginLimiter,
    /// Turns of hooks, whose bodies are held in memory.
    pub hook_turns: Semaphore,
    /// Whether catalog and store answer.
    pub readiness: Readiness,
    /// Whether catalog and store are known to belong together; until they are, no writes are accepted.
    pub belonging: Belonging,
}

impl App {
    /// Opens the catalog, brings its schema up to date, and opens the store. Blocks.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` when one of them cannot be opened.
    pub fn open(settings: Settings, clock: Clock) -> Result<Self> {
        let catalog = Catalog::open(&settings)?;
        let migrations = catalog.migrate()?;
        if migrations > 0 {
            tracing::info!(migrations, "database schema is up to date");
        }
        let store = Store::open(&settings)?;
        let limits = archive_limits(&settings);
        let ingest = Ingest::new(catalog.clone(), store.clone(), limits, settings.concurrent_uploads);
        let indexes = IndexCache::new(limits, settings.index_cache_bytes);
        let capacity = Capacity::new(settings.decompression_memory_bytes, settings.index_cache_bytes);
        let deliver = Deliver::new(store.clone(), indexes, capacity, settings.direct_download);
        let access = Access::new(catalog.clone(), settings.max_artifact_bytes);
        let registry = Registry::new(catalog.clone(), store.clone(), limits, access.clone());
        let retention = Retention::new(catalog.clone(), store.clone(), clock.clone(), settings.tombstones);
        let keys = SigningKeys::new(catalog.clone());
        let id_tokens = IdTokens::new(&settings)?;
        let readiness = Readiness::default();
        let failed_auth = FailedLoginLimiter::new(settings.failed_auth_per_minute);
        let belonging = Belonging::default();
        Ok(Self {
            settings,
            clock,
            catalog,
            store,
            access,
            ingest,
            deliver,
            retention,
            registry,
            keys,
            id_tokens,
            failed_auth,
            hook_turns: Semaphore::new(HOOK_TURNS),
            readiness,
            belonging,
        })
    }
}

/// Returns the limits within which archives are read.
pub(crate) fn archive_limits(settings: &Settings) -> Limits {
    Limits {
        entries: settings.archive_entries,
        directory_bytes: settings.archive_directory_bytes,
        uncompressed_size: settings.max_uncompressed_bytes,
    }
}
