//! Settings: defaults, then `artigate.toml`, then the environment. Every check is made here, at the
//! start; nothing reads the environment later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use secrecy::SecretString;

use crate::domain::byte_size;
use crate::domain::expiry::{Lifetime, parse_seconds};

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
    /// How long running requests may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Where facts are kept.
    pub database: DatabaseUrl,
    /// Where bytes are kept.
    pub storage: StorageUrl,
    /// Whether archive downloads from object storage are redirected to it.
    pub direct_download: bool,
    /// Failed credentials for each client address and minute; 0 for no bound.
    pub failed_auth_per_minute: u64,
    /// The largest artifact in bytes; `None` for no limit.
    pub max_artifact_bytes: Option<u64>,
    /// How long artifacts are kept that do not say.
    pub default_expire_in: Lifetime,
    /// How often expired artifacts are swept; zero for never.
    pub sweep_interval: Duration,
    /// How old a blob that no row names must be before it is removed.
    pub orphan_grace: Duration,
}

/// Which database.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server; the URL may hold a password.
    Postgres(SecretString),
}

/// Which store.
#[derive(Debug, Clone)]
pub enum StorageUrl {
    /// A directory.
    Directory(PathBuf),
    /// A bucket of an S3-compatible service.
    Bucket(BucketUrl),
}

/// Which bucket.
#[derive(Debug, Clone)]
pub struct BucketUrl {
    /// Its name.
    pub bucket: String,
    /// What the names of all blobs begin with, without slashes around it; may be empty.
    pub prefix: String,
    /// The `AWS_*` variables, by name: where the service is, and who asks.
    pub options: Vec<(String, SecretString)>,
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
            drain_timeout: Duration::from_secs(30),
            database: DatabaseUrl::Sqlite("artigate-data/artigate.db".into()),
            storage: StorageUrl::Directory("artigate-data/blobs".into()),
            direct_download: false,
            failed_auth_per_minute: 60,
            max_artifact_bytes: Some(100 << 20),
            default_expire_in: Lifetime::Seconds(30 * 86_400),
            sweep_interval: Duration::from_secs(7 * 60),
            orphan_grace: Duration::from_secs(3_600),
        }
    }
}

type Setter = fn(&mut Settings, &str) -> Result<(), String>;

/// Every key, with what its text is turned into.
const KEYS: &[(&str, Setter)] = &[
    ("server.listen", |s, text| listen(text).map(|v| s.listen = v)),
    ("server.external_url", |s, text| external_url(text).map(|v| s.external_url = v)),
    ("server.drain_timeout", |s, text| duration(text).map(|v| s.drain_timeout = v)),
    ("database.url", |s, text| database_url(text).map(|v| s.database = v)),
    ("storage.url", |s, text| storage_url(text).map(|v| s.storage = v)),
    ("storage.direct_download", |s, text| boolean(text).map(|v| s.direct_download = v)),
    ("limits.failed_auth_per_minute", |s, text| count(text).map(|v| s.failed_auth_per_minute = v)),
    ("limits.max_artifact_size", |s, text| {
        size(text).map(|v| s.max_artifact_bytes = Some(v).filter(|bytes| *bytes > 0))
    }),
    ("retention.default_expire_in", |s, text| lifetime(text).map(|v| s.default_expire_in = v)),
    ("retention.sweep_interval", |s, text| duration(text).map(|v| s.sweep_interval = v)),
    ("retention.orphan_grace", |s, text| duration(text).map(|v| s.orphan_grace = v)),
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

fn listen(text: &str) -> Result<String, String> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(_, port)| port.parse::<u16>().ok());
    port.map(|_| text.to_owned()).ok_or_else(|| "expected host:port".into())
}

fn external_url(text: &str) -> Result<Option<String>, String> {
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Ok(None);
    }
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['?', '#', ' ']) => Ok(Some(text.to_owned())),
        _ => Err("expected an http or https URL without query".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_seconds(text).map(Duration::from_secs).map_err(|e| e.to_string())
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    Lifetime::parse(text).map_err(|e| e.to_string())
}

fn size(text: &str) -> Result<u64, String> {
    byte_size::parse(text).map_err(|e| e.to_string())
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}

fn boolean(text: &str) -> Result<bool, String> {
    text.to_ascii_lowercase().parse().map_err(|_| "expected true or false".into())
}

/// The text may hold a password, so no message repeats it.
fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    if let Some(path) = text.strip_prefix("sqlite://") {
        return match path {
            "" | ":memory:" => Err("expected sqlite://PATH with the path of a file".into()),
            path => Ok(DatabaseUrl::Sqlite(path.into())),
        };
    }
    if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
        return Err("expected sqlite://PATH or postgres://USER@HOST/NAME".into());
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let sslmode = query.split('&').find_map(|pair| pair.strip_prefix("sslmode="));
    match sslmode {
        None | Some("disable") => {}
        Some(_) if !cfg!(feature = "bundled-postgres") => {}
        // libpq without TLS would silently go on in the clear where it is only preferred.
        Some(mode) => {
            return Err(format!(
                "sslmode={mode} needs a build with the system's libpq (cargo build --no-default-features \
                 --features bundled-sqlite)"
            ));
        }
    }
    Ok(DatabaseUrl::Postgres(text.to_owned().into()))
}

fn storage_url(text: &str) -> Result<StorageUrl, String> {
    let expected = || "expected file://PATH or s3://BUCKET/PREFIX".to_owned();
    if let Some(path) = text.strip_prefix("file://") {
        return match path {
            "" => Err(expected()),
            path => Ok(StorageUrl::Directory(path.into())),
        };
    }
    let name = text.strip_prefix("s3://").ok_or_else(expected)?;
    let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
    let prefix = prefix.trim_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if bucket.is_empty() || !bucket.chars().all(is_plain) {
        return Err(expected());
    }
    let segments_are_plain =
        prefix.split('/').all(|s| !s.is_empty() && !matches!(s, "." | "..") && s.chars().all(is_plain));
    if !prefix.is_empty() && !segments_are_plain {
        return Err("a prefix is letters, digits, '-', '.', '_' and single slashes".into());
    }
    Ok(StorageUrl::Bucket(BucketUrl { bucket: bucket.into(), prefix: prefix.into(), options: Vec::new() }))
}

impl StorageUrl {
    /// Takes over from the environment what a bucket needs besides its URL.
    fn with_environment(self, environment: &[(String, String)]) -> Self {
        let Self::Bucket(url) = self else { return self };
        let options = environment
            .iter()
            .filter(|(name, _)| name.starts_with("AWS_"))
            .map(|(name, value)| (name.clone(), SecretString::from(value.as_str())))
            .collect();
        Self::Bucket(BucketUrl { options, ..url })
    }
}
