//! Tests of end records: which ends of a file are accepted, with comments, ZIP64 end records, and the bytes
//! between them.
//!
//! Each test is one row of the table of cases that other readers answer in different ways.

use zip::CompressionMethod::Stored;

use super::archives::{
    End, Record, directory, entries, locator, plain, sound, span, span_at, span_from, wanted, zip64,
};
use crate::archive::{ArchiveError, Index, Limits, Located, Oddity, TAIL_BYTES, locate, walk};

/// Room for one local header and ten compressed bytes.
const BODY: [u8; 40] = [0; 40];

fn record(name: &[u8]) -> Record {
    Record { name: name.into(), compressed: 10, uncompressed: 10, ..Record::default() }
}

fn fault(file: &[u8]) -> ArchiveError {
    entries(file).unwrap_err()
}

#[test]
fn file_without_an_end_record_is_no_archive() {
    for file in [&b""[..], b"PK\x05\x06", &[0; 65_557]] {
        assert_eq!(fault(file), ArchiveError::NoEndRecord);
    }
    assert_eq!(fault(&[0; 65_558]), ArchiveError::NoEndRecordNearEnd { bytes: 65_557 });
    let text = "not a zip archive: no end-of-central-directory record";
    assert_eq!(fault(b"hello").to_string(), text);
}

#[test]
fn comment_of_any_length_is_borne() {
    for bytes in [0, 1, 1000, 65_535] {
        let comment = vec![b'c'; bytes];
        let file = sound(&[wanted("a", b"abc", Stored)], &comment);
        assert_eq!(entries(&file).unwrap().len(), 1);
    }
}

#[test]
fn bytes_after_the_archive_are_borne_up_to_the_longest_comment() {
    let file = sound(&[wanted("a", b"", Stored)], b"note");
    for bytes in [1, 2, 10_240, 65_531] {
        for byte in [0, b'\n', 0xff] {
            let file = [&file[..], &vec![byte; bytes]].concat();
            assert_eq!(entries(&file).unwrap().len(), 1, "{bytes}");
        }
    }
    let file = [&file[..], &[0; 65_532]].concat();
    assert_eq!(fault(&file), ArchiveError::NoEndRecordNearEnd { bytes: 65_557 });
}

#[test]
fn comment_that_is_cut_short_is_refused() {
    let file = sound(&[wanted("a", b"", Stored)], b"a note");
    for cut in 1..6 {
        assert_eq!(fault(&file[..file.len() - cut]), ArchiveError::CommentCutShort);
    }
    let sound = sound(&[wanted("a", b"", Stored)], b"");
    let file = [&sound[..], b"PK\x05\x06", &[0xff; 18]].concat();
    assert_eq!(fault(&file), ArchiveError::CommentCutShort);
}

#[test]
fn false_end_record_in_the_comment_does_not_show_an_empty_archive() {
    let comment = End::default().plain(b"");
    let file = sound(&[wanted("a", b"abc", Stored)], &comment);
    assert_eq!(fault(&file), ArchiveError::EmptyBehindBytes);
}

#[test]
fn false_end_record_in_the_comment_counts_wherever_it_lies() {
    let comment = [End::default().plain(b""), b"and more".into()].concat();
    let file = sound(&[wanted("a", b"abc", Stored)], &comment);
    assert_eq!(fault(&file), ArchiveError::EmptyBehindBytes);
}

#[test]
fn archive_in_the_comment_of_another_is_refused() {
    let inner = |offset: usize| {
        let mut end = End::of(offset, &[record(b"inner")]);
        end.start += 40;
        [&BODY[..], &directory(&[record(b"inner")]), &end.plain(b"")].concat()
    };
    let outer = |bytes: usize, comment: &[u8]| sound(&[wanted("a", &vec![0; bytes], Stored)], comment);
    for bytes in 0..140 {
        let file = outer(bytes, &inner(0));
        assert_eq!(fault(&file), ArchiveError::EndRecordInComment, "{bytes}");
        let file = outer(bytes, &inner(outer(bytes, b"").len()));
        assert_eq!(fault(&file), ArchiveError::EndRecordInComment, "{bytes}");
        let file = [file, b"\n".into()].concat();
        assert_eq!(fault(&file), ArchiveError::EndRecordInComment);
    }
}

#[test]
fn archive_in_the_comment_of_one_with_zip64_or_without_entries_is_refused() {
    let records = [record(b"a")];
    let inner = sound(&[wanted("inner", b"abc", Stored)], b"");
    let with_comment = |mut file: Vec<u8>| {
        let length_at = file.len() - 2;
        file[length_at..].copy_from_slice(&(inner.len() as u16).to_le_bytes());
        [file, inner.clone()].concat()
    };
    for file in [zip64(&BODY, &records, b"", End::all_ones(), |_| ()), End::default().plain(b"")] {
        assert_eq!(fault(&with_comment(file)), ArchiveError::EndRecordInComment);
    }
}

#[test]
fn signature_of_an_end_record_in_a_stored_file_is_only_content() {
    for rest in [[0xff; 18], [0; 18], [0x10; 18]] {
        let content = [&b"PK\x05\x06"[..], &rest].concat();
        let file = sound(&[wanted("a", b"abc", Stored), wanted("lib.so", &content, Stored)], b"");
        assert_eq!(entries(&file).unwrap().len(), 2);
    }
}

#[test]
fn stored_archive_at_the_end_is_an_entry_like_any_other() {
    for comment in [&b""[..], b"its own comment"] {
        let inner = sound(&[wanted("inner", b"abc", Stored)], comment);
        let file = sound(&[wanted("a", b"abc", Stored), wanted("b.zip", &inner, Stored)], b"");
        let names: Vec<_> = entries(&file).unwrap().iter().map(|entry| entry.name).collect();
        assert_eq!(names, [&b"a"[..], b"b.zip"]);
    }
}

#[test]
fn directory_size_that_is_wrong_is_refused() {
    let records = [record(b"a")];
    let wrong: [fn(&mut End); 2] = [|end| end.bytes += 1, |end| end.bytes -= 1];
    for change in wrong {
        assert_eq!(fault(&plain(&BODY, &records, change)), ArchiveError::MisplacedDirectory);
    }
}

#[test]
fn directory_start_that_is_wrong_moves_the_entries() {
    let records = [record(b"a"), Record { header_offset: 3, compressed: 0, ..record(b"b") }];
    let moved_to = |change: fn(&mut End)| {
        let file = plain(&BODY, &records, change);
        let entries = entries(&file).unwrap();
        [0, 1].map(|at| entries[at].oddity.ok_or(entries[at].header_offset))
    };
    assert_eq!(moved_to(|_| ()), [Err(0), Err(3)]);
    assert_eq!(moved_to(|end| end.start -= 2), [Ok(Oddity::OutsideArchive), Err(5)]);
    assert_eq!(moved_to(|end| end.start += 2), [Ok(Oddity::OutsideArchive), Err(1)]);
}

#[test]
fn count_that_cannot_fit_the_directory_is_refused_before_a_walk() {
    let file = plain(&BODY, &[record(b"a")], |end| {
        (end.entries, end.entries_on_disk) = (60_000, 60_000);
    });
    assert_eq!(span(&file), Err(ArchiveError::ImpossibleCount { entries: 60_000, bytes: 47 }));
    let lie = span_at(0, 47, usize::MAX);
    let built = Index::build(&directory(&[record(b"a")]), &lie);
    assert_eq!(built.err(), Some(ArchiveError::ImpossibleCount { entries: u64::MAX, bytes: 47 }));
}

#[test]
fn limits_are_inclusive() {
    let file = plain(&BODY, &[record(b"a"), record(b"b")], |_| ());
    let with = |entries, directory_bytes| {
        span_from(&file, TAIL_BYTES as usize, &Limits { entries, directory_bytes, ..Limits::default() })
    };
    assert!(with(2, 94).is_ok());
    let many = with(1, 94).unwrap_err();
    assert_eq!(many.to_string(), "archive has 2 entries, more than the limit of 1");
    let large = with(2, 93).unwrap_err();
    assert_eq!(large, ArchiveError::DirectoryTooLarge { bytes: 94, limit: 93 });
}

#[test]
fn split_archives_are_refused() {
    let records = [record(b"a")];
    let split: [fn(&mut End); 3] =
        [|end| end.disk = 1, |end| end.directory_disk = 1, |end| end.entries_on_disk = 0];
    for change in split {
        assert_eq!(fault(&plain(&BODY, &records, change)), ArchiveError::SplitArchive);
        let file = zip64(&BODY, &records, b"", End::all_ones(), change);
        assert_eq!(fault(&file), ArchiveError::SplitArchive);
    }
}

#[test]
fn zip64_end_record_is_read_where_the_plain_one_says_all_ones() {
    let records = [record(b"a"), record(b"b")];
    let file = zip64(&BODY, &records, b"", End::all_ones(), |_| ());
    assert_eq!(entries(&file).unwrap().len(), 2);
}

#[test]
fn zip64_end_record_that_nothing_calls_for_is_read_too() {
    let records = [record(b"a")];
    let file = zip64(&BODY, &records, b"", End::of(BODY.len(), &records), |_| ());
    assert_eq!(entries(&file).unwrap().len(), 1);
}

#[test]
fn zip64_end_record_before_the_tail_is_asked_for_once() {
    let records = [record(b"a")];
    let file = zip64(&BODY, &records, &[0; 4000], End::all_ones(), |_| ());
    let first = locate(&file[file.len() - 100..], file.len() as u64, &Limits::default());
    let record_at = (BODY.len() + directory(&records).len()) as u64;
    assert_eq!(first, Ok(Located::NeedFrom(record_at)));
    for tail_bytes in 22..file.len() {
        let found = span_from(&file, tail_bytes, &Limits::default()).unwrap();
        assert_eq!((found.start, found.entries), (40, 1));
    }
}

#[test]
fn zip64_end_record_that_lies_elsewhere_is_refused() {
    let records = [record(b"a")];
    let whole = zip64(&BODY, &records, b"", End::all_ones(), |_| ());
    let offset_at = whole.len() - 22 - 12;
    let true_offset = (BODY.len() + directory(&records).len()) as u64;
    let far = whole.len() as u64;
    for offset in [0, true_offset - 1, true_offset + 1, far - 22, far, u64::MAX] {
        let mut file = whole.clone();
        file[offset_at..][..8].copy_from_slice(&offset.to_le_bytes());
        assert_eq!(fault(&file), ArchiveError::DamagedZip64EndRecord, "{offset}");
    }
}

#[test]
fn zip64_end_record_never_sends_the_caller_far_back() {
    let mut file = vec![0; 300_000];
    file.extend(locator(5));
    file.extend(End::all_ones().plain(b""));
    assert_eq!(fault(&file), ArchiveError::DamagedZip64EndRecord);
}

#[test]
fn zip64_end_record_must_agree_with_the_plain_one() {
    let records = [record(b"a")];
    let mut outer = End::of(BODY.len(), &records);
    outer.start = u32::MAX.into();
    (outer.entries, outer.entries_on_disk) = (0, 0);
    let file = zip64(&BODY, &records, b"", outer, |_| ());
    assert_eq!(fault(&file), ArchiveError::EndRecordsDisagree);
}

#[test]
fn zip64_directory_must_end_where_its_end_record_begins() {
    let records = [record(b"a")];
    let wrong: [fn(&mut End); 3] =
        [|end| end.bytes += 1, |end| end.start = u64::MAX, |end| end.bytes = u64::MAX];
    for change in wrong {
        let file = zip64(&BODY, &records, b"", End::all_ones(), change);
        assert_eq!(fault(&file), ArchiveError::MisplacedDirectory);
    }
}

#[test]
fn place_of_all_ones_without_a_zip64_record_is_refused() {
    let file = plain(&BODY, &[record(b"a")], |end| end.start = u32::MAX.into());
    assert_eq!(fault(&file), ArchiveError::DamagedZip64EndRecord);
}

#[test]
fn counts_that_wrapped_agree_with_the_zip64_end_record() {
    let records = vec![record(b"n"); 65_540];
    let mut outer = End::all_ones();
    (outer.entries, outer.entries_on_disk) = (4, 4);
    let file = zip64(&BODY, &records, b"", outer, |_| ());
    assert_eq!(entries(&file).unwrap().len(), 65_540);
    (outer.entries, outer.entries_on_disk) = (5, 5);
    let file = zip64(&BODY, &records, b"", outer, |_| ());
    assert_eq!(fault(&file), ArchiveError::EndRecordsDisagree);
}

#[test]
fn zip64_end_record_in_the_private_data_of_another_is_refused() {
    let records = [record(b"a")];
    let inner = End::of(BODY.len(), &records).zip64(b"");
    let file = zip64(&BODY, &records, &inner, End::all_ones(), |_| ());
    assert_eq!(fault(&file), ArchiveError::DamagedZip64EndRecord);
}

#[test]
fn all_ones_without_any_zip64_record_are_plain_values() {
    let records = vec![record(b""); 65_535];
    let file = plain(&BODY, &records, |_| ());
    assert_eq!(entries(&file).unwrap().len(), 65_535);
    let file = [&BODY[..], &End::all_ones().plain(b"")].concat();
    assert_eq!(fault(&file), ArchiveError::MisplacedDirectory);
}

#[test]
fn bytes_that_are_not_the_asked_for_part_are_refused() {
    let file = plain(&BODY, &[record(b"a")], |_| ());
    let span = span(&file).unwrap();
    let short = walk(&file[40..80], &span, |_| Ok(()));
    assert_eq!(short, Err(ArchiveError::WrongLength { expected: 47, found: 40 }));
    let long = locate(&file, 10, &Limits::default());
    assert_eq!(long, Err(ArchiveError::WrongLength { expected: 10, found: file.len() as u64 }));
}

#[test]
fn zip64_end_record_hidden_in_an_entry_comment_is_refused() {
    let mut records = vec![record(b""); 65_535];
    let true_end = BODY.len() + directory(&records).len();
    let hidden = End::of(BODY.len(), &records).zip64(b"");
    records[65_534].comment = [hidden, locator(true_end as u64)].concat();
    let file = plain(&BODY, &records, |_| ());
    assert_eq!(fault(&file), ArchiveError::EndRecordsDisagree);
}

#[test]
fn zip64_locator_of_a_split_archive_is_refused() {
    let whole = zip64(&BODY, &[record(b"a")], b"", End::all_ones(), |_| ());
    let locator_at = whole.len() - 42;
    for (at, disk) in [(4, 1), (16, 2)] {
        let mut file = whole.clone();
        file[locator_at + at] = disk;
        assert_eq!(fault(&file), ArchiveError::SplitArchive);
    }
}

#[test]
fn zip64_end_record_must_reach_to_its_locator() {
    let records = [record(b"a")];
    let whole = zip64(&BODY, &records, b"gap", End::all_ones(), |_| ());
    let length_at = BODY.len() + directory(&records).len() + 4;
    for length in [44, 46, 48, 0xff] {
        let mut file = whole.clone();
        file[length_at] = length;
        assert_eq!(fault(&file), ArchiveError::DamagedZip64EndRecord);
    }
}
