//! Writes the records of an archive for entries that are copied unchanged: local headers, directory records
//! and end records, each beside its length.
//!
//! Sizes and CRC are in the local header, so no data descriptor follows.
//!
//! Record layouts: PKWARE APPNOTE 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.

use bytes::{BufMut, BytesMut};

use super::{
    Entry,
    directory::{LOCAL_HEADER_BYTES, RECORD_BYTES},
    listing, timestamp,
};

/// Values from here on are in ZIP64 fields.
const WIDE: u64 = u32::MAX as u64;

const DATA_DESCRIPTOR: u16 = 1 << 3;

/// APPNOTE version 6.3, on Unix: readers take the mode from the external attributes.
const MADE_BY: u16 = 3 << 8 | 63;

/// The same on MS-DOS: only then do readers take a name that is not marked as UTF-8 for code page 437.
const MADE_BY_DOS: u16 = 63;

const TIMESTAMP_BYTES: u64 = 9;
const END_BYTES: u64 = 22;
const ZIP64_END_BYTES: u64 = 56;
const LOCATOR_BYTES: u64 = 20;

pub(super) fn local_header_bytes(entry: &Entry<'_>) -> u64 {
    let zip64 = if has_wide_size(entry) { 20 } else { 0 };
    LOCAL_HEADER_BYTES + entry.name.len() as u64 + zip64 + timestamp_bytes(entry)
}

pub(super) fn put_local_header(out: &mut BytesMut, entry: &Entry<'_>) {
    let wide = has_wide_size(entry);
    out.put_u32_le(0x0403_4b50);
    put_shared_fields(out, entry, wide);
    out.put_u16_le((timestamp_bytes(entry) + if wide { 20 } else { 0 }) as u16);
    out.put_slice(entry.name);
    if wide {
        // In a local header the field must hold both, even if one is small.
        put_zip64(out, &[entry.uncompressed_size, entry.compressed_size]);
    }
    put_timestamp(out, entry);
}

/// Returns the length of the directory record of an entry whose local header lies at `offset`.
pub(super) fn record_bytes(entry: &Entry<'_>, offset: u64) -> u64 {
    let zip64 = match (has_wide_size(entry), offset >= WIDE) {
        (false, false) => 0,
        (false, true) => 12,
        (true, false) => 20,
        (true, true) => 28,
    };
    RECORD_BYTES + entry.name.len() as u64 + zip64 + timestamp_bytes(entry)
}

pub(super) fn put_record(out: &mut BytesMut, entry: &Entry<'_>, offset: u64) {
    const MS_DOS_DIRECTORY: u32 = 0x10;
    let wide = has_wide_size(entry);
    let extra_bytes = record_bytes(entry, offset) - RECORD_BYTES - entry.name.len() as u64;
    out.put_u32_le(0x0201_4b50);
    out.put_u16_le(if is_dos_name(entry) { MADE_BY_DOS } else { MADE_BY });
    put_shared_fields(out, entry, wide || offset >= WIDE);
    out.put_u16_le(extra_bytes as u16);
    let [no_comment, first_disk, internal_attributes] = [0; 3];
    out.put_u16_le(no_comment);
    out.put_u16_le(first_disk);
    out.put_u16_le(internal_attributes);
    let attributes = if entry.is_directory() { MS_DOS_DIRECTORY } else { 0 };
    out.put_u32_le(listing::mode(entry) << 16 | attributes);
    out.put_u32_le(narrow(offset));
    out.put_slice(entry.name);
    match (wide, offset >= WIDE) {
        (false, false) => (),
        (false, true) => put_zip64(out, &[offset]),
        (true, false) => put_zip64(out, &[entry.uncompressed_size, entry.compressed_size]),
        (true, true) => put_zip64(out, &[entry.uncompressed_size, entry.compressed_size, offset]),
    }
    put_timestamp(out, entry);
}

/// Whether a name's encoding depends on the system that wrote it.
fn is_dos_name(entry: &Entry<'_>) -> bool {
    const UTF8: u16 = 1 << 11;
    entry.unix_mode.is_none() && entry.flags & UTF8 == 0 && !entry.name.is_ascii()
}

/// The numbers of the end records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) directory_start: u64,
    pub(super) directory_bytes: u64,
}

impl Totals {
    fn need_zip64(&self) -> bool {
        self.entries >= u16::MAX.into() || self.directory_start >= WIDE || self.directory_bytes >= WIDE
    }

    pub(super) fn end_bytes(&self) -> u64 {
        END_BYTES + if self.need_zip64() { ZIP64_END_BYTES + LOCATOR_BYTES } else { 0 }
    }

    pub(super) fn put_end(&self, out: &mut BytesMut) {
        let &Self { entries, directory_start, directory_bytes } = self;
        if self.need_zip64() {
            self.put_zip64_end(out);
        }
        let short_entries = u16::try_from(entries).unwrap_or(u16::MAX);
        out.put_u32_le(0x0605_4b50);
        out.put_u32_le(0);
        out.put_u16_le(short_entries);
        out.put_u16_le(short_entries);
        out.put_u32_le(narrow(directory_bytes));
        out.put_u32_le(narrow(directory_start));
        out.put_u16_le(0);
    }

    fn put_zip64_end(&self, out: &mut BytesMut) {
        out.put_u32_le(0x0606_4b50);
        out.put_u64_le(ZIP64_END_BYTES - 12);
        out.put_u16_le(MADE_BY);
        out.put_u16_le(45);
        out.put_u64_le(0);
        out.put_u64_le(self.entries);
        out.put_u64_le(self.entries);
        out.put_u64_le(self.directory_bytes);
        out.put_u64_le(self.directory_start);

        out.put_u32_le(0x0706_4b50);
        out.put_u32_le(0);
        out.put_u64_le(self.directory_start + self.directory_bytes);
        out.put_u32_le(1);
    }
}

/// Writes the fields that a local header and a directory record share, up to the name's length.
fn put_shared_fields(out: &mut BytesMut, entry: &Entry<'_>, zip64: bool) {
    let (date, time) = entry.modified_unix_seconds.map_or((0, 0), timestamp::dos_fields);
    let wide = has_wide_size(entry);
    out.put_u16_le(needed_version(entry.method, zip64));
    out.put_u16_le(entry.flags & !DATA_DESCRIPTOR);
    out.put_u16_le(entry.method);
    out.put_u16_le(time);
    out.put_u16_le(date);
    out.put_u32_le(entry.crc32);
    for size in [entry.compressed_size, entry.uncompressed_size] {
        out.put_u32_le(if wide { u32::MAX } else { narrow(size) });
    }
    // A record states its name's length in 16 bits.
    out.put_u16_le(entry.name.len() as u16);
}

/// Returns the format version that a reader must know (APPNOTE 4.4.3.2), times ten. Methods other than stored
/// and deflate claim the newest that readers in use accept.
fn needed_version(method: u16, zip64: bool) -> u16 {
    match (method, zip64) {
        (0 | 8, false) => 20,
        (0 | 8, true) => 45,
        _ => 63,
    }
}

fn has_wide_size(entry: &Entry<'_>) -> bool {
    entry.compressed_size >= WIDE || entry.uncompressed_size >= WIDE
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn put_zip64(out: &mut BytesMut, values: &[u64]) {
    out.put_u16_le(0x0001);
    out.put_u16_le(8 * values.len() as u16);
    for &value in values {
        out.put_u64_le(value);
    }
}

/// Returns the modification time if the extended timestamp can hold it: 32 bits with a sign.
fn extended_seconds(entry: &Entry<'_>) -> Option<i32> {
    i32::try_from(entry.modified_unix_seconds?).ok()
}

fn timestamp_bytes(entry: &Entry<'_>) -> u64 {
    extended_seconds(entry).map_or(0, |_| TIMESTAMP_BYTES)
}

fn put_timestamp(out: &mut BytesMut, entry: &Entry<'_>) {
    const CARRIES_MODIFIED: u8 = 1;
    if let Some(seconds) = extended_seconds(entry) {
        out.put_u16_le(0x5455);
        out.put_u16_le(5);
        out.put_u8(CARRIES_MODIFIED);
        out.put_i32_le(seconds);
    }
}
