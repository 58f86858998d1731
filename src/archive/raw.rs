//! An entry's packed bytes as they lie in the archive, behind their local header. Nothing is
//! unpacked or checked but the header: whoever gets the bytes has CRC and length to check them by.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt, try_unfold};

use super::directory::LOCAL_HEADER_BYTES;
use super::entry::local_lengths;
use super::{Damage, EntryMeta};

/// How many bytes an entry's local header takes, extra fields included, told from its first
/// [`header_start_bytes`].
///
/// # Errors
///
/// A [`Damage`] when it is no local header, or one of another entry.
pub fn local_header_bytes(start: &[u8], entry: &EntryMeta) -> Result<u64, Damage> {
    let (name_bytes, extra_bytes) = local_lengths(start).ok_or(Damage::NoLocalHeader)?;
    let name = start.get(LOCAL_HEADER_BYTES as usize..).unwrap_or_default();
    if usize::from(name_bytes) != entry.name.len() || !name.starts_with(&entry.name) {
        return Err(Damage::other_name(&entry.name));
    }
    Ok(LOCAL_HEADER_BYTES + u64::from(name_bytes) + u64::from(extra_bytes))
}

/// How much of a local header tells where it ends.
pub fn header_start_bytes(entry: &EntryMeta) -> u64 {
    LOCAL_HEADER_BYTES + entry.name.len() as u64
}

/// The packed bytes of `entry` out of `source`, which begins at its local header and goes on at
/// least to their end. Pieces are handed on as they come, cut but not copied.
///
/// The stream fails with a [`Damage`] when the header is not the entry's or `source` ends early.
pub fn raw<S>(source: S, entry: EntryMeta) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
{
    let left = entry.packed_bytes;
    try_unfold(Raw { source, entry, start: Some(BytesMut::new()), skip: 0, left }, |mut raw| async move {
        Ok(raw.next_piece().await?.map(|piece| (piece, raw)))
    })
}

struct Raw<S> {
    source: S,
    entry: EntryMeta,
    /// What came of the header so far, until it tells where it ends.
    start: Option<BytesMut>,
    skip: u64,
    left: u64,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Raw<S> {
    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.left > 0 || self.start.is_some() {
            let mut piece = self.source.next().await.ok_or(Damage::CutShort)??;
            if let Some(mut start) = self.start.take() {
                start.extend_from_slice(&piece);
                if (start.len() as u64) < header_start_bytes(&self.entry) {
                    self.start = Some(start);
                    continue;
                }
                self.skip = local_header_bytes(&start, &self.entry)?;
                piece = start.freeze();
            }
            let skipped = self.skip.min(piece.len() as u64);
            piece.advance(skipped as usize);
            self.skip -= skipped;
            piece.truncate(self.left.min(piece.len() as u64) as usize);
            self.left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}
