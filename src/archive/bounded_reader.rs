//! A bounded reader gives one entry's compressed bytes, and not one more, to the decompressors.
//!
//! It tells a failed source from damaged data, and it makes long work pause: megabytes of compressed data can
//! decompress to nothing, which would otherwise hold a worker thread.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::{
    CorruptEntry,
    zstd_frames::{Frames, Gathered, needed_window_bytes},
};
use crate::yielding::WORKER_TIME_SLICE;

/// The most that a decompressor gets at a time, in bytes; between two of these the clock is read. A zstd
/// block is passed on whole; the output that it makes is bounded.
const CHUNK_BYTES: u64 = 16 * 1024;

/// The next `left` bytes of `source`. If they end early, reading fails with [`CorruptEntry::Truncated`].
pub(super) struct BoundedReader<R> {
    source: R,
    left: u64,
    /// When the current turn began.
    turn: Option<Instant>,
    failed: bool,
    zstd: Option<Zstd>,
}

/// The bounds of zstd windows, and the frames that ask for them.
struct Zstd {
    frames: Frames,
    /// Where the rest of the gathered header begins, while it is passed on.
    shown: Option<usize>,
    /// The decompressed size of the entry in bytes.
    content_bytes: u64,
    /// The largest window allowed, in bytes.
    window_bytes: u64,
}

impl<R> BoundedReader<R> {
    pub(super) fn new(source: R, bytes: u64) -> Self {
        Self { source, left: bytes, turn: None, failed: false, zstd: None }
    }

    /// Zstd frames that decompress to `content_bytes`. A frame gets a window no larger than these need, and
    /// is refused with [`CorruptEntry::Window`] if it needs one of more than `window_bytes`.
    pub(super) fn zstd(source: R, bytes: u64, content_bytes: u64, window_bytes: u64) -> Self {
        let zstd = Zstd { frames: Frames::default(), shown: None, content_bytes, window_bytes };
        Self { zstd: Some(zstd), ..Self::new(source, bytes) }
    }

    /// The number of bytes that were not consumed yet.
    pub(super) fn left(&self) -> u64 {
        self.left + self.zstd.as_ref().map_or(0, |zstd| zstd.head().len() as u64)
    }

    /// Whether an error came from this reader and not from the decompressor.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// Begins a new turn.
    pub(super) fn begin_turn(&mut self) {
        self.turn = None;
    }

    fn fail<T>(&mut self, error: impl Into<io::Error>) -> Poll<io::Result<T>> {
        self.failed = true;
        Poll::Ready(Err(error.into()))
    }
}

impl Zstd {
    /// The rest of the gathered header, which is passed on first.
    fn head(&self) -> &[u8] {
        self.shown.map_or(&[], |shown| &self.frames.head()[shown..])
    }
}

impl<R: AsyncBufRead + Unpin> BoundedReader<R> {
    /// Gathers the next header of zstd data, if a header is next.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left > 0
            && let Some(zstd) = &mut self.zstd
            && zstd.shown.is_none()
            && zstd.frames.passing() == 0
        {
            let bytes = match ready!(Pin::new(&mut self.source).poll_fill_buf(cx)) {
                Ok([]) => return self.fail(CorruptEntry::Truncated),
                Ok(bytes) => bytes,
                Err(error) => return self.fail(error),
            };
            let most = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (taken, gathered) = zstd.frames.gather(&bytes[..most]);
            Pin::new(&mut self.source).consume(taken);
            self.left -= taken as u64;
            match gathered {
                // All that is left goes out unchanged: it is no header.
                Gathered::More if self.left == 0 => zstd.shown = Some(0),
                Gathered::More => {}
                Gathered::Other => zstd.shown = Some(0),
                Gathered::Frame(frame) => {
                    if frame.content_bytes.is_some_and(|bytes| bytes > zstd.content_bytes) {
                        return self.fail(CorruptEntry::TooLong);
                    }
                    zstd.frames.narrow(zstd.content_bytes);
                    if needed_window_bytes(&frame, zstd.content_bytes) > zstd.window_bytes {
                        return self.fail(CorruptEntry::Window { bytes: frame.window_bytes });
                    }
                    zstd.shown = Some(0);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn most(&self) -> usize {
        let most = match &self.zstd {
            Some(zstd) => self.left.min(zstd.frames.passing()),
            None => self.left.min(CHUNK_BYTES),
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for BoundedReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.turn.get_or_insert_with(Instant::now).elapsed() > WORKER_TIME_SLICE {
            this.turn = None;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.poll_head(cx)?.is_pending() {
            this.turn = None;
            return Poll::Pending;
        }
        if this.zstd.as_ref().is_some_and(|zstd| !zstd.head().is_empty()) {
            return Poll::Ready(Ok(this.zstd.as_ref().map_or(&[], Zstd::head)));
        }
        let most = this.most();
        if most == 0 {
            return Poll::Ready(Ok(&[]));
        }
        match Pin::new(&mut this.source).poll_fill_buf(cx) {
            Poll::Pending => {
                this.turn = None;
                Poll::Pending
            }
            Poll::Ready(Ok([])) => {
                this.failed = true;
                Poll::Ready(Err(CorruptEntry::Truncated.into()))
            }
            Poll::Ready(Ok(bytes)) => Poll::Ready(Ok(&bytes[..bytes.len().min(most)])),
            Poll::Ready(Err(error)) => {
                this.failed = true;
                Poll::Ready(Err(error))
            }
        }
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        let this = self.get_mut();
        if let Some(zstd) = &mut this.zstd {
            if let Some(shown) = &mut zstd.shown {
                *shown += bytes;
                if *shown >= zstd.frames.head().len() {
                    zstd.shown = None;
                    zstd.frames.drop_head();
                }
                return;
            }
            zstd.frames.pass(bytes as u64);
        }
        this.left = this.left.saturating_sub(bytes as u64);
        Pin::new(&mut this.source).consume(bytes);
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for BoundedReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let taken = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..taken]);
        self.consume(taken);
        Poll::Ready(Ok(()))
    }
}
