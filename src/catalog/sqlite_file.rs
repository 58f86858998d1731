//! The file of an SQLite database: its creation with access for its owner only, the reasons why it cannot be
//! used, and whether it still is the file that is open.
//!
//! It is checked before the pool is built: the pool would retry errors that a retry does not fix, and report
//! a timeout in the end. Later, a file that was deleted, or replaced under its name, can still be written to:
//! everything seems well, and acknowledged writes are lost with the process. So every write checks that the
//! name still leads to the file that is open.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{Access, access};

use crate::domain::{Error, Result};

/// The characters that are not escaped in a URI's path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Creates the file and its directory when they are missing, for their owner alone, and reports why they
/// cannot be used, with the path.
///
/// The file is opened here only when it is new: closing it releases the locks that connections of this
/// process have on it.
pub(super) fn prepare(path: &Path) -> Result<(), String> {
    let path = absolute(path);
    let directory = path.parent().unwrap_or(Path::new("/"));
    make_directory(directory)
        .map_err(|error| format!("the directory {} cannot be created: {error}", directory.display()))?;
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Err(format!("{} is a directory", path.display())),
        Ok(metadata) if !metadata.is_file() => {
            return Err(format!("{} is not a regular file", path.display()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path)?,
        _ => {}
    }
    // SQLite would open a read-only file and fail at the first write. It creates files beside this one.
    let uses = [
        (path.as_path(), Access::READ_OK | Access::WRITE_OK),
        (directory, Access::WRITE_OK | Access::EXEC_OK),
    ];
    for (place, needed) in uses {
        access(place, needed)
            .map_err(|error| format!("{} cannot be written: {}", place.display(), io::Error::from(error)))?;
    }
    Ok(())
}

/// Creates the directory and syncs those above it, so that the path survives a power loss; SQLite syncs the
/// directory of the file.
fn make_directory(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|directory| !directory.exists()).count();
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    directory.ancestors().skip(1).take(missing).try_for_each(|above| fs::File::open(above)?.sync_all())
}

fn make(path: &Path) -> Result<(), String> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // `AlreadyExists`: another node created it first.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(format!("{} cannot be created: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Returns the path from the root on, as operators look for it.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the URI of an existing file for SQLite. A file that was deleted is not created again, empty.
pub(super) fn uri(path: &Path) -> Option<String> {
    let path = absolute(path);
    Some(format!("file://{}?mode=rw", utf8_percent_encode(path.to_str()?, PLAIN)))
}

/// The identity of the file that a path leads to: device and inode.
type Identity = (u64, u64);

/// The file, and its identity when it was opened.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    log: PathBuf,
    opened: OnceLock<Identity>,
    /// Whether the write-ahead log was seen. It exists as long as a connection is open that uses it.
    has_log: AtomicBool,
}

impl DatabaseFile {
    /// Describes the file at `path`, which may be missing until it is opened.
    pub(super) fn new(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let (opened, has_log) = (OnceLock::new(), AtomicBool::new(false));
        Self { path: path.to_owned(), log: log.into(), opened, has_log }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records the file as the one that is open from now on, unless one was recorded before.
    ///
    /// # Errors
    /// The I/O error when it is missing.
    pub(super) fn opened(&self) -> io::Result<()> {
        let found = identity(&self.path)?;
        self.opened.get_or_init(|| found);
        Ok(())
    }

    /// Checks that the path leads to the file that is open.
    ///
    /// # Errors
    /// `Unavailable`, with a text that contains the path.
    pub(super) fn check(&self) -> Result<()> {
        let Some(opened) = self.opened.get() else { return Ok(()) };
        match identity(&self.path) {
            Ok(found) if found == *opened => Ok(()),
            Ok(_) => Err(gone(&self.path, "was replaced by another file")),
            Err(error) => Err(gone(&self.path, &format!("was deleted or moved ({error})"))),
        }
    }

    /// Like [`DatabaseFile::check`], for a caller whose connection has read from the file, and so has its log
    /// open.
    ///
    /// # Errors
    /// Those of [`DatabaseFile::check`].
    pub(super) fn check_with_log(&self) -> Result<()> {
        self.check()?;
        match (fs::exists(&self.log), self.has_log.load(Ordering::Relaxed)) {
            (Ok(true), false) => self.has_log.store(true, Ordering::Relaxed),
            (Ok(false), true) => return Err(gone(&self.log, "was deleted or moved")),
            _ => {}
        }
        Ok(())
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

fn gone(path: &Path, what: &str) -> Error {
    let path = path.display();
    Error::unavailable(format!(
        "the database file {path} {what} while in use, so writes would be lost: \
         restore the file, or restart with the file that is there now"
    ))
}
