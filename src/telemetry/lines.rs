//! Buffered log lines: a thread of their own writes them, so that a slow reader holds up no other thread.
//! Lines that exceed the buffer are dropped, and their count is logged.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of the line with the count of dropped lines. There is always room for it.
pub(super) const DROPPED: &str = "telemetry";

/// The most buffered text, in bytes.
const ROOM_BYTES: usize = 1 << 20;

/// The most memory kept for the next lines, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

/// How long the thread waits for more lines: waking it for each would take longer than writing the line.
const GATHERING: Duration = Duration::from_millis(1);

/// The pause before a write that would have blocked is retried.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end of the program waits for the rest to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// The most that the system writes to a pipe in one piece, in bytes, so that lines of several programs that
/// share a pipe are not mixed.
const PIECE_BYTES: usize = 4096;

/// The buffered lines, and the thread that writes them.
#[derive(Debug, Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    called: Condvar,
    /// Signals the end of the thread.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Dropped lines that were not reported yet.
    dropped: u64,
    /// Whether the thread waits for `called`.
    is_idle: bool,
    /// Whether the thread ends once nothing is buffered.
    is_closing: bool,
    has_ended: bool,
}

impl Lines {
    /// Starts the thread, which writes to standard error.
    pub(super) fn to_standard_error() -> io::Result<Self> {
        // A separate handle: writing through the library's holds its lock as long as nobody reads.
        let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let lines = Self(Arc::default());
        let shared = Arc::clone(&lines.0);
        std::thread::Builder::new().name("log".into()).spawn(move || shared.write_to(out))?;
        Ok(lines)
    }

    /// Buffers a panic's message in the standard library's format; the library's own hook would wait for a
    /// reader.
    pub(super) fn take_panic(&self, panic: &PanicHookInfo<'_>) {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
            _ => String::new(),
        };
        self.0.take(format!("thread '{name}' {panic}\n{trace}").as_bytes(), ROOM_BYTES);
    }

    /// Waits until all lines are written, at most for [`PATIENCE`].
    pub(super) fn finish(&self) {
        let mut state = self.0.lock();
        state.is_closing = true;
        self.0.called.notify_one();
        let waited = self.0.ended.wait_timeout_while(state, WRITE_TIMEOUT, |state| !state.has_ended);
        drop(waited);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Buffers a line, or drops it if more than `room` bytes would be buffered.
    fn take(&self, line: &[u8], room: usize) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > room {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        if std::mem::take(&mut state.is_idle) {
            drop(state);
            self.called.notify_one();
        }
    }

    /// Writes buffered lines until the end.
    fn write_to(&self, mut out: impl Write) {
        let mut text = Vec::new();
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() && state.dropped == 0 && !state.is_closing {
                state.is_idle = true;
                state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !state.is_closing {
                drop(state);
                std::thread::sleep(GATHERING);
                state = self.lock();
            }
            std::mem::swap(&mut text, &mut state.waiting);
            let dropped = std::mem::take(&mut state.dropped);
            if text.is_empty() && dropped == 0 {
                state.has_ended = true;
                self.ended.notify_all();
                return;
            }
            drop(state);
            write(&mut out, &text);
            text.clear();
            text.shrink_to(KEPT_BYTES);
            if dropped > 0 {
                tracing::warn!(
                    target: DROPPED,
                    lines = dropped,
                    "log lines were dropped because the log was not read"
                );
            }
        }
    }
}

/// Writes all of `text`; drops the rest if the reader is gone.
fn write(out: &mut impl Write, mut text: &[u8]) {
    while !text.is_empty() {
        match out.write(piece(text)) {
            Ok(0) => return,
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(_) => return,
        }
    }
}

/// Returns as many whole lines as fit in one piece, or the first one if it is longer.
fn piece(text: &[u8]) -> &[u8] {
    let short = &text[..text.len().min(PIECE_BYTES)];
    let end = match short.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        None => text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |first| first + 1),
    };
    &text[..end]
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, room: ROOM_BYTES }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        let is_ours = event.target() == DROPPED;
        Line { shared: &self.0, room: if is_ours { usize::MAX } else { ROOM_BYTES } }
    }
}

/// A writer of one line, which it gets in one piece.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    room: usize,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.take(line, self.room);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that takes a piece each time it is told to, and keeps it.
    struct Reader {
        may: Receiver<()>,
        took: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.may.recv();
            self.took.send(bytes.to_vec()).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(reader: Reader) -> Lines {
        let lines = Lines(Arc::default());
        let shared = Arc::clone(&lines.0);
        std::thread::spawn(move || shared.write_to(reader));
        lines
    }

    #[test]
    fn whoever_logs_does_not_wait_for_the_reader_and_what_waits_is_bounded() {
        let ((read, may), (took, taken)) = (channel(), channel());
        let lines = lines(Reader { may, took });
        for number in 0..200_000 {
            lines.make_writer().write_all(format!("line {number:06}\n").as_bytes()).unwrap();
        }
        let state = lines.0.lock();
        assert!(state.waiting.len() <= ROOM_BYTES && state.dropped > 0);
        drop(state);
        drop(read);
        lines.finish();
        let text: Vec<u8> = taken.try_iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        let numbers: Vec<u32> = text.lines().map(|line| line["line ".len()..].parse().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers[0] == 0, "in their order, and whole");
    }

    #[test]
    fn what_is_left_is_written_before_the_end_and_a_reader_that_is_gone_ends_it() {
        let ((read, may), (took, taken)) = (channel(), channel());
        drop(read);
        let there = lines(Reader { may, took });
        there.make_writer().write_all(b"the last\n").unwrap();
        there.finish();
        assert_eq!(taken.try_iter().collect::<Vec<_>>(), [b"the last\n"]);
        let ((read, may), (took, taken)) = (channel(), channel());
        drop((read, taken));
        let gone = lines(Reader { may, took });
        gone.make_writer().write_all(b"for nobody\n").unwrap();
        gone.finish();
        assert!(gone.0.lock().has_ended);
    }

    #[test]
    fn lines_go_out_whole_in_pieces_that_are_not_torn() {
        let long = vec![b'x'; 2 * PIECE_BYTES];
        for (text, first) in [
            (b"a\nb\n".to_vec(), 4),
            ([&b"a\n"[..], &long, b"\nb\n"].concat(), 2),
            ([&long[..], b"\nb\n"].concat(), long.len() + 1),
            (long.clone(), long.len()),
        ] {
            assert_eq!(piece(&text).len(), first);
        }
    }
}
