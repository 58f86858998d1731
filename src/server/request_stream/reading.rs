//! Reading: hands on the requests of a stream, one by one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Place, RequestStream};

/// Most bytes read ahead while a response is made; without reading, a client that left is not noticed.
const MAX_AHEAD_BYTES: usize = 128 * 1024;

impl<S: AsyncRead + Unpin> RequestStream<S> {
    /// Reads ahead while a response is made.
    fn poll_held(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        while !self.is_half_closed && self.ahead.len() < MAX_AHEAD_BYTES {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            let came = &buffer.filled()[before..];
            self.is_half_closed = came.is_empty();
            self.ahead.extend_from_slice(came);
            buffer.set_filled(before);
        }
        // Polled again when the response was sent.
        Poll::Pending
    }

    /// Reads more of a head or a body; ready when the state must be checked again.
    fn poll_more(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.is_half_closed {
            self.end();
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_read(cx, buffer)? {
            Poll::Ready(()) => {}
            Poll::Pending if matches!(self.place, Place::Head) => {
                ready!(self.alarm.poll(cx));
                self.give_up();
                return Poll::Ready(Ok(()));
            }
            Poll::Pending => return Poll::Pending,
        }
        if buffer.filled().len() == before {
            self.is_half_closed = true;
            return Poll::Ready(Ok(()));
        }
        if let Place::Body(framing) = &mut self.place {
            let came = &buffer.filled()[before..];
            let belongs = framing.follow(came);
            self.ahead.extend_from_slice(&came[belongs..]);
            buffer.set_filled(before + belongs);
            self.settle();
        } else if !(self.ahead.is_empty() && self.take_at_once(buffer, before)) {
            self.keep(&buffer.filled()[before..]);
            buffer.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RequestStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        while buffer.filled().len() == before && buffer.remaining() > 0 {
            if !this.due.is_empty() {
                take(&mut this.due, buffer, usize::MAX);
                continue;
            }
            match &mut this.place {
                Place::Ended => break,
                Place::Held => return this.poll_held(cx, buffer),
                Place::Body(framing) if !this.ahead.is_empty() => {
                    let room = this.ahead.len().min(buffer.remaining());
                    let belongs = framing.follow(&this.ahead[..room]);
                    take(&mut this.ahead, buffer, belongs);
                    this.settle();
                }
                Place::Head if this.reader.seen() < this.ahead.len() => {
                    if !this.take_from_ahead() {
                        ready!(this.poll_more(cx, buffer))?;
                    }
                }
                Place::Head | Place::Body(_) => ready!(this.poll_more(cx, buffer))?,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Moves up to `most` bytes to the buffer, as far as it has room.
fn take(bytes: &mut Vec<u8>, buffer: &mut ReadBuf<'_>, most: usize) {
    let count = bytes.len().min(buffer.remaining()).min(most);
    buffer.put_slice(&bytes[..count]);
    bytes.drain(..count);
    if bytes.is_empty() {
        *bytes = Vec::new();
    }
}
