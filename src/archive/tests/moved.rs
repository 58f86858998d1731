//! Tests of archives after other bytes, read through ranged reads: offsets that count those bytes, offsets
//! that do not, and bytes that could be another archive.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use zip::CompressionMethod::{self, Deflated, Stored};

use super::archives::{End, Record, Wanted, directory, directory_of, meta, sound, wanted, zip64};
use crate::archive::{
    ArchiveError, DirectoryError, Index, Limits, Subset, TAIL_BYTES, compressed_range, decompress,
    read_directory,
};

fn some() -> Vec<Wanted> {
    let one = |name: &str, content: &str, method: CompressionMethod| wanted(name, content.as_bytes(), method);
    vec![one("d/a", "alpha", Stored), one("d/b", &"beta".repeat(500), Deflated), one("e", "eta", Deflated)]
}

/// The index of a file, the start of its directory, and the number of reads.
fn fetch(file: &[u8]) -> Result<(Index, u64, u64), ArchiveError> {
    let reads = AtomicU64::new(0);
    let read = async |range: Range<u64>| {
        reads.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(read_directory(read, file.len() as u64, &Limits::default(), None)) {
        Ok(found) => {
            assert_eq!(found.bytes, directory_of(file, &found.span));
            assert_eq!(found.tail_bytes(file.len() as u64), file.len() as u64 - found.span.start);
            let index = Index::build(&found.bytes, &found.span)?;
            Ok((index, found.span.start, reads.into_inner()))
        }
        Err(DirectoryError::ArchiveError(fault)) => Err(fault),
        Err(DirectoryError::Read(error)) => panic!("{error}"),
    }
}

fn fault(file: &[u8]) -> ArchiveError {
    fetch(file).map(|_| ()).unwrap_err()
}

fn assert_holds(file: &[u8], wanted: &[Wanted]) {
    let (index, ..) = fetch(file).unwrap();
    assert_eq!(index.len(), wanted.len());
    for Wanted { name, content, .. } in wanted {
        let entry = index.find(name.as_bytes()).unwrap().into();
        let bytes = &file[meta(file, name).header_offset as usize..];
        let packed = compressed_range(&entry, bytes).unwrap().unwrap();
        assert_eq!(decompress(&entry, &bytes[packed]).unwrap().as_ref(), Some(content), "{name}");
    }
}

/// As in a self-extractor, the offsets count the bytes in front.
fn with_offsets_of_the_file(front: &[u8]) -> Vec<u8> {
    let mut file = std::io::Cursor::new(front.to_vec());
    file.set_position(front.len() as u64);
    let mut writer = zip::ZipWriter::new(file);
    for entry in some() {
        let options = zip::write::SimpleFileOptions::default().compression_method(entry.method);
        writer.start_file(entry.name, options).unwrap();
        std::io::Write::write_all(&mut writer, &entry.content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn offsets_may_count_the_bytes_in_front_or_not() {
    for bytes in [1, 28, 5000, 200_000] {
        let front = &b"#!/bin/sh\nexec java -jar $0\n".repeat(bytes / 28 + 1)[..bytes];
        for behind in [&b""[..], b"\n", &[0; 9000]] {
            assert_holds(&[front, &sound(&some(), b"note"), behind].concat(), &some());
            assert_holds(&[&with_offsets_of_the_file(front), behind].concat(), &some());
        }
    }
}

#[test]
fn bytes_that_are_missing_in_front_move_the_offsets_too() {
    let file = with_offsets_of_the_file(&[b'#'; 1000]);
    assert_holds(&file[900..], &some());
    assert_holds(&file[1000..], &some());
}

#[test]
fn zip64_end_record_may_be_moved_like_the_rest() {
    let records = [Record { name: b"a".into(), compressed: 10, uncompressed: 10, ..Record::default() }];
    for front in [0, 7, 100, 70_000] {
        let file = [vec![b'#'; front], zip64(&[0; 40], &records, b"", End::all_ones(), |_| ())].concat();
        let (index, start, _) = fetch(&file).unwrap();
        assert_eq!(start, front as u64 + 40);
        assert_eq!(index.find(b"a").unwrap().header_offset, front as u64);
    }
    let moved_in_part = zip64(&[0; 40], &records, b"", End::all_ones(), |end| end.start -= 7);
    for front in [0, 7] {
        let file = [vec![b'#'; front], moved_in_part.clone()].concat();
        let refused = fault(&file);
        assert!(
            matches!(refused, ArchiveError::MisplacedDirectory | ArchiveError::DamagedZip64EndRecord),
            "{refused}"
        );
    }
}

#[test]
fn archive_that_fills_its_file_takes_no_read_more() {
    let (_, _, reads) = fetch(&sound(&some(), b"")).unwrap();
    assert_eq!(reads, 1);
    let front = vec![b'#'; 2 * TAIL_BYTES as usize];
    let (_, _, reads) = fetch(&with_offsets_of_the_file(&front)).unwrap();
    assert_eq!(reads, 1);
    let (_, _, reads) = fetch(&[front, sound(&some(), b"")].concat()).unwrap();
    assert_eq!(reads, 4);
}

#[test]
fn archive_behind_another_is_refused() {
    let one = sound(&some(), b"");
    let other = sound(&[wanted("other", b"content", Stored)], b"");
    assert_eq!(fault(&[&other[..], &one].concat()), ArchiveError::ArchiveInFront);
}

#[test]
fn same_archive_twice_is_what_it_is_once_and_any_other_byte_is_too_much() {
    let small = some();
    let file = |number: u8| wanted(&format!("f{number}"), &[number; 40_000], Stored);
    let large: Vec<Wanted> = (0..60).map(file).collect();
    for (wanted, comment) in [(&small[..], &b""[..]), (&small, b"note"), (&large, b"")] {
        let one = sound(wanted, comment);
        let twice = one.repeat(2);
        assert_holds(&twice, wanted);
        for at in [40, one.len() / 2, one.len() - 30, one.len() - 5, one.len() - 1] {
            for half in [0, one.len()] {
                let mut other = twice.clone();
                other[half + at] ^= 1;
                assert!(fetch(&other).is_err(), "byte {at} behind {half} of {}", other.len());
            }
        }
        for more in [&b"\n"[..], &one] {
            assert_eq!(
                fault(&[&twice, more].concat()),
                ArchiveError::TwoDirectories,
                "{} bytes more",
                more.len()
            );
        }
    }
}

#[test]
fn archive_twice_that_is_too_large_to_compare_is_refused() {
    let half = |bytes: usize| sound(&[wanted("large", &vec![b'l'; bytes], Stored)], b"");
    let around = half(0).len();
    let twice = |bytes: usize| half(bytes - around).repeat(2);
    let (most, more) = (twice(8 << 20), twice((8 << 20) + 1));
    assert!(fetch(&most).is_ok());
    assert_eq!(fault(&more), ArchiveError::TwoDirectories);
}

#[test]
fn archive_inside_one_that_was_cut_short_is_refused() {
    let inner = sound(&some(), b"");
    let outer = sound(&[wanted("a", b"abc", Stored), wanted("b.zip", &inner, Stored)], b"");
    for cut in [1, 21, 22, 100, 120] {
        assert_eq!(fault(&outer[..outer.len() - cut]), ArchiveError::ArchiveInFront, "{cut}");
    }
}

#[test]
fn directory_where_it_is_said_to_be_and_another_before_the_end_record_is_refused() {
    let records = |name: &[u8]| [Record { name: name.into(), ..Record::default() }];
    let (stated, last) = (directory(&records(b"stated")), directory(&records(b"before")));
    let end = End::of(30, &records(b"stated"));
    let file = [&[0; 30][..], &stated, &last, &end.plain(b"")].concat();
    assert_eq!(fault(&file), ArchiveError::TwoDirectories);
    let file = [&[0; 30][..], &[0; 52], &last, &end.plain(b"")].concat();
    assert!(fetch(&file).is_ok());
}

#[test]
fn end_record_where_it_is_said_to_be_and_another_at_the_end_is_refused() {
    let records = [Record { name: b"a".into(), ..Record::default() }];
    let end = End::of(30, &records);
    let stated_end = 30 + directory(&records).len();
    let mut front = [0; 200];
    front[stated_end..][..4].copy_from_slice(b"PK\x05\x06");
    let file = [&front[..], &[0; 30], &directory(&records), &end.plain(b"")].concat();
    assert_eq!(fault(&file), ArchiveError::TwoDirectories);
}

#[test]
fn zip_of_a_folder_is_the_same_wherever_its_archive_begins() {
    let copy = |file: &[u8]| {
        let (index, ..) = fetch(file).unwrap();
        let subset = Subset::plan(&index, "d").unwrap().unwrap();
        let file = Bytes::copy_from_slice(file);
        let read =
            move |range: Range<u64>| stream::iter([Ok(file.slice(range.start as usize..range.end as usize))]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pieces: Vec<_> = runtime.block_on(subset.into_stream(read).collect());
        pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat()
    };
    let alone = sound(&some(), b"");
    let whole = copy(&alone);
    assert_holds(&whole, &some()[..2]);
    assert_eq!(copy(&[&b"stub"[..], &alone, b"\n"].concat()), whole);
    assert_eq!(copy(&with_offsets_of_the_file(b"stub")), whole);
}

#[test]
fn folder_with_an_odd_entry_is_not_copied_in_part() {
    let names = [&b"d/a"[..], b"d/b", b"e/c"];
    let records = names.map(|name| Record { name: name.into(), ..Record::default() });
    let mut records = records.to_vec();
    records[1].compressed = 9999;
    let file = super::archives::plain(&[0; 40], &records, |_| ());
    let (index, ..) = fetch(&file).unwrap();
    assert_eq!(index.list("d", false, 0..10).unwrap().total, 2);
    let refused = Subset::plan(&index, "d").map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "entry is outside its archive (entry \"d/b\")");
    assert!(Subset::plan(&index, "e").unwrap().is_some());
}
