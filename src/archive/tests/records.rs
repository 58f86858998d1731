//! Which directory records are refused, and which are borne as they stand. Each test is one
//! row of the table of cases that other readers answer in different ways.

use super::archives::{Record, entries, extra, plain, span, zip64_extra};
use crate::archive::{Fault, walk};

/// Room for one local header and ten packed bytes.
const BODY: [u8; 40] = [0; 40];

fn record(name: &[u8]) -> Record {
    Record { name: name.into(), packed: 10, unpacked: 10, ..Record::default() }
}

fn fault(file: &[u8]) -> Fault {
    entries(file).unwrap_err()
}

fn one_with_extra(extra: Vec<u8>) -> Vec<u8> {
    plain(&BODY, &[Record { extra, ..record(b"a") }], |_| ())
}

#[test]
fn count_that_is_too_low_is_refused() {
    let file = plain(&BODY, &[record(b"a"), record(b"b")], |end| {
        (end.entries, end.entries_on_disk) = (1, 1);
    });
    assert_eq!(fault(&file), Fault::LeftOver { bytes: 47 });
}

#[test]
fn count_that_is_too_high_is_refused() {
    let long_name = Record { name: vec![b'n'; 100], ..record(b"") };
    let file = plain(&BODY, &[long_name], |end| (end.entries, end.entries_on_disk) = (2, 2));
    assert_eq!(fault(&file), Fault::DamagedRecord { number: 2 });
}

#[test]
fn sizes_larger_than_the_file_are_refused() {
    let text = "entry reaches past its archive";
    for (packed, header_offset) in [(11, 0), (10, 1), (0, 11), (4_000_000_000, 0)] {
        let record = Record { packed, header_offset, ..record(b"a") };
        let fault = fault(&plain(&BODY, &[record], |_| ()));
        assert_eq!(fault.to_string(), text);
    }
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
    for ([unpacked, packed, header_offset], values, shown) in cases {
        let extra = [extra(0x7875, b"skip"), zip64_extra(&values)].concat();
        let record = Record { unpacked, packed, header_offset, extra, ..record(b"a") };
        let file = plain(&BODY, &[record], |_| ());
        let entry = entries(&file).unwrap()[0];
        assert_eq!([entry.unpacked_bytes, entry.packed_bytes, entry.header_offset], shown);
    }
}

#[test]
fn disk_number_may_stand_in_the_zip64_field() {
    let on_disk = |number: &[u8]| {
        let extra = extra(1, number);
        let record = Record { disk: u16::MAX, extra, ..record(b"a") };
        entries(&plain(&BODY, &[record], |_| ())).map(|entries| entries.len())
    };
    assert_eq!(on_disk(&[0; 4]), Ok(1));
    assert_eq!(on_disk(&[1, 0, 0, 0]), Err(Fault::SplitArchive));
    assert_eq!(on_disk(b""), Err(Fault::SplitArchive));
}

#[test]
fn zip64_marker_without_its_field_is_refused() {
    let ones = Record { unpacked: u32::MAX, packed: u32::MAX, ..record(b"a") };
    for extra in [vec![], zip64_extra(&[1]), extra(1, &[0; 15]), extra(2, &[0; 24])] {
        let record = Record { extra, ..ones.clone() };
        assert_eq!(fault(&plain(&BODY, &[record], |_| ())), Fault::EntryPastArchive);
    }
}

#[test]
fn zip64_numbers_that_overflow_are_refused() {
    let ones = Record { packed: u32::MAX, header_offset: u32::MAX, ..record(b"a") };
    for values in [[u64::MAX, 0], [0, u64::MAX], [u64::MAX, u64::MAX], [u64::MAX - 30, 1]] {
        let record = Record { extra: zip64_extra(&values), ..ones.clone() };
        assert_eq!(fault(&plain(&BODY, &[record], |_| ())), Fault::EntryPastArchive);
    }
}

#[test]
fn malformed_extra_field_is_borne() {
    for extra in [vec![1], vec![1, 0, 9], vec![0x55, 0x54, 200, 0, 1], extra(0x5455, b"")] {
        let file = one_with_extra(extra);
        assert_eq!(entries(&file).unwrap()[0].unpacked_bytes, 10);
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
        Err(Fault::EntryPastArchive)
    });
    assert_eq!((walked, seen), (Err(Fault::EntryPastArchive), 1));
}
