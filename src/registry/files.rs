//! Where a document's artifacts lie: beside it on disk, in the program itself, or nowhere.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Opens the files that a document names.
#[derive(Debug, Clone)]
pub enum Files {
    /// Relative to a folder.
    Directory(PathBuf),
    /// By name in a list.
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// There are none: the document came alone, and names no file of this machine.
    Nowhere,
}

impl Files {
    /// Opens a file by the name that the document has for it.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub(super) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Directory(folder) => {
                let file = File::open(folder.join(name))?;
                match file.metadata()?.is_file() {
                    true => Ok(Box::new(file)),
                    false => Err(io::Error::other("not a regular file")),
                }
            }
            Self::Embedded(files) => {
                let found = files.iter().find(|(known, _)| *known == name);
                found.map(|(_, bytes)| Box::new(*bytes) as _).ok_or(io::ErrorKind::NotFound.into())
            }
            Self::Nowhere => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
