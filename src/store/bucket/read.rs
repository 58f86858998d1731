//! Ranged reads, with a bounded number of pieces between the bucket and a slow reader.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use object_store::{GetOptions, GetRange, GetResult, ObjectStore};
use tokio::sync::mpsc;

use super::{Bucket, failed};
use crate::store::StoreKey;
use crate::store::backend::{missing, other_size};

/// The number of pieces buffered for a reader; each is one read of the network, mostly below 256 KiB.
const PIECES_AHEAD: usize = 4;

impl Bucket {
    pub(in crate::store) async fn read(
        self: &Arc<Self>,
        key: &StoreKey,
        range: Range<u64>,
        size: u64,
    ) -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (bucket, key) = (Arc::clone(self), key.clone());
        let length = range.end - range.start;
        let read = self.runtime.spawn(async move {
            let answer = bucket.get(&key, range, size).await?;
            answer.bytes().await.map_err(failed)
        });
        let bytes = read.await.map_err(io::Error::other)??;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Streams a range; sends the request when first polled. Dropping the stream ends the request.
    pub(in crate::store) fn stream(
        self: Arc<Self>,
        key: StoreKey,
        range: Range<u64>,
        size: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::once(async move {
            let (to_reader, pieces) = mpsc::channel(PIECES_AHEAD);
            if !range.is_empty() {
                let bucket = Arc::clone(&self);
                self.runtime.spawn(async move { bucket.send_pieces(&key, range, size, to_reader).await });
            }
            stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) })
        })
        .flatten()
    }

    async fn send_pieces(
        &self,
        key: &StoreKey,
        range: Range<u64>,
        size: u64,
        to_reader: mpsc::Sender<io::Result<Bytes>>,
    ) {
        let mut due = range.end - range.start;
        let outcome = match self.get(key, range, size).await {
            Err(error) => Err(error),
            Ok(answer) => {
                let mut pieces = answer.into_stream();
                loop {
                    match pieces.next().await {
                        Some(Ok(piece)) => {
                            due = due.saturating_sub(piece.len() as u64);
                            if to_reader.send(Ok(piece)).await.is_err() {
                                return;
                            }
                        }
                        Some(Err(error)) => break Err(failed(error)),
                        None if due > 0 => break Err(io::ErrorKind::UnexpectedEof.into()),
                        None => break Ok(()),
                    }
                }
            }
        };
        if let Err(error) = outcome {
            // The receiver is gone if the reader left.
            let _ = to_reader.send(Err(error)).await;
        }
    }

    /// Begins a ranged read of a blob; fails if the blob does not have `size` bytes.
    async fn get(&self, key: &StoreKey, range: Range<u64>, size: u64) -> io::Result<GetResult> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let answer = self.s3.get_opts(&self.path(key), options).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => missing(key),
            other => failed(other),
        })?;
        if answer.meta.size == size { Ok(answer) } else { Err(other_size(key, answer.meta.size, size)) }
    }
}
