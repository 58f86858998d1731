//! What can be wrong with one entry's bytes. It travels inside an `io::Error` of kind
//! `InvalidData`; a failure of the source itself never becomes one of these.

use std::io;

use thiserror::Error;

use crate::domain::byte_size;

/// Why an entry cannot be read to its end. No text contains any of the entry's content.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CorruptEntry {
    /// The directory points at something that is no local header.
    #[error("entry has no local header where the directory says")]
    NoLocalHeader,
    /// The source ended inside the header or the packed bytes.
    #[error("archive ends inside the entry")]
    Truncated,
    /// A zstd frame in the middle of the entry needs a window that is not unpacked here.
    #[error("entry needs a zstd window of {}, and more than 8 MiB is not unpacked", byte_size::show(*bytes))]
    Window {
        /// The window that it needs.
        bytes: u64,
    },
    /// The decompressor refused the packed bytes.
    #[error("entry's compressed data is damaged")]
    Undecodable,
    /// Fewer bytes than stated.
    #[error("entry is shorter than its directory record says")]
    TooShort,
    /// More bytes than stated.
    #[error("entry is longer than its directory record says")]
    TooLong,
    /// Packed bytes that the compressed stream does not use.
    #[error("entry has data left over after its compressed stream")]
    LeftOver,
    /// All bytes came, but they are not the ones that were packed.
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

/// Damage met where many entries are read in a row, with the entry that has it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{damage} (entry {name})")]
pub struct CorruptEntryError {
    /// The directory's name, quoted and escaped, at most 200 characters of it.
    pub name: String,
    /// What is wrong with it.
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
