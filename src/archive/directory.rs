//! Walks a central directory record by record. It borrows names and allocates nothing.
//! Names are bytes as they stand: `..`, a leading slash, NUL or bad UTF-8 are the business
//! of whoever makes a path of them. Duplicates are all reported, in directory order.
//!
//! Record layout: PKWARE APPNOTE 4.3.12; extra fields: 4.5.3 and Info-ZIP's `extrafld.txt`.

use std::iter;

use super::{Fault, Span, fields::Fields, timestamp};

/// The fixed part of a directory record: no entry takes less.
pub(super) const RECORD_BYTES: u64 = 46;

/// The fixed part of a local header.
pub(super) const LOCAL_HEADER_BYTES: u64 = 30;

/// One record of a central directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name's bytes, unchecked and in no certain encoding.
    pub name: &'a [u8],
    /// General purpose flags; see [`Entry::is_encrypted`].
    pub flags: u16,
    /// Compression method: 0 stored, 8 deflate, 93 zstd, or any other number.
    pub method: u16,
    /// CRC-32 of the unpacked bytes.
    pub crc32: u32,
    /// Length as it lies in the archive.
    pub packed_bytes: u64,
    /// Length when unpacked, as stated: an archive of a few bytes can state exabytes.
    pub unpacked_bytes: u64,
    /// Offset of the local header from the start of the file.
    pub header_offset: u64,
    /// File type and permission bits, where the writer ran on Unix and set any.
    pub unix_mode: Option<u32>,
    /// When the file was last changed: the extended timestamp (0x5455), else the MS-DOS
    /// fields read as UTC, else `None`.
    pub modified_unix_seconds: Option<i64>,
}

impl Entry<'_> {
    /// Whether the bytes are encrypted (flag bit 0).
    pub fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether it stands for a directory: its name ends with `/`.
    pub fn is_directory(&self) -> bool {
        self.name.ends_with(b"/")
    }
}

/// Calls `each` with every entry of `directory`, which must be the bytes that `span` names.
///
/// # Errors
///
/// The first [`Fault`] met, or the one that `each` returns. Entries before it were reported.
pub fn walk<'a>(
    directory: &'a [u8],
    span: &Span,
    mut each: impl FnMut(Entry<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    check_span(directory, span)?;
    let mut fields = Fields::new(directory);
    for number in 1..=span.entries {
        let record = Record::read(&mut fields).ok_or(Fault::DamagedRecord { number })?;
        each(record.entry(span.start)?)?;
    }
    match fields.rest().len() as u64 {
        0 => Ok(()),
        bytes => Err(Fault::LeftOver { bytes }),
    }
}

/// Makes sure that `span` states no more than `directory` can hold, so that its counts may
/// size an allocation.
pub(super) fn check_span(directory: &[u8], span: &Span) -> Result<(), Fault> {
    let &Span { bytes, entries, .. } = span;
    if directory.len() as u64 != bytes {
        return Err(Fault::WrongLength { expected: bytes, found: directory.len() as u64 });
    }
    if entries > bytes / RECORD_BYTES {
        return Err(Fault::ImpossibleCount { entries, bytes });
    }
    Ok(())
}

/// The fields as they stand, with 32-bit sizes that the extra fields may widen.
struct Record<'a> {
    made_by: u16,
    flags: u16,
    method: u16,
    dos_time: u16,
    dos_date: u16,
    crc32: u32,
    packed: u32,
    unpacked: u32,
    disk: u16,
    external_attributes: u32,
    header_offset: u32,
    name: &'a [u8],
    extra: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        fields.signature(0x0201_4b50)?;
        let made_by = fields.u16()?;
        let _needed_version = fields.u16()?;
        let flags = fields.u16()?;
        let method = fields.u16()?;
        let dos_time = fields.u16()?;
        let dos_date = fields.u16()?;
        let crc32 = fields.u32()?;
        let packed = fields.u32()?;
        let unpacked = fields.u32()?;
        let name_bytes = fields.u16()?;
        let extra_bytes = fields.u16()?;
        let comment_bytes = fields.u16()?;
        let disk = fields.u16()?;
        let _internal_attributes = fields.u16()?;
        let external_attributes = fields.u32()?;
        let header_offset = fields.u32()?;
        let name = fields.take(name_bytes.into())?;
        let extra = fields.take(extra_bytes.into())?;
        let _comment = fields.take(comment_bytes.into())?;
        Some(Self {
            made_by,
            flags,
            method,
            dos_time,
            dos_date,
            crc32,
            packed,
            unpacked,
            disk,
            external_attributes,
            header_offset,
            name,
            extra,
        })
    }

    /// The entry that it describes, if that lies before the directory at `directory_start`.
    fn entry(self, directory_start: u64) -> Result<Entry<'a>, Fault> {
        let zip64 = extra_fields(self.extra).find(|&(id, _)| id == 0x0001);
        let mut wide = Fields::new(zip64.map_or(&[], |(_, data)| data));
        let mut widen = |narrow: u32| match narrow {
            u32::MAX => wide.u64().ok_or(Fault::EntryPastArchive),
            _ => Ok(narrow.into()),
        };
        let unpacked_bytes = widen(self.unpacked)?;
        let packed_bytes = widen(self.packed)?;
        let header_offset = widen(self.header_offset)?;
        let on_first_disk = self.disk == 0 || self.disk == u16::MAX && wide.u32() == Some(0);
        if !on_first_disk {
            return Err(Fault::SplitArchive);
        }
        let end =
            header_offset.checked_add(LOCAL_HEADER_BYTES).and_then(|body| body.checked_add(packed_bytes));
        if end.is_none_or(|end| end > directory_start) {
            return Err(Fault::EntryPastArchive);
        }
        Ok(Entry {
            name: self.name,
            flags: self.flags,
            method: self.method,
            crc32: self.crc32,
            packed_bytes,
            unpacked_bytes,
            header_offset,
            unix_mode: self.unix_mode(),
            modified_unix_seconds: self.modified(),
        })
    }

    fn unix_mode(&self) -> Option<u32> {
        const UNIX: u16 = 3;
        const DARWIN: u16 = 19;
        let mode = self.external_attributes >> 16;
        (matches!(self.made_by >> 8, UNIX | DARWIN) && mode != 0).then_some(mode)
    }

    fn modified(&self) -> Option<i64> {
        extra_fields(self.extra)
            .filter(|&(id, _)| id == 0x5455)
            .find_map(|(_, data)| extended_modified(data))
            .or_else(|| timestamp::unix_seconds(self.dos_date, self.dos_time))
    }
}

/// The extra fields up to the first that is malformed, which hides the ones after it.
fn extra_fields(extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut fields = Fields::new(extra);
    iter::from_fn(move || {
        let id = fields.u16()?;
        let bytes = fields.u16()?;
        Some((id, fields.take(bytes.into())?))
    })
}

/// The modification time in an extended timestamp, if it carries one.
fn extended_modified(data: &[u8]) -> Option<i64> {
    let (&carries, seconds) = data.split_first()?;
    let seconds = Fields::new(seconds).u32()?;
    (carries & 1 != 0).then_some(i64::from(seconds.cast_signed()))
}
