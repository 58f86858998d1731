//! A blob being written: hashed on the way, invisible until committed.
//!
//! Network pieces are small and many; they are gathered into large steps, and each of those is
//! hashed and written on another thread while the next is being filled.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::gathered::Gathered;
use super::{Blob, StoreKey, blocking, bucket, local, unwritten};
use crate::domain::{Error, Result, Sha256Digest};

/// How much is written at once, in bytes. An upload to a directory holds at most two of these.
const STEP_BYTES: usize = 256 * 1024;

/// How much is written at once of what comes in long pieces, of which there are few at a time, in bytes.
const LARGE_STEP_BYTES: usize = 1024 * 1024;

/// A committed blob.
#[derive(Debug, Clone)]
pub struct StoredBlob {
    /// The key that it is stored under.
    pub key: StoreKey,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
}

/// A committed blob whose digest is perhaps not known.
#[derive(Debug, Clone)]
pub struct StoredPiece {
    /// The key that it is stored under.
    pub key: StoreKey,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes, if it was computed.
    pub sha256: Option<Sha256Digest>,
}

/// A blob being written. Dropping it leaves nothing in the store.
#[derive(Debug)]
pub struct Upload {
    gathered: Gathered,
    size: u64,
    writer: Writer,
}

/// The blob writer, idle or busy on another thread.
#[derive(Debug)]
enum Writer {
    Idle(BlobWriter),
    File(JoinHandle<io::Result<local::BlobWriter>>),
    Object(JoinHandle<io::Result<bucket::BlobWriter>>),
    Failed,
}

impl Upload {
    pub(super) fn new(part: BlobWriter) -> Self {
        Self { gathered: Gathered::new(STEP_BYTES), size: 0, writer: Writer::Idle(part) }
    }

    /// The number of bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes. An error may concern bytes of an earlier call.
    ///
    /// # Errors
    /// `OutOfSpace`, `Unavailable` or `Internal`; the upload can then only be dropped.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            if let Some(full) = self.gathered.fill(&mut bytes) {
                self.append(full).await?;
            }
        }
        Ok(())
    }

    /// As [`Upload::write`], without copying what is long. For few uploads at a time: the buffers of the network are
    /// held until they are written.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn write_shared(&mut self, mut bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            if let Some(full) = self.gathered.fill_shared(&mut bytes) {
                self.append(full).await?;
            }
        }
        Ok(())
    }

    async fn append(&mut self, full: Vec<Bytes>) -> Result<()> {
        self.writer = self.idle_part().await.map_err(unwritten)?.append(full);
        Ok(())
    }

    /// Expects `size` bytes that somebody else is given at the same time, who does not wait for the end: room in a
    /// directory is taken at once, and the system decides when the bytes go to the disk. Nothing was written yet.
    ///
    /// # Errors
    /// `OutOfSpace` or `Internal`.
    pub async fn beside_a_reader(mut self, size: u64) -> Result<Self> {
        self.gathered = Gathered::new(LARGE_STEP_BYTES);
        if let Writer::Idle(BlobWriter::File(part)) = self.writer {
            let part = blocking(move || part.beside_a_reader(size)).await.map_err(unwritten)?;
            self.writer = Writer::Idle(BlobWriter::File(part));
        }
        Ok(self)
    }

    /// Computes no digest in a directory: nobody asks for that of a part of something. Nothing was written yet.
    #[must_use]
    pub fn without_digest(self) -> Self {
        let writer = match self.writer {
            Writer::Idle(BlobWriter::File(part)) => Writer::Idle(BlobWriter::File(part.without_digest())),
            other => other,
        };
        Self { writer, ..self }
    }

    /// Appends all bytes of a blob, and continues `state` with them.
    ///
    /// # Errors
    /// As [`Upload::write`]; `NotFound` or `Internal` when the blob cannot be read.
    pub async fn append_blob<S: Send + 'static>(
        &mut self,
        blob: &Blob,
        mut state: S,
        update: fn(&mut S, &[u8]),
    ) -> Result<S> {
        let part = self.idle_part().await.map_err(unwritten)?;
        let (mut file, source) = match (part, blob.as_file()) {
            (BlobWriter::File(file), Some(source)) => (file, source),
            (part, _) => {
                self.writer = Writer::Idle(part);
                let mut pieces = Box::pin(blob.stream(0..blob.size()));
                while let Some(piece) = pieces.next().await {
                    let piece = piece?;
                    self.write(&piece).await?;
                    let continued = blocking(move || {
                        update(&mut state, &piece);
                        Ok(state)
                    });
                    state = continued.await?;
                }
                return Ok(state);
            }
        };
        let (gathered, size) = (self.gathered.take(), blob.size());
        let copying = blocking(move || {
            file.append(&gathered)?;
            local::visit(&source, size, |bytes| {
                update(&mut state, bytes);
                file.append(&[bytes])
            })?;
            Ok((file, state))
        });
        let (file, state) = copying.await.map_err(unwritten)?;
        self.size += size;
        self.writer = Writer::Idle(BlobWriter::File(file));
        Ok(state)
    }

    /// Makes the blob durable and visible under its key, and returns its digest if one was computed.
    ///
    /// # Errors
    /// As [`Upload::commit`].
    pub async fn commit_piece(self) -> Result<StoredPiece> {
        self.finish(None).await
    }

    /// Makes the blob durable and visible under its key.
    ///
    /// # Errors
    /// `OutOfSpace`, `Unavailable` or `Internal`; nothing is left in the store then.
    pub async fn commit(self) -> Result<StoredBlob> {
        self.commit_if(None).await
    }

    /// Like [`Upload::commit`], if the digest of the bytes is the `expected` one: a blob that differs from
    /// its row is never visible.
    ///
    /// # Errors
    /// As [`Upload::commit`], and `Internal` when the digest differs.
    pub async fn commit_as(self, expected: Sha256Digest) -> Result<StoredBlob> {
        self.commit_if(Some(expected)).await
    }

    async fn commit_if(self, expected: Option<Sha256Digest>) -> Result<StoredBlob> {
        let StoredPiece { key, size, sha256 } = self.finish(expected).await?;
        let sha256 = sha256.ok_or_else(|| Error::internal("the digest of a blob was not computed"))?;
        Ok(StoredBlob { key, size, sha256 })
    }

    async fn finish(mut self, expected: Option<Sha256Digest>) -> Result<StoredPiece> {
        let rest = self.gathered.take();
        let part = self.idle_part().await.map_err(unwritten)?;
        let size = self.size;
        let (key, sha256) = part.commit(rest, expected).await.map_err(unwritten)?;
        Ok(StoredPiece { key, size, sha256 })
    }

    async fn idle_part(&mut self) -> io::Result<BlobWriter> {
        match std::mem::replace(&mut self.writer, Writer::Failed) {
            Writer::Idle(part) => Ok(part),
            Writer::File(write) => Ok(BlobWriter::File(write.await.map_err(io::Error::other)??)),
            Writer::Object(write) => {
                Ok(BlobWriter::Object(Box::new(write.await.map_err(io::Error::other)??)))
            }
            Writer::Failed => Err(io::Error::other("an earlier write failed")),
        }
    }
}

/// The file or object that is written to.
#[derive(Debug)]
pub(super) enum BlobWriter {
    File(local::BlobWriter),
    Object(Box<bucket::BlobWriter>),
}

impl BlobWriter {
    /// Writes pieces in the background.
    fn append(self, pieces: Vec<Bytes>) -> Writer {
        match self {
            Self::File(part) => Writer::File(tokio::task::spawn_blocking(move || append(part, &pieces))),
            Self::Object(part) => Writer::Object(part.append(pieces)),
        }
    }

    async fn commit(
        self,
        rest: Vec<Bytes>,
        expected: Option<Sha256Digest>,
    ) -> io::Result<(StoreKey, Option<Sha256Digest>)> {
        match self {
            Self::File(part) => blocking(move || append(part, &rest)?.commit(expected)).await,
            Self::Object(part) => part.commit(rest, expected).await.map(|(key, sha256)| (key, Some(sha256))),
        }
    }
}

fn append(mut part: local::BlobWriter, pieces: &[Bytes]) -> io::Result<local::BlobWriter> {
    part.append(pieces)?;
    Ok(part)
}

/// Fails if the digest of the bytes is not the expected one, if any is expected.
pub(super) fn agree(expected: Option<Sha256Digest>, found: Sha256Digest) -> io::Result<()> {
    match expected {
        Some(expected) if expected != found => {
            Err(io::Error::other(format!("SHA-256 is {found} instead of {expected}")))
        }
        _ => Ok(()),
    }
}
