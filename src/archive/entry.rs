//! An entry reader returns one entry's bytes, decompressed and checked. Sizes and CRC come from the central
//! directory alone: local headers that runners write hold zeros.
//!
//! The last piece is returned only after length and CRC proved right, so all bytes together are the right
//! ones. Damage shows late, as an error instead of the last piece.

use std::io;

use async_compression::{
    tokio::bufread::{DeflateDecoder, ZstdDecoder},
    zstd::DParameter,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncReadExt, copy_buf, sink};

use super::{
    CorruptEntry, Entry, Oddity,
    bounded_reader::BoundedReader,
    directory::{LOCAL_HEADER_BYTES, LOCAL_SIGNATURE},
    field_reader::Fields,
    zstd_frames::MOST_WINDOW_BYTES,
};
use crate::domain::byte_size;

/// The longest piece that is returned, in bytes.
pub(super) const PIECE_BYTES: u64 = 64 * 1024;

/// Room for the extra fields of a local header: runners write some 30 bytes of them.
const EXTRA_SLACK_BYTES: u64 = 512;

/// [`MOST_WINDOW_BYTES`](super::MOST_WINDOW_BYTES) as a power of two. Frames with larger ones never reach the
/// decompressor.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The fields needed to read an entry, independent of its [`Index`](super::Index).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryMeta {
    /// The name in the directory; that of the local header may differ.
    pub name: Box<[u8]>,
    /// Whether the bytes are encrypted.
    pub encrypted: bool,
    /// Compression method.
    pub method: u16,
    /// CRC-32 of the decompressed bytes.
    pub crc32: u32,
    /// Compressed length in bytes.
    pub compressed_size: u64,
    /// Decompressed length in bytes.
    pub uncompressed_size: u64,
    /// Offset of the local header, where a reader for it begins.
    pub header_offset: u64,
    /// Why it cannot be read, known from the directory.
    pub oddity: Option<Oddity>,
}

impl From<Entry<'_>> for EntryMeta {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            name: entry.name.into(),
            encrypted: entry.is_encrypted(),
            method: entry.method,
            crc32: entry.crc32,
            compressed_size: entry.compressed_size,
            uncompressed_size: entry.uncompressed_size,
            header_offset: entry.header_offset,
            oddity: entry.oddity,
        }
    }
}

impl EntryMeta {
    /// Checks that [`open`] can decompress it.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] for an entry that is encrypted, compressed by another method, or odd.
    pub fn check_supported(&self) -> Result<(), Unsupported> {
        Coding::of(self, MOST_WINDOW_BYTES).map(|_| ())
    }
}

/// Why an entry cannot be decompressed, known before a byte of it is read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unsupported {
    /// The entry is encrypted, and there is no key.
    #[error("entry is encrypted")]
    Encrypted,
    /// Neither stored (0) nor deflate (8) nor zstd (93).
    #[error("entry uses compression method {0}, which is not supported")]
    Method(u16),
    /// A zstd window of so many bytes, all of which would be held during decompression.
    #[error(
        "entry needs a zstd window of {}, more than the limit of 8 MiB; the archive itself can be downloaded",
        byte_size::show(*.0)
    )]
    Window(u64),
    /// Compressed with a dictionary that is not here.
    #[error("entry needs a zstd dictionary, which is not supported")]
    Dictionary,
    /// Its directory record does not lead to its bytes.
    #[error("{0}")]
    Odd(Oddity),
}

/// Returns how many bytes from `header_offset` on hold the local header and all compressed bytes, unless the
/// local extra fields are longer than 512 bytes.
///
/// The span can reach past the end of the file, so clamp it; a source that ends there too early must be
/// continued.
pub fn probable_span(entry: &EntryMeta) -> u64 {
    probable_bytes(&entry.name, entry.compressed_size)
}

/// Like [`probable_span`], from a name and a compressed size.
pub(super) fn probable_bytes(name: &[u8], compressed_size: u64) -> u64 {
    (LOCAL_HEADER_BYTES + EXTRA_SLACK_BYTES + name.len() as u64).saturating_add(compressed_size)
}

/// Decompresses `entry` from `source`, which begins at the entry's local header and goes on at least to the
/// end of its compressed bytes.
///
/// Pieces are never empty and at most 64 KiB; together they are never longer than `uncompressed_size`.
///
/// The stream's errors are the source's own, or of kind `InvalidData` with a [`CorruptEntry`]
/// inside. It ends after an error, and a damaged entry yields one before its last byte.
///
/// # Errors
///
/// [`Unsupported`] for an entry that is encrypted, compressed by another method, or odd.
pub fn open<R>(source: R, entry: EntryMeta) -> Result<BoxStream<'static, io::Result<Bytes>>, Unsupported>
where
    R: AsyncBufRead + Unpin + Send + 'static,
{
    open_within(source, entry, MOST_WINDOW_BYTES)
}

/// Like [`open`], with no zstd window larger than `window_bytes`.
///
/// # Errors
///
/// As [`open`].
pub fn open_within<R>(
    source: R,
    entry: EntryMeta,
    window_bytes: u64,
) -> Result<BoxStream<'static, io::Result<Bytes>>, Unsupported>
where
    R: AsyncBufRead + Unpin + Send + 'static,
{
    let coding = Coding::of(&entry, window_bytes)?;
    let start = Progress::AtHeader(source, entry, coding);
    Ok(try_unfold(start, next_piece).boxed())
}

#[derive(Clone, Copy)]
enum Coding {
    Stored,
    Deflate,
    Zstd { window_bytes: u64 },
}

impl Coding {
    fn of(entry: &EntryMeta, window_bytes: u64) -> Result<Self, Unsupported> {
        if entry.encrypted {
            return Err(Unsupported::Encrypted);
        }
        if let Some(oddity) = entry.oddity {
            return Err(Unsupported::Odd(oddity));
        }
        match entry.method {
            // Some writers give empty entries a method and no compressed stream at all.
            0 | 8 | 93 if entry.compressed_size == 0 => Ok(Self::Stored),
            0 => Ok(Self::Stored),
            8 => Ok(Self::Deflate),
            93 => Ok(Self::Zstd { window_bytes }),
            other => Err(Unsupported::Method(other)),
        }
    }
}

enum Progress<R> {
    AtHeader(R, EntryMeta, Coding),
    InBody(Box<Body<R>>),
    Done,
}

async fn next_piece<R>(progress: Progress<R>) -> io::Result<Option<(Bytes, Progress<R>)>>
where
    R: AsyncBufRead + Unpin,
{
    let mut body = match progress {
        Progress::AtHeader(mut source, entry, coding) => {
            skip_local_header(&mut source).await?;
            Box::new(Body::new(source, &entry, coding))
        }
        Progress::InBody(body) => body,
        Progress::Done => return Ok(None),
    };
    let piece = body.read_piece().await?;
    if body.left > 0 {
        return Ok(Some((piece, Progress::InBody(body))));
    }
    body.check_end().await?;
    Ok((!piece.is_empty()).then_some((piece, Progress::Done)))
}

/// Moves `source` from a local header to the compressed bytes after it (APPNOTE 4.3.7). Only the header's own
/// length is used: the directory has all other fields, proved by length and CRC, while local headers often
/// write names in another way and leave sizes out.
async fn skip_local_header<R>(source: &mut R) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
{
    let mut header = [0; LOCAL_HEADER_BYTES as usize];
    read_exact(source, &mut header).await?;
    let (name_bytes, extra_bytes) = local_lengths(&header).ok_or(CorruptEntry::NoLocalHeader)?;
    let rest_bytes = u64::from(name_bytes) + u64::from(extra_bytes);
    let skipped = copy_buf(&mut source.take(rest_bytes), &mut sink()).await?;
    if skipped < rest_bytes {
        return Err(CorruptEntry::Truncated.into());
    }
    Ok(())
}

/// Returns the lengths of the name and the extra fields after a local header, if it is one.
pub(super) fn local_lengths(header: &[u8]) -> Option<(u16, u16)> {
    let mut fields = Fields::new(header);
    fields.signature(LOCAL_SIGNATURE)?;
    let _all_known_from_the_directory = fields.take(22)?;
    Some((fields.u16()?, fields.u16()?))
}

async fn read_exact<R>(source: &mut R, bytes: &mut [u8]) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
{
    match source.read_exact(bytes).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(CorruptEntry::Truncated.into()),
        Err(error) => Err(error),
    }
}

/// An entry whose local header was read.
struct Body<R> {
    unpacker: Decompressor<R>,
    /// The decompressed bytes still to come, as the directory states.
    left: u64,
    crc: crc32fast::Hasher,
    stated_crc: u32,
    buffer: BytesMut,
}

impl<R: AsyncBufRead + Unpin> Body<R> {
    fn new(source: R, entry: &EntryMeta, coding: Coding) -> Self {
        Self {
            unpacker: Decompressor::new(source, entry, coding),
            left: entry.uncompressed_size,
            crc: crc32fast::Hasher::new(),
            stated_crc: entry.crc32,
            buffer: BytesMut::new(),
        }
    }

    /// Returns the next piece; empty only when nothing is left.
    async fn read_piece(&mut self) -> io::Result<Bytes> {
        if self.left == 0 {
            return Ok(Bytes::new());
        }
        let most = self.left.min(PIECE_BYTES) as usize;
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(most);
        }
        let mut space = (&mut self.buffer).limit(most);
        self.unpacker.compressed_mut().begin_turn();
        if self.unpacker.read(&mut space).await? == 0 {
            return Err(CorruptEntry::TooShort.into());
        }
        let piece = self.buffer.split().freeze();
        self.crc.update(&piece);
        self.left -= piece.len() as u64;
        Ok(piece)
    }

    /// Checks that all of the entry was read, and that its CRC-32 is right.
    async fn check_end(&mut self) -> io::Result<()> {
        let mut beyond = [0; 1];
        if self.unpacker.read(&mut &mut beyond[..]).await? != 0 {
            return Err(CorruptEntry::TooLong.into());
        }
        if self.unpacker.compressed().left() != 0 {
            return Err(CorruptEntry::LeftOver.into());
        }
        if self.crc.clone().finalize() != self.stated_crc {
            return Err(CorruptEntry::ChecksumMismatch.into());
        }
        Ok(())
    }
}

enum Decompressor<R> {
    Stored(BoundedReader<R>),
    Deflate(DeflateDecoder<BoundedReader<R>>),
    Zstd(ZstdDecoder<BoundedReader<R>>),
}

impl<R: AsyncBufRead + Unpin> Decompressor<R> {
    fn new(source: R, entry: &EntryMeta, coding: Coding) -> Self {
        let compressed_size = entry.compressed_size;
        match coding {
            Coding::Stored => Self::Stored(BoundedReader::new(source, compressed_size)),
            Coding::Deflate => {
                Self::Deflate(DeflateDecoder::new(BoundedReader::new(source, compressed_size)))
            }
            Coding::Zstd { window_bytes } => {
                let compressed =
                    BoundedReader::zstd(source, compressed_size, entry.uncompressed_size, window_bytes);
                let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
                let mut decoder = ZstdDecoder::with_params(compressed, &[window]);
                decoder.multiple_members(true);
                Self::Zstd(decoder)
            }
        }
    }

    fn compressed(&self) -> &BoundedReader<R> {
        match self {
            Self::Stored(compressed) => compressed,
            Self::Deflate(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn compressed_mut(&mut self) -> &mut BoundedReader<R> {
        match self {
            Self::Stored(compressed) => compressed,
            Self::Deflate(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    async fn read(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        let read = match self {
            Self::Stored(compressed) => compressed.read_buf(buffer).await,
            Self::Deflate(decoder) => decoder.read_buf(buffer).await,
            Self::Zstd(decoder) => decoder.read_buf(buffer).await,
        };
        read.map_err(
            |error| if self.compressed().failed() { error } else { CorruptEntry::Undecodable.into() },
        )
    }
}
