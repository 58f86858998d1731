//! Hashes of a blob besides its SHA-256: SHA-1 and CRC-32, which some clients and archives need.

use sha1::{Digest, Sha1};

use crate::catalog::artifacts::BlobInfo;
use crate::store::StoredBlob;

/// Computes both hashes in one pass.
#[derive(Debug, Clone, Default)]
pub struct Hashes {
    sha1: Sha1,
    crc32: crc32fast::Hasher,
}

impl Hashes {
    /// Continues with these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.crc32.update(bytes);
    }
}

/// Describes a stored blob for its row. An archive has `tail_bytes`; `hashes` are those of the whole blob.
pub fn blob_info(stored: &StoredBlob, tail_bytes: Option<u64>, hashes: Option<Hashes>) -> BlobInfo {
    let (sha1, crc32) = hashes.map(|hashes| (hashes.sha1.finalize().into(), hashes.crc32.finalize())).unzip();
    BlobInfo {
        size_bytes: stored.size,
        sha256: stored.sha256,
        store_key: stored.key.to_string(),
        tail_bytes,
        sha1,
        crc32,
    }
}
