//! Source of a document's artifact files: the document's folder on disk, files embedded in the program, or
//! none.
//!
//! A directory is read as a zip of its contents, which is packed while it is read.

use std::fs::{File, FileType};
use std::io::{self, BufWriter, Cursor, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::archive::pack_directory;
use crate::settings::open_without_waiting;

/// The number of packed pieces that may wait for the reader.
const PIECES: usize = 4;

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The source of the files that a document names.
#[derive(Debug, Clone)]
pub enum FileSource {
    /// Files on disk, relative to a folder.
    Directory(PathBuf),
    /// Files in memory, by name.
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// No files: the document came over HTTP and cannot name a file of this machine.
    None,
}

impl FileSource {
    /// Returns whether `name` is a directory.
    pub(super) fn is_directory(&self, name: &str) -> bool {
        matches!(self, Self::Directory(folder) if folder.join(name).is_dir())
    }

    /// Opens a file by its name in the document.
    ///
    /// # Errors
    /// If the file does not exist, cannot be read, or is neither a regular file nor a directory.
    pub(super) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Directory(folder) => {
                let path = folder.join(name);
                let kind = std::fs::metadata(&path)?.file_type();
                if kind.is_dir() {
                    Ok(Box::new(Packing::begin(path)?))
                } else if kind.is_file() {
                    Ok(Box::new(open_regular(&path)?))
                } else {
                    // Opening a pipe waits for its other end; opening a device may have side effects.
                    Err(neither(kind))
                }
            }
            Self::Embedded(files) => {
                let found = files.iter().find(|(known, _)| *known == name);
                found.map(|(_, bytes)| Box::new(*bytes) as _).ok_or(io::ErrorKind::NotFound.into())
            }
            Self::None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Opens a path that was a regular file a moment ago. Does not block if it has become a pipe since.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = open_without_waiting(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(neither(kind)) }
}

fn neither(kind: FileType) -> io::Error {
    let what = match kind {
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    };
    io::Error::other(format!("it is {what}, neither a regular file nor a directory"))
}

/// A zip that a thread packs a few pieces ahead of its reader. Dropping the reader ends the packing.
struct Packing {
    /// Packed pieces; an empty one marks the end.
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Cursor<Vec<u8>>,
    has_ended: bool,
}

impl Packing {
    fn begin(directory: PathBuf) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(PIECES);
        let pack = move || {
            let mut writer = BufWriter::with_capacity(PIECE_BYTES, Pieces { sender: Some(sender.clone()) });
            let packed = pack_directory(&directory, &mut writer).and_then(|()| writer.flush());
            // The send fails if the reader was dropped; then no one needs the result.
            let _ = sender.send(packed.map(|()| Vec::new()));
        };
        std::thread::Builder::new().name("packing".into()).spawn(pack)?;
        Ok(Self { pieces, piece: Cursor::default(), has_ended: false })
    }
}

impl Read for Packing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.has_ended && self.piece.position() == self.piece.get_ref().len() as u64 {
            let piece = self.pieces.recv().map_err(|_| io::Error::other("packing ended too early"))??;
            self.has_ended = piece.is_empty();
            self.piece = Cursor::new(piece);
        }
        self.piece.read(buffer)
    }
}

/// A writer that sends pieces to the reader.
struct Pieces {
    /// `None` once the reader was dropped. Later writes succeed and are discarded, because the archive's
    /// writer still writes the archive's end.
    sender: Option<SyncSender<io::Result<Vec<u8>>>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(sender) = &self.sender
            && !bytes.is_empty()
            && sender.send(Ok(bytes.to_vec())).is_err()
        {
            self.sender = None;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
