//! A raw record is one record of a central directory as bytes, with the place of its offset, which alone may be
//! changed in it.

use std::iter;
use std::ops::Range;

use super::directory::{RECORD_BYTES, RECORD_SIGNATURE};

/// A record in a directory.
pub(super) struct RawRecord {
    /// Where it lies in the directory.
    pub(super) range: Range<usize>,
    /// Its offset; `None` if it has none that can be found.
    pub(super) offset: Option<OffsetField>,
}

/// The field of a record that tells where the local header lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetField {
    /// Where it begins in the record.
    at: usize,
    /// Whether it has 64 bits, in the ZIP64 extra field.
    is_wide: bool,
    /// What it says.
    pub(super) stated: u64,
}

impl OffsetField {
    /// Puts another offset, which is not larger, into a copy of the record.
    pub(super) fn put(&self, record: &mut [u8], offset: u64) {
        let bytes = offset.to_le_bytes();
        let width = if self.is_wide { 8 } else { 4 };
        record[self.at..self.at + width].copy_from_slice(&bytes[..width]);
    }

    fn of(record: &[u8], name_bytes: usize, extra_bytes: usize) -> Option<Self> {
        const AT: usize = 42;
        let narrow = u32_at(record, AT)?;
        if narrow != u32::MAX {
            return Some(Self { at: AT, is_wide: false, stated: narrow.into() });
        }
        let fixed = RECORD_BYTES as usize;
        let extra = record.get(fixed + name_bytes..fixed + name_bytes + extra_bytes)?;
        let (start, length) = zip64_field(extra)?;
        // The sizes come first, as far as they are in the field.
        let before = [20, 24].into_iter().filter(|at| u32_at(record, *at) == Some(u32::MAX)).count();
        if (before + 1) * 8 > length {
            return None;
        }
        let at = fixed + name_bytes + start + before * 8;
        let stated = u64::from_le_bytes(*record.get(at..)?.first_chunk::<8>()?);
        Some(Self { at, is_wide: true, stated })
    }
}

/// Finds the data of the first ZIP64 field in extra fields: where it begins, and its length.
fn zip64_field(extra: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let id = u16_at(extra, at)?;
        let length = usize::from(u16_at(extra, at + 2)?);
        if extra.len() < at + 4 + length {
            return None;
        }
        if id == 0x0001 {
            return Some((at + 4, length));
        }
        at += 4 + length;
    }
}

/// Iterates over the records of a directory that [`super::walk`] accepts, in the same order.
pub(super) fn raw_records(directory: &[u8]) -> impl Iterator<Item = RawRecord> {
    let mut at = 0;
    iter::from_fn(move || {
        let record = directory.get(at..)?;
        if u32_at(record, 0)? != RECORD_SIGNATURE {
            return None;
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(record, at).map(usize::from));
        let (name, extra, comment) = (name?, extra?, comment?);
        let length = RECORD_BYTES as usize + name + extra + comment;
        let record = record.get(..length)?;
        let range = at..at + length;
        at += length;
        Some(RawRecord { range, offset: OffsetField::of(record, name, extra) })
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}
