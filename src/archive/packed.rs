//! One entry's packed bytes, and not one more, as a reader for the decompressors. It tells
//! a source that failed from data that is damaged, and it makes long work pause: packed data
//! can be megabytes that unpack to nothing, which would otherwise hold a worker thread.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::Damage;

/// After this many bytes other tasks get a turn.
const TURN_BYTES: u64 = 256 * 1024;

/// The next `left` bytes of `source`. That they end early is an error, [`Damage::CutShort`].
pub(super) struct Packed<R> {
    source: R,
    left: u64,
    left_in_turn: u64,
    failed: bool,
}

impl<R> Packed<R> {
    pub(super) fn new(source: R, bytes: u64) -> Self {
        Self { source, left: bytes, left_in_turn: TURN_BYTES, failed: false }
    }

    /// How many bytes nobody took yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Whether an error came from here and not from the decompressor above.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Packed<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(Ok(&[]));
        }
        if this.left_in_turn == 0 {
            this.left_in_turn = TURN_BYTES;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = this.left.min(this.left_in_turn) as usize;
        match ready!(Pin::new(&mut this.source).poll_fill_buf(cx)) {
            Ok([]) => {
                this.failed = true;
                Poll::Ready(Err(Damage::CutShort.into()))
            }
            Ok(bytes) => Poll::Ready(Ok(&bytes[..bytes.len().min(most)])),
            Err(error) => {
                this.failed = true;
                Poll::Ready(Err(error))
            }
        }
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        let this = self.get_mut();
        this.left = this.left.saturating_sub(bytes as u64);
        this.left_in_turn = this.left_in_turn.saturating_sub(bytes as u64);
        Pin::new(&mut this.source).consume(bytes);
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Packed<R> {
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
