//! The URLs of database and blob store.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::blanked;

/// The URL of the database.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server; the URL may hold a password.
    Postgres(SecretString),
}

/// The URL of a blob store.
#[derive(Debug, Clone)]
pub enum StorageUrl {
    /// A directory.
    Directory(PathBuf),
    /// A bucket of an S3-compatible service.
    Bucket(BucketUrl),
}

/// The URL and options of a bucket.
#[derive(Debug, Clone)]
pub struct BucketUrl {
    /// The name of the bucket.
    pub bucket: String,
    /// The prefix of all object names, without slashes around it; may be empty.
    pub prefix: String,
    /// The `AWS_*` variables that are set and not empty, by name: endpoint, region and credentials.
    pub options: Vec<(String, SecretString)>,
}

/// Parses `database.url`. Errors do not quote the text, because it may hold a password.
pub(super) fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    if let Some(path) = text.strip_prefix("sqlite://") {
        return match path {
            "" | ":memory:" => Err("expected sqlite://PATH with the path of a file".into()),
            path => Ok(DatabaseUrl::Sqlite(path.into())),
        };
    }
    if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
        return Err("expected sqlite://PATH or postgres://USER@HOST/NAME".into());
    }
    if is_ambiguous(text) {
        return Err("in a username or password, write '@' as %40, '/' as %2F and ':' as %3A".into());
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let sslmode = query.split('&').find_map(|pair| pair.strip_prefix("sslmode="));
    match sslmode {
        None | Some("disable") => {}
        Some(_) if !cfg!(feature = "bundled-postgres") => {}
        // libpq without TLS silently connects unencrypted if TLS is only preferred.
        Some(mode) => {
            return Err(format!(
                "sslmode={mode} needs a build with the system's libpq (cargo build --no-default-features \
                 --features bundled-sqlite)"
            ));
        }
    }
    Ok(DatabaseUrl::Postgres(text.to_owned().into()))
}

/// Returns whether a part of a password could be read as host or port, which errors and logs quote.
fn is_ambiguous(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, place) = rest.split_once('/').unwrap_or((rest, ""));
    authority.matches('@').count() > 1
        || (!authority.contains('@') && authority.contains(':') && place.contains('@'))
}

pub(super) fn storage_url(text: &str) -> Result<StorageUrl, String> {
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
        return Err("expected a prefix of letters, digits, '-', '.', '_' and single slashes".into());
    }
    Ok(StorageUrl::Bucket(BucketUrl { bucket: bucket.into(), prefix: prefix.into(), options: Vec::new() }))
}

impl DatabaseUrl {
    /// Returns the URL for messages, without a password or another part that may be a secret.
    pub fn without_secrets(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => blanked::setting(url.expose_secret()),
        }
    }
}

impl StorageUrl {
    /// Returns the URL for messages.
    pub fn without_secrets(&self) -> String {
        match self {
            Self::Directory(path) => format!("file://{}", path.display()),
            Self::Bucket(url) => format!("s3://{}/{}", url.bucket, url.prefix),
        }
    }

    /// Parses a URL with the syntax of `storage.url`. Takes the options of a bucket from `environment`.
    ///
    /// # Errors
    /// If the text does not parse; the error states the expected syntax.
    pub fn parse(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, String> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        Ok(storage_url(text)?.with_environment(&environment))
    }

    /// Returns the URL with a bucket's options taken from the environment.
    pub(super) fn with_environment(self, environment: &[(String, String)]) -> Self {
        let Self::Bucket(url) = self else { return self };
        let options = environment
            .iter()
            // An empty variable counts as not set, as in the vendor's own programs.
            .filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty())
            .map(|(name, value)| (name.clone(), SecretString::from(value.as_str())))
            .collect();
        Self::Bucket(BucketUrl { options, ..url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_messages_holds_no_secret() {
        for (url, shown) in [
            ("postgres://u:hunter2@h:5432/db", "postgres://u:***@h:5432/db"),
            (
                "postgresql://u:hun%40ter2@h/db?sslmode=disable&password=hunter2",
                "postgresql://u:***@h/db?sslmode=disable&password=***",
            ),
            ("postgres://h/db", "postgres://h/db"),
            ("sqlite://a/b.db", "sqlite://a/b.db"),
        ] {
            assert_eq!(database_url(url).unwrap().without_secrets(), shown);
        }
        assert_eq!(storage_url("s3://b/p/q").unwrap().without_secrets(), "s3://b/p/q");
    }
}
