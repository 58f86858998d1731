//! The application: its long-lived parts, built once from the settings and passed down; there are no globals.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::archive::Limits;
use crate::auth::keys::SigningKeys;
use crate::auth::oidc::sign_in::SignIn;
use crate::auth::{FailedLoginLimiter, IdTokens};
use crate::catalog::Catalog;
use crate::deliver::{Capacity, Deliver, IndexCache};
use crate::domain::{Clock, Result};
use crate::identity::Belonging;
use crate::ingest::Ingest;
use crate::ingest::pull::Pulls;
use crate::metrics::{self, Exposition};
use crate::node::Node;
use crate::readiness::Readiness;
use crate::registry::Registry;
use crate::retention::Retention;
use crate::settings::{DatabaseUrl, Settings, StorageUrl, UpstreamKind};
use crate::shares::Shares;
use crate::store::Store;
use crate::upstream::Upstream;

/// How many large bodies of hooks are held at once; each may be 25 MiB.
const HOOK_TURNS: usize = 8;

/// How many of them are of one address.
const HOOK_TURNS_OF_ONE: usize = HOOK_TURNS / 2;

/// How many archives of many are searched by name at once: whoever opens one waits behind so many at most.
const SEARCH_TURNS: usize = 3;

/// How many of them for one address.
const SEARCH_TURNS_OF_ONE: usize = 2;

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
    pub ingest: Arc<Ingest>,
    /// Fetches archives from the upstream.
    pub pulls: Pulls,
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
    /// Signs people in at the upstream, if its application is named.
    pub sign_in: Option<SignIn>,
    /// The metrics that no other part holds.
    pub metrics: RequestMetrics,
    /// Counts failed authentications.
    pub failed_auth: FailedLoginLimiter,
    /// Bounds the bodies of hooks.
    pub hooks: HookBounds,
    /// Bounds the searches of files by name.
    pub searches: SearchBounds,
    /// Whether catalog and store answer.
    pub readiness: Readiness,
    /// This process, among those that serve.
    pub node: Node,
    /// Whether catalog and store are known to belong together; until they are, no writes are accepted.
    pub belonging: Belonging,
}

/// What bounds the bodies of hooks, which are held in memory. Senders wait for an answer for ten seconds.
#[derive(Debug)]
pub struct HookBounds {
    /// Turns of large bodies, by the addresses of their senders.
    pub turns: Shares<IpAddr>,
    /// How long a body may wait for its turn.
    pub patience: Duration,
    /// How long a body may take to come in, without that wait.
    pub body_time: Duration,
}

impl Default for HookBounds {
    fn default() -> Self {
        Self {
            turns: Shares::new(HOOK_TURNS, HOOK_TURNS_OF_ONE),
            patience: Duration::from_secs(2),
            body_time: Duration::from_secs(8),
        }
    }
}

/// What bounds the searches of files by name, each of which looks into many archives.
#[derive(Debug)]
pub struct SearchBounds {
    /// Turns to look into an archive, by the addresses of those who search.
    pub turns: Shares<IpAddr>,
    /// How long a search may take.
    pub time: Duration,
    /// After how many entries no further archive is looked into.
    pub entries: usize,
}

impl Default for SearchBounds {
    fn default() -> Self {
        Self {
            turns: Shares::new(SEARCH_TURNS, SEARCH_TURNS_OF_ONE),
            time: Duration::from_secs(3),
            entries: 1_000_000,
        }
    }
}

/// The metrics of requests.
#[derive(Debug, Default)]
pub struct RequestMetrics {
    /// What was asked and answered.
    pub http: metrics::Http,
    /// Refused credentials.
    pub auth: metrics::AuthFailures,
    /// Addresses of reports.
    pub reports: metrics::ReportTokens,
}

impl App {
    /// Returns all metrics, those of every part.
    pub fn exposition(self: &Arc<Self>) -> Exposition {
        let database = match self.settings.database {
            DatabaseUrl::Sqlite(_) => "sqlite",
            DatabaseUrl::Postgres(_) => "postgres",
        };
        let storage = match self.settings.storage {
            StorageUrl::Directory(_) => "directory",
            StorageUrl::Bucket(_) => "bucket",
        };
        let build = [("version", env!("CARGO_PKG_VERSION")), ("database", database), ("storage", storage)];
        let (catalog, deliver) = (self.catalog.clone(), Arc::clone(self));
        let connections = move || {
            let (active, idle) = catalog.connections();
            vec![("active", f64::from(active)), ("idle", f64::from(idle))]
        };
        let (bytes, entries) = (Arc::clone(&deliver), deliver);
        let exposition = Exposition::new(build)
            .with(&self.metrics.http)
            .with(&self.metrics.auth)
            .with(&self.metrics.reports)
            .with(self.catalog.metrics())
            .with(self.store.metrics())
            .with(self.deliver.index_metrics())
            .with(self.ingest.metrics())
            .with(self.retention.metrics())
            .with(self.retention.gauges())
            .reading("artigate_db_connections", "Connections to the database", Some("state"), connections)
            .reading("artigate_index_cache_bytes", "Memory of the indexes that are kept", None, move || {
                vec![("", bytes.deliver.indexes_held().0 as f64)]
            })
            .reading("artigate_index_cache_entries", "Indexes that are kept", None, move || {
                vec![("", entries.deliver.indexes_held().1 as f64)]
            });
        let Some(upstream) = self.access.upstream().cloned() else { return exposition };
        let (name, help) =
            ("artigate_upstream_left_alone", "1 while the upstream is asked nothing after failures");
        exposition
            .with(upstream.metrics())
            .reading(name, help, None, move || vec![("", f64::from(u8::from(upstream.is_left_alone())))])
    }

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
        let concurrent = settings.concurrent_uploads;
        let ingest = Ingest::new(catalog.clone(), store.clone(), limits, concurrent, clock.clone());
        let ingest = Arc::new(ingest);
        let indexes = IndexCache::new(limits, settings.index_cache_bytes);
        let capacity = Capacity::new(settings.decompression_memory_bytes, settings.index_cache_bytes);
        let deliver = Deliver::new(store.clone(), indexes, capacity, settings.direct_download);
        let upstream = Upstream::open(&settings, clock.clone())?;
        let pulls = pulls(&settings, Arc::clone(&ingest), upstream.clone(), clock.clone());
        let access = Access::new(catalog.clone(), clock.clone(), settings.max_artifact_bytes, upstream);
        let registry = Registry::new(catalog.clone(), store.clone(), limits, access.clone());
        let retention = Retention::new(
            catalog.clone(),
            store.clone(),
            clock.clone(),
            settings.tombstones,
            settings.agents_lost_after,
        )
        .with_cache(cache_bytes(&settings));
        let keys = SigningKeys::new(catalog.clone());
        let id_tokens = IdTokens::new(&settings)?;
        let sign_in = SignIn::new(&settings, access.upstream())?;
        let readiness = Readiness::default();
        let failed_auth = FailedLoginLimiter::new(settings.failed_auth_per_minute);
        let node = Node::new(catalog.clone(), clock.clone());
        let belonging = Belonging::default();
        Ok(Self {
            settings,
            clock,
            catalog,
            store,
            access,
            ingest,
            pulls,
            deliver,
            retention,
            registry,
            keys,
            id_tokens,
            sign_in,
            metrics: RequestMetrics::default(),
            failed_auth,
            hooks: HookBounds::default(),
            searches: SearchBounds::default(),
            readiness,
            node,
            belonging,
        })
    }
}

/// Returns what fetches archives from the upstream: nothing that is larger than an upload may be, or than all copies.
pub(crate) fn pulls(
    settings: &Settings,
    ingest: Arc<Ingest>,
    upstream: Option<Upstream>,
    clock: Clock,
) -> Pulls {
    let largest = settings.max_artifact_bytes.filter(|bytes| *bytes > 0).unwrap_or(u64::MAX);
    let cache_bytes = cache_bytes(settings);
    let limit_bytes = largest.min(cache_bytes.unwrap_or(u64::MAX));
    Pulls::new(ingest, upstream, clock, limit_bytes, cache_bytes)
}

/// Returns how many bytes of copies from the upstream are kept, if there is one.
pub(crate) fn cache_bytes(settings: &Settings) -> Option<u64> {
    let found = settings.upstreams.iter().find(|upstream| upstream.kind == UpstreamKind::GitLab);
    found.map(|upstream| upstream.cache_bytes)
}

/// Returns the limits within which archives are read.
pub(crate) fn archive_limits(settings: &Settings) -> Limits {
    Limits {
        entries: settings.archive_entries,
        directory_bytes: settings.archive_directory_bytes,
        uncompressed_size: settings.max_uncompressed_bytes,
    }
}
