//! Opens and reads that never wait for the disk. What the kernel has in memory is had at once, on
//! the calling thread; for everything else, errors included, the caller turns to one that may block.
//!
//! No memory map, on purpose: there a cold page would stop the thread that touches it, and a bad
//! block or a file cut short from outside would end the process. Here both are one request's error.

use std::fs::File;
use std::path::Path;

/// Opens a file for reading, when the kernel knows the path without asking the disk.
#[cfg(target_os = "linux")]
pub(super) fn open(path: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok().map(File::from)
}

/// Reads as much from `offset` on as lies in memory without a gap, and tells how many bytes that is.
#[cfg(target_os = "linux")]
pub(super) fn read(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut buffers = [std::io::IoSliceMut::new(buffer)];
    preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

/// Elsewhere nobody can say, so everything is left to a thread that may block.
#[cfg(not(target_os = "linux"))]
pub(super) fn open(_path: &Path) -> Option<File> {
    None
}

/// As [`open`].
#[cfg(not(target_os = "linux"))]
pub(super) fn read(_file: &File, _buffer: &mut [u8], _offset: u64) -> usize {
    0
}
