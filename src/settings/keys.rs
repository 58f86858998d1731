//! The table of keys: what each is called, what it is without being set, and what its text is turned into.
//! Whatever reads, lists or explains settings goes by this table, so a new key is one row here.

use super::Settings;
use super::urls::{database_url, storage_url};
use super::values::{
    at_least_one, boolean, count, document_size, duration, external_url, interval, lifetime, listen,
    networks, size, timeout,
};

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// `section.key`.
    pub(super) name: &'static str,
    /// What it is when nobody sets it, written as somebody would; nothing where there is no such text. A test
    /// holds it against [`Settings::default`].
    pub(super) default: Option<&'static str>,
    /// Takes a text over, or tells what was expected.
    pub(super) set: Setter,
}

type Setter = fn(&mut Settings, &str) -> Result<(), String>;

const fn key(name: &'static str, default: &'static str, set: Setter) -> Key {
    Key { name, default: Some(default), set }
}

/// One that is nothing until it is set.
const fn unset(name: &'static str, set: Setter) -> Key {
    Key { name, default: None, set }
}

/// Every key, in the order in which people read them.
pub(super) const KEYS: &[Key] = &[
    key("server.listen", "127.0.0.1:8929", |s, text| listen(text).map(|v| s.listen = v)),
    unset("server.external_url", |s, text| external_url(text).map(|v| s.external_url = v)),
    unset("server.trusted_proxies", |s, text| networks(text).map(|v| s.trusted_proxies = v)),
    key("server.drain_timeout", "30 seconds", |s, text| duration(text).map(|v| s.drain_timeout = v)),
    key("server.max_connections", "20000", |s, text| at_least_one(text).map(|v| s.max_connections = v)),
    key("server.head_timeout", "20 seconds", |s, text| timeout(text).map(|v| s.head_timeout = v)),
    key("server.keep_alive", "75 seconds", |s, text| timeout(text).map(|v| s.keep_alive = v)),
    key("server.stall_timeout", "5 minutes", |s, text| timeout(text).map(|v| s.stall_timeout = v)),
    key("database.url", "sqlite://artigate-data/artigate.db", |s, text| {
        database_url(text).map(|v| s.database = v)
    }),
    key("database.connections", "16", |s, text| at_least_one(text).map(|v| s.database_connections = v)),
    key("database.timeout", "5 seconds", |s, text| timeout(text).map(|v| s.database_timeout = v)),
    key("storage.url", "file://artigate-data/blobs", |s, text| storage_url(text).map(|v| s.storage = v)),
    unset("storage.previous_url", |s, text| storage_url(text).map(|v| s.previous_storage = Some(v))),
    key("storage.timeout", "30 seconds", |s, text| timeout(text).map(|v| s.storage_timeout = v)),
    key("storage.direct_download", "false", |s, text| boolean(text).map(|v| s.direct_download = v)),
    unset("limits.connections_per_address", |s, text| {
        count(text).map(|v| s.connections_per_address = Some(usize::try_from(v).unwrap_or(usize::MAX)))
    }),
    key("limits.failed_auth_per_minute", "60", |s, text| count(text).map(|v| s.failed_auth_per_minute = v)),
    key("limits.max_artifact_size", "100 MiB", |s, text| {
        size(text).map(|v| s.max_artifact_bytes = Some(v).filter(|bytes| *bytes > 0))
    }),
    key("limits.concurrent_uploads", "64", |s, text| at_least_one(text).map(|v| s.concurrent_uploads = v)),
    key("limits.index_cache_size", "128 MiB", |s, text| size(text).map(|v| s.index_cache_bytes = v)),
    key("limits.archive_entries", "1000000", |s, text| count(text).map(|v| s.archive_entries = v)),
    key("limits.archive_directory_size", "256 MiB", |s, text| {
        size(text).map(|v| s.archive_directory_bytes = v)
    }),
    key("limits.max_unpacked_size", "0", |s, text| {
        size(text).map(|v| s.max_unpacked_bytes = Some(v).filter(|bytes| *bytes > 0))
    }),
    key("limits.unpack_memory", "256 MiB", |s, text| size(text).map(|v| s.unpack_memory_bytes = v)),
    key("limits.max_document_size", "16 MiB", |s, text| {
        document_size(text).map(|v| s.max_document_bytes = v)
    }),
    key("retention.default_expire_in", "30 days", |s, text| lifetime(text).map(|v| s.default_expire_in = v)),
    key("retention.sweep_interval", "7 minutes", |s, text| interval(text).map(|v| s.sweep_interval = v)),
    key("retention.orphan_grace", "1 hour", |s, text| duration(text).map(|v| s.orphan_grace = v)),
    key("retention.gc_interval", "1 day", |s, text| interval(text).map(|v| s.gc_interval = v)),
];

impl Key {
    /// The section and the key in it.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('.', "__"))
    }
}

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "ARTIGATE_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_text_says_what_the_default_is() {
        let defaults = Settings::default();
        for key in KEYS {
            let mut settings = Settings::default();
            if let Some(text) = key.default {
                (key.set)(&mut settings, text).unwrap_or_else(|why| panic!("{}: {why}", key.name));
            }
            assert_eq!(format!("{settings:?}"), format!("{defaults:?}"), "{}", key.name);
        }
    }
}
