//! One file out of an archive: unpacked and checked while it is read, a part of it, or packed as it
//! lies there for a client that unpacks it.

use std::io;
use std::ops::Range;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio_util::io::StreamReader;

use super::{Body, ByteStream, IndexCache, begun, open_artifact};
use crate::archive::{self, EntryMeta, gzip};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, Kind, Result, byte_size};
use crate::store::{Blob, Store};

/// A file that was found in an archive.
#[derive(Debug)]
pub struct EntryDelivery {
    blob: Blob,
    entry: EntryMeta,
}

/// How a file lies in its archive, when that is a form that HTTP clients unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedAs {
    /// Deflated; sent with a gzip header and trailer around it.
    Gzip,
    /// Zstandard frames.
    Zstd,
}

impl PackedAs {
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
/// `NotFound` when it has no such entry; `Unprocessable` when it is no readable archive, or the
/// entry is encrypted or packed by an unknown method; `Internal` when its bytes cannot be read.
pub async fn find_entry(
    store: &Store,
    indexes: &IndexCache,
    archive: &Artifact,
    path: &EntryPath,
) -> Result<EntryDelivery> {
    let blob = open_artifact(store, archive).await?;
    let index = indexes.get(archive, &blob).await?.map_err(unprocessable)?;
    let entry =
        index.find(path.as_str().as_bytes()).ok_or_else(|| Error::new(Kind::NotFound, "Not Found"))?;
    let entry = EntryMeta::from(entry);
    entry.check_supported().map_err(unprocessable)?;
    match indexes.limits().unpacked_bytes {
        Some(limit) if entry.method != 0 && entry.unpacked_bytes > limit => Err(Error::new(
            Kind::Unprocessable,
            format!(
                "entry unpacks to {} bytes, more than limits.max_unpacked_size ({}); the archive itself can be \
                 downloaded",
                entry.unpacked_bytes,
                byte_size::show(limit)
            ),
        )),
        _ => Ok(EntryDelivery { blob, entry }),
    }
}

fn unprocessable(why: impl std::error::Error) -> Error {
    Error::new(Kind::Unprocessable, why.to_string())
}

impl EntryDelivery {
    /// The size of the file in bytes, unpacked.
    pub fn size(&self) -> u64 {
        self.entry.unpacked_bytes
    }

    /// How it could be sent without unpacking it; an empty one is better sent as it is.
    pub fn packed_as(&self) -> Option<PackedAs> {
        match self.entry.method {
            _ if self.entry.packed_bytes == 0 || self.entry.unpacked_bytes == 0 => None,
            8 => Some(PackedAs::Gzip),
            93 => Some(PackedAs::Zstd),
            _ => None,
        }
    }

    /// The size in bytes of what [`EntryDelivery::into_packed_body`] sends.
    pub fn packed_size(&self, form: PackedAs) -> u64 {
        match form {
            PackedAs::Gzip => (gzip::HEADER.len() + gzip::TRAILER_BYTES) as u64 + self.entry.packed_bytes,
            PackedAs::Zstd => self.entry.packed_bytes,
        }
    }

    /// The file's bytes. The first piece is read before this returns, so that damage found there
    /// is still an error; what is found later ends the stream with one, before its last byte.
    ///
    /// # Errors
    /// `Internal` when the first piece is damaged or cannot be read.
    pub async fn into_body(self) -> Result<Body> {
        let (entry, unpacked) = (&self.entry, |archive: &Bytes, packed: Range<usize>| {
            archive::unpack(&self.entry, &archive[packed]).map(|bytes| bytes.map(Bytes::from))
        });
        match small(&self.blob, entry, unpacked).await? {
            Some(bytes) => Ok(Body::AtOnce(bytes)),
            None => self.into_stream().await.map(Body::InPieces),
        }
    }

    async fn into_stream(self) -> Result<ByteStream> {
        let source = StreamReader::new(Box::pin(from_header(self.blob, &self.entry)));
        let name = self.entry.name.clone();
        begin(archive::open(source, self.entry).map_err(unprocessable)?, name).await
    }

    /// A part of the file's bytes, which must lie inside it. A stored file is read from there on; a
    /// packed one is unpacked from its start, and checked as far as that goes.
    ///
    /// # Errors
    /// As [`EntryDelivery::into_body`].
    pub async fn into_part(self, part: Range<u64>) -> Result<Body> {
        Ok(Body::InPieces(match self.entry.method {
            0 => begin(raw(&self.blob, &self.entry, Some(part)), self.entry.name).await?,
            _ => Box::pin(cut(self.into_stream().await?, part)),
        }))
    }

    /// The packed bytes as they lie in the archive, in a form that an HTTP client unpacks and
    /// checks itself.
    ///
    /// # Errors
    /// `Internal` when the entry's header is damaged or cannot be read.
    pub async fn into_packed_body(self, form: PackedAs) -> Result<Body> {
        let Self { blob, entry } = &self;
        let whole = |archive: &Bytes, packed: Range<usize>| {
            Ok(Some(match form {
                PackedAs::Gzip => gzip::member(entry, &archive[packed]).into(),
                PackedAs::Zstd => archive.slice(packed),
            }))
        };
        if let Some(bytes) = small(blob, entry, whole).await? {
            return Ok(Body::AtOnce(bytes));
        }
        let packed = begin(raw(blob, entry, None), entry.name.clone()).await?;
        let PackedAs::Gzip = form else { return Ok(Body::InPieces(packed)) };
        let header = stream::iter([Ok(Bytes::from_static(&gzip::HEADER))]);
        let trailer = stream::iter([Ok(Bytes::copy_from_slice(&gzip::trailer(entry)))]);
        Ok(Body::InPieces(Box::pin(header.chain(packed).chain(trailer))))
    }
}

/// What `make` makes of a small entry, of which it gets the archive's bytes from the local header on and
/// where in them the packed bytes lie. `None` when it is not small, or `make` says so.
async fn small(
    blob: &Blob,
    entry: &EntryMeta,
    make: impl FnOnce(&Bytes, Range<usize>) -> io::Result<Option<Bytes>>,
) -> Result<Option<Bytes>> {
    if !archive::is_small(entry) {
        return Ok(None);
    }
    let read = blob.bytes(likely_range(blob, entry)).await;
    let made = read.and_then(|archive| match archive::packed_range(entry, &archive)? {
        Some(packed) => make(&archive, packed),
        None => Ok(None),
    });
    made.inspect_err(|error| log(&entry.name, error)).map_err(Error::from)
}

/// Begins a stream whose failures are logged under the entry's name.
async fn begin(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    name: Box<[u8]>,
) -> Result<ByteStream> {
    begun(pieces.inspect_err(move |error| log(&name, error))).await
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

/// Leaves out what lies before `part` and ends with it.
fn cut(pieces: ByteStream, part: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let start = (pieces, part.start, part.end - part.start);
    stream::try_unfold(start, |(mut pieces, mut skip, mut left)| async move {
        while left > 0 {
            let mut piece = pieces.try_next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let skipped = skip.min(piece.len() as u64);
            piece.advance(skipped as usize);
            piece.truncate(left.min(piece.len() as u64) as usize);
            skip -= skipped;
            left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some((piece, (pieces, skip, left))));
            }
        }
        Ok(None)
    })
}

/// The archive from the entry's header on. What the entry surely needs is one ranged read; the
/// rest is a second one, begun only when its header turns out to be longer than headers are.
fn from_header(blob: Blob, entry: &EntryMeta) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let likely = likely_range(&blob, entry);
    let rest = likely.end..blob.size();
    blob.stream(likely).chain(stream::once(async move { blob.stream(rest) }).flatten())
}

fn likely_range(blob: &Blob, entry: &EntryMeta) -> Range<u64> {
    let start = entry.header_offset;
    start..blob.size().min(start.saturating_add(archive::probable_span(entry)))
}
