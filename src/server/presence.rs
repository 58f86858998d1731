//! Presence: whether a client that closed its side still waits for its response.
//!
//! A client that only sends nothing more (`nc -N`) looks like one that has left, until something is sent to
//! it: the system then reports that it has left. So a client that waits long is sent interim responses, which
//! every HTTP/1.1 client must accept and skip; work for a client that has left stops.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::alarm::Alarm;
use super::write_all::poll_write_all;

/// The interim response that clients have known longest, even those that did not ask for one.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How long a client waits before the first interim response: most responses are ready sooner. Each further
/// wait is twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// Longest time between two interim responses.
const LONGEST: Duration = Duration::from_secs(8);

/// How long work goes on for an HTTP/1.0 client: it accepts no interim response, so its presence is unknown.
const UNKNOWN: Duration = Duration::from_secs(5);

/// The presence of one request's client, from when it closed its side.
pub(super) struct Presence {
    can_be_asked: bool,
    alarm: Option<Alarm>,
    pause: Duration,
    unsent: &'static [u8],
}

impl Presence {
    pub(super) fn new(can_be_asked: bool) -> Self {
        Self { can_be_asked, alarm: None, pause: FIRST, unsent: b"" }
    }

    /// Sends an interim response when it is due. To be called only while nothing of a response was sent.
    ///
    /// # Errors
    /// If the client has left.
    pub(super) fn check<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let first = if self.can_be_asked { FIRST } else { UNKNOWN };
        let alarm = self.alarm.get_or_insert_with(|| Alarm::after(first));
        while alarm.poll(cx).is_ready() {
            if !self.can_be_asked {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "it cannot be told whether the client still waits",
                ));
            }
            if self.unsent.is_empty() {
                self.unsent = INTERIM;
            }
            self.pause = (self.pause * 2).min(LONGEST);
            alarm.set(self.pause);
            if let Poll::Ready(Err(error)) = poll_write_all(stream, &mut self.unsent, cx) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Completes an interim response that was sent in part, before the response.
    pub(super) fn poll_end<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unsent.len() == INTERIM.len() {
            self.unsent = b"";
        }
        poll_write_all(stream, &mut self.unsent, cx)
    }
}
