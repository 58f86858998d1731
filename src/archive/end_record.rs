//! The end record tells where a file's central directory lies. Directory records are not read here.
//!
//! Bytes may lie before an archive and after it; then the last end record counts, and all offsets are moved
//! by the bytes in front. Several places of a file may look like an end record; these rules leave one
//! reading, on which the usual readers agree, and refuse the file if it does not add up or those readers
//! differ.
//!
//! Record layouts: PKWARE APPNOTE 4.3.14 to 4.3.16.

use super::{
    ArchiveError, Limits,
    directory::{RECORD_BYTES, RECORD_SIGNATURE},
    field_reader::Fields,
    zip64_end::{Zip64, has_locator, zip64_end_record},
};

/// How much of the end of a file to fetch first: the end record (22 bytes) with the longest comment (65,535),
/// the ZIP64 locator (20) and a plain ZIP64 end record (56), rounded up.
///
/// A smaller file is fetched whole.
pub const TAIL_BYTES: u64 = 66 * 1024;

const END_BYTES: usize = 22;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";

/// How far from the end of a file an end record may begin: where the longest comment puts it. Bytes after the
/// archive count as if they were a comment.
const REACH_BYTES: usize = END_BYTES + u16::MAX as usize;

/// Where a central directory lies in its file, checked against the file and the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte from the start of the file.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many entries it states; at most `bytes / 46`. There may be more by a multiple of
    /// 65,536, as many writers keep no more than 16 bits of their number.
    pub entries: u64,
    /// How many bytes later everything lies than the archive says: what was put in front of it or, below
    /// zero, removed there.
    pub moved: i64,
    /// The most entries that may be read from it, inclusive: [`Limits::entries`].
    pub most_entries: u64,
}

/// The result of [`locate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located {
    /// The directory lies here.
    Found(Span),
    /// Call [`locate`] again with a tail that begins at this offset, which always lies before
    /// the one just given, by at most 64 KiB.
    NeedFrom(u64),
}

/// Finds the central directory of a file of `file_bytes` bytes, of which `tail` is the end.
///
/// With a tail of [`TAIL_BYTES`], or the whole of a smaller file, the answer is nearly always
/// final. With a shorter one a long archive comment hides the end record.
///
/// If the directory is moved, the bytes in front may hold another one: a caller that can read them compares,
/// as [`read_directory`](super::read_directory) does.
///
/// # Errors
///
/// An [`ArchiveError`] if the file has no end record, or one that is not consistent: the directory must end
/// exactly where the end record (with ZIP64, the ZIP64 end record) begins.
pub fn locate(tail: &[u8], file_bytes: u64, limits: &Limits) -> Result<Located, ArchiveError> {
    let tail_start = file_bytes
        .checked_sub(tail.len() as u64)
        .ok_or(ArchiveError::WrongLength { expected: file_bytes, found: tail.len() as u64 })?;
    let (at, end_record) = last_end_record(tail, file_bytes)?;

    let span = match zip64_end_record(tail, tail_start, at)? {
        Zip64::NeedFrom(offset) => return Ok(Located::NeedFrom(offset)),
        Zip64::Absent => {
            let span = end_record.claim().to_span(tail_start + at as u64, limits)?;
            // All-ones can be plain values too: 65,535 entries need no ZIP64 for some writers.
            if span.moved != 0 && end_record.has_wide_place() {
                return Err(ArchiveError::DamagedZip64EndRecord);
            }
            span
        }
        // Some writers add ZIP64 records without need; they must be right as well.
        Zip64::At { start, moved, claim } => {
            let span = claim.to_span(start, limits)?;
            if !end_record.agrees_with(&claim) {
                return Err(ArchiveError::EndRecordsDisagree);
            }
            if span.moved != moved {
                return Err(if moved == 0 {
                    ArchiveError::MisplacedDirectory
                } else {
                    ArchiveError::DamagedZip64EndRecord
                });
            }
            span
        }
    };
    let before = span.start.saturating_sub(tail_start).min(at as u64) as usize;
    if is_in_comment(tail, tail_start, before, at) {
        Err(ArchiveError::EndRecordInComment)
    } else {
        Ok(Located::Found(span))
    }
}

/// The numbers that an end record of either kind states.
pub(super) struct Claim {
    pub(super) disk: u32,
    pub(super) directory_disk: u32,
    pub(super) entries_on_disk: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) start: u64,
}

impl Claim {
    /// Returns the span of the directory that ends at `end`, where the end record begins; checks it against
    /// `limits`.
    fn to_span(&self, end: u64, limits: &Limits) -> Result<Span, ArchiveError> {
        let &Claim { bytes, entries, .. } = self;
        if self.disk != 0 || self.directory_disk != 0 || self.entries_on_disk != entries {
            return Err(ArchiveError::SplitArchive);
        }
        let start = end.checked_sub(bytes).ok_or(ArchiveError::MisplacedDirectory)?;
        let moved = distance(self.start, start).ok_or(ArchiveError::MisplacedDirectory)?;
        if entries > bytes / RECORD_BYTES {
            return Err(ArchiveError::ImpossibleCount { entries, bytes });
        }
        // An end record can be planted in the comment of a real one; an empty directory anywhere
        // but at the start would hide all that lies before it.
        if bytes == 0 && start != 0 {
            return Err(ArchiveError::EmptyBehindBytes);
        }
        if entries > limits.entries {
            let limit = limits.entries;
            return Err(ArchiveError::TooManyEntries { entries, limit });
        }
        if bytes > limits.directory_bytes {
            let limit = limits.directory_bytes;
            return Err(ArchiveError::DirectoryTooLarge { bytes, limit });
        }
        Ok(Span { start, bytes, entries, moved, most_entries: limits.entries })
    }
}

/// Returns how far `actual` lies after `stated`, if that fits.
pub(super) fn distance(stated: u64, actual: u64) -> Option<i64> {
    i64::try_from(i128::from(actual) - i128::from(stated)).ok()
}

struct EndRecord {
    disk: u16,
    directory_disk: u16,
    entries_on_disk: u16,
    entries: u16,
    bytes: u32,
    start: u32,
    comment_bytes: u16,
}

impl EndRecord {
    /// Reads the end record at the beginning of `record`.
    fn read(record: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(record);
        fields.signature(u32::from_le_bytes(END_SIGNATURE))?;
        Some(Self {
            disk: fields.u16()?,
            directory_disk: fields.u16()?,
            entries_on_disk: fields.u16()?,
            entries: fields.u16()?,
            bytes: fields.u32()?,
            start: fields.u32()?,
            comment_bytes: fields.u16()?,
        })
    }

    /// Where the comment ends of an end record that begins at `at`.
    fn end(&self, at: usize) -> usize {
        at + END_BYTES + usize::from(self.comment_bytes)
    }

    /// Whether a directory or a ZIP64 locator precedes the record, which lies at `at` in `tail`. If the
    /// directory would begin before the tail, only its stated place is checked.
    fn has_directory(&self, tail: &[u8], tail_start: u64, at: usize) -> bool {
        has_locator(tail, at)
            || match at.checked_sub(self.bytes as usize) {
                Some(from) if from < at => tail[from..].starts_with(&RECORD_SIGNATURE.to_le_bytes()),
                _ => self.start.checked_add(self.bytes).map(u64::from) == Some(tail_start + at as u64),
            }
    }

    fn claim(&self) -> Claim {
        Claim {
            disk: self.disk.into(),
            directory_disk: self.directory_disk.into(),
            entries_on_disk: self.entries_on_disk.into(),
            entries: self.entries.into(),
            bytes: self.bytes.into(),
            start: self.start.into(),
        }
    }

    /// Whether it refers to a ZIP64 end record for the directory's place.
    fn has_wide_place(&self) -> bool {
        [self.bytes, self.start].contains(&u32::MAX)
    }

    /// Whether each number equals that of the ZIP64 record, or is all ones. Counts may also be its lower 16
    /// bits.
    fn agrees_with(&self, zip64: &Claim) -> bool {
        let disk = |plain: u16, wide: u32| plain == u16::MAX || u32::from(plain) == wide;
        let count = |plain: u16, wide: u64| plain == u16::MAX || plain == wide as u16;
        let place = |plain: u32, wide: u64| plain == u32::MAX || u64::from(plain) == wide;
        disk(self.disk, zip64.disk)
            && disk(self.directory_disk, zip64.directory_disk)
            && count(self.entries_on_disk, zip64.entries_on_disk)
            && count(self.entries, zip64.entries)
            && place(self.bytes, zip64.bytes)
            && place(self.start, zip64.start)
    }
}

/// Finds the end record that counts: the last, whose comment must not reach past the end of the file.
fn last_end_record(tail: &[u8], file_bytes: u64) -> Result<(usize, EndRecord), ArchiveError> {
    let none = || {
        if file_bytes <= REACH_BYTES as u64 {
            ArchiveError::NoEndRecord
        } else {
            ArchiveError::NoEndRecordNearEnd { bytes: REACH_BYTES as u64 }
        }
    };
    let last = tail.len().checked_sub(END_BYTES).ok_or_else(none)?;
    let first = tail.len().saturating_sub(REACH_BYTES);
    let found = (first..=last).rev().find_map(|at| Some((at, EndRecord::read(tail.get(at..)?)?)));
    let (at, record) = found.ok_or_else(none)?;
    if record.end(at) <= tail.len() { Ok((at, record)) } else { Err(ArchiveError::CommentCutShort) }
}

/// Whether an end record in the first `before` bytes of `tail` has a comment that reaches over the one at
/// `at`. It must have a directory: any file that deals with archives may hold a signature.
fn is_in_comment(tail: &[u8], tail_start: u64, before: usize, at: usize) -> bool {
    let before = &tail[..before];
    let reaches_over = |from: usize| {
        let record = before.get(from..).and_then(EndRecord::read);
        record.is_some_and(|record| record.end(from) > at && record.has_directory(before, tail_start, from))
    };
    let first = at.saturating_sub(REACH_BYTES);
    (first..before.len()).step_by(BLOCK_BYTES).any(|from| {
        // One byte more, for a signature across the border.
        let block = &before[from..before.len().min(from + BLOCK_BYTES + 1)];
        may_begin_record(block) && (from..from + BLOCK_BYTES).any(reaches_over)
    })
}

/// The number of bytes that are searched together.
const BLOCK_BYTES: usize = 128;

/// Whether the first two bytes of a signature are anywhere in `block`. Compares all of them without a branch,
/// so that the processor handles many at a time.
fn may_begin_record(block: &[u8]) -> bool {
    let pairs = block.iter().zip(&block[1..]);
    pairs.fold(false, |found, (&one, &other)| {
        found | ((one == END_SIGNATURE[0]) & (other == END_SIGNATURE[1]))
    })
}
