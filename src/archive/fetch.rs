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

/// Fetches the directory of an archive of `size` bytes, of which `read` gets a range. Usually that
/// is one read; two for a directory larger than the tail.
///
/// # Errors
/// What is wrong with the archive, or what `read` says.
pub async fn read_directory(
    read: impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    size: u64,
    limits: &Limits,
) -> Result<Directory, DirectoryError> {
    let mut tail_start = size.saturating_sub(TAIL_BYTES);
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
