//! Writing: sends the responses of a stream, each of which lets the next request in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::RequestStream;
use crate::http::unreadable::Unreadable;
use crate::server::exchange::Phase;

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RequestStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.presence.poll_end(&mut this.stream, cx))?;
        if matches!(this.exchange.phase(), Phase::Idle | Phase::Asked) {
            // The HTTP library refuses a request that it cannot parse with a bare status, and closes the
            // connection.
            if this.farewell.is_none() {
                let line = std::mem::take(&mut this.line);
                this.refuse(&Unreadable::wrong("the target is not a valid URL"), Some(&line));
            }
            ready!(this.poll_farewell(cx))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    /// Is called when all was written: a complete response has then been sent.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        match this.exchange.phase() {
            Phase::Answered => this.release(cx),
            // After a broken body nothing is read either.
            Phase::Called if this.is_half_closed || this.is_at_end() => {
                this.presence.check(&mut this.stream, cx)?;
            }
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_some() {
            return this.poll_farewell(cx);
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RequestStream<S> {
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(Ok(())) };
        farewell.poll(&mut self.stream, self.is_half_closed, cx)
    }
}
