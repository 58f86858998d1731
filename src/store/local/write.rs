//! A file of the directory being written: hashed on the way, under a temporary name until it is committed.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::sync_folder;
use crate::domain::Sha256Digest;
use crate::store::writer::agree;
use crate::store::{StoreKey, page_cache};

/// After how many bytes a file that is being written begins to go to the disk, so that the wait at its end is short.
const FLUSHED_BYTES: u64 = 8 * 1024 * 1024;

/// A file being written. Dropping the writer deletes it.
#[derive(Debug)]
pub(in crate::store) struct BlobWriter {
    file: NamedTempFile,
    /// `None` for a blob whose digest nobody asks for.
    hasher: Option<Box<Sha256>>,
    /// How many bytes were written, and of these how many are on their way to the disk.
    written: u64,
    flushed: u64,
    /// Whether they are sent on their way while more come.
    flushes: bool,
    key: StoreKey,
    folder: PathBuf,
    path: PathBuf,
}

impl BlobWriter {
    pub(super) fn new(file: NamedTempFile, key: StoreKey, folder: PathBuf, root: &Path) -> Self {
        let path = root.join(key.as_str());
        Self { file, hasher: Some(Box::default()), written: 0, flushed: 0, flushes: true, key, folder, path }
    }

    /// Appends pieces with as few calls as possible.
    pub(in crate::store) fn append<T: AsRef<[u8]>>(&mut self, pieces: &[T]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            for piece in pieces {
                hasher.update(piece);
            }
        }
        let mut left: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece.as_ref())).collect();
        let mut left = left.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let written = match self.file.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => written?,
            };
            self.written += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
        if self.flushes && self.written - self.flushed >= FLUSHED_BYTES {
            page_cache::begin_to_flush(self.file.as_file(), self.flushed..self.written);
            self.flushed = self.written;
        }
        Ok(())
    }

    /// Takes the room of `size` bytes at once if there is as much, and leaves it to the system when they go to the disk:
    /// who reads beside does not wait for the end.
    pub(in crate::store) fn beside_a_reader(self, size: u64) -> io::Result<Self> {
        take_room(self.file.as_file(), size)?;
        Ok(Self { flushes: false, ..self })
    }

    /// Computes no digest of what is written.
    pub(in crate::store) fn without_digest(self) -> Self {
        Self { hasher: None, ..self }
    }

    /// Makes the file durable and visible; deletes it if its digest is not the `expected` one. Returns the digest
    /// if one was computed.
    pub(in crate::store) fn commit(
        self,
        expected: Option<Sha256Digest>,
    ) -> io::Result<(StoreKey, Option<Sha256Digest>)> {
        let sha256 = self.hasher.map(|hasher| Sha256Digest::from(*hasher));
        if let Some(sha256) = sha256 {
            agree(expected, sha256)?;
        }
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.path).map_err(|e| e.error)?;
        sync_folder(&self.folder)?;
        Ok((self.key, sha256))
    }
}

/// Takes room on the disk for the first `size` bytes of an empty file, whose length stays. Where that cannot be had, each
/// write takes its own: copies that gave way to this one may still be about to give their room back.
#[cfg(target_os = "linux")]
fn take_room(file: &File, size: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Ok(()) => Ok(()),
        // Gives back what was taken of it.
        Err(_) => file.set_len(0),
    }
}

/// Nothing: each write takes its room.
#[cfg(not(target_os = "linux"))]
fn take_room(_file: &File, _size: u64) -> io::Result<()> {
    Ok(())
}
