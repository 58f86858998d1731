//! Archive errors are faults of a directory, which make an archive impossible to browse. The texts are shown
//! to clients.
//!
//! A fault of one record is an `Oddity`, damage of one entry's bytes a `CorruptEntry`.

use thiserror::Error;

/// Why an archive's directory was refused. Each text is one sentence fit for a client.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ArchiveError {
    /// The file has no end record.
    #[error("not a zip archive: no end-of-central-directory record")]
    NoEndRecord,
    /// The end of the file has no end record, and none is looked for before that.
    #[error("not a zip archive: no end-of-central-directory record in the last {bytes} bytes")]
    NoEndRecordNearEnd {
        /// The number of bytes searched.
        bytes: u64,
    },
    /// The last end record states a comment that is longer than what follows it. Some readers
    /// take it as it is, some take the one before, some none.
    #[error("archive ends inside the comment of its end-of-central-directory record")]
    CommentCutShort,
    /// The last end record lies in what an earlier one says is its comment. Some readers take
    /// the one, some the other.
    #[error("archive has one end-of-central-directory record in the comment of another")]
    EndRecordInComment,
    /// The archive claims to be one part of several.
    #[error("archive is split over several disks, which is not supported")]
    SplitArchive,
    /// The ZIP64 locator points at no whole ZIP64 end record right before it, or there is none
    /// though the end record calls for one.
    #[error("zip64 end record is missing or damaged")]
    DamagedZip64EndRecord,
    /// The end record and the ZIP64 end record describe different directories.
    #[error("zip64 end record contradicts the end record")]
    EndRecordsDisagree,
    /// The directory does not lie right before its end record: something stands between, or a
    /// stated size is wrong.
    #[error("archive directory does not end where its end record begins")]
    MisplacedDirectory,
    /// Bytes precede the end record of an archive without entries: the record may have been put there to hide
    /// them.
    #[error("archive lists no entries, though there are bytes before its end record")]
    EmptyBehindBytes,
    /// The directory does not begin at its stated offset, where there is another one.
    #[error("archive has two directories: one at the stated offset, one before its end record")]
    TwoDirectories,
    /// The directory does not begin at its stated offset, and the file begins with an entry: that of an
    /// archive in or behind which this one lies, or one of its own.
    #[error(
        "archive directory is not at its stated offset, though the file begins with an entry: it may belong to \
         another archive"
    )]
    ArchiveInFront,
    /// More entries stated than the directory has room for.
    #[error("archive states {entries} entries, which do not fit its directory of {bytes} bytes")]
    ImpossibleCount {
        /// The stated count.
        entries: u64,
        /// The directory's size.
        bytes: u64,
    },
    /// The stated count is over [`Limits::entries`](super::Limits::entries).
    #[error("archive has {entries} entries, more than the limit of {limit}")]
    TooManyEntries {
        /// The stated count.
        entries: u64,
        /// The limit, inclusive.
        limit: u64,
    },
    /// The directory goes on after as many entries as [`Limits::entries`](super::Limits::entries)
    /// allows; the stated count is smaller, as it has only 16 bits.
    #[error("archive has more entries than the limit of {limit}")]
    MoreEntries {
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
    /// The number of entries differs from the stated one, and not by a multiple of 65,536.
    #[error("archive directory has {found} entries, but its end record states {stated}")]
    WrongCount {
        /// How many there are.
        found: u64,
        /// How many there should be.
        stated: u64,
    },
    /// The stated count of entries ends before the directory does.
    #[error("archive directory holds {bytes} more bytes after its last stated entry")]
    LeftOver {
        /// How many bytes.
        bytes: u64,
    },
    /// The caller's bytes are not the requested part of the archive: it changed, or was cut, since its length
    /// was taken.
    #[error("expected {expected} bytes of the archive but got {found}")]
    WrongLength {
        /// How many were due, or at most due.
        expected: u64,
        /// How many came.
        found: u64,
    },
}
