//! An assembly is a zip of single files, made while it is sent: the files are stored as they are, and the length is
//! known before the first byte.
//!
//! Sizes and CRC-32 of the files are known, so that headers and directory are computed without reading a byte. Files
//! are in the order of their paths.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{ArchiveError, Entry, Index, Span, writer, writer::Totals};

/// The permissions of every file, as in `stat`.
const MODE: u32 = 0o100_644;

/// The general purpose flag that a name is UTF-8.
const UTF8: u16 = 1 << 11;

/// A file to be put into the zip.
#[derive(Debug, Clone)]
pub struct AssembledFile {
    /// Its path in the zip, valid UTF-8 and at most 65,535 bytes long.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The CRC-32 of its bytes.
    pub crc32: u32,
    /// When it was stored, in seconds since the epoch.
    pub modified_unix_seconds: i64,
}

/// A planned zip.
#[derive(Debug, Clone)]
pub struct Assembly {
    files: Vec<AssembledFile>,
    /// Where the local header of each file begins.
    offsets: Vec<u64>,
    /// The directory with its end records.
    directory: Bytes,
    directory_start: u64,
    /// The length of the directory without its end records.
    directory_bytes: usize,
}

/// A part of the zip's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes of headers or of the directory.
    Bytes(Bytes),
    /// A part of the file of this number.
    File(usize, Range<u64>),
}

impl Assembly {
    /// Plans the zip of these files, which are sorted by path.
    pub fn plan(files: Vec<AssembledFile>) -> Self {
        let (mut offsets, mut offset) = (Vec::with_capacity(files.len()), 0);
        let mut records = BytesMut::new();
        for file in &files {
            offsets.push(offset);
            let entry = entry(file);
            writer::put_record(&mut records, &entry, offset);
            offset += writer::local_header_bytes(&entry) + file.size;
        }
        let directory_bytes = records.len();
        let totals = Totals {
            entries: files.len() as u64,
            directory_start: offset,
            directory_bytes: directory_bytes as u64,
        };
        totals.put_end(&mut records);
        Self { files, offsets, directory: records.freeze(), directory_start: offset, directory_bytes }
    }

    /// The exact length of the zip in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.directory_start + self.directory.len() as u64
    }

    /// Returns the parts that make up `range`, in order.
    pub fn segments(self, range: Range<u64>) -> impl Iterator<Item = Segment> + Send {
        let first = self.offsets.partition_point(|offset| *offset <= range.start).saturating_sub(1);
        (first..=self.files.len()).flat_map(move |number| self.segments_of(number, &range))
    }

    /// Returns the parts of one file, or of the directory after the last, that lie in `range`.
    fn segments_of(&self, number: usize, range: &Range<u64>) -> Vec<Segment> {
        let Some(file) = self.files.get(number) else {
            let part = within(range, self.directory_start, self.directory.len() as u64);
            let part = part.map(|part| self.directory.slice(part.start as usize..part.end as usize));
            return part.map(Segment::Bytes).into_iter().collect();
        };
        if self.offsets[number] >= range.end {
            return Vec::new();
        }
        let mut header = BytesMut::new();
        writer::put_local_header(&mut header, &entry(file));
        let header = header.freeze();
        let data_start = self.offsets[number] + header.len() as u64;
        let of_header = within(range, self.offsets[number], header.len() as u64);
        let of_header = of_header.map(|part| header.slice(part.start as usize..part.end as usize));
        let of_file = within(range, data_start, file.size).map(|part| Segment::File(number, part));
        of_header.map(Segment::Bytes).into_iter().chain(of_file).collect()
    }

    /// Returns an index of the zip, as one would be read from it.
    ///
    /// # Errors
    /// None for paths as [`AssembledFile`] has them.
    pub fn index(&self) -> Result<Index, ArchiveError> {
        let entries = self.files.len() as u64;
        let span = Span {
            start: self.directory_start,
            bytes: self.directory_bytes as u64,
            entries,
            moved: 0,
            most_entries: entries,
        };
        Index::build(&self.directory[..self.directory_bytes], &span)
    }
}

/// Returns the part of a stretch of `length` bytes at `start` that lies in `range`, counted from its start.
fn within(range: &Range<u64>, start: u64, length: u64) -> Option<Range<u64>> {
    let from = range.start.max(start).saturating_sub(start).min(length);
    let to = range.end.saturating_sub(start).min(length);
    (from < to).then_some(from..to)
}

fn entry(file: &AssembledFile) -> Entry<'_> {
    Entry {
        name: file.path.as_bytes(),
        flags: UTF8,
        method: 0,
        crc32: file.crc32,
        compressed_size: file.size,
        uncompressed_size: file.size,
        header_offset: 0,
        unix_mode: Some(MODE),
        modified_unix_seconds: Some(file.modified_unix_seconds),
        oddity: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Cursor, Read};

    use proptest::prelude::*;
    use zip::ZipArchive;

    use super::*;

    fn assembled(contents: &BTreeMap<String, Vec<u8>>) -> (Assembly, Vec<Vec<u8>>) {
        let files = contents.iter().map(|(path, bytes)| AssembledFile {
            path: path.clone(),
            size: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
            modified_unix_seconds: 1_700_000_000,
        });
        (Assembly::plan(files.collect()), contents.values().cloned().collect())
    }

    fn bytes(assembly: &Assembly, files: &[Vec<u8>], range: Range<u64>) -> Vec<u8> {
        let part = |segment| match segment {
            Segment::Bytes(bytes) => bytes.to_vec(),
            Segment::File(number, part) => files[number][part.start as usize..part.end as usize].to_vec(),
        };
        assembly.clone().segments(range).flat_map(part).collect()
    }

    proptest! {
        #[test]
        fn every_reader_finds_the_files_and_every_range_is_a_part_of_the_whole(
            contents in proptest::collection::btree_map("[a-z]{1,4}(/[a-zü]{1,3}){0,2}", proptest::collection::vec(any::<u8>(), 0..50), 0..6),
            (from, length) in (0u64..600, 0u64..600),
        ) {
            let (assembly, files) = assembled(&contents);
            let whole = bytes(&assembly, &files, 0..assembly.size_bytes());
            prop_assert_eq!(whole.len() as u64, assembly.size_bytes());
            let mut archive = ZipArchive::new(Cursor::new(&whole)).unwrap();
            prop_assert_eq!(archive.len(), contents.len());
            for (path, content) in &contents {
                let mut read = Vec::new();
                archive.by_name(path).unwrap().read_to_end(&mut read).unwrap();
                prop_assert_eq!(&read, content);
            }
            let end = (from + length).min(assembly.size_bytes());
            let from = from.min(end);
            prop_assert_eq!(bytes(&assembly, &files, from..end), &whole[from as usize..end as usize]);
            let index = assembly.index().unwrap();
            prop_assert_eq!(index.len(), contents.len());
            for (path, content) in &contents {
                prop_assert_eq!(index.find(path.as_bytes()).unwrap().uncompressed_size, content.len() as u64);
            }
        }
    }
}
