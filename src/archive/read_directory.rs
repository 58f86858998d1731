//! Fetches the central directory of a stored archive: at most the tail, a far ZIP64 end record, and the part
//! of the directory before the tail.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::{
    ArchiveError, Limits, Located, Span, TAIL_BYTES,
    directory::{LOCAL_SIGNATURE, RECORD_SIGNATURE},
    locate,
};

/// The signatures of the end record and of the ZIP64 end record.
const END_SIGNATURES: [u32; 2] = [0x0605_4b50, 0x0606_4b50];

/// The largest file that is read whole to see whether it is one archive twice, in bytes.
const MOST_TWICE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of either half is read at a time, in bytes.
const COMPARED_BYTES: u64 = 1024 * 1024;

/// A directory's bytes and where they lie.
#[derive(Debug)]
pub struct Directory {
    /// Where it lies.
    pub span: Span,
    /// Exactly the bytes of `span`.
    pub bytes: Bytes,
}

/// Why a directory was not read.
#[derive(Debug)]
pub enum DirectoryError {
    /// The file is not a valid archive, or exceeds the limits.
    ArchiveError(ArchiveError),
    /// The file could not be read.
    Read(io::Error),
}

impl From<ArchiveError> for DirectoryError {
    fn from(fault: ArchiveError) -> Self {
        Self::ArchiveError(fault)
    }
}

impl From<io::Error> for DirectoryError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl Directory {
    /// Returns how many bytes at the end of an archive of `size` bytes [`read_directory`] has to begin with
    /// to find everything in one read.
    pub fn tail_bytes(&self, size: u64) -> u64 {
        size.saturating_sub(self.span.start)
    }
}

/// Fetches the directory of an archive of `size` bytes, of which `read` gets a range.
///
/// With the right `tail_bytes` that is one read, of these last bytes; else also one, or two for a directory
/// larger than usual. An archive after other bytes, whose offsets do not count them, takes up to three small
/// reads more, to make sure that no other archive could be meant. A file of up to 16 MiB that may be one
/// archive twice is read whole.
///
/// # Errors
/// The fault of the archive, or the error of `read`.
pub async fn read_directory(
    read: impl AsyncFn(Range<u64>) -> io::Result<Bytes>,
    size: u64,
    limits: &Limits,
    tail_bytes: Option<u64>,
) -> Result<Directory, DirectoryError> {
    // `tail_bytes` is a claim, too: it must not cause a larger read than a directory may take.
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
    if span.moved != 0 {
        if !bytes.starts_with(&RECORD_SIGNATURE.to_le_bytes()) {
            return Err(ArchiveError::MisplacedDirectory.into());
        }
        let file = File { read: &read, size, tail: &tail, tail_start };
        file.check_moved(&span).await?;
    }
    Ok(Directory { span, bytes })
}

/// A file whose end is in memory.
struct File<'a, R> {
    read: &'a R,
    size: u64,
    tail: &'a Bytes,
    tail_start: u64,
}

impl<R: AsyncFn(Range<u64>) -> io::Result<Bytes>> File<'_, R> {
    /// Checks that a reader that takes the offsets as stated finds nothing there, and that no archive begins
    /// in front of the moved one; or else that it is the same one.
    async fn check_moved(&self, span: &Span) -> Result<(), DirectoryError> {
        if self.is_twice_the_same(span).await? {
            return Ok(());
        }
        let stated = |actual: u64| actual.checked_add_signed(span.moved.checked_neg()?);
        if self.begins_with(stated(span.start), &[RECORD_SIGNATURE]).await?
            || self.begins_with(stated(span.start + span.bytes), &END_SIGNATURES).await?
        {
            return Err(ArchiveError::TwoDirectories.into());
        }
        if span.moved > 0 && self.begins_with(Some(0), &[LOCAL_SIGNATURE]).await? {
            return Err(ArchiveError::ArchiveInFront.into());
        }
        Ok(())
    }

    /// Whether the file is one archive twice, byte for byte: some readers take the first, others the second, and
    /// all of them find the same in it.
    async fn is_twice_the_same(&self, span: &Span) -> io::Result<bool> {
        let half = span.moved.unsigned_abs();
        if span.moved < 0 || self.size != 2 * half || self.size > MOST_TWICE_BYTES {
            return Ok(false);
        }
        let mut at = 0;
        while at < half {
            let end = half.min(at + COMPARED_BYTES);
            if (self.read)(at..end).await? != (self.read)(at + half..end + half).await? {
                return Ok(false);
            }
            at = end;
        }
        Ok(true)
    }

    /// Whether one of the `signatures` is at `offset`.
    async fn begins_with(&self, offset: Option<u64>, signatures: &[u32]) -> io::Result<bool> {
        const BYTES: u64 = 4;
        let Some(offset) =
            offset.filter(|offset| offset.checked_add(BYTES).is_some_and(|end| end <= self.size))
        else {
            return Ok(false);
        };
        let bytes = match offset.checked_sub(self.tail_start) {
            Some(at) => self.tail.slice(at as usize..(at + BYTES) as usize),
            None => (self.read)(offset..offset + BYTES).await?,
        };
        Ok(signatures.iter().any(|signature| signature.to_le_bytes() == bytes[..]))
    }
}
