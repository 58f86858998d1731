//! Rewritings of random archives, odd ones too: every other entry is as it was, byte for byte, but for its offset.

use std::io::{Cursor, Write};
use std::ops::Range;
use std::process::{Command, Stdio};

use bytes::Bytes;
use proptest::prelude::*;
use zip::{CompressionMethod, ZipArchive};

use super::archives::{End, Record, extra, locator, sound, streamed, wanted, zip64_extra};
use crate::archive::{DirectoryError, Files, Index, Limits, Removal, read_directory};

/// Takes a file out of an archive; `None` if it has none of that path.
fn without(file: &[u8], path: &str) -> Option<Vec<u8>> {
    let read =
        async |range: Range<u64>| Ok(Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]));
    let size = file.len() as u64;
    futures_util::FutureExt::now_or_never(async {
        let directory = read_directory(read, size, &Limits::default(), None).await.unwrap();
        let removal = Removal::find(directory, size, path).unwrap()?;
        let planned = match removal.plan(read).await {
            Ok(planned) => planned,
            Err(DirectoryError::ArchiveError(fault)) => panic!("{fault}"),
            Err(DirectoryError::Read(error)) => panic!("{error}"),
        };
        let rewriting = planned.finish().unwrap();
        let mut out = Vec::new();
        for part in rewriting.kept {
            out.extend_from_slice(&file[part.start as usize..part.end as usize]);
        }
        out.extend_from_slice(&rewriting.tail);
        Some(out)
    })
    .unwrap()
}

fn index(file: &[u8]) -> Index {
    super::archives::index(file).unwrap()
}

/// An entry to be written field by field.
#[derive(Debug, Clone)]
struct Item {
    name: String,
    content: Vec<u8>,
    flags: u16,
    method: u16,
    local_extra: Vec<u8>,
    extra: Vec<u8>,
    comment: Vec<u8>,
    made_by: u16,
    /// Whether sizes and offset are in the ZIP64 field.
    wide: bool,
    /// The form of its data descriptor, if it has one.
    descriptor: Option<(bool, bool)>,
    /// Foreign bytes behind it.
    gap: Vec<u8>,
    fault: Fault,
}

impl Item {
    /// What follows the local header.
    fn body(&self) -> Vec<u8> {
        let mut body = self.content.clone();
        if let Some((signed, wide)) = self.descriptor {
            body.extend_from_slice(if signed { b"PK\x07\x08" } else { b"" });
            body.extend(crc32fast::hash(&self.content).to_le_bytes());
            let size = self.content.len() as u64;
            let width = if wide { 8 } else { 4 };
            body.extend([size; 2].map(|size| size.to_le_bytes()).iter().flat_map(|size| &size[..width]));
        }
        body.extend_from_slice(&self.gap);
        body
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    OtherDisk,
    Outside,
    NoZip64Field,
    /// Its record names the header of the first entry.
    SharedHeader,
}

fn item() -> impl Strategy<Value = Item> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
    let name = prop_oneof!["[abc]", "./[abc]", "d/[ab]", "d/", "[ab]\\.txt", "\\.\\./x"];
    let fault = prop_oneof![
        12 => Just(Fault::None), 1 => Just(Fault::OtherDisk), 1 => Just(Fault::Outside),
        1 => Just(Fault::NoZip64Field), 1 => Just(Fault::SharedHeader),
    ];
    let shape = (any::<bool>(), proptest::option::of((any::<bool>(), any::<bool>())), bytes(9), fault);
    let flags = prop_oneof![Just(0), Just(1), Just(0x41), Just(0x800), Just(0x2000)];
    let numbers = (flags, prop_oneof![Just(0), Just(8), Just(99), Just(14)], any::<u16>());
    (name, bytes(60), numbers, bytes(12), bytes(12), bytes(10), shape).prop_map(
        |(
            name,
            content,
            (flags, method, made_by),
            local,
            central,
            comment,
            (wide, descriptor, gap, fault),
        )| {
            let field = |data: &Vec<u8>| if data.is_empty() { Vec::new() } else { extra(0x7875, data) };
            let flags = flags | if descriptor.is_some() { 8 } else { 0 };
            Item {
                name,
                content,
                flags,
                method,
                made_by,
                comment,
                wide,
                descriptor,
                gap,
                fault,
                local_extra: field(&local),
                extra: field(&central),
            }
        },
    )
}

/// Writes an archive with `prefix` before it, which offsets count if they are `absolute`.
fn write(items: &[Item], prefix: &[u8], absolute: bool, zip64_end: bool, comment: &[u8]) -> Vec<u8> {
    let base = if absolute { 0 } else { prefix.len() };
    let mut file = prefix.to_vec();
    let mut records = Vec::new();
    let first = (file.len() - base) as u64;
    for item in items {
        let start = (file.len() - base) as u64;
        let crc32 = crc32fast::hash(&item.content);
        let size = item.content.len() as u32;
        file.write_all(b"PK\x03\x04\x14\0").unwrap();
        let streams = item.descriptor.is_some();
        let known = |value: u32| if streams { 0 } else { value };
        for field in [item.flags, item.method, 0, 0] {
            file.extend(field.to_le_bytes());
        }
        for field in [known(crc32), known(size), known(size)] {
            file.extend(field.to_le_bytes());
        }
        file.extend((item.name.len() as u16).to_le_bytes());
        file.extend((item.local_extra.len() as u16).to_le_bytes());
        file.extend([item.name.as_bytes(), &item.local_extra, &item.body()].concat());
        let offset = if item.fault == Fault::SharedHeader { first } else { start };
        let mut record = Record {
            name: item.name.clone().into(),
            made_by: item.made_by,
            flags: item.flags,
            method: item.method,
            crc32,
            compressed: size,
            uncompressed: size,
            extra: item.extra.clone(),
            comment: item.comment.clone(),
            header_offset: offset as u32,
            ..Record::default()
        };
        if item.wide {
            (record.compressed, record.uncompressed, record.header_offset) = (u32::MAX, u32::MAX, u32::MAX);
            record.extra.extend(zip64_extra(&[size.into(), size.into(), offset]));
        }
        match item.fault {
            Fault::None | Fault::SharedHeader => {}
            Fault::OtherDisk => record.disk = 3,
            Fault::Outside => (record.compressed, record.extra) = (0x7fff_ffff, Vec::new()),
            Fault::NoZip64Field => (record.compressed, record.extra) = (u32::MAX, Vec::new()),
        }
        records.push(record);
    }
    let mut end = End::of(file.len() - base, &records);
    file.extend(super::archives::directory(&records));
    if zip64_end {
        let at = (file.len() - base) as u64;
        // Private data cannot be found where the archive is moved.
        file.extend(end.zip64(if base == 0 { b"private" } else { b"" }));
        file.extend(locator(at));
        end = End::all_ones();
    }
    file.extend(end.plain(comment));
    file
}

/// The records of an archive, each with the place of its local header, and without it.
fn records(file: &[u8]) -> Vec<(Vec<u8>, Option<u64>)> {
    let span = super::archives::span(file).unwrap();
    let directory = super::archives::directory_of(file, &span);
    let raw = crate::archive::raw_record::raw_records(directory);
    raw.map(|record| {
        let mut bytes = directory[record.range].to_vec();
        let place = record.offset.and_then(|field| {
            field.put(&mut bytes, 0);
            field.stated.checked_add_signed(span.moved).filter(|place| *place < span.start)
        });
        (bytes, place)
    })
    .collect()
}

fn header_bytes(file: &[u8], place: u64) -> usize {
    let rest = &file[place as usize..];
    let length = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
    30 + length(26) + length(28)
}

proptest! {
    #[test]
    fn every_other_entry_stays_as_it_was(
        items in proptest::collection::vec(item(), 1..8),
        chosen: prop::sample::Index,
        prefix in prop_oneof![Just(&b""[..]), Just(&b"#!/bin/sh\n"[..])],
        (absolute, zip64_end) in any::<(bool, bool)>(),
        comment in "[a-z]{0,9}",
    ) {
        let file = write(&items, prefix, absolute, zip64_end, comment.as_bytes());
        let old = index(&file);
        let files = Files::of(&old);
        prop_assume!(!files.is_empty());
        let number = chosen.index(files.len());
        let path = files.page(&old, &(number..number + 1))[0].path.clone();
        let rows = Files::at(&old, &path).0;
        // An archive without an entry is deleted.
        prop_assume!(rows.len() < items.len());
        let new = without(&file, &path).unwrap();
        let kept: Vec<_> = (0_usize..).zip(records(&file))
            .filter(|(row, _)| !rows.contains(&(*row as u32))).collect();
        let found = records(&new);
        prop_assert_eq!(found.len(), kept.len());
        for ((bytes, place), (row, (before, old_place))) in found.iter().zip(&kept) {
            prop_assert_eq!(bytes, before);
            let (Some(place), Some(old_place)) = (place, old_place) else { continue };
            let item = if items[*row].fault == Fault::SharedHeader { &items[0] } else { &items[*row] };
            let length = header_bytes(&file, *old_place) + item.body().len();
            let part = |file: &[u8], place: u64| file[place as usize..][..length].to_vec();
            prop_assert_eq!(part(&new, *place), part(&file, *old_place));
        }
        prop_assert!(new.starts_with(prefix) && new.ends_with(comment.as_bytes()));
        let read = index(&new);
        prop_assert_eq!(read.len(), kept.len());
        prop_assert!(!Files::of(&read).has(&read, &path));
        let shared = items.iter().any(|item| item.fault != Fault::None);
        let removed: usize = rows.iter().map(|row| items[*row as usize].content.len()).sum();
        if !shared {
            prop_assert!(new.len() + removed < file.len(), "its bytes are gone");
        }
    }

    #[test]
    fn others_read_what_is_left(
        names in proptest::collection::btree_set("[a-d]{1,2}(/[a-d]{1,3})?", 2..6),
        number: prop::sample::Index,
        (streams, zip64) in any::<(bool, bool)>(),
    ) {
        // A file and a folder of one name would hide one another.
        let names: Vec<&String> = names.iter().filter(|name| {
            !names.iter().any(|other| other.starts_with(&format!("{name}/")))
        }).collect();
        prop_assume!(names.len() > 1);
        let entries: Vec<_> = names.iter().map(|name| {
            let content = name.repeat(40).into_bytes();
            let method = if name.len() % 2 == 0 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
            super::archives::Wanted { zip64, ..wanted(name, &content, method) }
        }).collect();
        let file = if streams { streamed(&entries, b"end") } else { sound(&entries, b"end") };
        let removed = names[number.index(names.len())];
        let new = without(&file, removed).unwrap();
        let mut archive = ZipArchive::new(Cursor::new(&new)).unwrap();
        prop_assert_eq!(archive.comment().to_vec(), b"end".to_vec());
        prop_assert_eq!(archive.len(), names.len() - 1);
        for name in names.iter().filter(|name| **name != removed) {
            let mut content = String::new();
            std::io::Read::read_to_string(&mut archive.by_name(name).unwrap(), &mut content).unwrap();
            prop_assert_eq!(content, name.repeat(40));
        }
    }
}

#[test]
fn an_archive_twice_in_a_file_is_once_in_the_rewritten_one() {
    let entries = ["a", "b"].map(|name| wanted(name, name.repeat(20).as_bytes(), CompressionMethod::Stored));
    let new = without(&sound(&entries, b"").repeat(2), "a").unwrap();
    assert_eq!(new, sound(&entries[1..], b""));
}

#[test]
fn python_and_info_zip_read_what_is_left() {
    let item = |name: &str, descriptor| Item {
        name: name.into(),
        content: name.repeat(50).into(),
        flags: if descriptor { 8 } else { 0 },
        method: 0,
        local_extra: extra(0x7875, b"\x01\x04\x00\x00\x00\x00"),
        extra: extra(0x7875, b"x"),
        comment: b"said".to_vec(),
        made_by: 0x031e,
        wide: false,
        descriptor: descriptor.then_some((true, false)),
        gap: Vec::new(),
        fault: Fault::None,
    };
    let items =
        [item("a", false), item("b", true), Item { flags: 1, ..item("locked", false) }, item("c", true)];
    let file = write(&items, b"#!/bin/sh\nexit\n", true, false, b"the end");
    let new = without(&file, "b").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.zip"), &new).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let command =
            Command::new(program).args(arguments).current_dir(folder.path()).stdin(Stdio::null()).output();
        command.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let script = "import zipfile\nz = zipfile.ZipFile('x.zip')\n\
        print(z.comment, [(i.filename, i.comment, i.extra) for i in z.infolist()], z.read('a') + z.read('c'))";
    if let Some(said) = run("python3", &["-c", script]) {
        let extra = "b'ux\\x01\\x00x'";
        let infos = ["a", "locked", "c"].map(|name| format!("('{name}', b'said', {extra})")).join(", ");
        assert_eq!(said.trim(), format!("b'the end' [{infos}] b'{}{}'", "a".repeat(50), "c".repeat(50)));
    }
    if let Some(said) = run("unzip", &["-p", "x.zip", "a", "c"]) {
        assert_eq!(said, format!("{}{}", "a".repeat(50), "c".repeat(50)));
    }
}
