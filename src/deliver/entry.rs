//! Entry delivery sends one file of an archive, or a part of it, decompressed and checked while it is read,
//! or in its stored encoding for a client that decodes it.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio_util::io::StreamReader;

use super::budget::Share;
use super::folder::holding;
use super::skip::part_of;
use super::zstd::{self, Lead};
use super::{Body, ByteStream, Sources, open_artifact, unreadable, with_first_chunk};
use crate::archive::{self, EntryMeta, gzip};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, ErrorKind, Result, byte_size};
use crate::store::Blob;

/// The memory of a deflate decompressor, with the piece that it fills, in bytes.
const INFLATE_BYTES: u64 = 128 << 10;

/// The memory of a zstd decompressor without its window, in bytes: state, a block and two blocks more of
/// output, and the piece that it fills.
const UNZSTD_BYTES: u64 = 704 << 10;

/// A file that was found in an archive.
#[derive(Debug)]
pub struct EntryDelivery<'a> {
    sources: Sources<'a>,
    blob: Blob,
    entry: EntryMeta,
    /// The beginning of the frames of a zstd entry.
    lead: Option<Lead>,
}

/// The encoding of a file in its archive, if it is one that HTTP clients decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredEncoding {
    /// Deflated; sent with a gzip header and trailer around it.
    Gzip,
    /// Zstandard frames.
    Zstd,
}

impl StoredEncoding {
    /// The name of the content coding.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Finds the file at `path` in an archive.
///
/// # Errors
/// `NotFound` when the archive has no such entry; `Unprocessable` when the archive is not readable, or the
/// entry is encrypted, too large, compressed by an unknown method or in zstd that needs too much; `Internal`
/// when its bytes cannot be read.
pub async fn find_entry<'a>(
    sources: Sources<'a>,
    archive: &Artifact,
    path: &EntryPath,
) -> Result<EntryDelivery<'a>> {
    let blob = open_artifact(sources.store, archive).await?;
    let known = sources.indexes.get(archive, &blob).await?.map_err(unprocessable)?;
    let missing = || Error::new(ErrorKind::NotFound, "Not Found").with_hint("entry is not in the archive");
    let entry = known.index.find(path.as_str().as_bytes()).ok_or_else(missing)?;
    let entry = EntryMeta::from(entry);
    drop(known);
    deliver(sources, blob, entry).await
}

/// Prepares to send an entry of the archive in `blob`.
///
/// # Errors
/// As [`find_entry`].
pub(super) async fn deliver(sources: Sources<'_>, blob: Blob, entry: EntryMeta) -> Result<EntryDelivery<'_>> {
    entry.check_supported().map_err(unprocessable)?;
    check_size(&entry, sources.indexes.limits().uncompressed_size)?;
    let lead = if zstd::is_zstd(&entry) { Some(Lead::read(&blob, &entry).await?) } else { None };
    if let Some(lead) = &lead {
        lead.check_supported(&entry).map_err(unprocessable)?;
    }
    Ok(EntryDelivery { sources, blob, entry, lead })
}

fn check_size(entry: &EntryMeta, limit: Option<u64>) -> Result<()> {
    match limit {
        Some(limit) if entry.method != 0 && entry.uncompressed_size > limit => Err(Error::new(
            ErrorKind::Unprocessable,
            format!(
                "entry has {} uncompressed bytes, more than limits.max_uncompressed_size ({}); the archive \
                 itself can be downloaded",
                entry.uncompressed_size,
                byte_size::show(limit)
            ),
        )),
        _ => Ok(()),
    }
}

fn unprocessable(why: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Unprocessable, why.to_string())
}

impl EntryDelivery<'_> {
    /// The decompressed size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.entry.uncompressed_size
    }

    /// The CRC-32 of the decompressed file.
    pub fn crc32(&self) -> u32 {
        self.entry.crc32
    }

    /// The encoding in which the file can be sent without decompressing it; `None` also for an empty file.
    pub fn stored_encoding(&self) -> Option<StoredEncoding> {
        match self.entry.method {
            _ if self.entry.compressed_size == 0 || self.entry.uncompressed_size == 0 => None,
            8 => Some(StoredEncoding::Gzip),
            93 if self.lead.as_ref().is_some_and(|lead| lead.is_for_everybody(&self.entry)) => {
                Some(StoredEncoding::Zstd)
            }
            _ => None,
        }
    }

    /// The number of bytes that [`EntryDelivery::into_compressed_body`] sends.
    pub fn compressed_size(&self, form: StoredEncoding) -> u64 {
        match form {
            StoredEncoding::Gzip => {
                (gzip::HEADER.len() + gzip::TRAILER_BYTES) as u64 + self.entry.compressed_size
            }
            StoredEncoding::Zstd => self.entry.compressed_size,
        }
    }

    /// Returns the file's bytes. The first piece is read before this returns, so that damage found there is
    /// an error; damage found later ends the stream with one, before its last byte.
    ///
    /// # Errors
    /// `Unprocessable` when the first piece is damaged, `Internal` when it cannot be read; `Unavailable` when
    /// other responses hold the memory that decompression needs.
    pub async fn into_body(self) -> Result<Body> {
        let (entry, uncompressed) = (&self.entry, |archive: &Bytes, compressed: Range<usize>| {
            archive::decompress(&self.entry, &archive[compressed]).map(|bytes| bytes.map(Bytes::from))
        });
        if let Some(bytes) = small(&self.blob, entry, self.lead.as_ref(), uncompressed).await? {
            return Ok(Body::Full(bytes));
        }
        let share = match self.entry.method {
            0 => None,
            _ => Some(self.share().await?),
        };
        let budget = self.sources.capacity.decompression.clone();
        let pieces = self.into_stream().await?;
        Ok(Body::Stream(match share {
            Some(share) => budget.watch(share, |share| holding(pieces, share)),
            None => pieces,
        }))
    }

    /// Takes the memory that decompression needs from the budget.
    async fn share(&self) -> Result<Share> {
        let bytes = match &self.lead {
            Some(lead) => UNZSTD_BYTES + lead.window_bytes(&self.entry),
            None => INFLATE_BYTES,
        };
        self.sources.capacity.decompression.take(bytes, self.sources.client).await
    }

    async fn into_stream(self) -> Result<ByteStream> {
        let source = StreamReader::new(Box::pin(from_header(self.blob, &self.entry)));
        let name = self.entry.name.clone();
        let window_bytes = self.lead.map_or(0, |lead| lead.window_bytes(&self.entry));
        logged_stream(archive::open_within(source, self.entry, window_bytes).map_err(unprocessable)?, name)
            .await
    }

    /// Returns a part of the file's bytes, which must lie inside it. A stored file is read from there on; a
    /// compressed one is decompressed from its start, and checked as far as that goes. A part that is the
    /// whole file is checked as without a part.
    ///
    /// # Errors
    /// As [`EntryDelivery::into_body`]; `Unavailable` also when too many long skips are in progress.
    pub async fn into_part(self, part: Range<u64>) -> Result<Body> {
        if part == (0..self.entry.uncompressed_size) {
            return self.into_body().await;
        }
        if self.entry.method == 0 {
            let pieces = logged_stream(raw(&self.blob, &self.entry, Some(part)), self.entry.name).await?;
            return Ok(Body::Stream(pieces));
        }
        let Sources { capacity, client, .. } = self.sources;
        // A request that waits for its skip holds no memory meanwhile.
        let long = capacity.skips.admit(part.start, client).await?;
        let share = self.share().await?;
        let pieces = self.into_stream().await?;
        Ok(Body::Stream(
            capacity.decompression.watch(share, |share| part_of(holding(pieces, share), part, long)),
        ))
    }

    /// Returns the compressed bytes of the archive in an encoding that an HTTP client decodes and checks
    /// itself.
    ///
    /// # Errors
    /// `Unprocessable` when the entry's header is damaged, `Internal` when it cannot be read.
    pub async fn into_compressed_body(self, form: StoredEncoding) -> Result<Body> {
        let Self { blob, entry, lead, .. } = &self;
        let whole = |archive: &Bytes, compressed: Range<usize>| {
            Ok(Some(match form {
                StoredEncoding::Gzip => gzip::member(entry, &archive[compressed]).into(),
                StoredEncoding::Zstd => archive.slice(compressed),
            }))
        };
        if let Some(bytes) = small(blob, entry, lead.as_ref(), whole).await? {
            return Ok(Body::Full(bytes));
        }
        let compressed = raw(blob, entry, None);
        let StoredEncoding::Gzip = form else {
            return Ok(Body::Stream(logged_stream(zstd::watched(compressed), entry.name.clone()).await?));
        };
        let compressed = logged_stream(compressed, entry.name.clone()).await?;
        let header = stream::iter([Ok(Bytes::from_static(&gzip::HEADER))]);
        let trailer = stream::iter([Ok(Bytes::copy_from_slice(&gzip::trailer(entry)))]);
        Ok(Body::Stream(Box::pin(header.chain(compressed).chain(trailer))))
    }
}

/// Reads a small entry and calls `make` with the archive's bytes from the local header on and the range of
/// the compressed bytes in them. `None` when the entry is not small or not all of it was read, or `make`
/// returns `None`.
async fn small(
    blob: &Blob,
    entry: &EntryMeta,
    lead: Option<&Lead>,
    make: impl FnOnce(&Bytes, Range<usize>) -> io::Result<Option<Bytes>>,
) -> Result<Option<Bytes>> {
    if !archive::is_small(entry) {
        return Ok(None);
    }
    let read = match lead.and_then(Lead::read_bytes) {
        Some(bytes) => Ok(bytes),
        None => blob.bytes(likely_range(blob, entry)).await,
    };
    let made = read.and_then(|archive| match archive::compressed_range(entry, &archive)? {
        Some(compressed) => make(&archive, compressed),
        None => Ok(None),
    });
    made.inspect_err(|error| log(&entry.name, error)).map_err(unreadable)
}

/// Begins a stream whose failures are logged under the entry's name.
async fn logged_stream(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    name: Box<[u8]>,
) -> Result<ByteStream> {
    with_first_chunk(pieces.inspect_err(move |error| log(&name, error))).await
}

fn log(name: &[u8], error: &io::Error) {
    let name = String::from_utf8_lossy(name);
    tracing::error!(entry.name = %name, %error, "an archive's entry is damaged or cannot be read");
}

fn raw(
    blob: &Blob,
    entry: &EntryMeta,
    part: Option<Range<u64>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let (blob, size) = (blob.clone(), blob.size());
    archive::raw(move |range| blob.stream(range), size, entry.clone(), part)
}

/// Streams the archive from the entry's header on. The probable span of the entry is one ranged read; the
/// rest is a second one, begun only when the header turns out to be longer than usual.
fn from_header(blob: Blob, entry: &EntryMeta) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let likely = likely_range(&blob, entry);
    let rest = likely.end..blob.size();
    blob.stream(likely).chain(stream::once(async move { blob.stream(rest) }).flatten())
}

pub(super) fn likely_range(blob: &Blob, entry: &EntryMeta) -> Range<u64> {
    let start = entry.header_offset;
    start..blob.size().min(start.saturating_add(archive::probable_span(entry)))
}
