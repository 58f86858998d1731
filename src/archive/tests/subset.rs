//! Tests of zips of one folder: their entries, the order of these, and which folders are refused. Damage is
//! tested in `subset_damage`.

use std::{
    io::{self, Cursor, Read, Write},
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proptest::{collection::vec, prelude::*, sample::select};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{
    agreement::methods,
    archives::{End, Record, Wanted, entries, extra, index, plain, sound, streamed, wanted, zip64},
};
use crate::archive::{Subset, SubsetError};

type Reads = Arc<Mutex<Vec<Range<u64>>>>;

/// The stream's bytes, or its error, and the ranges that it read.
pub(super) fn copy_in_pieces(
    file: &[u8],
    folder: &str,
    piece_bytes: usize,
) -> (Result<Vec<u8>, io::Error>, u64, Vec<Range<u64>>) {
    let subset = Subset::plan(&index(file).unwrap(), folder).unwrap().unwrap();
    let stated = subset.size_bytes();
    let file = Bytes::copy_from_slice(file);
    let reads = Reads::default();
    let log = Arc::clone(&reads);
    let read = move |range: Range<u64>| {
        log.lock().unwrap().push(range.clone());
        let cut = |at: u64| (at as usize).min(file.len());
        let bytes = file.slice(cut(range.start)..cut(range.end));
        let starts: Vec<usize> = (0..bytes.len()).step_by(piece_bytes).collect();
        stream::iter(starts).then(move |at| {
            let piece = bytes.slice(at..bytes.len().min(at + piece_bytes));
            async {
                tokio::task::yield_now().await;
                Ok(piece)
            }
        })
    };
    let mut pieces = Box::pin(subset.into_stream(read));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let copied = runtime.block_on(async {
        let mut copied = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    assert!(!piece.is_empty() && piece.len() <= piece_bytes.max(64 * 1024));
                    copied.extend(piece);
                }
                Err(error) => {
                    assert!(pieces.next().await.is_none(), "goes on after an error");
                    assert!((copied.len() as u64) < stated);
                    return Err(error);
                }
            }
        }
        Ok(copied)
    });
    let reads = reads.lock().unwrap().clone();
    (copied, stated, reads)
}

fn copy(file: &[u8], folder: &str) -> Vec<u8> {
    let (copied, stated, _) = copy_in_pieces(file, folder, 4096);
    let copied = copied.unwrap();
    assert_eq!(copied.len() as u64, stated);
    copied
}

fn names(file: &[u8]) -> Vec<String> {
    entries(file).unwrap().iter().map(|entry| String::from_utf8_lossy(entry.name).into()).collect()
}

fn some_tree() -> impl Strategy<Value = Vec<Wanted>> {
    let folder = select(vec!["", "a/", "a-b/", "a/b/", "é/", "a/b/c/"]);
    let content = (vec(any::<u8>(), 0..200), 1..400_usize).prop_map(|(bytes, times)| bytes.repeat(times));
    let one = (folder, content, methods(), any::<bool>());
    vec(one, 0..15).prop_map(|entries| {
        let number = |(at, (folder, content, method, zip64))| Wanted {
            name: format!("{folder}{at}"),
            content,
            method,
            zip64,
        };
        entries.into_iter().enumerate().map(number).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn folder_comes_back_as_it_went_in(
        wanted in some_tree(),
        stream in any::<bool>(),
        folder in select(vec!["", "a", "a-b/", "a/b", "é"]),
        piece_bytes in 1..200_000_usize,
    ) {
        let file = if stream { streamed(&wanted, b"note") } else { sound(&wanted, b"") };
        let prefix = if folder.is_empty() { String::new() } else { format!("{}/", folder.trim_end_matches('/')) };
        let inside: Vec<&Wanted> = wanted.iter().filter(|entry| entry.name.starts_with(&prefix)).collect();
        if inside.is_empty() && !folder.is_empty() {
            prop_assert!(Subset::plan(&index(&file).unwrap(), folder).unwrap().is_none());
            return Ok(());
        }
        let (copied, stated, _) = copy_in_pieces(&file, folder, piece_bytes);
        let copied = copied.unwrap();
        prop_assert_eq!(copied.len() as u64, stated);
        let expected: Vec<String> = inside.iter().map(|entry| entry.name.clone()).collect();
        prop_assert_eq!(names(&copied), expected);
        let mut archive = ZipArchive::new(Cursor::new(&copied)).unwrap();
        for (at, wanted) in inside.iter().enumerate() {
            let mut entry = archive.by_index(at).unwrap();
            prop_assert_eq!(entry.compression(), wanted.method);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            prop_assert!(content == wanted.content);
        }
        prop_assert_eq!(copy(&copied, ""), copied);
    }
}

pub(super) fn some_files() -> Vec<Wanted> {
    let text = b"some text, some text".repeat(50);
    ["x", "d/b", "d/a", "d/e/f", "d-e/g", "z"]
        .map(|name| wanted(name, &text, CompressionMethod::Deflated))
        .into()
}

#[test]
fn order_is_that_of_the_directory_and_neighbours_with_like_names_stay_out() {
    assert_eq!(names(&copy(&streamed(&some_files(), b""), "d")), ["d/b", "d/a", "d/e/f"]);
}

#[test]
fn folder_in_one_piece_is_one_read() {
    let file = streamed(&some_files(), b"");
    for folder in ["d", ""] {
        let (copied, _, reads) = copy_in_pieces(&file, folder, 1000);
        assert!(copied.is_ok() && reads.len() == 1, "{reads:?}");
    }
}

#[test]
fn entries_that_lie_far_apart_are_a_read_each() {
    let stored = |name, bytes| wanted(name, &vec![7; bytes], CompressionMethod::Stored);
    let gap = stored("gap", 100_000);
    let file = sound(&[stored("d/a", 5), gap, stored("d/b", 200_000), stored("d/c", 5)], b"");
    let (copied, _, reads) = copy_in_pieces(&file, "d", 1000);
    assert_eq!(names(&copied.unwrap()), ["d/a", "d/b", "d/c"]);
    assert_eq!(reads.len(), 2, "{reads:?}");
    assert!(reads.iter().map(|read| read.end - read.start).sum::<u64>() < 202_000);
}

/// Each entry has `extra_bytes` of local extra field, so the last one is past its likely end.
fn with_long_local_extra(names: &[&str], extra_bytes: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let mut records = Vec::new();
    for name in names {
        let record = Record {
            name: name.as_bytes().into(),
            crc32: crc32fast::hash(b"content"),
            compressed: 7,
            uncompressed: 7,
            header_offset: body.len() as u32,
            ..Record::default()
        };
        body.extend(b"PK\x03\x04");
        body.extend([0; 22]);
        body.extend((name.len() as u16).to_le_bytes());
        body.extend(extra_bytes.to_le_bytes());
        body.extend(name.as_bytes());
        body.extend(vec![0; extra_bytes.into()]);
        body.extend(b"content");
        records.push(record);
    }
    plain(&body, &records, |_| ())
}

#[test]
fn local_extra_field_of_any_length_is_passed_over() {
    for (extra_bytes, most_reads) in [(0, 1), (400, 1), (600, 2), (65_535, 4)] {
        let file = with_long_local_extra(&["d/a", "d/b", "d/c", "e"], extra_bytes);
        let (copied, _, reads) = copy_in_pieces(&file, "d", 1000);
        let copied = copied.unwrap();
        assert!(reads.len() <= most_reads, "{extra_bytes}: {reads:?}");
        let mut archive = ZipArchive::new(Cursor::new(&copied)).unwrap();
        for at in 0..3 {
            let mut content = String::new();
            archive.by_index(at).unwrap().read_to_string(&mut content).unwrap();
            assert_eq!(content, "content");
        }
    }
}

#[test]
fn modes_times_and_folders_are_kept() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let at = DateTime::from_date_and_time(2024, 2, 29, 12, 34, 56).unwrap();
    let with = |mode| SimpleFileOptions::default().unix_permissions(mode).last_modified_time(at);
    writer.add_directory("d/", with(0o750)).unwrap();
    writer.start_file("d/run", with(0o755)).unwrap();
    writer.write_all(b"#!/bin/sh\n").unwrap();
    writer.add_symlink("d/link", "run", with(0o777)).unwrap();
    let file = writer.finish().unwrap().into_inner();
    let copied = copy(&file, "d");
    let modes: Vec<Option<u32>> = entries(&copied).unwrap().iter().map(|entry| entry.unix_mode).collect();
    assert_eq!(modes, [Some(0o040_750), Some(0o100_755), Some(0o120_777)]);
    let mut archive = ZipArchive::new(Cursor::new(&copied)).unwrap();
    for at_number in 0..3 {
        assert_eq!(archive.by_index(at_number).unwrap().last_modified(), Some(at));
    }
    let mut link = archive.by_index(2).unwrap();
    assert!(link.is_symlink());
    let mut target = String::new();
    link.read_to_string(&mut target).unwrap();
    assert_eq!(target, "run");
}

/// An empty entry per record; its local header has the record's name and nothing else.
fn empty_entries(records: Vec<Record>) -> Vec<u8> {
    let mut body = Vec::new();
    let place = |mut record: Record| {
        record.header_offset = body.len() as u32;
        body.extend(b"PK\x03\x04");
        body.extend([0; 22]);
        body.extend((record.name.len() as u16).to_le_bytes());
        body.extend([0; 2]);
        body.extend(&record.name);
        record
    };
    let records: Vec<Record> = records.into_iter().map(place).collect();
    match records.len() {
        0..65_535 => plain(&body, &records, |_| ()),
        _ => zip64(&body, &records, b"", End::all_ones(), |_| ()),
    }
}

fn record(name: &[u8]) -> Record {
    Record { name: name.into(), ..Record::default() }
}

#[test]
fn every_field_is_kept_but_the_data_descriptor_flag() {
    for (flags, kept) in [(0x808, 0x800), (0x0e, 0x06), (0, 0)] {
        for (seconds, modified) in [(1_700_000_001_i32, 1_700_000_001), (-2, -2)] {
            let timestamp = extra(0x5455, &[&[1][..], &seconds.to_le_bytes()].concat());
            let made = Record {
                made_by: 3 << 8,
                external_attributes: 0o100_640 << 16,
                flags,
                method: 12_345,
                crc32: 0xdead_beef,
                extra: timestamp,
                ..record("d/é".as_bytes())
            };
            let file = empty_entries(vec![made]);
            let copied = copy(&file, "d");
            let (before, after) = (entries(&file).unwrap()[0], entries(&copied).unwrap()[0]);
            let expected = crate::archive::Entry { flags: kept, header_offset: 0, ..before };
            assert_eq!(after, expected);
            assert_eq!(after.modified_unix_seconds, Some(modified));
        }
    }
}

#[test]
fn unknown_time_stays_unknown_and_late_ones_do_without_a_timestamp() {
    let late = Record { dos_date: 127 << 9 | 12 << 5 | 31, ..record(b"d/late") };
    let copied = copy(&empty_entries(vec![record(b"d/none"), late]), "d");
    let times: Vec<Option<i64>> =
        entries(&copied).unwrap().iter().map(|entry| entry.modified_unix_seconds).collect();
    assert_eq!(times, [None, Some(4_354_732_800)]);
}

#[test]
fn all_that_lies_below_is_copied_whatever_a_listing_shows_of_it() {
    let all = ["d/x", "d/../y", "d/", "d/x", "d//z", "d/.", "e", "d/", "d/y", "./d/a", "/d/b", "d"];
    let mut records: Vec<Record> = all.iter().map(|name| record(name.as_bytes())).collect();
    records.insert(1, record(b"d/\xff"));
    let file = empty_entries(records);
    let below = ["d/x", "d/\u{fffd}", "d/../y", "d/", "d/x", "d//z", "d/.", "d/", "d/y", "./d/a"];
    for folder in ["d", "d/", "./d", "././d/"] {
        assert_eq!(names(&copy(&file, folder)), below, "{folder}");
    }
    let everything = copy(&file, "");
    assert_eq!(entries(&everything).unwrap().len(), 13);
    let (before, after) = (entries(&file).unwrap(), entries(&copy(&file, "d")).unwrap().len());
    assert_eq!(before.iter().filter(|entry| entry.name.starts_with(b"d/")).count() + 1, after);
}

/// Readers take a name that is not marked as UTF-8 for code page 437 only if it was written on MS-DOS.
#[test]
fn a_name_in_an_old_code_page_is_copied_with_where_it_comes_from() {
    let on_dos = |name: &[u8]| Record { made_by: 20, ..record(name) };
    let file = empty_entries(vec![on_dos(b"d/gr\x81\xe1e"), on_dos(b"d/plain"), unix(b"d/\xc3\xbc")]);
    let copied = copy(&file, "d");
    let hosts = |file: &[u8]| -> Vec<u8> {
        let starts = file.windows(4).enumerate().filter(|(_, window)| window == b"PK\x01\x02");
        starts.map(|(at, _)| file[at + 5]).collect()
    };
    assert_eq!(hosts(&copied), [0, 3, 3]);
    assert_eq!(entries(&copied).unwrap()[0].name, b"d/gr\x81\xe1e");
}

fn unix(name: &[u8]) -> Record {
    Record { made_by: 3 << 8, external_attributes: 0o100_644 << 16, ..record(name) }
}

#[test]
fn what_a_plan_holds_is_told_before_it_is_made() {
    let index = index(&sound(&some_files(), b"")).unwrap();
    let names = ["d/b", "d/a", "d/e/f"].map(str::len).iter().sum::<usize>();
    assert_eq!(Subset::planned_bytes(&index, "d"), names + 3 * (48 + 4));
    assert_eq!(Subset::planned_bytes(&index, "nothing"), 0);
}

#[test]
fn root_of_an_empty_archive_is_an_empty_zip() {
    let copied = copy(&plain(b"", &[], |_| ()), "/");
    assert_eq!((copied.len(), names(&copied).len()), (22, 0));
}

#[test]
fn missing_path_or_a_file_gives_no_zip() {
    let index = index(&sound(&some_files(), b"")).unwrap();
    for folder in ["x", "x/", "d/b", "q", "d//", "..", "/d", "./q"] {
        assert!(Subset::plan(&index, folder).unwrap().is_none(), "{folder}");
    }
}

fn refusal(file: &[u8], folder: &str) -> Option<SubsetError> {
    Subset::plan(&index(file).unwrap(), folder).err()
}

#[test]
fn encrypted_entry_is_refused_where_it_would_be_copied() {
    let file = empty_entries(vec![record(b"d/a"), Record { flags: 1, ..record(b"e/b") }]);
    assert_eq!(refusal(&file, "d"), None);
    assert_eq!(refusal(&file, "e"), Some(SubsetError::Encrypted { name: "\"e/b\"".into() }));
    assert_eq!(refusal(&file, "").unwrap().to_string(), "entry is encrypted (entry \"e/b\")");
}

#[test]
fn entries_that_overlap_are_refused_before_they_multiply() {
    let records: Vec<Record> = (0..100)
        .map(|n| Record { compressed: 5000, uncompressed: 5000, ..record(format!("d/{n}").as_bytes()) })
        .collect();
    let file = plain(&[0; 10_000], &records, |_| ());
    assert_eq!(refusal(&file, "d"), Some(SubsetError::Overlapping));
}

#[test]
fn count_of_65535_entries_needs_zip64_and_one_less_does_not() {
    for (count, end_bytes) in [(65_534, 22), (65_535, 98), (65_536, 98)] {
        let file = empty_entries((0..count).map(|n| record(format!("d/{n}").as_bytes())).collect());
        let copied = copy(&file, "d");
        let all = entries(&copied).unwrap();
        let records: usize = all.iter().map(|entry| 46 + entry.name.len()).sum();
        let headers: usize = all.iter().map(|entry| 30 + entry.name.len()).sum();
        assert_eq!((all.len(), copied.len() - records - headers), (count, end_bytes));
    }
}
