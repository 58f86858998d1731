//! The lead of a zstd entry, read before it is sent: the needs of its frames decide how it may be sent, and
//! the memory for decompression.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::entry::likely_range;
use crate::archive::{
    self, CorruptEntry, EntryMeta, Frame, Frames, MOST_WINDOW_BYTES, Unsupported, enough_window_bytes,
    needed_window_bytes,
};
use crate::domain::Result;
use crate::store::Blob;

/// The largest entry of which all frames are read, in compressed bytes.
const SMALL_BYTES: u64 = 64 << 10;

/// The number of bytes read after a large entry's local header, for its first frame's header.
const HEADER_BYTES: u64 = 18;

/// The beginnings of an entry's frames.
#[derive(Debug)]
pub(super) struct Lead {
    /// The first frame; `None` if the data does not begin with one.
    frame: Option<Frame>,
    /// Whether HTTP clients have to accept all frames that were read.
    all_for_everybody: bool,
    /// Whether all frames were read; of a large entry only the first one is.
    is_known: bool,
    /// The archive from the entry's local header on, if the entry is small.
    bytes: Option<Bytes>,
}

/// Whether the entry has zstd frames.
pub(super) fn is_zstd(entry: &EntryMeta) -> bool {
    entry.method == 93 && entry.compressed_size > 0
}

impl Lead {
    /// Reads a small entry, or the beginning of a large one. Damage is reported when the entry is sent.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn read(blob: &Blob, entry: &EntryMeta) -> Result<Self> {
        let is_known = entry.compressed_size <= SMALL_BYTES;
        let beginning =
            EntryMeta { compressed_size: entry.compressed_size.min(HEADER_BYTES), ..entry.clone() };
        let looked_at = if is_known { entry } else { &beginning };
        let bytes = blob.bytes(likely_range(blob, looked_at)).await?;
        let compressed = archive::compressed_range(looked_at, &bytes).ok().flatten();
        let compressed = compressed.map_or(&[][..], |range| &bytes[range]);
        let mut all_for_everybody = true;
        let _infallible = Frames::default().follow(compressed, |frame| {
            all_for_everybody &= frame.is_for_everybody();
            Ok::<(), std::convert::Infallible>(())
        });
        let frame = Frame::read(compressed);
        Ok(Self { frame, all_for_everybody, is_known, bytes: archive::is_small(entry).then_some(bytes) })
    }

    /// Checks that the entry can be decompressed here or by a client.
    ///
    /// # Errors
    /// [`Unsupported`] with the reason why by neither.
    pub(super) fn check_supported(&self, entry: &EntryMeta) -> Result<(), Unsupported> {
        match self.frame {
            Some(frame) if frame.needs_dictionary => Err(Unsupported::Dictionary),
            Some(frame)
                if frame.window_bytes > MOST_WINDOW_BYTES && entry.uncompressed_size > MOST_WINDOW_BYTES =>
            {
                Err(Unsupported::Window(frame.window_bytes))
            }
            _ => Ok(()),
        }
    }

    /// Whether HTTP clients have to accept the entry in its stored encoding. A large entry must be one frame
    /// for that.
    pub(super) fn is_for_everybody(&self, entry: &EntryMeta) -> bool {
        self.all_for_everybody
            && self.frame.is_some_and(|frame| self.is_known || !is_first_of_many(&frame, entry))
    }

    /// Returns the window that decompression needs, in bytes.
    pub(super) fn window_bytes(&self, entry: &EntryMeta) -> u64 {
        let most = enough_window_bytes(entry.uncompressed_size).min(MOST_WINDOW_BYTES);
        match self.frame {
            // Further frames that ask for more are refused.
            Some(frame)
                if entry.uncompressed_size > MOST_WINDOW_BYTES && !is_first_of_many(&frame, entry) =>
            {
                needed_window_bytes(&frame, entry.uncompressed_size).min(MOST_WINDOW_BYTES)
            }
            _ => most,
        }
    }

    /// The archive from the local header on, if all of the entry was read.
    pub(super) fn read_bytes(&self) -> Option<Bytes> {
        self.bytes.clone()
    }
}

/// Whether a frame states that it is not the whole entry.
fn is_first_of_many(frame: &Frame, entry: &EntryMeta) -> bool {
    frame.content_bytes.is_some_and(|bytes| bytes != entry.uncompressed_size)
}

/// Streams frames to a client that decodes them. A further frame that it may refuse ends the stream with an
/// error.
pub(super) fn watched<S>(compressed: S) -> impl Stream<Item = io::Result<Bytes>> + Send + use<S>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let mut frames = Frames::default();
    compressed.and_then(move |piece| {
        let followed = frames.follow(&piece, |frame| {
            if frame.is_for_everybody() {
                Ok(())
            } else {
                Err(io::Error::from(CorruptEntry::Window { bytes: frame.window_bytes }))
            }
        });
        std::future::ready(followed.map(|()| piece))
    })
}
