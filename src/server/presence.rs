//! Presence: whether a client that closed its side still waits for its answer. To the server, one that only
//! sends nothing more (`nc -N`) looks like one that has left, until something is sent to it: to who has
//! left, the system answers that there is nobody. So a client that waits long is sent interim answers, which
//! every client of HTTP/1.1 must take and pass over; they show who has left, and what is computed for those
//! is computed no longer.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::alarm::Alarm;
use super::write_all::poll_write_all;

/// The interim answer that even clients who asked for none have known for longest.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How long a client waits before it is first asked: most answers are sooner there. Each further time is
/// twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// The longest time between two questions.
const LONGEST: Duration = Duration::from_secs(8);

/// How long is worked for a client of HTTP/1.0: it takes no interim answer, so nobody can know.
const UNKNOWN: Duration = Duration::from_secs(5);

/// What is known of the client of one request, from when it closed its side.
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

    /// Asks when it is time to. Only to be called while nothing of an answer was sent.
    ///
    /// # Errors
    /// When the client has left.
    pub(super) fn check<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let first = if self.can_be_asked { FIRST } else { UNKNOWN };
        let alarm = self.alarm.get_or_insert_with(|| Alarm::after(first));
        while alarm.poll(cx).is_ready() {
            if !self.can_be_asked {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody knows whether the client waits"));
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

    /// Ends an interim answer that was sent in part: an answer follows.
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
