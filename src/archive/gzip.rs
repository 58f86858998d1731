//! Gzip members (RFC 1952) around the unchanged bytes of a deflated entry.

use super::EntryMeta;

/// The fixed header, without name or time: deflate, unknown system.
pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The length of the trailer in bytes.
pub const TRAILER_BYTES: usize = 8;

/// Returns the trailer: CRC-32, and the length modulo 2^32.
pub fn trailer(entry: &EntryMeta) -> [u8; TRAILER_BYTES] {
    let length = entry.uncompressed_size & u64::from(u32::MAX);
    (length << 32 | u64::from(entry.crc32)).to_le_bytes()
}

/// Returns the whole member.
pub fn member(entry: &EntryMeta, compressed: &[u8]) -> Vec<u8> {
    [&HEADER, compressed, &trailer(entry)].concat()
}
