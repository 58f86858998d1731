//! Why an archive cannot be browsed. It is about the directory; what can be wrong with one
//! entry's bytes is `Damage`. The texts are shown to clients.

use thiserror::Error;

/// Why an archive's directory was refused. Each text is one sentence fit for a client.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// No end record whose comment reaches exactly the end of the file.
    #[error("not a zip archive: no end-of-central-directory record")]
    NoEndRecord,
    /// The archive claims to be one part of several.
    #[error("archive is split over several disks, which is not supported")]
    SplitArchive,
    /// The ZIP64 locator points at no whole ZIP64 end record right before it.
    #[error("zip64 end record is missing or damaged")]
    DamagedZip64EndRecord,
    /// The end record and the ZIP64 end record describe different directories.
    #[error("zip64 end record contradicts the end record")]
    EndRecordsDisagree,
    /// The directory does not lie right before its end record: something stands before,
    /// between or after, or a stated size is wrong.
    #[error("archive directory does not end where its end record begins")]
    MisplacedDirectory,
    /// More entries stated than the directory has room for.
    #[error("archive states {entries} entries, which do not fit its directory of {bytes} bytes")]
    ImpossibleCount {
        /// The stated count.
        entries: u64,
        /// The directory's size.
        bytes: u64,
    },
    /// Over [`Limits::entries`](super::Limits::entries).
    #[error("archive has {entries} entries, more than the limit of {limit}")]
    TooManyEntries {
        /// The stated count.
        entries: u64,
        /// The limit, inclusive.
        limit: u64,
    },
    /// Over [`Limits::directory_bytes`](super::Limits::directory_bytes).
    #[error("archive directory takes {bytes} bytes, more than the limit of {limit}")]
    DirectoryTooLarge {
        /// The stated size.
        bytes: u64,
        /// The limit, inclusive.
        limit: u64,
    },
    /// A directory record lacks its signature or is cut short.
    #[error("archive directory is damaged at entry {number}")]
    DamagedRecord {
        /// Which record, counted from 1.
        number: u64,
    },
    /// The stated count of entries ends before the directory does.
    #[error("archive directory holds {bytes} more bytes after its last stated entry")]
    LeftOver {
        /// How many bytes.
        bytes: u64,
    },
    /// An entry's packed bytes do not lie before the directory, or its ZIP64 sizes are missing.
    #[error("entry reaches past its archive")]
    EntryPastArchive,
    /// The caller's bytes are not the part of the archive that was asked for: it changed, or
    /// was cut, since its length was taken.
    #[error("expected {expected} bytes of the archive but got {found}")]
    WrongLength {
        /// How many were due, or at most due.
        expected: u64,
        /// How many came.
        found: u64,
    },
}
