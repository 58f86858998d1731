//! Settings: defaults, then `artigate.toml`, then the environment. Every check is made here, at the
//! start; nothing reads the environment later.

mod blanked;
mod explained;
mod file;
mod keys;
mod text;
mod unknown;
mod urls;
mod values;
mod variables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::expiry::Lifetime;
use crate::domain::network::Network;
pub use explained::{Explained, Origin, Setting};
pub use text::{open_without_waiting, read_text};
pub use urls::{BucketUrl, DatabaseUrl, StorageUrl};

/// The file read when none is named.
pub const DEFAULT_FILE: &str = "artigate.toml";

/// Everything that can be set. `docs/configuration.md` says what each key means.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// `host:port` to listen on; port 0 picks one.
    pub listen: String,
    /// Base of every absolute URL handed out, without a slash at its end; the request's host if
    /// none.
    pub external_url: Option<String>,
    /// Whose word on the address of a client, and on the host and scheme that it used, is taken: reverse
    /// proxies in front of this server.
    pub trusted_proxies: Vec<Network>,
    /// How long running requests may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// How many connections a node keeps open; others are told no more than whether it is well.
    pub max_connections: usize,
    /// How long a client may take to send a request's head.
    pub head_timeout: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// How long a client may neither send nor take a byte of what is under way.
    pub stall_timeout: Duration,
    /// Where facts are kept.
    pub database: DatabaseUrl,
    /// How many connections to the database a node holds at most.
    pub database_connections: u32,
    /// How long a request may wait for one of them.
    pub database_timeout: Duration,
    /// Where bytes are kept.
    pub storage: StorageUrl,
    /// Where bytes were kept before and may still be, while they are copied.
    pub previous_storage: Option<StorageUrl>,
    /// How long object storage, or a disk that is read, may be silent before a request to it has failed.
    pub storage_timeout: Duration,
    /// Whether archive downloads from object storage are redirected to it.
    pub direct_download: bool,
    /// How many connections an address may have open, 0 for no bound; `None` for half of
    /// `max_connections`.
    pub connections_per_address: Option<usize>,
    /// Failed credentials for each client address and minute; 0 for no bound.
    pub failed_auth_per_minute: u64,
    /// The largest artifact in bytes; `None` for no limit.
    pub max_artifact_bytes: Option<u64>,
    /// How many artifacts are received at the same time; others wait.
    pub concurrent_uploads: usize,
    /// The memory that indexes of archives may take together, in bytes.
    pub index_cache_bytes: u64,
    /// How many entries an archive may have to be served file by file.
    pub archive_entries: u64,
    /// How large an archive's directory may be for that, in bytes.
    pub archive_directory_bytes: u64,
    /// How large a file out of an archive may be that has to be unpacked; `None` for no limit.
    pub max_uncompressed_bytes: Option<u64>,
    /// The memory that decompressors may take together, in bytes.
    pub decompression_memory_bytes: u64,
    /// The largest registry document that is taken over HTTP, in bytes.
    pub max_document_bytes: u64,
    /// How long artifacts are kept that do not say.
    pub default_expire_in: Lifetime,
    /// How often expired artifacts are swept; zero for never.
    pub sweep_interval: Duration,
    /// How old a blob that no row names must be before it is removed.
    pub orphan_grace: Duration,
    /// How often such blobs are collected; zero for never.
    pub gc_interval: Duration,
    /// How long name, size and digest of an expired artifact are kept after the expiry; zero deletes them with its
    /// bytes.
    pub tombstones: Duration,
}

/// A setting that cannot be used, with its key and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            listen: "127.0.0.1:8929".into(),
            external_url: None,
            trusted_proxies: Vec::new(),
            drain_timeout: Duration::from_secs(30),
            max_connections: 20_000,
            head_timeout: Duration::from_secs(20),
            // Longer than the runner keeps an idle one would be of no use: 90 seconds.
            keep_alive: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(5 * 60),
            database: DatabaseUrl::Sqlite("artigate-data/artigate.db".into()),
            // SQLite writes one at a time anyway; its readers and PostgreSQL's sessions are bound by the
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
        }
    }
}

impl Settings {
    /// Reads `file`, or [`DEFAULT_FILE`] if it exists, and then `environment`.
    ///
    /// # Errors
    /// The first unknown key, unknown variable or value that does not parse, with where it came from.
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

/// The environment variable of every key, with the text of its default, in the order of `docs/configuration.md`.
pub fn variables() -> Vec<(String, Option<&'static str>)> {
    keys::KEYS.iter().map(|key| (key.variable(), key.default)).collect()
}
