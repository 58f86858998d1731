//! Raw bytes are an entry's compressed bytes as stored after its local header. Nothing is checked but the
//! header: the receiver has CRC and length to check the bytes by.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};

use super::directory::LOCAL_HEADER_BYTES;
use super::range_reader::RangeReader;
use super::{CorruptEntry, EntryMeta, probable_span};

/// Streams the compressed bytes of `entry`, or a `part` of them, from an archive of `archive_bytes` bytes
/// that `read` gets ranges of. Pieces are passed on as received, cut but not copied.
///
/// The stream fails with a [`CorruptEntry`] when there is no local header, or the archive ends early.
pub fn raw<F, S>(
    read: F,
    archive_bytes: u64,
    entry: EntryMeta,
    part: Option<Range<u64>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    F: Fn(Range<u64>) -> S + Send,
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let start = State::AtHeader(RangeReader::new(read, archive_bytes), entry, part);
    try_unfold(start, |state| async move {
        let (mut archive, left) = match state {
            State::AtHeader(archive, entry, part) => skip_to(archive, &entry, part).await?,
            State::InBody(archive, left) => (archive, left),
        };
        if left == 0 {
            return Ok(None);
        }
        let piece = archive.take(left).await?;
        let left = left - piece.len() as u64;
        Ok(Some((piece, State::InBody(archive, left))))
    })
}

enum State<F, S> {
    AtHeader(RangeReader<F, S>, EntryMeta, Option<Range<u64>>),
    InBody(RangeReader<F, S>, u64),
}

/// Moves to where the wanted bytes begin, and returns their number.
async fn skip_to<F, S>(
    mut archive: RangeReader<F, S>,
    entry: &EntryMeta,
    part: Option<Range<u64>>,
) -> io::Result<(RangeReader<F, S>, u64)>
where
    F: Fn(Range<u64>) -> S,
    S: Stream<Item = io::Result<Bytes>>,
{
    let header = entry.header_offset;
    let Some(part) = part else {
        archive.jump(header, header.saturating_add(probable_span(entry)));
        archive.skip_local_header().await?;
        return Ok((archive, entry.compressed_size));
    };
    if part.start > part.end || part.end > entry.compressed_size {
        return Err(CorruptEntry::Truncated.into());
    }
    archive.jump(header, header.saturating_add(LOCAL_HEADER_BYTES + entry.name.len() as u64));
    archive.skip_local_header().await?;
    let body = archive.position();
    archive.jump(body.saturating_add(part.start), body.saturating_add(part.end));
    Ok((archive, part.end - part.start))
}
