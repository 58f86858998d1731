//! Tests of finding entries by name, and of the memory of an index.

use std::time::Instant;

use super::archives::{Record, directory, entries, extra, index, plain, span_at};
use crate::archive::{Entry, Index};

fn record(name: &[u8], header_offset: u32) -> Record {
    Record { name: name.into(), header_offset, ..Record::default() }
}

#[test]
fn first_of_several_entries_with_one_name_is_found() {
    let records = [record(b"z", 9), record(b"a", 7), record(b"m", 3), record(b"a", 1), record(b"a", 5)];
    let index = index(&plain(&[0; 50], &records, |_| ())).unwrap();
    assert_eq!(index.len(), 5);
    assert_eq!(index.find(b"a").unwrap().header_offset, 7);
}

#[test]
fn first_is_found_among_thousands_of_duplicates() {
    let records: Vec<Record> = (0..5000).map(|n| record(&[b'a' + (n % 7) as u8], n)).collect();
    let index = index(&plain(&[0; 6000], &records, |_| ())).unwrap();
    for n in 0..7 {
        assert_eq!(index.find(&[b'a' + n]).unwrap().header_offset, u64::from(n));
    }
}

#[test]
fn names_are_found_as_bytes_whatever_they_are() {
    let names: [&[u8]; 9] =
        [b"", b"./", b"../x", b"/etc/passwd", b"a\\b", b"a\0b", b"\xff\xfe", b"a", b"ab/"];
    let records = names.map(|name| record(name, 0));
    let file = plain(&[0; 30], &records, |_| ());
    let index = index(&file).unwrap();
    for name in names {
        let entry = index.find(name).unwrap();
        assert_eq!(entry.name, name);
        assert_eq!(entry.is_directory(), name.ends_with(b"/"));
    }
    assert_eq!(index.find(b"ab"), None);
    assert_eq!(index.find(b"ab/c"), None);
}

#[test]
fn index_keeps_every_field_of_an_entry() {
    let records = [
        Record {
            name: b"full".into(),
            made_by: 3 << 8,
            flags: 0x809,
            method: 12_345,
            crc32: 0xdead_beef,
            compressed: 5,
            uncompressed: 4_000_000_000,
            external_attributes: 0o120_777 << 16,
            extra: extra(0x5455, &[1, 0xfe, 0xff, 0xff, 0xff]),
            ..Record::default()
        },
        record(b"bare", 2),
    ];
    let file = plain(&[0; 40], &records, |_| ());
    let index = index(&file).unwrap();
    let full = index.find(b"full").unwrap();
    let wanted = Entry {
        name: b"full",
        flags: 0x809,
        method: 12_345,
        crc32: 0xdead_beef,
        compressed_size: 5,
        uncompressed_size: 4_000_000_000,
        header_offset: 0,
        unix_mode: Some(0o120_777),
        modified_unix_seconds: Some(-2),
        oddity: None,
    };
    assert_eq!(full, wanted);
    assert!(full.is_encrypted());
    let bare = index.find(b"bare").unwrap();
    assert_eq!((bare.unix_mode, bare.modified_unix_seconds), (None, None));
    assert_eq!(entries(&file).unwrap(), [full, bare]);
}

#[test]
fn empty_archive_has_an_empty_index() {
    let index = index(&plain(b"", &[], |_| ())).unwrap();
    assert!(index.is_empty());
    assert_eq!(index.heap_bytes(), 0);
    assert_eq!(index.find(b""), None);
}

/// Also prints the time, for `cargo test --release -- --nocapture`.
#[test]
fn hundred_thousand_entries_take_less_than_twelve_megabytes() {
    let count = 100_000_u32;
    let scattered = |n: u32| n.wrapping_mul(2_654_435_761);
    for (order, key) in [("sorted", None), ("scattered", Some(scattered))] {
        let records: Vec<Record> = (0..count)
            .map(|n| {
                let n = key.map_or(n, |key| key(n));
                record(format!("target/reports/suite/{n:010}/some/deeper/path/of/a.html").as_bytes(), 0)
            })
            .map(|mut record| {
                record.name.resize(60, b'x');
                record
            })
            .collect();
        let directory = directory(&records);
        let span = span_at(30, directory.len(), records.len());
        let begun = Instant::now();
        let index = Index::build(&directory, &span).unwrap();
        println!("{order}: {} bytes, {:?}", index.heap_bytes(), begun.elapsed());
        assert!(index.heap_bytes() < 12_000_000);
        let begun = Instant::now();
        assert!(records.iter().all(|record| index.find(&record.name).is_some()));
        println!("{order}: {:?} a look-up", begun.elapsed() / count);
    }
}
