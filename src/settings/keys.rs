//! The table of settings keys: name, default, help and parser of each.
//!
//! The readers, lists and help texts of settings use this table, so a new key is one row here.

use super::Settings;
use super::reports::{report_scripts, report_sources, reports_url};
use super::urls::{database_url, storage_url};
use super::values::{
    at_least_one, boolean, count, document_size, duration, external_url, interval, lifetime, listen,
    networks, optional_listen, part_size, path, size, timeout,
};

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// `section.key`.
    pub(super) name: &'static str,
    /// The text of the default; `None` if the default has no text. A test compares it with
    /// [`Settings::default`].
    pub(super) default: Option<&'static str>,
    /// The meaning of the key, in one line: the comment above it in the example file.
    pub(super) help: &'static str,
    /// Parses a text into the settings. The error states the expected value.
    pub(super) set: Setter,
}

type Setter = fn(&mut Settings, &str) -> Result<(), String>;

const fn key(name: &'static str, default: &'static str, help: &'static str, set: Setter) -> Key {
    Key { name, default: Some(default), help, set }
}

/// Returns a key whose default has no text.
const fn unset(name: &'static str, help: &'static str, set: Setter) -> Key {
    Key { name, default: None, help, set }
}

/// Every key, in the order of `docs/configuration.md`.
pub(super) const KEYS: &[Key] = &[
    key(
        "server.listen",
        "127.0.0.1:8929",
        "Address and port to listen on, `host:port`; port 0 picks a free one.",
        |s, text| listen(text).map(|v| s.listen = v),
    ),
    unset(
        "server.external_url",
        "Base of the absolute URLs in answers; without it, the scheme and host of the request.",
        |s, text| external_url(text).map(|v| s.external_url = v),
    ),
    unset(
        "server.reports_url",
        "Host that shows nothing but reports, `https://HOST` or `https://*.HOST`; needs `server.external_url`.",
        |s, text| reports_url(text).map(|v| s.reports_url = v),
    ),
    unset(
        "server.trusted_proxies",
        "Reverse proxies whose `X-Forwarded-*` and `Forwarded` headers are trusted: addresses or networks.",
        |s, text| networks(text).map(|v| s.trusted_proxies = v),
    ),
    unset(
        "server.tls_certificate",
        "PEM file with the certificate and those that lead to its authority; the listener then speaks TLS.",
        |s, text| path(text).map(|v| s.tls_certificate = v),
    ),
    unset("server.tls_key", "PEM file with the private key of `server.tls_certificate`.", |s, text| {
        path(text).map(|v| s.tls_key = v)
    }),
    key(
        "server.drain_timeout",
        "30 seconds",
        "How long requests in progress may continue after SIGTERM.",
        |s, text| duration(text).map(|v| s.drain_timeout = v),
    ),
    key(
        "server.max_connections",
        "20000",
        "Open connections per node; further ones get health checks and 503.",
        |s, text| at_least_one(text).map(|v| s.max_connections = v),
    ),
    key(
        "server.head_timeout",
        "20 seconds",
        "How long a client may take to send the head of a request.",
        |s, text| timeout(text).map(|v| s.head_timeout = v),
    ),
    key(
        "server.keep_alive",
        "75 seconds",
        "How long a connection without a request stays open.",
        |s, text| timeout(text).map(|v| s.keep_alive = v),
    ),
    key(
        "server.stall_timeout",
        "5 minutes",
        "How long a client may neither send nor receive a byte.",
        |s, text| timeout(text).map(|v| s.stall_timeout = v),
    ),
    key(
        "database.url",
        "sqlite://artigate-data/artigate.db",
        "Database: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`.",
        |s, text| database_url(text).map(|v| s.database = v),
    ),
    key(
        "database.connections",
        "16",
        "Database connections per node at most; each has a thread.",
        |s, text| at_least_one(text).map(|v| s.database_connections = v),
    ),
    key(
        "database.timeout",
        "5 seconds",
        "How long a request waits for a database connection before it is answered with 503.",
        |s, text| timeout(text).map(|v| s.database_timeout = v),
    ),
    key(
        "storage.url",
        "file://artigate-data/blobs",
        "Blob store: `file://PATH` or `s3://BUCKET/PREFIX`; `AWS_*` variables hold endpoint and credentials.",
        |s, text| storage_url(text).map(|v| s.storage = v),
    ),
    unset(
        "storage.previous_url",
        "Store that blobs are being copied from; read until they are all in `storage.url`.",
        |s, text| storage_url(text).map(|v| s.previous_storage = Some(v)),
    ),
    key(
        "storage.timeout",
        "30 seconds",
        "How long object storage or a disk may be silent before a read is answered with 503.",
        |s, text| timeout(text).map(|v| s.storage_timeout = v),
    ),
    key(
        "storage.direct_download",
        "false",
        "Redirects downloads of whole archives to presigned URLs; object storage only.",
        |s, text| boolean(text).map(|v| s.direct_download = v),
    ),
    unset(
        "limits.connections_per_address",
        "Connections per client address; without it, half of `server.max_connections`; 0 for no limit.",
        |s, text| {
            count(text).map(|v| s.connections_per_address = Some(usize::try_from(v).unwrap_or(usize::MAX)))
        },
    ),
    key(
        "limits.failed_auth_per_minute",
        "60",
        "Failed credentials per client address and minute before 429; 0 for no limit.",
        |s, text| count(text).map(|v| s.failed_auth_per_minute = v),
    ),
    key(
        "limits.max_artifact_size",
        "100 MiB",
        "Size of the largest artifact; a project may lower it; 0 for no limit.",
        |s, text| size(text).map(|v| s.max_artifact_bytes = Some(v).filter(|bytes| *bytes > 0)),
    ),
    key(
        "limits.concurrent_uploads",
        "64",
        "Uploads received at the same time per node; further ones wait.",
        |s, text| at_least_one(text).map(|v| s.concurrent_uploads = v),
    ),
    key(
        "limits.index_cache_size",
        "128 MiB",
        "Memory for the indexes of archives; folder downloads may use as much again.",
        |s, text| size(text).map(|v| s.index_cache_bytes = v),
    ),
    key(
        "limits.archive_entries",
        "1000000",
        "Entries of the largest archive that is served file by file; larger ones are served whole.",
        |s, text| count(text).map(|v| s.archive_entries = v),
    ),
    key(
        "limits.archive_directory_size",
        "256 MiB",
        "Size of the largest central directory of an archive that is served file by file.",
        |s, text| size(text).map(|v| s.archive_directory_bytes = v),
    ),
    key(
        "limits.max_uncompressed_size",
        "0",
        "Size of the largest file that is decompressed for a client; 0 for no limit.",
        |s, text| size(text).map(|v| s.max_uncompressed_bytes = Some(v).filter(|bytes| *bytes > 0)),
    ),
    key(
        "limits.unpack_memory",
        "256 MiB",
        "Memory for decompressing files for clients; requests wait for it, and get 503 after 15 seconds.",
        |s, text| size(text).map(|v| s.decompression_memory_bytes = v),
    ),
    key(
        "limits.max_document_size",
        "16 MiB",
        "Size of the largest registry document over HTTP, at most 1 GiB; it is held in memory.",
        |s, text| document_size(text).map(|v| s.max_document_bytes = v),
    ),
    key(
        "limits.build_wait",
        "1 day",
        "How long a build that was created waits for somebody to run it; 0 or `never` for ever.",
        |s, text| interval(text).map(|v| s.build_wait = v),
    ),
    key(
        "limits.artifacts_per_job",
        "5000",
        "Most artifacts of a job to which an agent may add more.",
        |s, text| at_least_one(text).map(|v| s.artifacts_per_job = v),
    ),
    key(
        "retention.default_expire_in",
        "30 days",
        "Lifetime of uploads that name none; 0 or `never` for no expiry.",
        |s, text| lifetime(text).map(|v| s.default_expire_in = v),
    ),
    key(
        "retention.sweep_interval",
        "7 minutes",
        "How often `serve` deletes expired artifacts; 0 or `never` turns that off.",
        |s, text| interval(text).map(|v| s.sweep_interval = v),
    ),
    key(
        "retention.orphan_grace",
        "1 hour",
        "Age at which `gc` deletes blobs that no row references.",
        |s, text| duration(text).map(|v| s.orphan_grace = v),
    ),
    key(
        "retention.gc_interval",
        "1 day",
        "How often one of the nodes collects garbage as `gc` does; 0 or `never` turns that off.",
        |s, text| interval(text).map(|v| s.gc_interval = v),
    ),
    key(
        "retention.tombstones",
        "400 days",
        "How long name, size and digest of an expired artifact are kept; 0 deletes them with its bytes.",
        |s, text| duration(text).map(|v| s.tombstones = v),
    ),
    key(
        "retention.max_expire_in",
        "0",
        "Longest lifetime that an uploader may ask for; 0 or `never` for no limit.",
        |s, text| lifetime(text).map(|v| s.max_expire_in = v),
    ),
    key(
        "links.download_lifetime",
        "1 minute",
        "How long a link to an artifact in an answer of GitHub's or Buildkite's dialect is valid.",
        |s, text| timeout(text).map(|v| s.download_lifetime = v),
    ),
    key(
        "links.transfer_lifetime",
        "1 hour",
        "How long a link that a job is given for a download is valid.",
        |s, text| timeout(text).map(|v| s.transfer_lifetime = v),
    ),
    key(
        "reports.scripts",
        "all",
        "Whose reports may run scripts: `all`, `signed-in` (of people who are), `none`.",
        |s, text| report_scripts(text).map(|v| s.report_scripts = v),
    ),
    unset(
        "reports.external_sources",
        "Hosts from which reports may load scripts, styles, fonts and images, such as `https://cdn.example.com`.",
        |s, text| report_sources(text).map(|v| s.report_sources = v),
    ),
    key(
        "agents.part_size",
        "64 MiB",
        "Least size of the parts in which an agent uploads a file; up to twice that it is sent whole.",
        |s, text| part_size(text).map(|v| s.part_bytes = v),
    ),
    key(
        "agents.lost_after",
        "3 minutes",
        "How long an agent may send no heartbeat before it is lost and its job has failed.",
        |s, text| timeout(text).map(|v| s.agents_lost_after = v),
    ),
    key("agents.per_token", "1000", "Most agents that may be connected with one token.", |s, text| {
        at_least_one(text).map(|v| s.agents_per_token = v)
    }),
    unset(
        "metrics.listen",
        "Address and port of a listener for `/metrics` alone, `host:port`; without it there is none.",
        |s, text| optional_listen(text).map(|v| s.metrics_listen = v),
    ),
];

/// The names of keys in earlier releases, each with the current name.
const FORMER_NAMES: &[(&str, &str)] = &[("limits.max_unpacked_size", "limits.max_uncompressed_size")];

impl Key {
    /// Finds the key named `section.key`. Accepts a former name with a warning.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        let former = FORMER_NAMES.iter().find(|(former, _)| *former == name);
        if let Some((former, new)) = former {
            tracing::warn!("the setting {former} was renamed to {new}; the former name still works");
        }
        let name = former.map_or(name, |(_, new)| *new);
        KEYS.iter().find(|key| key.name == name)
    }

    /// Returns the section and the key in it.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// Returns the name of the environment variable that sets the key.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('.', "__"))
    }
}

/// The prefix of artigate's environment variables.
pub(super) const PREFIX: &str = "ARTIGATE_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_line_of_help() {
        for key in KEYS {
            assert!(key.help.ends_with('.') && !key.help.contains('\n'), "{}: {}", key.name, key.help);
        }
    }

    #[test]
    fn every_former_name_finds_its_key() {
        for (former, new) in FORMER_NAMES {
            assert_eq!(Key::find(former).map(|key| key.name), Some(*new));
            assert!(KEYS.iter().all(|key| key.name != *former), "{former} is a name again");
        }
    }

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
