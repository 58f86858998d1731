//! A rewriting is an archive without one of its files: every other byte is copied as it lies, and only offsets and
//! counts are changed.
//!
//! Records and local headers are never made anew, so comments, owners, extra fields and flags of any kind stay, and an
//! entry that cannot be read hinders nothing. Only the removed entry's own bytes are cut out: header, compressed bytes,
//! and data descriptor. Where another entry may share one of them, they stay, and the entry is not listed any more.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::neighbours::{Neighbours, Removed};
use super::raw_record::{OffsetField, raw_records};
use super::{ArchiveError, Directory, DirectoryError, Files, Index, Span};
use crate::yielding::YieldBudget;

const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const ZIP64_END_SIGNATURE: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";

/// The length of a ZIP64 end record before its private data, of a locator, and of an end record before its comment.
const ZIP64_END_BYTES: usize = 56;
const LOCATOR_BYTES: usize = 20;
const END_BYTES: usize = 22;

/// A file that is to be removed from an archive.
pub struct Removal {
    directory: Directory,
    archive_bytes: u64,
    /// The rows of the directory that are left out, in order.
    rows: Vec<u32>,
    neighbours: Neighbours,
    /// How many files are left.
    files_left: usize,
}

/// A removal whose cuts are known.
pub struct PlannedRemoval {
    removal: Removal,
    /// The parts of the archive that are left out, in order, apart from each other.
    cuts: Vec<Range<u64>>,
    /// How many bytes in front are left out, which no offset counts.
    front: u64,
    /// What follows the directory.
    end: Bytes,
}

/// The archive without the file.
pub struct Rewriting {
    /// The parts of the old archive that it begins with.
    pub kept: Vec<Range<u64>>,
    /// What follows them: the directory, and the end of the archive.
    pub tail: Bytes,
}

impl Removal {
    /// Finds every entry whose path is `path` in an archive of `archive_bytes` bytes with this directory; `None` if it
    /// has no such file. A million entries take a second, so call it where that may block.
    ///
    /// # Errors
    /// The fault of the directory.
    pub fn find(directory: Directory, archive_bytes: u64, path: &str) -> Result<Option<Self>, ArchiveError> {
        let index = Index::build(&directory.bytes, &directory.span)?;
        if !Files::of(&index).has(&index, path) {
            return Ok(None);
        }
        let (rows, files_left) = Files::at(&index, path);
        let mut removed = Vec::new();
        let mut neighbours = Vec::with_capacity(index.len() - rows.len());
        let mut next = rows.iter().copied().peekable();
        let mut pace = YieldBudget::begin();
        for (row, record) in (0..index.len() as u32).zip(raw_records(&directory.bytes)) {
            pace.tick();
            let entry = index.entry(row);
            if next.next_if_eq(&row).is_some() {
                removed.extend(Removed::of(&entry));
            } else if let Some(start) = place(record.offset.as_ref(), &directory.span) {
                neighbours.push((start, compressed_bytes(&entry, start, &directory.span)));
            }
        }
        let neighbours = Neighbours::new(removed, neighbours, directory.span.start);
        Ok(Some(Self { directory, archive_bytes, rows, neighbours, files_left }))
    }

    /// How many files are left in the archive.
    pub fn files_left(&self) -> usize {
        self.files_left
    }

    /// Reads the headers that tell which bytes can be cut out, and the end of the archive: a few ranged reads.
    ///
    /// # Errors
    /// Those of `read`; the fault of an archive that it does not find as it was.
    pub async fn plan(
        self,
        read: impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    ) -> Result<PlannedRemoval, DirectoryError> {
        let Span { start, bytes, moved, .. } = self.directory.span;
        let end = read(start + bytes..self.archive_bytes).await?;
        let mut cuts = self.neighbours.cuts(&read).await?;
        // A file may be one archive twice: the first one is not a prefix, but has the file as well.
        let front = match u64::try_from(moved) {
            Ok(half) if half > 0 && self.archive_bytes == 2 * half => {
                let begins = read(0..4).await?;
                if begins[..] == LOCAL_SIGNATURE { half } else { 0 }
            }
            _ => 0,
        };
        cuts.retain(|cut| cut.start >= front);
        Ok(PlannedRemoval { removal: self, cuts, front, end })
    }
}

impl PlannedRemoval {
    /// Puts the new directory together. Call it where a directory's length may be copied.
    ///
    /// # Errors
    /// The fault of an end that is not as it was found before.
    pub fn finish(self) -> Result<Rewriting, ArchiveError> {
        let Self { removal, cuts, front, end } = self;
        let span = &removal.directory.span;
        let mut directory = Vec::with_capacity(removal.directory.bytes.len());
        let mut next = removal.rows.iter().copied().peekable();
        let mut kept_entries = 0_u64;
        let mut pace = YieldBudget::begin();
        let shifts = Shifts::of(&cuts);
        for (row, record) in (0_u32..).zip(raw_records(&removal.directory.bytes)) {
            pace.tick();
            if next.next_if_eq(&row).is_some() {
                continue;
            }
            kept_entries += 1;
            let begin = directory.len();
            directory.extend_from_slice(&removal.directory.bytes[record.range.clone()]);
            if let (Some(field), Some(start)) = (&record.offset, place(record.offset.as_ref(), span)) {
                let moved = field.stated.saturating_sub(shifts.before(start));
                field.put(&mut directory[begin..], moved);
            }
        }
        let changed = Changed {
            entries: kept_entries,
            removed: removal.rows.len() as u64,
            directory_bytes: directory.len() as u64,
            directory_less: span.bytes - directory.len() as u64,
            body_less: shifts.before(span.start),
        };
        let end = changed.end(&end)?;
        let mut kept = Vec::with_capacity(cuts.len() + 1);
        let mut from = front;
        for cut in cuts {
            kept.push(from..cut.start);
            from = cut.end;
        }
        kept.push(from..span.start);
        kept.retain(|part| !part.is_empty());
        directory.extend_from_slice(&end);
        Ok(Rewriting { kept, tail: directory.into() })
    }
}

/// Returns where the local header of a record lies in the file; `None` if that is not before the directory. An entry
/// that is odd otherwise may still be read by others.
fn place(offset: Option<&OffsetField>, span: &Span) -> Option<u64> {
    let start = offset?.stated.checked_add_signed(span.moved)?;
    (start < span.start).then_some(start)
}

/// Returns how many compressed bytes an entry has at `start`; none if it cannot have those that it states.
fn compressed_bytes(entry: &super::Entry<'_>, start: u64, span: &Span) -> u64 {
    let end = start.checked_add(super::directory::LOCAL_HEADER_BYTES + entry.compressed_size);
    if end.is_some_and(|end| end <= span.start) { entry.compressed_size } else { 0 }
}

/// How far what follows the cuts moves towards the beginning.
struct Shifts {
    /// Where each cut ends, and how many bytes were cut out until then.
    ends: Vec<(u64, u64)>,
}

impl Shifts {
    fn of(cuts: &[Range<u64>]) -> Self {
        let mut total = 0;
        let sum = |cut: &Range<u64>| {
            total += cut.end - cut.start;
            (cut.end, total)
        };
        Self { ends: cuts.iter().map(sum).collect() }
    }

    /// How many bytes are cut out before `offset`.
    fn before(&self, offset: u64) -> u64 {
        let past = self.ends.partition_point(|(end, _)| *end <= offset);
        past.checked_sub(1).map_or(0, |last| self.ends[last].1)
    }
}

/// What the end records count, and how it changed.
struct Changed {
    entries: u64,
    removed: u64,
    directory_bytes: u64,
    directory_less: u64,
    body_less: u64,
}

impl Changed {
    /// Returns what follows the directory, with these changes.
    fn end(&self, old: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        // A signature of the directory would be wrong now.
        let old = match old.get(..4) {
            Some(b"PK\x05\x05") => old.get(6 + usize::from(u16_at(old, 4)?)..).unwrap_or_default(),
            _ => old,
        };
        let mut end = old.to_vec();
        let mut at = 0;
        let has_zip64 = end.starts_with(&ZIP64_END_SIGNATURE);
        if has_zip64 {
            let fault = || ArchiveError::DamagedZip64EndRecord;
            let bytes = usize::try_from(u64_at(&end, 4)?).ok().and_then(|bytes| bytes.checked_add(12));
            at = bytes.filter(|bytes| (ZIP64_END_BYTES..end.len()).contains(bytes)).ok_or_else(fault)?;
            let start = u64_at(&end, 48)?.saturating_sub(self.body_less);
            for (place, value) in
                [(24, self.entries), (32, self.entries), (40, self.directory_bytes), (48, start)]
            {
                end[place..place + 8].copy_from_slice(&value.to_le_bytes());
            }
            if end.get(at..at + 4) != Some(&LOCATOR_SIGNATURE[..]) {
                return Err(fault());
            }
            let record = u64_at(&end, at + 8)?.saturating_sub(self.body_less + self.directory_less);
            end[at + 8..at + 16].copy_from_slice(&record.to_le_bytes());
            at += LOCATOR_BYTES;
        }
        let own = end.get_mut(at..).unwrap_or_default();
        if own.len() < END_BYTES || own[..4] != END_SIGNATURE {
            return Err(ArchiveError::NoEndRecord);
        }
        for place in [8, 10] {
            let count = u16_at(own, place)?;
            // All ones refer to the ZIP64 record. Some writers keep only these bits of a larger number.
            if !(has_zip64 && count == u16::MAX) {
                let count = count.wrapping_sub(self.removed as u16);
                own[place..place + 2].copy_from_slice(&count.to_le_bytes());
            }
        }
        for (place, less) in [(12, self.directory_less), (16, self.body_less)] {
            let number = u32_at(own, place)?;
            if !(has_zip64 && number == u32::MAX) {
                // The subtrahend is a part of what the field counts.
                let number = u64::from(number).saturating_sub(less) as u32;
                own[place..place + 4].copy_from_slice(&number.to_le_bytes());
            }
        }
        Ok(end)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ArchiveError> {
    chunk(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ArchiveError> {
    chunk(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, ArchiveError> {
    chunk(bytes, at).map(u64::from_le_bytes)
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ArchiveError> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or(ArchiveError::NoEndRecord)
}
