//! An index is a central directory in a compact, immutable, searchable form. It keeps every entry, duplicates
//! too, in three allocations, so that a cache can bound it by bytes; keep `Row` small.

use std::mem::size_of_val;

use super::{ArchiveError, Entry, Oddity, Span, directory, walk};
use crate::yielding::YieldBudget;

/// The entries of one archive, to be found by name.
pub struct Index {
    /// All names, one after the other, in directory order.
    names: Box<[u8]>,
    /// One row for each entry, in directory order.
    rows: Box<[Row]>,
    /// Numbers of rows, ordered by name and then by directory order.
    order: Box<[u32]>,
    /// Where the directory begins in its archive: every entry lies before it.
    directory_start: u64,
}

/// An [`Entry`] in 48 bytes: the options are folded into values that mean "none".
#[derive(Clone, Copy)]
struct Row {
    compressed_size: u64,
    uncompressed_size: u64,
    /// From the start of the file, wherever the archive begins in it; or a value that stands for an
    /// [`Oddity`].
    header_offset: u64,
    /// `NO_TIME` for none.
    modified_unix_seconds: i64,
    crc32: u32,
    name_start: u32,
    name_bytes: u16,
    method: u16,
    flags: u16,
    /// Zero for none.
    unix_mode: u16,
}

const NO_TIME: i64 = i64::MIN;

const _: () = assert!(size_of::<Row>() == 48);

impl Index {
    /// Indexes `directory`, which must be the bytes at `span`. The index takes at most about 50 bytes an
    /// entry more than the directory, and twice that while it is built.
    ///
    /// # Errors
    ///
    /// An [`ArchiveError`] if the directory is invalid, as [`walk`] says; also for 4 GiB or more.
    pub fn build(directory: &[u8], span: &Span) -> Result<Self, ArchiveError> {
        directory::check_span(directory, span)?;
        if span.bytes > u32::MAX.into() {
            return Err(ArchiveError::DirectoryTooLarge { bytes: span.bytes, limit: u32::MAX.into() });
        }
        // Both were just checked against the directory's bytes.
        let fixed_bytes = span.entries * directory::RECORD_BYTES;
        let mut names = Vec::with_capacity((span.bytes - fixed_bytes) as usize);
        let mut rows = Vec::with_capacity(span.entries as usize);
        let mut pace = YieldBudget::begin();
        walk(directory, span, |entry| {
            pace.tick();
            rows.push(Row::of(&entry, names.len() as u32));
            names.extend_from_slice(entry.name);
            Ok(())
        })?;
        let mut index = Self {
            names: names.into_boxed_slice(),
            order: (0..rows.len() as u32).collect(),
            rows: rows.into_boxed_slice(),
            directory_start: span.start,
        };
        let mut order = std::mem::take(&mut index.order);
        order.sort_unstable_by(|&one, &other| {
            pace.tick();
            (index.name(one), one).cmp(&(index.name(other), other))
        });
        index.order = order;
        Ok(index)
    }

    /// Returns the entry of exactly this name; of several, the first in the directory, which is the one that
    /// GitLab serves.
    pub fn find(&self, path: &[u8]) -> Option<Entry<'_>> {
        let at = self.order.partition_point(|&row| self.name(row) < path);
        let &row = self.order.get(at)?;
        (self.name(row) == path).then(|| self.entry(row))
    }

    /// How many entries there are, duplicates counted each.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the archive has no entries at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, ordered by name and then by directory order.
    pub(super) fn in_order(&self) -> &[u32] {
        &self.order
    }

    /// How many bytes of heap it holds.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.names) + size_of_val(&*self.rows) + size_of_val(&*self.order)
    }

    /// The rows whose names begin with `prefix`, ordered by name and then by directory order.
    pub(super) fn rows_below(&self, prefix: &[u8]) -> &[u32] {
        let start = self.order.partition_point(|&row| self.name(row) < prefix);
        let rows = &self.order[start..];
        &rows[..rows.partition_point(|&row| self.name(row).starts_with(prefix))]
    }

    /// How many bytes of heap [`Index::select`] takes for these rows.
    pub(super) fn selected_bytes(&self, rows: impl Iterator<Item = u32>) -> usize {
        rows.map(|row| size_of::<Row>() + self.name(row).len()).sum()
    }

    /// Returns an index of these rows alone, numbered anew in this order. It cannot be searched by name.
    pub(super) fn select(&self, rows: &[u32]) -> Self {
        let names_bytes = rows.iter().map(|&row| self.name(row).len()).sum();
        let mut names = Vec::with_capacity(names_bytes);
        let select = |&number: &u32| {
            let row = Row { name_start: names.len() as u32, ..self.rows[number as usize] };
            names.extend_from_slice(self.name(number));
            row
        };
        let rows = rows.iter().map(select).collect();
        let order = Box::default();
        Self { names: names.into_boxed_slice(), rows, order, directory_start: self.directory_start }
    }

    pub(super) fn directory_start(&self) -> u64 {
        self.directory_start
    }

    pub(super) fn name(&self, row: u32) -> &[u8] {
        let row = &self.rows[row as usize];
        let start = row.name_start as usize;
        &self.names[start..start + usize::from(row.name_bytes)]
    }

    pub(super) fn entry(&self, number: u32) -> Entry<'_> {
        let row = &self.rows[number as usize];
        let oddity = Oddity::of_offset(row.header_offset);
        Entry {
            name: self.name(number),
            flags: row.flags,
            method: row.method,
            crc32: row.crc32,
            compressed_size: row.compressed_size,
            uncompressed_size: row.uncompressed_size,
            header_offset: if oddity.is_some() { 0 } else { row.header_offset },
            unix_mode: (row.unix_mode != 0).then_some(row.unix_mode.into()),
            modified_unix_seconds: (row.modified_unix_seconds != NO_TIME)
                .then_some(row.modified_unix_seconds),
            oddity,
        }
    }
}

impl Row {
    fn of(entry: &Entry<'_>, name_start: u32) -> Self {
        Self {
            compressed_size: entry.compressed_size,
            uncompressed_size: entry.uncompressed_size,
            header_offset: entry.oddity.map_or(entry.header_offset, Oddity::as_offset),
            modified_unix_seconds: entry.modified_unix_seconds.unwrap_or(NO_TIME),
            crc32: entry.crc32,
            name_start,
            // A record states its name's length in 16 bits, and its mode in 16 bits.
            name_bytes: entry.name.len() as u16,
            method: entry.method,
            flags: entry.flags,
            unix_mode: entry.unix_mode.unwrap_or(0) as u16,
        }
    }
}
