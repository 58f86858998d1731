//! Farewell: the end of a connection from which no further request is read.
//!
//! Its client may still send: if the connection were closed at once, the system would send a reset, and the
//! client might lose what was written before. So the server closes its own side first, and reads for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::alarm::Alarm;
use super::write_all::poll_write_all;

pub(super) struct Farewell {
    words: Vec<u8>,
    said: usize,
    is_shut: bool,
    alarm: Alarm,
}

impl Farewell {
    /// Returns a farewell that writes `words` first; all of it takes at most `timeout`.
    pub(super) fn new(words: Vec<u8>, timeout: Duration) -> Self {
        Self { words, said: 0, is_shut: false, alarm: Alarm::after(timeout) }
    }

    /// Ready when the connection may be closed. `hears_nothing` says that the client has closed its side.
    ///
    /// # Errors
    /// If the client has left.
    pub(super) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        hears_nothing: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.alarm.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut unsaid = &self.words[self.said..];
        let written = poll_write_all(stream, &mut unsaid, cx);
        self.said = self.words.len() - unsaid.len();
        ready!(written)?;
        if !self.is_shut {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        if hears_nothing {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; 4096];
        loop {
            let mut heard = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut heard))?;
            if heard.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
