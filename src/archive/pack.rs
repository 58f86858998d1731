//! Packs a directory into a zip, one entry after the other: memory does not grow with the files' sizes.
//!
//! The same directory makes the same bytes, so that the digest tells whether anything has changed: entries
//! are sorted by name, and only the times of files are kept. A symbolic link is packed as one and never
//! followed, and every file is opened from the directory that it was listed in, so nothing outside is read
//! even if the tree changes meanwhile.

use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::timestamp::dos_fields;

/// The deepest nesting of directories; each level holds a descriptor while it is packed.
const MAX_DEPTH: usize = 256;

/// The file size from which on an entry has 64-bit sizes, in bytes: deflate slightly enlarges incompressible
/// data, and the local header cannot be changed after the bytes.
const LARGE_BYTES: u64 = u32::MAX as u64 - (64 << 20);

/// The length of a read of a file, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Writes a zip of the contents of `directory`: names relative to it, with permissions, empty directories and
/// symbolic links.
///
/// # Errors
/// If anything cannot be read, is neither file, directory nor link, has a name that is not UTF-8, is nested
/// too deep, or shrinks meanwhile, with its path; and those of `to`.
pub fn pack_directory(directory: &Path, to: impl Write) -> io::Result<()> {
    let root =
        rustix::fs::open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut packer = Packer { zip: ZipWriter::new_stream(to), piece: vec![0; PIECE_BYTES] };
    packer.pack(File::from(root), "", 0)?;
    packer.zip.finish()?;
    Ok(())
}

/// An archive that is being written.
struct Packer<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    piece: Vec<u8>,
}

/// An item of a directory.
struct Listed {
    name: CString,
    kind: FileType,
}

impl<W: Write> Packer<W> {
    /// Packs the contents of an open directory, whose path in the archive, `prefix`, is empty or ends with a
    /// slash.
    fn pack(&mut self, directory: File, prefix: &str, depth: usize) -> io::Result<()> {
        for Listed { name, kind } in list(&directory).map_err(|error| at(prefix, &error))? {
            let text = name.to_str().map_err(|_| at(&shown(prefix, &name), &"its name is not UTF-8"))?;
            let path = format!("{prefix}{text}");
            match kind {
                FileType::Directory if depth == MAX_DEPTH => return Err(at(&path, &"is nested too deeply")),
                FileType::Directory => self.pack_below(&directory, &name, &path, depth)?,
                FileType::RegularFile => self.pack_file(&directory, &name, &path)?,
                FileType::Symlink => self.pack_link(&directory, &name, &path)?,
                _ => return Err(at(&path, &"is neither a file, a directory nor a symbolic link")),
            }
        }
        Ok(())
    }

    fn pack_below(&mut self, directory: &File, name: &CStr, path: &str, depth: usize) -> io::Result<()> {
        let below = open(directory, name, OFlags::DIRECTORY).map_err(|error| at(path, &error))?;
        let below = File::from(below);
        let path = format!("{path}/");
        let options = options(&below.metadata()?).last_modified_time(DateTime::DEFAULT);
        self.zip.add_directory(path.as_str(), options).map_err(|error| at(&path, &error))?;
        self.pack(below, &path, depth + 1)
    }

    fn pack_link(&mut self, directory: &File, name: &CStr, path: &str) -> io::Result<()> {
        let target = rustix::fs::readlinkat(directory, name, Vec::new());
        let target = target.map_err(|error| at(path, &io::Error::from(error)))?;
        let target = target.to_str().map_err(|_| at(path, &"its target is not UTF-8"))?;
        let options = SimpleFileOptions::default().last_modified_time(DateTime::DEFAULT);
        self.zip.add_symlink(path, target, options).map_err(|error| at(path, &error))
    }

    fn pack_file(&mut self, directory: &File, name: &CStr, path: &str) -> io::Result<()> {
        // A file that was replaced by a pipe must not block.
        let file = open(directory, name, OFlags::NONBLOCK).map_err(|error| at(path, &error))?;
        let file = File::from(file);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(at(path, &"changed while it was packed"));
        }
        self.zip.start_file(path, options(&metadata)).map_err(|error| at(path, &error))?;
        let copied = self.copy(file.take(metadata.len())).map_err(|error| at(path, &error))?;
        if copied == metadata.len() { Ok(()) } else { Err(at(path, &"changed while it was packed")) }
    }

    fn copy(&mut self, mut file: impl Read) -> io::Result<u64> {
        let mut copied = 0;
        loop {
            match file.read(&mut self.piece)? {
                0 => return Ok(copied),
                length => {
                    self.zip.write_all(&self.piece[..length])?;
                    copied += length as u64;
                }
            }
        }
    }
}

/// Lists a directory, sorted by the names of entries: a directory's ends with a slash.
fn list(directory: &File) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let found = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        listed.push(Listed { kind: FileType::from_raw_mode(found.st_mode), name });
    }
    listed.sort_by_cached_key(|Listed { name, kind }| {
        let slash: &[u8] = if *kind == FileType::Directory { b"/" } else { b"" };
        [name.to_bytes(), slash].concat()
    });
    Ok(listed)
}

/// Opens an item of a directory, without following a link.
fn open(directory: &File, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
}

fn options(metadata: &Metadata) -> SimpleFileOptions {
    let (date, time) = dos_fields(metadata.mtime());
    let method = match metadata.len() {
        0 => CompressionMethod::Stored,
        _ => CompressionMethod::Deflated,
    };
    SimpleFileOptions::default()
        .compression_method(method)
        .unix_permissions(metadata.mode())
        .last_modified_time(DateTime::try_from_msdos(date, time).unwrap_or_default())
        .large_file(metadata.len() > LARGE_BYTES)
}

fn shown(prefix: &str, name: &CStr) -> String {
    format!("{prefix}{}", name.to_string_lossy().escape_debug())
}

fn at(path: &str, why: &dyn Display) -> io::Error {
    io::Error::other(format!("{path}: {why}"))
}
