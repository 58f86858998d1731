//! Damage is a fault of one entry's bytes. It is inside an `io::Error` of kind `InvalidData`; a failure of
//! the source itself never becomes damage.

use std::io;

use thiserror::Error;

use crate::domain::byte_size;

/// Why an entry cannot be read to its end. No text contains any of the entry's content.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CorruptEntry {
    /// There is no local header where the directory says.
    #[error("entry has no local header at its stated offset")]
    NoLocalHeader,
    /// The source ended inside the header or the compressed bytes.
    #[error("archive ends inside the entry")]
    Truncated,
    /// A zstd frame in the middle of the entry needs a window that is too large to decompress here.
    #[error("entry needs a zstd window of {}, more than the limit of 8 MiB", byte_size::show(*bytes))]
    Window {
        /// The window that it needs, in bytes.
        bytes: u64,
    },
    /// The decompressor refused the compressed bytes.
    #[error("entry's compressed data is damaged")]
    Undecodable,
    /// Fewer bytes than stated.
    #[error("entry is shorter than its directory record says")]
    TooShort,
    /// More bytes than stated.
    #[error("entry is longer than its directory record says")]
    TooLong,
    /// Compressed bytes that the compressed stream does not use.
    #[error("entry has data left over after its compressed stream")]
    LeftOver,
    /// The length is right, but the CRC-32 is not.
    #[error("entry's CRC-32 does not match its directory record")]
    ChecksumMismatch,
}

impl CorruptEntry {
    pub(super) fn of_entry(self, name: &[u8]) -> CorruptEntryError {
        CorruptEntryError { name: quoted(name), damage: self }
    }
}

pub(super) fn quoted(name: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(name).chars().take(200).collect();
    format!("{shown:?}")
}

/// Damage met while many entries are read in a row, with the damaged entry's name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{damage} (entry {name})")]
pub struct CorruptEntryError {
    /// The entry's name in the directory, quoted and escaped, at most 200 characters of it.
    pub name: String,
    /// The damage.
    pub damage: CorruptEntry,
}

impl From<CorruptEntryError> for io::Error {
    fn from(damaged: CorruptEntryError) -> Self {
        Self::new(io::ErrorKind::InvalidData, damaged)
    }
}

impl From<CorruptEntry> for io::Error {
    fn from(damage: CorruptEntry) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}
