//! A small entry is read in one go: header, compressed bytes and checks in memory, without a reader between.
//! It fails with the same damage as [`open`](super::open), which streams pieces.

use std::io;
use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use super::directory::LOCAL_HEADER_BYTES;
use super::entry::{PIECE_BYTES, local_lengths};
use super::{CorruptEntry, EntryMeta, gzip};

/// The most compressed bytes that are inflated in one go. They can be blocks without content, whose tables
/// take milliseconds that other work on the thread would wait for.
const INFLATED_BYTES: usize = 24 * 1024;

/// Whether an entry is small enough for [`open`](super::open) to make one piece of it.
pub fn is_small(entry: &EntryMeta) -> bool {
    entry.compressed_size.max(entry.uncompressed_size) <= PIECE_BYTES
}

/// Returns where the compressed bytes of `entry` lie in `bytes`, which begin at its local header; `None` if
/// they reach past the end.
///
/// # Errors
/// [`CorruptEntry`] when there is no local header, as an error of kind `InvalidData`.
pub fn compressed_range(entry: &EntryMeta, bytes: &[u8]) -> io::Result<Option<Range<usize>>> {
    let Some(header) = bytes.get(..LOCAL_HEADER_BYTES as usize) else { return Ok(None) };
    let (name_bytes, extra_bytes) = local_lengths(header).ok_or(CorruptEntry::NoLocalHeader)?;
    let start = header.len() + usize::from(name_bytes) + usize::from(extra_bytes);
    let end =
        usize::try_from(entry.compressed_size).ok().and_then(|compressed| start.checked_add(compressed));
    Ok(end.filter(|end| *end <= bytes.len()).map(|end| start..end))
}

/// Decompresses the `compressed` bytes of a small entry that is stored, or deflated into at most 24 KiB; `None`
/// for any other.
///
/// # Errors
/// [`CorruptEntry`] as an error of kind `InvalidData`.
pub fn decompress(entry: &EntryMeta, compressed: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let uncompressed = match entry.method {
        _ if entry.encrypted || !is_small(entry) => return Ok(None),
        0 | 8 | 93 if compressed.is_empty() => Vec::new(),
        0 => compressed.to_vec(),
        8 if compressed.len() > INFLATED_BYTES => return Ok(None),
        8 => match gunzip(compressed, entry) {
            Some(uncompressed) => return Ok(Some(uncompressed)),
            None => inflate(compressed, entry.uncompressed_size)?,
        },
        _ => return Ok(None),
    };
    match uncompressed.len() as u64 {
        length if length < entry.uncompressed_size => Err(CorruptEntry::TooShort.into()),
        length if length > entry.uncompressed_size => Err(CorruptEntry::TooLong.into()),
        _ if crc32fast::hash(&uncompressed) != entry.crc32 => Err(CorruptEntry::ChecksumMismatch.into()),
        _ => Ok(Some(uncompressed)),
    }
}

/// Decompresses undamaged deflated bytes the quick way. As a gzip member they are also checked for left-over
/// data, as its CRC-32 and length follow directly. `None` for all others: [`inflate`] tells better what is
/// wrong than a library that wants its input whole.
fn gunzip(compressed: &[u8], entry: &EntryMeta) -> Option<Vec<u8>> {
    let member = gzip::member(entry, compressed);
    let mut uncompressed = vec![0; usize::try_from(entry.uncompressed_size).ok()?];
    let length = libdeflater::Decompressor::new().gzip_decompress(&member, &mut uncompressed).ok()?;
    (length == uncompressed.len()).then_some(uncompressed)
}

/// Inflates up to one byte more than stated, which shows that there are more.
fn inflate(compressed: &[u8], stated_bytes: u64) -> io::Result<Vec<u8>> {
    let mut uncompressed = Vec::with_capacity(stated_bytes as usize + 1);
    let mut decoder = Decompress::new(false);
    let status = decoder
        .decompress_vec(compressed, &mut uncompressed, FlushDecompress::Finish)
        .map_err(|_| CorruptEntry::Undecodable)?;
    let has_left_over = decoder.total_in() < compressed.len() as u64;
    match status {
        _ if uncompressed.len() as u64 > stated_bytes => Ok(uncompressed),
        Status::StreamEnd if has_left_over && uncompressed.len() as u64 == stated_bytes => {
            Err(CorruptEntry::LeftOver.into())
        }
        Status::StreamEnd => Ok(uncompressed),
        Status::Ok | Status::BufError => Err(CorruptEntry::Undecodable.into()),
    }
}
