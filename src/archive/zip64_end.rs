//! The ZIP64 end record precedes the end record and has room for larger numbers; the locator between the two
//! tells where it begins.
//!
//! Record layouts: PKWARE APPNOTE 4.3.14 and 4.3.15.

use std::ops::RangeInclusive;

use super::{
    ArchiveError,
    end_record::{Claim, distance},
    field_reader::Fields,
};

const LOCATOR_BYTES: usize = 20;
const LOCATOR_SIGNATURE: u32 = 0x0706_4b50;

/// A record without private data, as all known writers make it.
const PLAIN_BYTES: u64 = 56;

/// The accepted lengths of a record in bytes. It may carry private data of any length, but no known writer
/// adds any, and the caller must not read gigabytes for it.
const RECORD_BYTES: RangeInclusive<u64> = PLAIN_BYTES..=64 * 1024;

/// The result of [`zip64_end_record`].
pub(super) enum Zip64 {
    /// There is no locator.
    Absent,
    /// A tail is needed that begins at this offset.
    NeedFrom(u64),
    /// A whole record.
    At {
        /// Its offset from the start of the file.
        start: u64,
        /// How many bytes later it lies than its locator says.
        moved: i64,
        /// The numbers that it states.
        claim: Claim,
    },
}

/// Finds the ZIP64 end record that belongs to the end record at `end_at` in `tail`, if there is one.
pub(super) fn zip64_end_record(tail: &[u8], tail_start: u64, end_at: usize) -> Result<Zip64, ArchiveError> {
    let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES) else {
        // Only a tail far below TAIL_BYTES cuts the locator off.
        let both = LOCATOR_BYTES as u64 + PLAIN_BYTES;
        return Ok(match tail_start {
            0 => Zip64::Absent,
            _ => Zip64::NeedFrom((tail_start + end_at as u64).saturating_sub(both)),
        });
    };
    let Some(locator) = Locator::before(tail, end_at) else { return Ok(Zip64::Absent) };
    if locator.disk != 0 || locator.disks > 1 {
        return Err(ArchiveError::SplitArchive);
    }

    let stated = locator.record_start;
    let end = tail_start + locator_at as u64;
    let plain = end.checked_sub(PLAIN_BYTES).ok_or(ArchiveError::DamagedZip64EndRecord)?;
    let is_near = end.checked_sub(stated).is_some_and(|bytes| RECORD_BYTES.contains(&bytes));
    let first = if is_near { stated.min(plain) } else { plain };
    if first < tail_start {
        return Ok(Zip64::NeedFrom(first));
    }
    // Both lie in the tail, before `locator_at`.
    let read = |start: u64| read_claim(&tail[(start - tail_start) as usize..locator_at]);
    let as_stated = if is_near { read(stated) } else { None };
    // Private data may look like a record; some readers would take it for the real one.
    let right_before = if is_near && stated == plain { None } else { read(plain) };
    match (as_stated, right_before) {
        (Some(claim), None) => Ok(Zip64::At { start: stated, moved: 0, claim }),
        (None, Some(claim)) => {
            let moved = distance(stated, plain).ok_or(ArchiveError::DamagedZip64EndRecord)?;
            Ok(Zip64::At { start: plain, moved, claim })
        }
        _ => Err(ArchiveError::DamagedZip64EndRecord),
    }
}

/// Whether a locator is right before the end record at `end_at` in `tail`.
pub(super) fn has_locator(tail: &[u8], end_at: usize) -> bool {
    Locator::before(tail, end_at).is_some()
}

struct Locator {
    disk: u32,
    record_start: u64,
    disks: u32,
}

impl Locator {
    /// Reads the locator right before the end record at `end_at`.
    fn before(tail: &[u8], end_at: usize) -> Option<Self> {
        let mut fields = Fields::new(tail.get(end_at.checked_sub(LOCATOR_BYTES)?..end_at)?);
        fields.signature(LOCATOR_SIGNATURE)?;
        Some(Self { disk: fields.u32()?, record_start: fields.u64()?, disks: fields.u32()? })
    }
}

/// Reads a ZIP64 end record that fills `record` exactly.
fn read_claim(record: &[u8]) -> Option<Claim> {
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
