//! Tests of directory records: which are refused, and which are accepted as they are. Each test is one row of
//! the table of cases that other readers answer in different ways.

use super::archives::{Record, directory, entries, extra, index, plain, span, span_at, zip64_extra};
use crate::archive::{ArchiveError, Index, Limits, Oddity, Span, walk};

/// Room for one local header and ten compressed bytes.
const BODY: [u8; 40] = [0; 40];

fn record(name: &[u8]) -> Record {
    Record { name: name.into(), compressed: 10, uncompressed: 10, ..Record::default() }
}

fn fault(file: &[u8]) -> ArchiveError {
    entries(file).unwrap_err()
}

/// Asserts that the entry of `record` is refused, alone and everywhere.
fn assert_odd(record: Record, oddity: Oddity) {
    let sound =
        |name: &[u8]| Record { name: name.into(), compressed: 10, uncompressed: 10, ..Record::default() };
    let file = plain(&BODY, &[sound(b"a"), record.clone(), sound(b"z")], |_| ());
    let walked: Vec<_> = entries(&file).unwrap().iter().map(|entry| entry.oddity).collect();
    assert_eq!(walked, [None, Some(oddity), None]);
    let index = index(&file).unwrap();
    for entry in entries(&file).unwrap() {
        assert_eq!(index.find(entry.name), Some(entry));
    }
}

fn one_with_extra(extra: Vec<u8>) -> Vec<u8> {
    plain(&BODY, &[Record { extra, ..record(b"a") }], |_| ())
}

#[test]
fn count_that_is_too_low_is_refused() {
    let file = plain(&BODY, &[record(b"a"), record(b"b")], |end| {
        (end.entries, end.entries_on_disk) = (1, 1);
    });
    assert_eq!(fault(&file), ArchiveError::WrongCount { found: 2, stated: 1 });
}

#[test]
fn count_that_is_too_high_is_refused() {
    let long_name = Record { name: vec![b'n'; 100], ..record(b"") };
    let file = plain(&BODY, &[long_name], |end| (end.entries, end.entries_on_disk) = (2, 2));
    assert_eq!(fault(&file), ArchiveError::WrongCount { found: 1, stated: 2 });
}

#[test]
fn sizes_larger_than_the_file_are_an_oddity_of_the_entry() {
    for (compressed, header_offset) in [(11, 0), (10, 1), (0, 11), (4_000_000_000, 0)] {
        assert_odd(Record { compressed, header_offset, ..record(b"odd") }, Oddity::OutsideArchive);
    }
}

#[test]
fn count_may_be_what_16_bits_hold_of_it() {
    for count in [65_536, 65_537, 131_073] {
        let records = vec![record(b"n"); count];
        let file = plain(&BODY, &records, |_| ());
        assert_eq!(span(&file).unwrap().entries, count as u64 % 65_536);
        assert_eq!(entries(&file).unwrap().len(), count);
        assert_eq!(index(&file).unwrap().len(), count);
    }
}

#[test]
fn entries_beyond_the_limit_are_refused_though_the_count_is_below_it() {
    let directory = directory(&vec![record(b"n"); 65_540]);
    let lie = Span { most_entries: 1000, ..span_at(40, directory.len(), 4) };
    let refused = Err(ArchiveError::MoreEntries { limit: 1000 });
    assert_eq!(walk(&directory, &lie, |_| Ok(())), refused);
    assert_eq!(Index::build(&directory, &lie).map(|_| ()), refused);
    assert!(
        Limits::default().entries > 65_540
            && walk(&directory, &span_at(40, directory.len(), 4), |_| Ok(())).is_ok()
    );
}

#[test]
fn digital_signature_may_end_the_directory() {
    let signature = |bytes: &[u8]| [&b"PK\x05\x05\x03\0"[..], bytes].concat();
    let with = |rest: &[u8]| {
        let directory = [&directory(&[record(b"a")]), rest].concat();
        walk(&directory, &span_at(40, directory.len(), 1), |_| Ok(()))
    };
    assert_eq!(with(&signature(b"abc")), Ok(()));
    for (rest, bytes) in [(signature(b"ab"), 8), (signature(b"abcd"), 10), (b"junk".into(), 4)] {
        assert_eq!(with(&rest), Err(ArchiveError::LeftOver { bytes }));
    }
}

#[test]
fn damage_between_records_is_refused() {
    let mut directory = directory(&vec![record(b"a"); 3]);
    directory[47] = b'p';
    let walked = walk(&directory, &span_at(40, directory.len(), 3), |_| Ok(()));
    assert_eq!(walked, Err(ArchiveError::DamagedRecord { number: 2 }));
}

#[test]
fn zip64_sizes_replace_only_what_is_all_ones() {
    let ones = u32::MAX;
    let cases = [
        ([ones, ones, ones], vec![7, 8, 2], [7, 8, 2]),
        ([ones, 5, 1], vec![1 << 40], [1 << 40, 5, 1]),
        ([9, ones, 1], vec![6], [9, 6, 1]),
        ([9, 5, ones], vec![3, 4], [9, 5, 3]),
        ([9, 5, 1], vec![77], [9, 5, 1]),
        ([ones, ones, 1], vec![9, 4, u64::MAX], [9, 4, 1]),
    ];
    for ([uncompressed, compressed, header_offset], values, shown) in cases {
        let extra = [extra(0x7875, b"skip"), zip64_extra(&values)].concat();
        let record = Record { uncompressed, compressed, header_offset, extra, ..record(b"a") };
        let file = plain(&BODY, &[record], |_| ());
        let entry = entries(&file).unwrap()[0];
        assert_eq!([entry.uncompressed_size, entry.compressed_size, entry.header_offset], shown);
    }
}

#[test]
fn disk_number_may_stand_in_the_zip64_field() {
    let on_disk = |number: &[u8]| Record { disk: u16::MAX, extra: extra(1, number), ..record(b"odd") };
    let file = plain(&BODY, &[on_disk(&[0; 4])], |_| ());
    assert_eq!(entries(&file).unwrap()[0].oddity, None);
    assert_odd(on_disk(&[1, 0, 0, 0]), Oddity::OtherDisk);
    assert_odd(on_disk(b""), Oddity::OtherDisk);
    assert_odd(Record { disk: 1, ..record(b"odd") }, Oddity::OtherDisk);
}

#[test]
fn zip64_marker_without_its_field_is_an_oddity_of_the_entry() {
    let ones = Record { uncompressed: u32::MAX, compressed: u32::MAX, ..record(b"odd") };
    for extra in [vec![], zip64_extra(&[1]), extra(1, &[0; 15]), extra(2, &[0; 24])] {
        let record = Record { extra, ..ones.clone() };
        assert_odd(record, Oddity::NoZip64Field);
    }
    assert_odd(Record { header_offset: u32::MAX, ..record(b"odd") }, Oddity::NoZip64Field);
}

#[test]
fn uncompressed_size_of_all_ones_needs_no_zip64_field() {
    let file = plain(&BODY, &[Record { uncompressed: u32::MAX, ..record(b"a") }], |_| ());
    let entry = entries(&file).unwrap()[0];
    assert_eq!((entry.uncompressed_size, entry.oddity), (u32::MAX.into(), None));
}

#[test]
fn zip64_numbers_that_overflow_are_an_oddity_of_the_entry() {
    let ones = Record { compressed: u32::MAX, header_offset: u32::MAX, ..record(b"odd") };
    for values in [[u64::MAX, 0], [0, u64::MAX], [u64::MAX, u64::MAX], [u64::MAX - 30, 1]] {
        let record = Record { extra: zip64_extra(&values), ..ones.clone() };
        assert_odd(record, Oddity::OutsideArchive);
    }
}

#[test]
fn malformed_extra_field_is_borne() {
    for extra in [vec![1], vec![1, 0, 9], vec![0x55, 0x54, 200, 0, 1], extra(0x5455, b"")] {
        let file = one_with_extra(extra);
        assert_eq!(entries(&file).unwrap()[0].uncompressed_size, 10);
    }
}

#[test]
fn unicode_path_field_does_not_replace_the_name() {
    let file = one_with_extra(extra(0x7075, b"\x01\0\0\0\0evil/../../b.txt"));
    assert_eq!(entries(&file).unwrap()[0].name, b"a");
}

#[test]
fn names_flags_and_methods_are_reported_as_they_stand() {
    let records = [
        record(b"\xff\xfe"),
        Record { flags: 0x800, ..record(b"\xc3\x28") },
        Record { flags: 1, method: 99, ..record(b"../..\\\0") },
        Record { method: 12_345, ..record(b"") },
        record(b""),
    ];
    let file = plain(&BODY, &records, |_| ());
    let found = entries(&file).unwrap();
    let names: Vec<&[u8]> = found.iter().map(|entry| entry.name).collect();
    assert_eq!(names, [&b"\xff\xfe"[..], b"\xc3\x28", b"../..\\\0", b"", b""]);
    assert!(found[2].is_encrypted() && !found[1].is_encrypted());
    assert_eq!((found[2].method, found[3].method), (99, 12_345));
}

#[test]
fn extended_timestamp_wins_over_ms_dos_fields() {
    let dos = Record { dos_date: 44 << 9 | 3 << 5 | 1, ..record(b"a") };
    let shown = |record| {
        let file = plain(&BODY, &[record], |_| ());
        entries(&file).unwrap()[0].modified_unix_seconds
    };
    assert_eq!(shown(dos.clone()), Some(1_709_251_200));
    let unset = extra(0x5455, &[2, 1, 0, 0, 0]);
    assert_eq!(shown(Record { extra: unset.clone(), ..dos.clone() }), Some(1_709_251_200));
    let both = [unset, extra(0x5455, &[1, 5, 0, 0, 0])].concat();
    assert_eq!(shown(Record { extra: both, ..dos }), Some(5));
}

#[test]
fn mode_is_reported_for_unix_writers_only() {
    for (system, mode) in [(3, Some(0o100_644)), (19, Some(0o100_644)), (0, None), (10, None)] {
        let external_attributes = 0o100_644 << 16 | 0x20;
        let record = Record { made_by: system << 8 | 20, external_attributes, ..record(b"a") };
        let file = plain(&BODY, &[record], |_| ());
        assert_eq!(entries(&file).unwrap()[0].unix_mode, mode);
    }
}

#[test]
fn fault_of_the_caller_ends_the_walk() {
    let file = plain(&BODY, &[record(b"a"), record(b"b")], |_| ());
    let span = span(&file).unwrap();
    let mut seen = 0;
    let walked = walk(&file[40..134], &span, |_| {
        seen += 1;
        Err(ArchiveError::NoEndRecord)
    });
    assert_eq!((walked, seen), (Err(ArchiveError::NoEndRecord), 1));
}
