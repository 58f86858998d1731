//! Settings: defaults, overridden by `artigate.toml`, overridden by the environment.
//!
//! All settings are checked here, at the start; no other module reads the environment later.

mod blanked;
mod explained;
mod file;
mod keys;
mod reports;
mod text;
mod unknown;
mod upstreams;
mod urls;
mod values;
mod variables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::expiry::Lifetime;
use crate::domain::network::Network;
pub use explained::{Explained, Origin, Setting};
pub use reports::{ReportScripts, ReportsUrl};
pub use text::{open_without_waiting, read_text};
pub use upstreams::{
    ApplicationScope, ApplicationSettings, HookMode, HookSettings, KeySource, OidcSettings, PullMode,
    UPSTREAM_KEYS, UpstreamKey, UpstreamKind, UpstreamSettings,
};
pub use urls::{BucketUrl, DatabaseUrl, StorageUrl};

/// The configuration file that is read without `--config`.
pub const DEFAULT_FILE: &str = "artigate.toml";

/// All settings. `docs/configuration.md` explains each key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration file that was read, if any.
    pub file: Option<PathBuf>,
    /// Address and port to listen on, `host:port`; port 0 picks a free one.
    pub listen: String,
    /// Base of the absolute URLs in answers, without a trailing slash; `None` for the host of the request.
    pub external_url: Option<String>,
    /// Where reports are shown, apart from everything else; `None` for the host of the pages.
    pub reports_url: Option<ReportsUrl>,
    /// Reverse proxies whose `X-Forwarded-*` and `Forwarded` headers are trusted for the client's address,
    /// and for the host and scheme that the client used.
    pub trusted_proxies: Vec<Network>,
    /// PEM file with the certificate of the listener, followed by those that lead to its authority. Together
    /// with `tls_key`, the listener speaks TLS.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    pub tls_key: Option<PathBuf>,
    /// Time that requests in progress may continue after SIGTERM.
    pub drain_timeout: Duration,
    /// Open connections per node; further ones get health checks and 503.
    pub max_connections: usize,
    /// Time that a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// Time that a connection without a request stays open.
    pub keep_alive: Duration,
    /// Time that a client may neither send nor receive a byte of a request in progress.
    pub stall_timeout: Duration,
    /// The database.
    pub database: DatabaseUrl,
    /// Maximum number of database connections per node.
    pub database_connections: u32,
    /// Time that a request waits for a database connection.
    pub database_timeout: Duration,
    /// The blob store.
    pub storage: StorageUrl,
    /// The store that blobs are being copied from; read while `storage` lacks some of them.
    pub previous_storage: Option<StorageUrl>,
    /// Time that object storage, or a disk that is read, may be silent before the operation fails.
    pub storage_timeout: Duration,
    /// Whether archive downloads from object storage are redirected to presigned URLs.
    pub direct_download: bool,
    /// Open connections per client address, 0 for no limit; `None` for half of `max_connections`.
    pub connections_per_address: Option<usize>,
    /// Failed credentials per client address and minute; 0 for no limit.
    pub failed_auth_per_minute: u64,
    /// Size of the largest artifact, in bytes; `None` for no limit.
    pub max_artifact_bytes: Option<u64>,
    /// Uploads received at the same time per node; further ones wait.
    pub concurrent_uploads: usize,
    /// Memory for the indexes of archives, in bytes.
    pub index_cache_bytes: u64,
    /// Entries of the largest archive that is served file by file.
    pub archive_entries: u64,
    /// Size of the largest central directory of an archive that is served file by file, in bytes.
    pub archive_directory_bytes: u64,
    /// Size of the largest file that is decompressed for a client, in bytes; `None` for no limit.
    pub max_uncompressed_bytes: Option<u64>,
    /// Memory for decompressors, in bytes.
    pub decompression_memory_bytes: u64,
    /// Size of the largest registry document over HTTP, in bytes.
    pub max_document_bytes: u64,
    /// Lifetime of artifacts that name none.
    pub default_expire_in: Lifetime,
    /// Time between sweeps of expired artifacts; zero for no sweeps.
    pub sweep_interval: Duration,
    /// Age at which garbage collection deletes a blob that no row references.
    pub orphan_grace: Duration,
    /// Time between garbage collections; zero for none.
    pub gc_interval: Duration,
    /// Time that name, size and digest of an expired artifact are kept after the expiry; zero deletes them
    /// with its bytes.
    pub tombstones: Duration,
    /// The longest lifetime that an uploader may ask for; [`Lifetime::Never`] for no limit.
    pub max_expire_in: Lifetime,
    /// How long a link in an answer of a REST API is valid.
    pub download_lifetime: Duration,
    /// How long a link that a job was given is valid.
    pub transfer_lifetime: Duration,
    /// How long a created build waits for somebody to run it; zero for ever.
    pub build_wait: Duration,
    /// Most artifacts that an agent may upload from one job.
    pub artifacts_per_job: usize,
    /// Whose reports may run scripts.
    pub report_scripts: ReportScripts,
    /// Hosts besides their own folder from which reports may load.
    pub report_sources: Vec<String>,
    /// Size of the parts in which an agent uploads a large file.
    pub part_bytes: u64,
    /// Time without a heartbeat after which an agent is lost and its job has failed.
    pub agents_lost_after: Duration,
    /// Most agents that may be connected with one token.
    pub agents_per_token: u32,
    /// The CI systems that projects, jobs and tokens are learnt from.
    pub upstreams: Vec<UpstreamSettings>,
    /// Address and port of the listener that shows the metrics, `host:port`; `None` for none.
    pub metrics_listen: Option<String>,
}

/// An invalid setting, with its key and its origin.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            listen: "127.0.0.1:8929".into(),
            external_url: None,
            reports_url: None,
            trusted_proxies: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            drain_timeout: Duration::from_secs(30),
            max_connections: 20_000,
            head_timeout: Duration::from_secs(20),
            // GitLab Runner closes an idle connection after 90 seconds; a longer time has no use.
            keep_alive: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(5 * 60),
            database: DatabaseUrl::Sqlite("artigate-data/artigate.db".into()),
            // SQLite has one writer at a time; its readers and PostgreSQL's sessions are limited by the
            // cores, not by this number.
            database_connections: 16,
            database_timeout: Duration::from_secs(5),
            storage: StorageUrl::Directory("artigate-data/blobs".into()),
            previous_storage: None,
            storage_timeout: Duration::from_secs(30),
            direct_download: false,
            connections_per_address: None,
            failed_auth_per_minute: 60,
            max_artifact_bytes: Some(100 << 20),
            concurrent_uploads: 64,
            index_cache_bytes: 128 << 20,
            archive_entries: 1_000_000,
            archive_directory_bytes: 256 << 20,
            max_uncompressed_bytes: None,
            decompression_memory_bytes: 256 << 20,
            max_document_bytes: 16 << 20,
            default_expire_in: Lifetime::Seconds(30 * 86_400),
            sweep_interval: Duration::from_secs(7 * 60),
            orphan_grace: Duration::from_secs(3_600),
            gc_interval: Duration::from_secs(86_400),
            tombstones: Duration::from_secs(400 * 86_400),
            max_expire_in: Lifetime::Never,
            download_lifetime: Duration::from_secs(60),
            transfer_lifetime: Duration::from_secs(3600),
            build_wait: Duration::from_secs(86_400),
            artifacts_per_job: 5_000,
            report_scripts: ReportScripts::All,
            report_sources: Vec::new(),
            part_bytes: 64 << 20,
            agents_lost_after: Duration::from_secs(3 * 60),
            agents_per_token: 1_000,
            upstreams: Vec::new(),
            metrics_listen: None,
        }
    }
}

impl Settings {
    /// Returns the scheme that clients of the listener use.
    pub fn scheme(&self) -> &'static str {
        if self.tls_certificate.is_some() { "https" } else { "http" }
    }

    /// Limits when an artifact expires to the longest lifetime that uploaders may ask for.
    pub fn cap_expiry(&self, wanted: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let latest = self.max_expire_in.expires_at(now).ok().flatten();
        match (wanted, latest) {
            (Some(wanted), Some(latest)) => Some(wanted.min(latest)),
            (wanted, latest) => wanted.or(latest),
        }
    }

    /// Returns when an artifact expires whose uploader names no time.
    pub fn default_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        // A lifetime that leads beyond the times that there are never ends.
        self.cap_expiry(self.default_expire_in.expires_at(now).ok().flatten(), now)
    }

    /// Reads `file`, or [`DEFAULT_FILE`] if it exists, and then `environment`.
    ///
    /// # Errors
    /// [`SettingsError`] for the first unknown key, unknown variable or value that does not parse; it states
    /// the origin.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let Explained { settings, mut faults, .. } = Explained::read(file, environment);
        match faults.len() {
            0 => Ok(settings),
            1 => Err(faults.remove(0)),
            all => Err(SettingsError(format!("{} (and {} more: artigate config check)", faults[0], all - 1))),
        }
    }
}

/// Returns the environment variable of every key with the text of its default, in the order of
/// `docs/configuration.md`.
pub fn variables() -> Vec<(String, Option<&'static str>)> {
    keys::KEYS.iter().map(|key| (key.variable(), key.default)).collect()
}
