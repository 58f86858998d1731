//! The file of an SQLite database: how it is made, so that nobody else reads it, and what keeps it from
//! being used.
//!
//! It is looked at before the pool is built: the pool would try again and again what cannot come right by
//! itself, and tell in the end that it took too long.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{Access, access};

/// What stands for itself in a URI's path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Makes the file and its directory when they are missing, for their owner alone, and tells what stands
/// against using them, with the path.
///
/// The file is opened here only when it is new: closing it takes away the locks that connections of this
/// process have on it.
pub(super) fn prepare(path: &Path) -> Result<(), String> {
    let path = absolute(path);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| format!("the directory {} cannot be made: {error}", directory.display()))?;
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Err(format!("{} is a directory", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path)?,
        _ => {}
    }
    // SQLite would open what it may only read, and fail at the first change. It makes files beside this one.
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

fn make(path: &Path) -> Result<(), String> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // Another node was quicker.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(format!("{} cannot be made: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The path from the root on, as people look for it.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What SQLite is told to open: a file that is there. One that has gone is not made anew and empty.
pub(super) fn uri(path: &Path) -> Option<String> {
    let path = absolute(path);
    Some(format!("file://{}?mode=rw", utf8_percent_encode(path.to_str()?, PLAIN)))
}
