//! Writes a blob while it arrives: a small one in one request, a larger one part by part. It is
//! invisible until the last request has succeeded.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};

use super::{Bucket, failed};
use crate::domain::Sha256Digest;
use crate::store::StoreKey;
use crate::store::writer::agree;

/// The size of a part, in bytes; S3 accepts none below 5 MiB. An upload holds one part being sent and what is
/// gathered of the next.
const PART_BYTES: usize = 8 << 20;

/// The number of parts after which parts grow by [`PART_BYTES`]: S3 accepts 10,000, which is then 430 GiB.
const PARTS_OF_A_SIZE: usize = 1_000;

/// A blob being written. Dropping the writer aborts the upload.
#[derive(Debug)]
pub(in crate::store) struct BlobWriter {
    bucket: Arc<Bucket>,
    key: StoreKey,
    hasher: Sha256,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    size: u64,
    sent: Option<Sent>,
}

/// The multipart upload of a larger blob.
#[derive(Debug)]
struct Sent {
    path: Path,
    id: MultipartId,
    parts: Vec<PartId>,
}

impl BlobWriter {
    pub(in crate::store) fn create(bucket: Arc<Bucket>, key: StoreKey) -> Self {
        let (hasher, gathered) = (Sha256::new(), Vec::new());
        Self { bucket, key, hasher, gathered, gathered_bytes: 0, size: 0, sent: None }
    }

    /// Appends pieces on the bucket's runtime; sends a part once one is full.
    pub(in crate::store) fn append(
        mut self,
        pieces: Vec<Bytes>,
    ) -> tokio::task::JoinHandle<io::Result<Self>> {
        let bucket = Arc::clone(&self.bucket);
        bucket.runtime.spawn(async move {
            self.gather(pieces).await?;
            let parts = self.sent.as_ref().map_or(0, |sent| sent.parts.len());
            if self.gathered_bytes >= PART_BYTES * (1 + parts / PARTS_OF_A_SIZE) {
                self.send_part().await?;
            }
            Ok(self)
        })
    }

    async fn gather(&mut self, pieces: Vec<Bytes>) -> io::Result<()> {
        let (mut hasher, hashed) = (std::mem::take(&mut self.hasher), pieces.clone());
        let hashing = tokio::task::spawn_blocking(move || {
            for piece in &hashed {
                hasher.update(piece);
            }
            hasher
        });
        self.hasher = hashing.await.map_err(io::Error::other)?;
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.gathered_bytes += bytes;
        self.size += bytes as u64;
        self.gathered.extend(pieces);
        Ok(())
    }

    async fn send_part(&mut self) -> io::Result<()> {
        let s3 = &self.bucket.s3;
        let sent = match &mut self.sent {
            Some(sent) => sent,
            none => {
                let path = self.bucket.path(&self.key);
                let id = s3.create_multipart(&path).await.map_err(failed)?;
                none.insert(Sent { path, id, parts: Vec::new() })
            }
        };
        let payload: PutPayload = std::mem::take(&mut self.gathered).into_iter().collect();
        self.gathered_bytes = 0;
        let part = s3.put_part(&sent.path, &sent.id, sent.parts.len(), payload).await.map_err(failed)?;
        sent.parts.push(part);
        Ok(())
    }

    /// Appends the last pieces and makes the blob visible, unless its digest is not the `expected` one.
    pub(in crate::store) async fn commit(
        mut self,
        rest: Vec<Bytes>,
        expected: Option<Sha256Digest>,
    ) -> io::Result<(StoreKey, Sha256Digest)> {
        let bucket = Arc::clone(&self.bucket);
        let committed = bucket.runtime.spawn(async move {
            self.gather(rest).await?;
            let sha256 = std::mem::take(&mut self.hasher).into();
            agree(expected, sha256)?;
            self.finish().await?;
            // The upload is complete; dropping the writer must not abort it.
            self.sent = None;
            Ok((self.key.clone(), sha256))
        });
        committed.await.map_err(io::Error::other)?
    }

    async fn finish(&mut self) -> io::Result<()> {
        if self.sent.is_some() && self.gathered_bytes > 0 {
            self.send_part().await?;
        }
        let s3 = &self.bucket.s3;
        let path = self.bucket.path(&self.key);
        let outcome = match &self.sent {
            Some(sent) => s3.complete_multipart(&sent.path, &sent.id, sent.parts.clone()).await,
            None => {
                let payload: PutPayload = std::mem::take(&mut self.gathered).into_iter().collect();
                s3.put_opts(&path, payload, PutOptions::from(PutMode::Create)).await
            }
        };
        match outcome {
            Ok(_) => Ok(()),
            // The answer to an earlier try may have been lost. No other upload has the key.
            Err(error) => match s3.head(&path).await {
                Ok(found) if found.size == self.size => Ok(()),
                _ => Err(failed(error)),
            },
        }
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        let Some(Sent { path, id, .. }) = self.sent.take() else { return };
        let bucket = Arc::clone(&self.bucket);
        self.bucket.runtime.spawn(async move {
            if let Err(error) = bucket.s3.abort_multipart(&path, &id).await {
                tracing::warn!(%error, %path, "an unfinished upload is left in the bucket; gc will delete it");
            }
        });
    }
}
