//! A subset is a zip of one folder of an archive, made while it is sent: entries are copied without
//! decompression, and the length is known before the first byte.
//!
//! Data that the directory's index does not keep is not copied: comments, owners, and other extra fields.

use std::{io, ops::Range};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use thiserror::Error;

use super::{
    CorruptEntry, Entry, Index, Oddity,
    damage::quoted,
    directory::LOCAL_HEADER_BYTES,
    entry::probable_bytes,
    range_reader::{RangeReader, SKIP_BYTES},
    writer::{self, Totals},
};
use crate::yielding::YieldBudget;

/// The longest piece that is put together here, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The length from which on a piece of the archive is passed on rather than copied, in bytes.
const WORTH_HANDING_ON: usize = 8 * 1024;

/// The most entries that one ranged read is planned for. It bounds the look-ahead, which a hostile archive
/// can cause for every entry.
const RUN_ENTRIES: usize = 1000;

/// The entries to copy, and the size of the result. It holds their rows and names, and nothing else of the
/// archive's index.
pub struct Subset {
    /// In directory order.
    entries: Index,
    totals: Totals,
    size_bytes: u64,
}

/// Why a folder cannot be copied out of its archive.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SubsetError {
    /// An entry is encrypted. Its password is checked against fields that the copy does not have: the
    /// original MS-DOS time, or extra fields.
    #[error("entry is encrypted (entry {name})")]
    Encrypted {
        /// The entry's name, quoted and escaped, at most 200 characters of it.
        name: String,
    },
    /// An entry's record does not lead to its bytes.
    #[error("{oddity} (entry {name})")]
    Odd {
        /// The fault of its record.
        oddity: Oddity,
        /// The entry's name, quoted and escaped, at most 200 characters of it.
        name: String,
    },
    /// The entries' lengths add up to more than the archive: one upload could be made to send
    /// any number of bytes.
    #[error("entries overlap in the archive")]
    Overlapping,
}

impl Subset {
    /// Selects all entries below `folder`, and its own; those that a listing hides are copied too, under the
    /// bytes of their names. "" or "/" is the whole archive; `./` before the path, in the archive or here, is
    /// ignored. `None` if the path is a file or does not exist.
    ///
    /// A million entries take 40 ms, or 300 ms if the directory is unsorted, so call it where that may block.
    ///
    /// # Errors
    ///
    /// [`SubsetError`] if the copy would be of no use, or longer than the archive.
    pub fn plan(index: &Index, folder: &str) -> Result<Option<Self>, SubsetError> {
        let mut rows: Vec<u32> = rows_of(index, folder).collect();
        if rows.is_empty() && !plain(folder).is_empty() {
            return Ok(None);
        }
        let mut pace = YieldBudget::begin();
        rows.sort_unstable_by(|one, other| {
            pace.tick();
            one.cmp(other)
        });
        Self::of_rows(index, &rows).map(Some)
    }

    fn of_rows(index: &Index, rows: &[u32]) -> Result<Self, SubsetError> {
        // Sizes first: what cannot be copied needs no memory.
        let totals = totals(index, rows)?;
        let size_bytes = [totals.directory_bytes, totals.end_bytes()]
            .into_iter()
            .try_fold(totals.directory_start, u64::checked_add)
            .ok_or(SubsetError::Overlapping)?;
        Ok(Self { entries: index.select(rows), totals, size_bytes })
    }

    /// Returns how many bytes of heap [`Subset::plan`] takes for `folder`; 0 if there is none.
    pub fn planned_bytes(index: &Index, folder: &str) -> usize {
        // While rows are selected, their numbers are held as well.
        index.selected_bytes(rows_of(index, folder)) + rows_of(index, folder).count() * size_of::<u32>()
    }

    /// The exact length of the zip in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Streams the zip. `read` gets a range of the archive: one for entries that lie next to each other, up
    /// to a thousand. Pieces are at most 64 KiB, or what `read` yields.
    ///
    /// The stream ends after an error, which is the source's own or of kind `InvalidData` with a
    /// [`CorruptEntryError`](super::CorruptEntryError) inside. Then bytes are missing from its end.
    pub fn into_stream<F, S>(self, read: F) -> impl Stream<Item = io::Result<Bytes>> + Send + use<F, S>
    where
        F: Fn(Range<u64>) -> S + Send,
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let source = RangeReader::new(read, self.entries.directory_start());
        let copy = Copy { subset: self, source, stage: Stage::Entry(0), out: BytesMut::new() };
        stream::try_unfold(Box::new(copy), async |mut copy| {
            let piece = copy.next_piece().await?;
            Ok((!piece.is_empty()).then_some((piece, copy)))
        })
    }

    fn entry(&self, number: usize) -> Option<Entry<'_>> {
        (number < self.entries.len()).then(|| self.entries.entry(number as u32))
    }

    /// Returns where a ranged read that begins with an entry should end: after those that follow it closely,
    /// in the archive as in the directory.
    fn run_end(&self, number: usize) -> u64 {
        let run = (number..).map_while(|number| self.entry(number)).take(RUN_ENTRIES);
        let mut least_end = None;
        let mut end = 0;
        for entry in run {
            let begins = entry.header_offset;
            let gap = least_end.map_or(Some(0), |end| begins.checked_sub(end));
            if gap.is_none_or(|gap| gap > SKIP_BYTES) {
                break;
            }
            least_end = Some(begins.saturating_add(original_bytes(&entry)));
            end = likely_end(&entry);
        }
        end
    }
}

/// Returns the folder's path without `./` before it and a slash after it.
fn plain(folder: &str) -> &str {
    let mut path = folder;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    path.strip_suffix('/').unwrap_or(path)
}

/// Returns the rows below a folder, by the bytes of their names: `d/…` and `./d/…` are in one folder.
fn rows_of<'a>(index: &'a Index, folder: &str) -> impl Iterator<Item = u32> + use<'a> {
    let prefixes = match plain(folder) {
        "" | "." => [Some(String::new()), None],
        folder => [Some(format!("{folder}/")), Some(format!("./{folder}/"))],
    };
    prefixes.into_iter().flatten().flat_map(|prefix| index.rows_below(prefix.as_bytes())).copied()
}

/// Returns the least that an entry takes in the archive, in bytes; its local extra fields come on top.
fn original_bytes(entry: &Entry<'_>) -> u64 {
    (LOCAL_HEADER_BYTES + entry.name.len() as u64).saturating_add(entry.compressed_size)
}

fn likely_end(entry: &Entry<'_>) -> u64 {
    entry.header_offset.saturating_add(probable_bytes(entry.name, entry.compressed_size))
}

/// Adds up the sizes of the copy; fails if that is more than the archive can hold.
fn totals(index: &Index, rows: &[u32]) -> Result<Totals, SubsetError> {
    let mut claimed_bytes = 0_u64;
    let mut directory_start = 0_u64;
    let mut directory_bytes = 0;
    let mut pace = YieldBudget::begin();
    for entry in rows.iter().map(|&row| index.entry(row)) {
        pace.tick();
        if entry.is_encrypted() {
            return Err(SubsetError::Encrypted { name: quoted(entry.name) });
        }
        if let Some(oddity) = entry.oddity {
            return Err(SubsetError::Odd { oddity, name: quoted(entry.name) });
        }
        claimed_bytes = claimed_bytes.saturating_add(original_bytes(&entry));
        if claimed_bytes > index.directory_start() {
            return Err(SubsetError::Overlapping);
        }
        directory_bytes += writer::record_bytes(&entry, directory_start);
        directory_start = next_start(directory_start, &entry).ok_or(SubsetError::Overlapping)?;
    }
    Ok(Totals { entries: rows.len() as u64, directory_start, directory_bytes })
}

/// Returns where the entry after `entry` begins in the copy.
fn next_start(start: u64, entry: &Entry<'_>) -> Option<u64> {
    start.checked_add(writer::local_header_bytes(entry))?.checked_add(entry.compressed_size)
}

/// A copy in progress.
struct Copy<F, S> {
    subset: Subset,
    source: RangeReader<F, S>,
    stage: Stage,
    /// Bytes to return before anything else.
    out: BytesMut,
}

/// The next part to write. `number` is the position of an entry in `entries`.
enum Stage {
    Entry(usize),
    Body { number: usize, left: u64 },
    Record { number: usize, offset: u64 },
    End,
    Done,
}

impl<F, S> Copy<F, S>
where
    F: Fn(Range<u64>) -> S,
    S: Stream<Item = io::Result<Bytes>>,
{
    /// Returns the next piece; empty at the end.
    async fn next_piece(&mut self) -> io::Result<Bytes> {
        while self.out.len() < PIECE_BYTES {
            match self.stage {
                Stage::Entry(number) => self.begin_entry(number).await?,
                Stage::Body { number, left: 0 } => self.stage = Stage::Entry(number + 1),
                Stage::Body { number, left } => {
                    let ready =
                        self.source.ready(left).await.map_err(|error| self.in_entry(number, error))?;
                    if ready >= WORTH_HANDING_ON && !self.out.is_empty() {
                        break;
                    }
                    let bytes = self.source.take(left).await?;
                    self.stage = Stage::Body { number, left: left - bytes.len() as u64 };
                    if ready >= WORTH_HANDING_ON {
                        return Ok(bytes);
                    }
                    self.out.extend_from_slice(&bytes);
                }
                Stage::Record { number, offset } => self.put_record(number, offset),
                Stage::End => {
                    self.subset.totals.put_end(&mut self.out);
                    self.stage = Stage::Done;
                }
                Stage::Done => break,
            }
        }
        let most = self.out.len().min(PIECE_BYTES);
        Ok(self.out.split_to(most).freeze())
    }

    async fn begin_entry(&mut self, number: usize) -> io::Result<()> {
        let Some(entry) = self.subset.entry(number) else {
            self.stage = Stage::Record { number: 0, offset: 0 };
            return Ok(());
        };
        if !self.source.is_near(entry.header_offset, likely_end(&entry)) {
            self.source.jump(entry.header_offset, self.subset.run_end(number));
        }
        let passed = match self.source.skip_to(entry.header_offset).await {
            Ok(()) => self.source.skip_local_header().await,
            Err(error) => Err(error),
        };
        passed.map_err(|error| self.in_entry(number, error))?;
        writer::put_local_header(&mut self.out, &entry);
        self.stage = Stage::Body { number, left: entry.compressed_size };
        Ok(())
    }

    fn put_record(&mut self, number: usize, offset: u64) {
        self.stage = match self.subset.entry(number) {
            Some(entry) => {
                writer::put_record(&mut self.out, &entry, offset);
                // The plan has computed the same sum.
                let offset = next_start(offset, &entry).unwrap_or(u64::MAX);
                Stage::Record { number: number + 1, offset }
            }
            None => Stage::End,
        };
    }

    /// Adds the entry's name to an error that is damage.
    fn in_entry(&self, number: usize, error: io::Error) -> io::Error {
        match (error.downcast::<CorruptEntry>(), self.subset.entry(number)) {
            (Ok(damage), Some(entry)) => damage.of_entry(entry.name).into(),
            (Ok(damage), None) => damage.into(),
            (Err(error), _) => error,
        }
    }
}
