//! Test archives: real ones from the `zip` crate, and unusual ones built byte by byte.

use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// One entry to be written by hand.
pub struct Entry {
    pub name: Vec<u8>,
    /// The name in the local header, where it is another.
    pub local_name: Option<Vec<u8>>,
    pub method: u16,
    pub flags: u16,
    pub crc32: u32,
    pub packed: Vec<u8>,
    pub uncompressed_size: u32,
}

impl Entry {
    /// A stored entry that tells the truth.
    pub fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            local_name: None,
            method: 0,
            flags: 0,
            crc32: crc32fast::hash(content),
            packed: content.to_vec(),
            uncompressed_size: content.len() as u32,
        }
    }
}

/// Writes entries as they are told, whether that is true or not.
///
/// More entries than 16 bits can count have the count that remains of their number.
pub fn by_hand(entries: &[Entry]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = file.len() as u32;
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        file.extend_from_slice(b"PK\x03\x04\x14\0");
        file.extend_from_slice(&common_fields(entry, local_name));
        file.extend_from_slice(local_name);
        file.extend_from_slice(&entry.packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\x03\x14\0");
        directory.extend_from_slice(&common_fields(entry, &entry.name));
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&(0o100_644_u32 << 16).to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(&entry.name);
    }
    end(&mut file, &directory, entries.len() as u16);
    file
}

/// The 24 bytes that local and central headers share: from the flags to the extra field's length.
fn common_fields(entry: &Entry, name: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    fields.extend_from_slice(&entry.flags.to_le_bytes());
    fields.extend_from_slice(&entry.method.to_le_bytes());
    fields.extend_from_slice(&[0; 4]);
    fields.extend_from_slice(&entry.crc32.to_le_bytes());
    fields.extend_from_slice(&(entry.packed.len() as u32).to_le_bytes());
    fields.extend_from_slice(&entry.uncompressed_size.to_le_bytes());
    fields.extend_from_slice(&(name.len() as u16).to_le_bytes());
    fields.extend_from_slice(&0_u16.to_le_bytes());
    fields
}

fn end(file: &mut Vec<u8>, directory: &[u8], entries: u16) {
    let start = file.len() as u32;
    file.extend_from_slice(directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&entries.to_le_bytes());
    file.extend_from_slice(&entries.to_le_bytes());
    file.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
}

/// An archive of so many empty entries `e0`, `e1`, …, with the ZIP64 end record that such a number
/// needs.
pub fn of_many_entries(count: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for number in 0..count {
        let entry = Entry::stored(format!("e{number}"), b"");
        let offset = file.len() as u32;
        file.extend_from_slice(b"PK\x03\x04\x14\0");
        file.extend_from_slice(&common_fields(&entry, &entry.name));
        file.extend_from_slice(&entry.name);
        directory.extend_from_slice(b"PK\x01\x02\x14\x03\x14\0");
        directory.extend_from_slice(&common_fields(&entry, &entry.name));
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(&entry.name);
    }
    let start = file.len() as u64;
    file.extend_from_slice(&directory);
    zip64_end(&mut file, count, directory.len() as u64, start);
    file
}

/// As [`by_hand`] does, with the ZIP64 end record that nothing calls for.
pub fn by_hand_with_zip64_end(entries: &[Entry]) -> Vec<u8> {
    let mut file = by_hand(entries);
    let end = file.split_off(file.len() - 22);
    let number = |at: usize| u32::from_le_bytes(end[at..at + 4].try_into().unwrap()).into();
    zip64_end(&mut file, entries.len() as u64, number(12), number(16));
    file
}

fn zip64_end(file: &mut Vec<u8>, entries: u64, directory_bytes: u64, directory_start: u64) {
    let end = file.len() as u64;
    file.extend_from_slice(b"PK\x06\x06");
    file.extend_from_slice(&44_u64.to_le_bytes());
    file.extend_from_slice(&[45, 0, 45, 0]);
    file.extend_from_slice(&[0; 8]);
    for number in [entries, entries, directory_bytes, directory_start] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    file.extend_from_slice(&end.to_le_bytes());
    file.extend_from_slice(&1_u32.to_le_bytes());
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&[0xff; 12]);
    file.extend_from_slice(&[0, 0]);
}

/// An archive by the `zip` crate, deflated.
pub fn deflated(files: &[(&str, &[u8])]) -> Vec<u8> {
    packed(CompressionMethod::Deflated, files)
}

pub fn packed(method: CompressionMethod, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// As the runner's writers do it: local headers without sizes, data descriptors behind the bytes.
pub fn streamed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer: ZipWriter<StreamWriter<Vec<u8>>> = ZipWriter::new_stream(Vec::new());
    for (name, content) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The byte that a run of [`zstd_runs`] repeats, and how often.
pub const RUN: u8 = b'z';
pub const RUN_BYTES: usize = 128 << 10;

/// A zstd frame of this window that does not tell its content's size, of four bytes for each of `runs`.
pub fn zstd_runs(window_log: u8, runs: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    frame.extend([1 << 1, 0, 0x10, RUN].repeat(runs));
    frame.extend([1, 0, 0]);
    frame
}

/// Bytes that do not compress, the same at each call.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
