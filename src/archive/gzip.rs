//! Gzip members (RFC 1952): around the unchanged bytes of a deflated entry, and whole small ones.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

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

/// Decompresses members that hold at most `max_bytes`.
///
/// # Errors
/// `InvalidData` if they hold more, or are damaged.
pub fn gunzip(compressed: &[u8], max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(compressed).take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max_bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes than allowed"));
    }
    Ok(bytes)
}

/// Compresses bytes into one member.
///
/// # Errors
/// None that can happen in memory.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_is_read_up_to_the_bound() {
        let compressed = gzip(b"hello").unwrap();
        assert_eq!(gunzip(&compressed, 5).unwrap(), b"hello");
        assert!(gunzip(&compressed, 4).is_err() && gunzip(b"hello", 5).is_err());
        assert!(gunzip(&compressed[..compressed.len() - 1], 5).is_err(), "cut off");
        assert_eq!(gunzip(&[gzip(b"a").unwrap(), gzip(b"b").unwrap()].concat(), 5).unwrap(), b"ab");
    }
}
