//! The central directory, fetched from wherever the archive lies: at most the tail, a far zip64
//! end record, and what of the directory lies before the tail.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::{Fault, Limits, Located, Span, TAIL_BYTES, locate};

/// A directory's bytes and where they lie.
#[derive(Debug)]
pub struct Directory {
    /// Where it lies.
    pub span: Span,
    /// Exactly the bytes of `span`.
    pub bytes: Bytes,
}

/// Why there is no directory.
#[derive(Debug)]
pub enum DirectoryError {
    /// The bytes are no archive, or not within the limits.
    Fault(Fault),
    /// They could not be read.
    Read(io::Error),
}

impl From<Fault> for DirectoryError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for DirectoryError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl Directory {
    /// How many bytes at the end of an archive of `size` bytes [`read_directory`] has to begin with to
    /// find everything in one read.
    pub fn tail_bytes(&self, size: u64) -> u64 {
        size.saturating_sub(self.span.start)
    }
}

/// Fetches the directory of an archive of `size` bytes, of which `read` gets a range: the last
/// `tail_bytes` to begin with, where somebody knows how many that takes. Else that is one read, and
/// two for a directory larger than usual.
///
/// # Errors
/// What is wrong with the archive, or what `read` says.
pub async fn read_directory(
    read: impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    size: u64,
    limits: &Limits,
    tail_bytes: Option<u64>,
) -> Result<Directory, DirectoryError> {
    // A claim like any other: it may not make us read more than a directory may take.
    let likely = tail_bytes.unwrap_or(0).min(limits.directory_bytes).max(TAIL_BYTES);
    let mut tail_start = size.saturating_sub(likely);
    let mut tail = read(tail_start..size).await?;
    let span = loop {
        match locate(&tail, size, limits)? {
            Located::Found(span) => break span,
            Located::NeedFrom(start) => {
                tail_start = start;
                tail = read(start..size).await?;
            }
        }
    };
    let end = span.start + span.bytes;
    let bytes = match span.start.checked_sub(tail_start) {
        Some(offset) => tail.slice(offset as usize..(offset + span.bytes) as usize),
        None => read(span.start..end).await?,
    };
    Ok(Directory { span, bytes })
}
