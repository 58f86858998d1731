//! The page cache: opens and reads that never wait for the disk.
//!
//! Data in the kernel's memory is returned on the calling thread; for everything else, errors included, the
//! caller uses a thread that may block.
//!
//! There is no memory map, on purpose: a cold page would block the thread that touches it, and a bad block or
//! a truncated file would end the process. Here both are one request's error.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;

/// Opens a file for reading if the kernel knows the path without asking the disk.
#[cfg(target_os = "linux")]
pub(super) fn open(path: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok().map(File::from)
}

/// Reads the bytes from `offset` on that are in memory without a gap, and returns their number.
#[cfg(target_os = "linux")]
pub(super) fn read(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut buffers = [std::io::IoSliceMut::new(buffer)];
    preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

/// Makes the system begin to write a range of a file to the disk, without waiting for that: the advice that the range
/// is not needed any more begins with it, and drops nothing that is not written yet.
#[cfg(target_os = "linux")]
pub(super) fn begin_to_flush(file: &File, range: Range<u64>) {
    use rustix::fs::{Advice, fadvise};
    // It is advice: without it the wait at the end is longer.
    let _ = fadvise(file, range.start, NonZeroU64::new(range.end - range.start), Advice::DontNeed);
}

/// Other systems do not tell, so everything is left to a thread that may block.
#[cfg(not(target_os = "linux"))]
pub(super) fn open(_path: &Path) -> Option<File> {
    None
}

/// As [`open`].
#[cfg(not(target_os = "linux"))]
pub(super) fn read(_file: &File, _buffer: &mut [u8], _offset: u64) -> usize {
    0
}

/// Nothing: the wait at the end of a file is longer.
#[cfg(not(target_os = "linux"))]
pub(super) fn begin_to_flush(_file: &File, _range: Range<u64>) {}
