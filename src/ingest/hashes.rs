//! Hashes of a blob besides its SHA-256: SHA-1 and CRC-32, which some clients and archives need.

use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};
use tokio::task::JoinHandle;

use crate::catalog::artifacts::BlobInfo;
use crate::domain::{Error, Result};
use crate::store::StoredBlob;

/// How many bytes are hashed at a time.
const PIECE_BYTES: usize = 256 * 1024;

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

/// Hashes of bytes that arrive, computed on another thread while more arrive.
#[derive(Debug)]
pub(super) struct StreamHashes {
    gathered: BytesMut,
    hashing: Hashing,
}

#[derive(Debug)]
enum Hashing {
    Idle(Hashes),
    Busy(JoinHandle<Hashes>),
}

impl StreamHashes {
    pub(super) fn new() -> Self {
        Self { gathered: BytesMut::new(), hashing: Hashing::Idle(Hashes::default()) }
    }

    /// Continues with these bytes.
    ///
    /// # Errors
    /// `Internal` when the thread failed.
    pub(super) async fn update(&mut self, bytes: &[u8]) -> Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            let full = std::mem::replace(&mut self.gathered, BytesMut::with_capacity(PIECE_BYTES)).freeze();
            self.hash(full).await?;
        }
        Ok(())
    }

    /// Returns the hashes of everything.
    ///
    /// # Errors
    /// As [`StreamHashes::update`].
    pub(super) async fn finish(mut self) -> Result<Hashes> {
        let rest = std::mem::take(&mut self.gathered).freeze();
        self.hash(rest).await?;
        self.idle().await
    }

    async fn hash(&mut self, bytes: Bytes) -> Result<()> {
        let mut hashes = self.idle().await?;
        self.hashing = Hashing::Busy(tokio::task::spawn_blocking(move || {
            hashes.update(&bytes);
            hashes
        }));
        Ok(())
    }

    async fn idle(&mut self) -> Result<Hashes> {
        match std::mem::replace(&mut self.hashing, Hashing::Idle(Hashes::default())) {
            Hashing::Idle(hashes) => Ok(hashes),
            Hashing::Busy(task) => task.await.map_err(Error::internal),
        }
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
