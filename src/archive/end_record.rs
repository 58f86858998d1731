//! Finds the central directory from the end of a file. It reads no directory records.
//! A file may hold bytes that look like an end record in several places; the rules here
//! leave one reading of it, and refuse the file where that one does not add up.
//!
//! Record layouts: PKWARE APPNOTE 4.3.14 to 4.3.16.

use super::{Fault, Limits, directory::RECORD_BYTES, fields::Fields};

/// How much of the end of a file to fetch first: the end record (22 bytes) with the longest
/// comment (65,535), the ZIP64 locator (20) and a plain ZIP64 end record (56), rounded up.
/// A smaller file is fetched whole.
pub const TAIL_BYTES: u64 = 66 * 1024;

const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const ZIP64_END_BYTES: u64 = 56;

/// A ZIP64 end record may carry private data of any length. No known writer adds any, and the
/// caller is not to be sent through gigabytes for it.
const ZIP64_END_MOST_BYTES: u64 = 64 * 1024;

/// Where a central directory lies in its file, checked against the file and the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte from the start of the file.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many entries it states; at most `bytes / 46`.
    pub entries: u64,
}

/// What the end of a file tells about its central directory.
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
/// # Errors
///
/// A [`Fault`] where the file has no end record, or one that is not plainly true: the
/// directory must end exactly where the end record (with ZIP64, the ZIP64 end record) begins.
pub fn locate(tail: &[u8], file_bytes: u64, limits: &Limits) -> Result<Located, Fault> {
    let tail_start = file_bytes
        .checked_sub(tail.len() as u64)
        .ok_or(Fault::WrongLength { expected: file_bytes, found: tail.len() as u64 })?;
    let (at, end_record) = last_end_record(tail).ok_or(Fault::NoEndRecord)?;
    let end = tail_start + at as u64;
    let plain = end_record.claim();

    // Some writers add ZIP64 records that nothing calls for; then the plain numbers are true
    // but the directory ends at the ZIP64 record.
    if !end_record.has_all_ones() && plain.ends_at(end) {
        return plain.to_span(end, limits).map(Located::Found);
    }
    match zip64_end_record(tail, tail_start, at)? {
        // All-ones can be a plain value too: 65,535 entries need no ZIP64 for some writers.
        Zip64::Absent => plain.to_span(end, limits).map(Located::Found),
        Zip64::NeedFrom(offset) => Ok(Located::NeedFrom(offset)),
        Zip64::At(end, claim) => {
            let span = claim.to_span(end, limits)?;
            if !end_record.agrees_with(&claim) {
                return Err(Fault::EndRecordsDisagree);
            }
            Ok(Located::Found(span))
        }
    }
}

/// The numbers that an end record of either kind states.
struct Claim {
    disk: u32,
    directory_disk: u32,
    entries_on_disk: u64,
    entries: u64,
    bytes: u64,
    start: u64,
}

impl Claim {
    fn ends_at(&self, end: u64) -> bool {
        self.start.checked_add(self.bytes) == Some(end)
    }

    fn to_span(&self, end: u64, limits: &Limits) -> Result<Span, Fault> {
        let &Claim { start, bytes, entries, .. } = self;
        if self.disk != 0 || self.directory_disk != 0 || self.entries_on_disk != entries {
            return Err(Fault::SplitArchive);
        }
        if !self.ends_at(end) {
            return Err(Fault::MisplacedDirectory);
        }
        // An end record can be planted in the comment of a real one; an empty directory anywhere
        // but at the start would hide all that lies before it.
        if entries == 0 && start != 0 {
            return Err(Fault::MisplacedDirectory);
        }
        if entries > bytes / RECORD_BYTES {
            return Err(Fault::ImpossibleCount { entries, bytes });
        }
        if entries > limits.entries {
            let limit = limits.entries;
            return Err(Fault::TooManyEntries { entries, limit });
        }
        if bytes > limits.directory_bytes {
            let limit = limits.directory_bytes;
            return Err(Fault::DirectoryTooLarge { bytes, limit });
        }
        Ok(Span { start, bytes, entries })
    }
}

struct EndRecord {
    disk: u16,
    directory_disk: u16,
    entries_on_disk: u16,
    entries: u16,
    bytes: u32,
    start: u32,
}

impl EndRecord {
    /// Reads one that begins `record` and whose comment ends with it.
    fn read(record: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(record);
        fields.signature(0x0605_4b50)?;
        let end_record = Self {
            disk: fields.u16()?,
            directory_disk: fields.u16()?,
            entries_on_disk: fields.u16()?,
            entries: fields.u16()?,
            bytes: fields.u32()?,
            start: fields.u32()?,
        };
        let comment_bytes = usize::from(fields.u16()?);
        (fields.rest().len() == comment_bytes).then_some(end_record)
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

    fn has_all_ones(&self) -> bool {
        [self.disk, self.directory_disk, self.entries_on_disk, self.entries].contains(&u16::MAX)
            || [self.bytes, self.start].contains(&u32::MAX)
    }

    fn agrees_with(&self, zip64: &Claim) -> bool {
        let short = |plain: u16, wide: u64| plain == u16::MAX || u64::from(plain) == wide;
        let long = |plain: u32, wide: u64| plain == u32::MAX || u64::from(plain) == wide;
        short(self.disk, zip64.disk.into())
            && short(self.directory_disk, zip64.directory_disk.into())
            && short(self.entries_on_disk, zip64.entries_on_disk)
            && short(self.entries, zip64.entries)
            && long(self.bytes, zip64.bytes)
            && long(self.start, zip64.start)
    }
}

fn last_end_record(tail: &[u8]) -> Option<(usize, EndRecord)> {
    let last = tail.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find_map(|at| Some((at, EndRecord::read(tail.get(at..)?)?)))
}

enum Zip64 {
    Absent,
    NeedFrom(u64),
    At(u64, Claim),
}

/// The ZIP64 end record that belongs to the end record at `end_at` in `tail`, if there is one.
fn zip64_end_record(tail: &[u8], tail_start: u64, end_at: usize) -> Result<Zip64, Fault> {
    let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES) else {
        // Only a tail far below TAIL_BYTES cuts the locator off.
        let both = LOCATOR_BYTES as u64 + ZIP64_END_BYTES;
        return Ok(match tail_start {
            0 => Zip64::Absent,
            _ => Zip64::NeedFrom((tail_start + end_at as u64).saturating_sub(both)),
        });
    };
    let Some(locator) = tail.get(locator_at..end_at).and_then(Locator::read) else {
        return Ok(Zip64::Absent);
    };
    if locator.disk != 0 || locator.disks > 1 {
        return Err(Fault::SplitArchive);
    }

    let record_end = tail_start + locator_at as u64;
    let record_bytes = record_end.checked_sub(locator.record_start);
    if !record_bytes.is_some_and(|n| (ZIP64_END_BYTES..=ZIP64_END_MOST_BYTES).contains(&n)) {
        return Err(Fault::DamagedZip64EndRecord);
    }
    let Some(record_at) = locator.record_start.checked_sub(tail_start) else {
        return Ok(Zip64::NeedFrom(locator.record_start));
    };
    // It lies before `locator_at`, which is an index of the tail.
    let record = tail.get(record_at as usize..locator_at);
    let claim = record.and_then(read_zip64_claim).ok_or(Fault::DamagedZip64EndRecord)?;
    Ok(Zip64::At(locator.record_start, claim))
}

struct Locator {
    disk: u32,
    record_start: u64,
    disks: u32,
}

impl Locator {
    fn read(locator: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(locator);
        fields.signature(0x0706_4b50)?;
        Some(Self { disk: fields.u32()?, record_start: fields.u64()?, disks: fields.u32()? })
    }
}

/// Reads a ZIP64 end record that fills `record` exactly.
fn read_zip64_claim(record: &[u8]) -> Option<Claim> {
    let mut fields = Fields::new(record);
    fields.signature(0x0606_4b50)?;
    let stated_bytes = fields.u64()?;
    if stated_bytes != fields.rest().len() as u64 {
        return None;
    }
    let _versions = fields.u32()?;
    Some(Claim {
        disk: fields.u32()?,
        directory_disk: fields.u32()?,
        entries_on_disk: fields.u64()?,
        entries: fields.u64()?,
        bytes: fields.u64()?,
        start: fields.u64()?,
    })
}
