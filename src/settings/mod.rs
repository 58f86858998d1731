//! Settings: defaults, then `artigate.toml`, then the environment. Every check is made here, at the
//! start; nothing reads the environment later.

mod urls;
mod values;

use std::path::Path;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat, Value, ValueKind};

use crate::domain::expiry::Lifetime;
use crate::domain::network::Network;
pub use urls::{BucketUrl, DatabaseUrl, StorageUrl};
use urls::{database_url, storage_url};
use values::{
    at_least_one, boolean, count, document_size, duration, external_url, lifetime, listen, networks, size,
    timeout,
};

/// The file read when none is named.
pub const DEFAULT_FILE: &str = "artigate.toml";

/// Everything that can be set. The table in the README says what each key means.
#[derive(Debug, Clone)]
pub struct Settings {
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
    /// How many connections a node keeps open; others wait to be accepted.
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
    /// How long object storage may be silent before a request to it has failed.
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
    pub max_unpacked_bytes: Option<u64>,
    /// The memory that decompressors may take together, in bytes.
    pub unpack_memory_bytes: u64,
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
}

/// A setting that cannot be used, with its key and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl Default for Settings {
    fn default() -> Self {
        Self {
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
            max_unpacked_bytes: None,
            unpack_memory_bytes: 192 << 20,
            max_document_bytes: 16 << 20,
            default_expire_in: Lifetime::Seconds(30 * 86_400),
            sweep_interval: Duration::from_secs(7 * 60),
            orphan_grace: Duration::from_secs(3_600),
            gc_interval: Duration::from_secs(86_400),
        }
    }
}

type Setter = fn(&mut Settings, &str) -> Result<(), String>;

/// Every key, with what its text is turned into.
const KEYS: &[(&str, Setter)] = &[
    ("server.listen", |s, text| listen(text).map(|v| s.listen = v)),
    ("server.external_url", |s, text| external_url(text).map(|v| s.external_url = v)),
    ("server.trusted_proxies", |s, text| networks(text).map(|v| s.trusted_proxies = v)),
    ("server.drain_timeout", |s, text| duration(text).map(|v| s.drain_timeout = v)),
    ("server.max_connections", |s, text| at_least_one(text).map(|v| s.max_connections = v)),
    ("server.head_timeout", |s, text| timeout(text).map(|v| s.head_timeout = v)),
    ("server.keep_alive", |s, text| timeout(text).map(|v| s.keep_alive = v)),
    ("server.stall_timeout", |s, text| timeout(text).map(|v| s.stall_timeout = v)),
    ("database.url", |s, text| database_url(text).map(|v| s.database = v)),
    ("database.connections", |s, text| at_least_one(text).map(|v| s.database_connections = v)),
    ("database.timeout", |s, text| timeout(text).map(|v| s.database_timeout = v)),
    ("storage.url", |s, text| storage_url(text).map(|v| s.storage = v)),
    ("storage.previous_url", |s, text| storage_url(text).map(|v| s.previous_storage = Some(v))),
    ("storage.timeout", |s, text| timeout(text).map(|v| s.storage_timeout = v)),
    ("storage.direct_download", |s, text| boolean(text).map(|v| s.direct_download = v)),
    ("limits.connections_per_address", |s, text| {
        count(text).map(|v| s.connections_per_address = Some(usize::try_from(v).unwrap_or(usize::MAX)))
    }),
    ("limits.failed_auth_per_minute", |s, text| count(text).map(|v| s.failed_auth_per_minute = v)),
    ("limits.max_artifact_size", |s, text| {
        size(text).map(|v| s.max_artifact_bytes = Some(v).filter(|bytes| *bytes > 0))
    }),
    ("limits.concurrent_uploads", |s, text| at_least_one(text).map(|v| s.concurrent_uploads = v)),
    ("limits.index_cache_size", |s, text| size(text).map(|v| s.index_cache_bytes = v)),
    ("limits.archive_entries", |s, text| count(text).map(|v| s.archive_entries = v)),
    ("limits.archive_directory_size", |s, text| size(text).map(|v| s.archive_directory_bytes = v)),
    ("limits.max_unpacked_size", |s, text| {
        size(text).map(|v| s.max_unpacked_bytes = Some(v).filter(|bytes| *bytes > 0))
    }),
    ("limits.unpack_memory", |s, text| size(text).map(|v| s.unpack_memory_bytes = v)),
    ("limits.max_document_size", |s, text| document_size(text).map(|v| s.max_document_bytes = v)),
    ("retention.default_expire_in", |s, text| lifetime(text).map(|v| s.default_expire_in = v)),
    ("retention.sweep_interval", |s, text| duration(text).map(|v| s.sweep_interval = v)),
    ("retention.orphan_grace", |s, text| duration(text).map(|v| s.orphan_grace = v)),
    ("retention.gc_interval", |s, text| duration(text).map(|v| s.gc_interval = v)),
];

impl Settings {
    /// Reads `file`, or [`DEFAULT_FILE`] if it exists, and then `environment`.
    ///
    /// # Errors
    /// The first unknown key or value that does not parse, with where it came from.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let variables = environment
            .iter()
            .filter(|(name, _)| name.starts_with("ARTIGATE_") && name.contains("__"))
            .cloned()
            .collect();
        let mut settings = Self::default();
        for source in [
            Config::builder()
                .add_source(File::from(path).format(FileFormat::Toml).required(file.is_some()))
                .build(),
            Config::builder()
                .add_source(
                    Environment::with_prefix("ARTIGATE")
                        .prefix_separator("_")
                        .separator("__")
                        .source(Some(variables)),
                )
                .build(),
        ] {
            let layer = source.map_err(|e| SettingsError(format!("{}: {e}", path.display())))?;
            settings.apply(&layer.cache)?;
        }
        settings.storage = settings.storage.with_environment(&environment);
        settings.previous_storage = settings.previous_storage.map(|url| url.with_environment(&environment));
        Ok(settings)
    }

    fn apply(&mut self, layer: &Value) -> Result<(), SettingsError> {
        let ValueKind::Table(sections) = &layer.kind else { return Ok(()) };
        for (section, value) in sections {
            let ValueKind::Table(keys) = &value.kind else {
                return Err(unknown(section, value));
            };
            for (key, value) in keys {
                self.set(&format!("{section}.{key}"), value)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), SettingsError> {
        let Some((_, setter)) = KEYS.iter().find(|(known, _)| *known == key) else {
            return Err(unknown(key, value));
        };
        let text = match &value.kind {
            ValueKind::String(text) => text.clone(),
            ValueKind::I64(number) => number.to_string(),
            ValueKind::Boolean(yes) => yes.to_string(),
            _ => {
                return Err(SettingsError(format!("{key} (from {}): expected a string", origin(key, value))));
            }
        };
        setter(self, &text)
            .map_err(|why| SettingsError(format!("{key} (from {}): {why}", origin(key, value))))
    }
}

fn unknown(key: &str, value: &Value) -> SettingsError {
    SettingsError(format!("unknown key {key} (from {})", origin(key, value)))
}

/// The file, or the variable that an operator would have to look for.
fn origin(key: &str, value: &Value) -> String {
    match value.origin() {
        Some(file) if file != "the environment" => file.to_owned(),
        _ => format!("environment variable ARTIGATE_{}", key.to_uppercase().replace('.', "__")),
    }
}
