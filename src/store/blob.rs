//! A blob opened for reading, in a directory or a bucket.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::bucket::Bucket;
use super::waiting::Waiting;
use super::{StoreKey, blocking, local};
use crate::yielding;

/// The longest read, in bytes, that is copied without yielding: a longer one would delay other requests.
const LONG_BYTES: u64 = 4 << 20;

/// A blob of a known size. A file is open and stays readable even if it is deleted meanwhile; an object is
/// requested with each read, and nothing is known of it before.
#[derive(Debug, Clone)]
pub struct Blob {
    place: Place,
    size: u64,
}

#[derive(Debug, Clone)]
enum Place {
    File(Arc<File>, Arc<Waiting>),
    Object(Arc<Bucket>, StoreKey),
}

impl Blob {
    pub(super) fn file(file: File, waiting: Arc<Waiting>, size: u64) -> Self {
        Self { place: Place::File(Arc::new(file), waiting), size }
    }

    pub(super) fn object(bucket: Arc<Bucket>, key: StoreKey, size: u64) -> Self {
        Self { place: Place::Object(bucket, key), size }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads `range` into memory; the caller bounds it.
    ///
    /// # Errors
    /// If the range is incomplete or cannot be read.
    pub async fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        match &self.place {
            Place::File(file, waiting) => match local::read_resident(file, &range) {
                Some(bytes) => Ok(bytes),
                None => {
                    let file = Arc::clone(file);
                    let is_long = range.end.saturating_sub(range.start) > LONG_BYTES;
                    let read = move || local::read_at(&file, range);
                    if is_long { yielding::run(read).await? } else { waiting.run(read).await }
                }
            },
            Place::Object(bucket, key) => bucket.read(key, range, self.size).await,
        }
    }

    /// Continues `state` with all bytes, piece by piece, on a thread where that may take a while.
    ///
    /// # Errors
    /// If the bytes are incomplete or cannot be read.
    pub async fn fold<S: Send + 'static>(&self, mut state: S, update: fn(&mut S, &[u8])) -> io::Result<S> {
        let size = self.size;
        if let Some(file) = self.as_file() {
            return blocking(move || {
                local::visit(&file, size, |bytes| {
                    update(&mut state, bytes);
                    Ok(())
                })?;
                Ok(state)
            })
            .await;
        }
        let mut pieces = Box::pin(self.stream(0..size));
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            state = blocking(move || {
                update(&mut state, &piece);
                Ok(state)
            })
            .await?;
        }
        Ok(state)
    }

    /// The open file, if it is one.
    pub(super) fn as_file(&self) -> Option<Arc<File>> {
        match &self.place {
            Place::File(file, _) => Some(Arc::clone(file)),
            Place::Object(..) => None,
        }
    }

    /// Reads `range` piece by piece, in bounded memory. Nothing is read before the stream is first polled.
    pub fn stream(&self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        match &self.place {
            Place::File(file, waiting) => {
                local::pieces(Arc::clone(file), Arc::clone(waiting), range).left_stream()
            }
            Place::Object(bucket, key) => {
                Arc::clone(bucket).stream(key.clone(), range, self.size).right_stream()
            }
        }
    }
}
