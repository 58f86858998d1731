//! Archives for tests: written by the `zip` crate if they are sound, field by field if they lie. Fixed
//! archives hold only what the test needs.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::archive::{
    ArchiveError, Entry, EntryMeta, Index, Limits, Located, Span, TAIL_BYTES, locate, walk,
};

/// The options of an entry made by the `zip` crate.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub name: String,
    pub content: Vec<u8>,
    pub method: CompressionMethod,
    pub zip64: bool,
}

pub(super) fn wanted(name: &str, content: &[u8], method: CompressionMethod) -> Wanted {
    Wanted { name: name.into(), content: content.into(), method, zip64: false }
}

/// An archive whose local headers carry sizes and CRC.
pub(super) fn sound(entries: &[Wanted], comment: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    write_entries(&mut writer, entries, comment);
    writer.finish().unwrap().into_inner()
}

/// An archive as runners stream it: zeros in local headers, data descriptors behind.
pub(super) fn streamed(entries: &[Wanted], comment: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new_stream(Vec::new());
    write_entries(&mut writer, entries, comment);
    writer.finish().unwrap().into_inner()
}

fn write_entries<W: Write + std::io::Seek>(writer: &mut ZipWriter<W>, entries: &[Wanted], comment: &[u8]) {
    for entry in entries {
        let options = SimpleFileOptions::default().compression_method(entry.method).large_file(entry.zip64);
        writer.start_file(&entry.name, options).unwrap();
        writer.write_all(&entry.content).unwrap();
    }
    writer.set_raw_comment(comment.into()).unwrap();
}

/// A directory record, field by field.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub name: Vec<u8>,
    pub made_by: u16,
    pub flags: u16,
    pub method: u16,
    pub dos_time: u16,
    pub dos_date: u16,
    pub crc32: u32,
    pub compressed: u32,
    pub uncompressed: u32,
    pub extra: Vec<u8>,
    pub comment: Vec<u8>,
    pub disk: u16,
    pub external_attributes: u32,
    pub header_offset: u32,
}

impl Record {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = b"PK\x01\x02".to_vec();
        for field in [self.made_by, 20, self.flags, self.method, self.dos_time, self.dos_date] {
            out.extend(field.to_le_bytes());
        }
        for field in [self.crc32, self.compressed, self.uncompressed] {
            out.extend(field.to_le_bytes());
        }
        for field in [&self.name, &self.extra, &self.comment] {
            out.extend((field.len() as u16).to_le_bytes());
        }
        out.extend(self.disk.to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.external_attributes.to_le_bytes());
        out.extend(self.header_offset.to_le_bytes());
        out.extend([&self.name[..], &self.extra, &self.comment].concat());
        out
    }
}

/// An extra field.
pub(super) fn extra(id: u16, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    [&id.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

/// The ZIP64 extra field.
pub(super) fn zip64_extra(values: &[u64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    extra(1, &data)
}

/// The numbers of an end record of either kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub disk: u32,
    pub directory_disk: u32,
    pub entries_on_disk: u64,
    pub entries: u64,
    pub bytes: u64,
    pub start: u64,
}

impl End {
    /// Consistent numbers.
    pub(super) fn of(start: usize, records: &[Record]) -> Self {
        let count = records.len() as u64;
        Self {
            disk: 0,
            directory_disk: 0,
            entries_on_disk: count,
            entries: count,
            bytes: directory(records).len() as u64,
            start: start as u64,
        }
    }

    /// All ones in every field that refers to ZIP64.
    pub(super) fn all_ones() -> Self {
        Self {
            disk: 0,
            directory_disk: 0,
            entries_on_disk: u16::MAX.into(),
            entries: u16::MAX.into(),
            bytes: u32::MAX.into(),
            start: u32::MAX.into(),
        }
    }

    pub(super) fn plain(&self, comment: &[u8]) -> Vec<u8> {
        let mut out = b"PK\x05\x06".to_vec();
        for field in [self.disk.into(), self.directory_disk.into(), self.entries_on_disk, self.entries] {
            out.extend((field as u16).to_le_bytes());
        }
        for field in [self.bytes, self.start] {
            out.extend((field as u32).to_le_bytes());
        }
        out.extend((comment.len() as u16).to_le_bytes());
        out.extend(comment);
        out
    }

    pub(super) fn zip64(&self, private: &[u8]) -> Vec<u8> {
        let mut out = b"PK\x06\x06".to_vec();
        out.extend((44 + private.len() as u64).to_le_bytes());
        out.extend([45, 0, 45, 0]);
        out.extend(self.disk.to_le_bytes());
        out.extend(self.directory_disk.to_le_bytes());
        for field in [self.entries_on_disk, self.entries, self.bytes, self.start] {
            out.extend(field.to_le_bytes());
        }
        out.extend(private);
        out
    }
}

pub(super) fn locator(record_start: u64) -> Vec<u8> {
    [&b"PK\x06\x07\0\0\0\0"[..], &record_start.to_le_bytes(), &[1, 0, 0, 0]].concat()
}

pub(super) fn directory(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(Record::bytes).collect()
}

/// `body`, the records and a consistent end record with changes.
pub(super) fn plain(body: &[u8], records: &[Record], change: impl FnOnce(&mut End)) -> Vec<u8> {
    let mut end = End::of(body.len(), records);
    change(&mut end);
    [body, &directory(records), &end.plain(b"")].concat()
}

/// `body`, the records, a consistent ZIP64 end record with changes and `private` data, its locator, and the
/// end record `outer`.
pub(super) fn zip64(
    body: &[u8],
    records: &[Record],
    private: &[u8],
    outer: End,
    change: impl FnOnce(&mut End),
) -> Vec<u8> {
    let mut end = End::of(body.len(), records);
    change(&mut end);
    let before = [body, &directory(records)].concat();
    let locator = locator(before.len() as u64);
    [before, end.zip64(private), locator, outer.plain(b"")].concat()
}

/// Finds the directory like a caller that first has `tail_bytes` of the file's end.
pub(super) fn span_from(file: &[u8], tail_bytes: usize, limits: &Limits) -> Result<Span, ArchiveError> {
    let mut from = file.len().saturating_sub(tail_bytes);
    loop {
        match locate(&file[from..], file.len() as u64, limits)? {
            Located::Found(span) => return Ok(span),
            Located::NeedFrom(offset) => {
                let offset = offset as usize;
                assert!(offset < from && from - offset <= 64 * 1024, "no progress");
                from = offset;
            }
        }
    }
}

pub(super) fn span(file: &[u8]) -> Result<Span, ArchiveError> {
    span_from(file, TAIL_BYTES as usize, &Limits::default())
}

/// Where a directory of so many bytes and entries lies, in an archive that begins with its file.
pub(super) fn span_at(start: u64, bytes: usize, entries: usize) -> Span {
    let (bytes, entries) = (bytes as u64, entries as u64);
    Span { start, bytes, entries, moved: 0, most_entries: Limits::default().entries }
}

pub(super) fn directory_of<'a>(file: &'a [u8], span: &Span) -> &'a [u8] {
    &file[span.start as usize..][..span.bytes as usize]
}

/// All entries in directory order, through `walk`.
pub(super) fn entries(file: &[u8]) -> Result<Vec<Entry<'_>>, ArchiveError> {
    let span = span(file)?;
    let mut entries = Vec::new();
    walk(directory_of(file, &span), &span, |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

pub(super) fn index(file: &[u8]) -> Result<Index, ArchiveError> {
    let span = span(file)?;
    Index::build(directory_of(file, &span), &span)
}

pub(super) fn meta(file: &[u8], name: &str) -> EntryMeta {
    index(file).unwrap().find(name.as_bytes()).unwrap().into()
}
