//! The directory backend stores blobs as files, `DIRECTORY/ab/ab12…`, in 256 folders made once.
//!
//! A blob is written under a temporary name in its folder, then fsync, rename, fsync of the folder: after a
//! power cut it is complete or absent. Functions block unless they are said to read resident data.

mod write;

use std::fs::{self, DirBuilder, DirEntry, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::entry::{EntryLocation, StoreEntry};
use super::waiting::Waiting;
use super::{SHARDS, StoreKey, page_cache};
use crate::yielding::YieldBudget;

pub(super) use write::BlobWriter;

/// The prefix of the file names of unfinished uploads; the blob's name and a few random letters follow. A
/// crash may leave such a file behind.
const TEMPORARY_PREFIX: &str = ".upload-";

/// The file that holds the instance ID.
const INSTANCE_ID: &str = "instance-id";

/// The length of a small read, in bytes; a download holds one piece at a time.
const PIECE_BYTES: u64 = 64 * 1024;

/// The length of a large read, in bytes. A client is woken less often then, and takes a third less processor
/// time than with small pieces.
const LARGE_PIECE_BYTES: u64 = 512 * 1024;

/// The number of downloads that may use large pieces at the same time. All others use small ones, so that a
/// thousand slow clients do not hold a thousand large pieces.
static LARGE_PIECES: Semaphore = Semaphore::const_new(16);

/// The length of the pieces in which a file is visited, in bytes: they stay in the processor's own cache.
const VISITED_BYTES: u64 = 128 * 1024;

/// The longest range that is looked for in the page cache before another thread is asked, in bytes.
const RESIDENT_BYTES: u64 = 256 * 1024;

/// A file of a shard with the name of a blob or of an unfinished upload.
struct Named {
    file: DirEntry,
    /// Its name in the folder.
    name: String,
    /// The key, if it is a blob.
    key: Option<StoreKey>,
}

/// The directory that holds the blobs.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    waiting: Arc<Waiting>,
}

impl Directory {
    /// Opens the directory and creates what is missing. A read that has to wait for the disk fails if it gets
    /// no thread within `patience`.
    pub(super) fn open(root: &Path, patience: Duration) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", root.display()));
        let missing = root.ancestors().take_while(|folder| !folder.exists()).count();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for shard in 0..SHARDS {
            builder.create(root.join(StoreKey::folder_of(shard))).map_err(named)?;
        }
        sync_folder(root).map_err(named)?;
        // The path to the blobs must survive a power cut, too.
        for folder in root.ancestors().skip(1).take(missing) {
            sync_folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
                .map_err(named)?;
        }
        Ok(Self { root: root.to_owned(), waiting: Arc::new(Waiting::new(patience)?) })
    }

    /// The threads that wait for the disk.
    pub(super) fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    pub(super) fn create(&self, key: StoreKey) -> io::Result<BlobWriter> {
        let folder = self.root.join(key.folder());
        let prefix = format!("{TEMPORARY_PREFIX}{}-", key.name());
        let file = tempfile::Builder::new().prefix(&prefix).tempfile_in(&folder)?;
        Ok(BlobWriter::new(file, key, folder, self.root.as_path()))
    }

    pub(super) fn open_blob(&self, key: &StoreKey) -> io::Result<(File, u64)> {
        let file = File::open(self.root.join(key.as_str()))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    pub(super) fn size_of(&self, key: &StoreKey) -> io::Result<Option<u64>> {
        match fs::metadata(self.root.join(key.as_str())) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Like [`Directory::open_blob`], but without waiting; `None` if that is not possible.
    pub(super) fn open_resident(&self, key: &StoreKey) -> Option<(File, u64)> {
        let file = page_cache::open(&self.root.join(key.as_str()))?;
        let size = file.metadata().ok()?.len();
        Some((file, size))
    }

    pub(super) fn list(&self, shard: u16) -> io::Result<Vec<StoreEntry>> {
        let folder = StoreKey::folder_of(shard);
        let mut listed = Vec::new();
        for file in self.named_as_ours(&folder)? {
            let Named { file, name, key } = file?;
            match file.metadata() {
                Ok(metadata) if metadata.is_file() => {
                    let (size, modified) = (metadata.len(), metadata.modified()?);
                    let temporary = name.strip_prefix(TEMPORARY_PREFIX);
                    let leftover = EntryLocation::File(format!("{folder}/{name}"));
                    listed.push(match key {
                        Some(key) => StoreEntry::blob(key, size, modified, leftover),
                        None => {
                            StoreEntry::unfinished(upload_of(&folder, temporary), size, modified, leftover)
                        }
                    });
                }
                // Not a blob, or deleted meanwhile.
                _ => {}
            }
        }
        Ok(listed)
    }

    /// Whether [`Directory::list`] would list anything in any shard; stops at the first.
    pub(super) fn holds_blobs(&self) -> io::Result<bool> {
        for shard in 0..SHARDS {
            for file in self.named_as_ours(&StoreKey::folder_of(shard))? {
                if file?.file.file_type()?.is_file() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Lists the files in a shard's folder that have the name of a blob or of an unfinished upload.
    fn named_as_ours(&self, folder: &str) -> io::Result<impl Iterator<Item = io::Result<Named>>> {
        let named = move |file: DirEntry| {
            let name = file.file_name().to_string_lossy().into_owned();
            let key = format!("{folder}/{name}").parse().ok();
            let is_ours = key.is_some() || name.starts_with(TEMPORARY_PREFIX);
            is_ours.then_some(Named { file, name, key })
        };
        Ok(fs::read_dir(self.root.join(folder))?.filter_map(move |file| file.map(named).transpose()))
    }

    /// Deletes the file without syncing the directory. If a power cut restores it, no row references it and
    /// `gc` deletes it.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the time of the clock that stamps files here, which may be another machine's.
    pub(super) fn now(&self) -> io::Result<SystemTime> {
        let probe = tempfile::Builder::new().prefix(".clock-").tempfile_in(&self.root)?;
        probe.as_file().metadata()?.modified()
    }

    pub(super) fn instance_id(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.root.join(INSTANCE_ID)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the instance ID; keeps an existing one.
    pub(super) fn write_instance_id(&self, text: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".instance-id-").tempfile_in(&self.root)?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(self.root.join(INSTANCE_ID)) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
            _ => sync_folder(&self.root),
        }
    }

    /// Whether the directory can be read.
    pub(super) fn probe(&self) -> io::Result<()> {
        fs::read_dir(self.root.join(StoreKey::folder_of(0))).map(drop)
    }
}

/// Returns the key that an unfinished upload will get; `temporary` is its name without the prefix.
fn upload_of(folder: &str, temporary: Option<&str>) -> Option<StoreKey> {
    let (name, _) = temporary?.split_once('-')?;
    format!("{folder}/{name}").parse().ok()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(super) fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let (mut pace, mut next) = (YieldBudget::begin(), range.start);
    for piece in bytes.chunks_mut(PIECE_BYTES as usize) {
        file.read_exact_at(piece, next)?;
        next += piece.len() as u64;
        pace.checkpoint();
    }
    Ok(bytes.into())
}

/// Calls `each` with the bytes of a file of `size` bytes, piece by piece.
pub(super) fn visit(file: &File, size: u64, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; size.min(VISITED_BYTES) as usize];
    let (mut pace, mut next) = (YieldBudget::begin(), 0);
    while next < size {
        let piece = &mut buffer[..(size - next).min(VISITED_BYTES) as usize];
        file.read_exact_at(piece, next)?;
        each(piece)?;
        next += piece.len() as u64;
        pace.checkpoint();
    }
    Ok(())
}

/// Returns the range if all of it is in memory and it is not long.
pub(super) fn read_resident(file: &File, range: &Range<u64>) -> Option<Bytes> {
    let length = range.end.checked_sub(range.start).filter(|length| *length <= RESIDENT_BYTES)?;
    let mut bytes = vec![0; length as usize];
    let read = page_cache::read(file, &mut bytes, range.start);
    (read == bytes.len()).then(|| bytes.into())
}

/// Streams the range in pieces: those in memory are read when polled, others on another thread.
pub(super) fn pieces(
    file: Arc<File>,
    waiting: Arc<Waiting>,
    range: Range<u64>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let start = Reading { file, waiting, next: range.start, end: range.end, last: Bytes::new(), room: None };
    stream::unfold(start, |mut reading| async {
        let left = reading.end.checked_sub(reading.next).filter(|left| *left > 0)?;
        let piece = match reading.resident_piece(left) {
            Some(piece) => Ok(piece),
            None => reading.piece(left).await,
        };
        reading.next = piece.as_ref().map_or(reading.end, |piece| reading.next + piece.len() as u64);
        Some((piece, reading))
    })
}

struct Reading {
    file: Arc<File>,
    waiting: Arc<Waiting>,
    next: u64,
    end: u64,
    /// The last piece, whose memory is used again once it was sent.
    last: Bytes,
    /// Held to the end by a download in large pieces.
    room: Option<SemaphorePermit<'static>>,
}

impl Reading {
    fn resident_piece(&mut self, left: u64) -> Option<Bytes> {
        let length = self.piece_bytes(left) as usize;
        let mut buffer = std::mem::take(&mut self.last).try_into_mut().unwrap_or_default();
        buffer.resize(length, 0);
        let read = page_cache::read(&self.file, &mut buffer, self.next);
        buffer.truncate(read);
        self.last = buffer.freeze();
        (read > 0).then(|| self.last.clone())
    }

    async fn piece(&mut self, left: u64) -> io::Result<Bytes> {
        let (file, start, length) = (Arc::clone(&self.file), self.next, self.piece_bytes(left));
        self.waiting.run(move || read_at(&file, start..start + length)).await
    }

    /// Returns the length of the next piece, of the bytes that are left.
    fn piece_bytes(&mut self, left: u64) -> u64 {
        if self.room.is_none() && left > PIECE_BYTES {
            self.room = LARGE_PIECES.try_acquire().ok();
        }
        left.min(if self.room.is_some() { LARGE_PIECE_BYTES } else { PIECE_BYTES })
    }
}
