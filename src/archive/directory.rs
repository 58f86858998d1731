//! A central directory is the list of an archive's entries, walked record by record without allocation.
//!
//! Names are bytes as stored: `..`, a leading slash, NUL or bad UTF-8 are left to the code that makes paths
//! of them. All duplicates are reported, in directory order, and so are unreadable entries. The walk ends
//! with the directory's length: the stated count has only 16 bits, which many writers let wrap.
//!
//! Record layout: PKWARE APPNOTE 4.3.12; extra fields: 4.5.3 and Info-ZIP's `extrafld.txt`.

use std::iter;

use super::{ArchiveError, Oddity, Span, field_reader::Fields, timestamp};

/// The length of the fixed part of a directory record, in bytes: no entry takes less.
pub(super) const RECORD_BYTES: u64 = 46;

/// The length of the fixed part of a local header, in bytes.
pub(super) const LOCAL_HEADER_BYTES: u64 = 30;

/// The signature of a directory record.
pub(super) const RECORD_SIGNATURE: u32 = 0x0201_4b50;

/// The signature of a local header.
pub(super) const LOCAL_SIGNATURE: u32 = 0x0403_4b50;

/// One record of a central directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name's bytes, unchecked and in an unknown encoding.
    pub name: &'a [u8],
    /// General purpose flags; see [`Entry::is_encrypted`].
    pub flags: u16,
    /// Compression method: 0 stored, 8 deflate, 93 zstd, or any other number.
    pub method: u16,
    /// CRC-32 of the decompressed bytes.
    pub crc32: u32,
    /// Compressed length in bytes.
    pub compressed_size: u64,
    /// Decompressed length in bytes, as stated: an archive of a few bytes can state exabytes.
    pub uncompressed_size: u64,
    /// Offset of the local header from the start of the file; 0 where there is an `oddity`.
    pub header_offset: u64,
    /// File type and permission bits, where the writer ran on Unix and set any.
    pub unix_mode: Option<u32>,
    /// When the file was last changed: the extended timestamp (0x5455), else the MS-DOS
    /// fields read as UTC, else `None`.
    pub modified_unix_seconds: Option<i64>,
    /// Why it cannot be read; its sizes are then the record's own, without extra fields.
    pub oddity: Option<Oddity>,
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

/// Calls `each` with every entry of `directory`, which must be the bytes at `span`.
///
/// # Errors
///
/// The first [`ArchiveError`] met, or the one that `each` returns. Entries before it were reported.
pub fn walk<'a>(
    directory: &'a [u8],
    span: &Span,
    mut each: impl FnMut(Entry<'a>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    check_span(directory, span)?;
    let mut fields = Fields::new(directory);
    let mut found = 0;
    loop {
        let rest = fields.rest();
        let Some(record) = Record::read(&mut fields) else {
            return check_end(rest, found, span);
        };
        if found == span.most_entries {
            return Err(ArchiveError::MoreEntries { limit: found });
        }
        found += 1;
        each(record.entry(span))?;
    }
}

/// Checks that a directory ends at `rest`, which holds no further record, and that it has as many entries as
/// it states.
fn check_end(rest: &[u8], found: u64, span: &Span) -> Result<(), ArchiveError> {
    const WRAP: u64 = 1 << 16;
    let stated = span.entries;
    let is_count = found % WRAP == stated % WRAP;
    match (rest.is_empty() || is_digital_signature(rest), is_count) {
        (true, true) => Ok(()),
        (true, false) => Err(ArchiveError::WrongCount { found, stated }),
        (false, _) if found == 0 && span.moved != 0 => Err(ArchiveError::MisplacedDirectory),
        (false, true) => Err(ArchiveError::LeftOver { bytes: rest.len() as u64 }),
        (false, false) => Err(ArchiveError::DamagedRecord { number: found + 1 }),
    }
}

/// Whether `rest` is the signature of a directory and nothing else (APPNOTE 4.3.13).
fn is_digital_signature(rest: &[u8]) -> bool {
    let mut fields = Fields::new(rest);
    let bytes = fields.signature(0x0505_4b50).and_then(|()| fields.u16());
    bytes.is_some_and(|bytes| fields.rest().len() == usize::from(bytes))
}

/// Checks that `span` states no more than `directory` can hold, so that its counts may size an allocation.
pub(super) fn check_span(directory: &[u8], span: &Span) -> Result<(), ArchiveError> {
    let &Span { bytes, entries, .. } = span;
    if directory.len() as u64 != bytes {
        return Err(ArchiveError::WrongLength { expected: bytes, found: directory.len() as u64 });
    }
    if entries > bytes / RECORD_BYTES {
        return Err(ArchiveError::ImpossibleCount { entries, bytes });
    }
    Ok(())
}

/// The fields of a record as stored, with 32-bit sizes that the extra fields may widen.
struct Record<'a> {
    made_by: u16,
    flags: u16,
    method: u16,
    dos_time: u16,
    dos_date: u16,
    crc32: u32,
    compressed: u32,
    uncompressed: u32,
    disk: u16,
    external_attributes: u32,
    header_offset: u32,
    name: &'a [u8],
    extra: &'a [u8],
}

/// Where an entry lies, and its sizes.
struct Place {
    compressed_size: u64,
    uncompressed_size: u64,
    header_offset: u64,
}

impl<'a> Record<'a> {
    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        fields.signature(RECORD_SIGNATURE)?;
        let made_by = fields.u16()?;
        let _needed_version = fields.u16()?;
        let flags = fields.u16()?;
        let method = fields.u16()?;
        let dos_time = fields.u16()?;
        let dos_date = fields.u16()?;
        let crc32 = fields.u32()?;
        let compressed = fields.u32()?;
        let uncompressed = fields.u32()?;
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
            compressed,
            uncompressed,
            disk,
            external_attributes,
            header_offset,
            name,
            extra,
        })
    }

    /// Returns the entry of an archive whose directory lies at `span`.
    fn entry(self, span: &Span) -> Entry<'a> {
        let (place, oddity) = match self.place(span) {
            Ok(place) => (place, None),
            Err(oddity) => (self.narrow_place(), Some(oddity)),
        };
        Entry {
            name: self.name,
            flags: self.flags,
            method: self.method,
            crc32: self.crc32,
            compressed_size: place.compressed_size,
            uncompressed_size: place.uncompressed_size,
            header_offset: place.header_offset,
            unix_mode: self.unix_mode(),
            modified_unix_seconds: self.modified(),
            oddity,
        }
    }

    /// Returns where the entry lies; fails if that is not before the directory.
    fn place(&self, span: &Span) -> Result<Place, Oddity> {
        let zip64 = extra_fields(self.extra).find(|&(id, _)| id == 0x0001);
        let mut wide = Fields::new(zip64.map_or(&[], |(_, data)| data));
        let mut widen = |narrow: u32| match narrow {
            u32::MAX => wide.u64().ok_or(Oddity::NoZip64Field),
            _ => Ok(narrow.into()),
        };
        let uncompressed_size = match zip64 {
            // Without a ZIP64 field, all ones is a size: one byte less than 4 GiB.
            None => self.uncompressed.into(),
            Some(_) => widen(self.uncompressed)?,
        };
        let compressed_size = widen(self.compressed)?;
        let stated_offset = widen(self.header_offset)?;
        let on_first_disk = self.disk == 0 || self.disk == u16::MAX && wide.u32() == Some(0);
        if !on_first_disk {
            return Err(Oddity::OtherDisk);
        }
        let header_offset = stated_offset.checked_add_signed(span.moved).ok_or(Oddity::OutsideArchive)?;
        let end =
            header_offset.checked_add(LOCAL_HEADER_BYTES).and_then(|body| body.checked_add(compressed_size));
        match end {
            Some(end) if end <= span.start => Ok(Place { compressed_size, uncompressed_size, header_offset }),
            _ => Err(Oddity::OutsideArchive),
        }
    }

    /// Returns the sizes that are shown of an entry that cannot be read.
    fn narrow_place(&self) -> Place {
        Place {
            compressed_size: self.compressed.into(),
            uncompressed_size: self.uncompressed.into(),
            header_offset: 0,
        }
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

/// Iterates over the extra fields up to the first malformed one, which hides those after it.
fn extra_fields(extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut fields = Fields::new(extra);
    iter::from_fn(move || {
        let id = fields.u16()?;
        let bytes = fields.u16()?;
        Some((id, fields.take(bytes.into())?))
    })
}

/// Returns the modification time of an extended timestamp, if it carries one.
fn extended_modified(data: &[u8]) -> Option<i64> {
    let (&carries, seconds) = data.split_first()?;
    let seconds = Fields::new(seconds).u32()?;
    (carries & 1 != 0).then_some(i64::from(seconds.cast_signed()))
}
