//! A range reader reads an archive front to back through ranged reads. It begins a new one only to go back,
//! to jump over much, or if an entry is longer than expected.

use std::{io, ops::Range, pin::Pin};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{CorruptEntry, directory::LOCAL_HEADER_BYTES, entry::local_lengths};

/// The longest gap that is read and dropped, not jumped over, in bytes: a request to a bucket takes longer.
pub(super) const SKIP_BYTES: u64 = 64 * 1024;

pub(super) struct RangeReader<F, S> {
    read: F,
    /// The current ranged read.
    pieces: Option<Pin<Box<S>>>,
    /// Bytes of it that were not taken yet.
    piece: Bytes,
    /// Where `piece` begins in the archive.
    position: u64,
    /// Where the ranged read ends.
    end: u64,
    /// Where all reading ends.
    limit: u64,
}

impl<F, S> RangeReader<F, S>
where
    F: Fn(Range<u64>) -> S,
    S: Stream<Item = io::Result<Bytes>>,
{
    /// Reads nothing from `limit` on, and nothing before [`RangeReader::jump`] is called.
    pub(super) fn new(read: F, limit: u64) -> Self {
        Self { read, pieces: None, piece: Bytes::new(), position: 0, end: 0, limit }
    }

    /// Whether the current ranged read soon reaches `offset`, and goes on to `likely_end`.
    pub(super) fn is_near(&self, offset: u64, likely_end: u64) -> bool {
        let ahead = offset.checked_sub(self.position);
        likely_end.min(self.limit) <= self.end && ahead.is_some_and(|ahead| ahead <= SKIP_BYTES)
    }

    /// Begins a ranged read at `offset`. It ends at `likely_end`; another follows if that is not enough.
    pub(super) fn jump(&mut self, offset: u64, likely_end: u64) {
        self.end = likely_end.min(self.limit);
        self.position = offset.min(self.end);
        self.piece = Bytes::new();
        self.pieces = Some(Box::pin((self.read)(self.position..self.end)));
    }

    /// The offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Drops the bytes before `offset`.
    pub(super) async fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        self.skip(offset.saturating_sub(self.position)).await
    }

    /// Moves from a local header to the compressed bytes after it.
    pub(super) async fn skip_local_header(&mut self) -> io::Result<()> {
        let mut header = [0; LOCAL_HEADER_BYTES as usize];
        let mut rest = &mut header[..];
        while !rest.is_empty() {
            let bytes = self.take(rest.len() as u64).await?;
            let (filled, left) = rest.split_at_mut(bytes.len());
            filled.copy_from_slice(&bytes);
            rest = left;
        }
        let (name_bytes, extra_bytes) = local_lengths(&header).ok_or(CorruptEntry::NoLocalHeader)?;
        self.skip(u64::from(name_bytes) + u64::from(extra_bytes)).await
    }

    async fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            left -= self.take(left).await?.len() as u64;
        }
        Ok(())
    }

    /// Returns the next bytes as received: at least one, and no more than `most`, which is not 0.
    pub(super) async fn take(&mut self, most: u64) -> io::Result<Bytes> {
        let ready = self.ready(most).await?;
        self.position += ready as u64;
        Ok(self.piece.split_to(ready))
    }

    /// Waits until bytes are here; returns how many the next [`RangeReader::take`] of `most` gives.
    pub(super) async fn ready(&mut self, most: u64) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.position == self.end {
                if self.end == self.limit {
                    return Err(CorruptEntry::Truncated.into());
                }
                self.jump(self.end, self.limit);
            }
            let Some(pieces) = &mut self.pieces else {
                return Err(CorruptEntry::Truncated.into());
            };
            let mut piece = pieces.next().await.ok_or(CorruptEntry::Truncated)??;
            let due = self.end - self.position;
            piece.truncate(usize::try_from(due).unwrap_or(usize::MAX));
            self.piece = piece;
        }
        Ok(self.piece.len().min(usize::try_from(most).unwrap_or(usize::MAX)))
    }
}
