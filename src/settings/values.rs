//! Parsers of setting values. Their errors state the expected value.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::byte_size;
use crate::domain::expiry::{Lifetime, parse_seconds};
use crate::domain::network::Network;

/// The largest allowed value of `limits.max_document_size`, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 1 << 30;

pub(super) fn listen(text: &str) -> Result<String, String> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(_, port)| port.parse::<u16>().ok());
    port.map(|_| text.to_owned()).ok_or_else(|| "expected host:port".into())
}

/// Parses an address to listen on; an empty one is none.
pub(super) fn optional_listen(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() { Ok(None) } else { listen(text).map(Some) }
}

pub(super) fn external_url(text: &str) -> Result<Option<String>, String> {
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Ok(None);
    }
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['?', '#', ' ']) => Ok(Some(text.to_owned())),
        _ => Err("expected an http or https URL without a query".into()),
    }
}

/// Parses the path of a file; an empty one is none.
pub(super) fn path(text: &str) -> Result<Option<PathBuf>, String> {
    if text.contains('\0') {
        return Err("expected the path of a file".into());
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
}

pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    let written = text.split(',').map(str::trim).filter(|network| !network.is_empty());
    written.map(|network| network.parse().map_err(|why| format!("{network:?}: {why}"))).collect()
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_seconds(text).map(Duration::from_secs).map_err(|e| e.to_string())
}

/// Parses the time between two runs of a task; zero and `never` turn the task off.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match Lifetime::parse(text).map_err(|e| e.to_string())? {
        Lifetime::Never => Ok(Duration::ZERO),
        Lifetime::Seconds(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

pub(super) fn lifetime(text: &str) -> Result<Lifetime, String> {
    Lifetime::parse(text).map_err(|e| e.to_string())
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    byte_size::parse(text).map_err(|e| e.to_string())
}

/// Parses a document size. It is limited to 1 GiB, because a document is held in memory as a whole.
pub(super) fn document_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes @ 1..=MAX_DOCUMENT_BYTES => Ok(bytes),
        _ => Err("expected a size from 1 B to 1 GiB".into()),
    }
}

/// A size of parts: at least a MiB, so that their number stays within bounds.
pub(super) fn part_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes @ 1_048_576.. => Ok(bytes),
        _ => Err("expected at least 1 MiB".into()),
    }
}

pub(super) fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}

/// Parses a whole number of at least 1.
pub(super) fn at_least_one<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let number = count(text).ok().filter(|number| *number > 0);
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| "expected a whole number of at least 1".into())
}

/// Parses a timeout. Rejects zero, which would time out at once.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected a duration above zero".into()),
        duration => Ok(duration),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.to_ascii_lowercase().parse().map_err(|_| "expected true or false".into())
}
