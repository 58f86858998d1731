//! Archives that are damaged, inconsistent or too large.
//!
//! They are kept and served whole; a single file is rejected with the reason.

use crate::support::fixtures::{self, ARCHIVE, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form};
use crate::support::zips::{self, Entry};

fn file(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(&format!("{ARCHIVE}/{path}")).send()
}

/// The archive is served whole, and its file `a` refused with this reason.
fn assert_whole_but_not_readable(gateway: &Gateway, archive: &[u8], reason: &str) {
    fixtures::small(gateway, archive);
    assert!(gateway.get(ARCHIVE).send().body == archive, "the archive is not as it was");
    let refused = file(gateway, "a");
    let expected = format!("{{\"message\":\"{reason}\"}}");
    assert_eq!(refused.error(), (422, expected.as_str()));
    assert_eq!(gateway.head(&format!("{ARCHIVE}/a")).send().status, 422);
}

on_both_databases!(
    what_is_no_archive_is_kept_whole_and_says_why,
    an_archive_that_lies_about_places_is_not_readable,
    an_entry_that_lies_about_its_size_or_checksum_never_arrives_in_full,
    a_range_of_all_of_a_stored_entry_is_checked_as_without_one,
    a_small_damaged_entry_is_refused_before_its_first_byte,
    a_large_entry_without_its_header_is_refused_before_its_first_byte,
    an_archive_between_other_bytes_is_read_file_by_file_and_folder_by_folder,
    an_uploaded_archive_behind_other_bytes_is_found_in_its_tail,
    names_in_local_headers_may_be_written_otherwise,
    one_odd_entry_is_refused_and_its_neighbours_are_served,
    encrypted_and_unknown_entries_are_refused_by_name_of_the_method,
    hostile_names_do_no_harm_to_their_neighbours,
    an_unreadable_archive_is_accepted_when_it_is_uploaded
);

fn what_is_no_archive_is_kept_whole_and_says_why(gateway: Gateway) {
    let good = zips::by_hand(&[Entry::stored("a", b"content")]);
    let directory = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let change = |at: usize, bytes: &[u8]| {
        let mut archive = good.clone();
        archive[at..at + bytes.len()].copy_from_slice(bytes);
        archive
    };
    let no_end = "not a zip archive: no end-of-central-directory record";
    for (archive, reason) in [
        (b"this is no zip".to_vec(), no_end),
        (b"".to_vec(), no_end),
        (good[..good.len() - 5].to_vec(), no_end),
        (change(directory, b"XX"), "archive directory is damaged at entry 1"),
    ] {
        assert_whole_but_not_readable(&gateway, &archive, reason);
    }
}

fn an_archive_that_lies_about_places_is_not_readable(gateway: Gateway) {
    let good = zips::by_hand(&[Entry::stored("a", b"content")]);
    let directory = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = good.len() - 22;
    for (at, value) in
        [(directory + 42, 9_999_u32), (directory + 20, 9_999), (end + 16, 3), (end + 8, 0x0009_0009)]
    {
        let mut archive = good.clone();
        archive[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fixtures::small(&gateway, &archive);
        assert!(gateway.get(ARCHIVE).send().body == archive);
        let refused = file(&gateway, "a");
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
}

fn an_entry_that_lies_about_its_size_or_checksum_never_arrives_in_full(gateway: Gateway) {
    let content = zips::noise(300_000);
    let truth = || Entry::stored("a", &content);
    let lies = [
        Entry { crc32: 1, ..truth() },
        Entry { uncompressed_size: 299_999, ..truth() },
        Entry { uncompressed_size: 300_001, ..truth() },
        Entry { method: 8, ..truth() },
        Entry { method: 93, ..truth() },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        fixtures::small(&gateway, &zips::by_hand(&[lie]));
        let answer = file(&gateway, "a");
        let whole = answer.status == 200 && answer.complete;
        assert!(!whole, "lie {number} came through");
        assert!(gateway.get(ARCHIVE).send().complete);
    }
}

fn a_range_of_all_of_a_stored_entry_is_checked_as_without_one(gateway: Gateway) {
    for size in [100, 300_000] {
        let content = zips::noise(size);
        let mut archive = zips::by_hand(&[Entry::stored("a", &content)]);
        archive[31 + size / 2] ^= 1;
        fixtures::small(&gateway, &archive);
        let ranges = ["bytes=0-".to_owned(), format!("bytes=0-{}", size - 1), format!("bytes=-{size}")];
        for range in ranges {
            let answer = gateway.get(&format!("{ARCHIVE}/a")).header("Range", &range).send();
            assert!(answer.status == 422 || !answer.complete, "{range} of {size} came through");
        }
        let part = gateway.get(&format!("{ARCHIVE}/a")).header("Range", "bytes=1-").send();
        assert_eq!((part.status, part.complete), (206, true));
    }
}

fn a_small_damaged_entry_is_refused_before_its_first_byte(gateway: Gateway) {
    let truth = || Entry::stored("a", b"content");
    let headless = {
        let mut archive = zips::by_hand(&[truth()]);
        archive[0] = b'p';
        archive
    };
    for (archive, reason) in [
        (
            zips::by_hand(&[Entry { crc32: 1, ..truth() }]),
            "entry's CRC-32 does not match its directory record",
        ),
        (
            zips::by_hand(&[Entry { uncompressed_size: 8, ..truth() }]),
            "entry is shorter than its directory record says",
        ),
        (
            zips::by_hand(&[Entry { uncompressed_size: 6, ..truth() }]),
            "entry is longer than its directory record says",
        ),
        (zips::by_hand(&[Entry { method: 8, ..truth() }]), "entry's compressed data is damaged"),
        (headless, "entry has no local header at its stated offset"),
    ] {
        fixtures::small(&gateway, &archive);
        let expected = format!("{{\"message\":\"{reason}\"}}");
        assert_eq!(file(&gateway, "a").error(), (422, expected.as_str()));
    }
}

fn a_large_entry_without_its_header_is_refused_before_its_first_byte(gateway: Gateway) {
    let mut archive = zips::by_hand(&[Entry::stored("a", &zips::noise(300_000))]);
    archive[0] = b'p';
    fixtures::small(&gateway, &archive);
    let reason = r#"{"message":"entry has no local header at its stated offset"}"#;
    assert_eq!(file(&gateway, "a").error(), (422, reason));
    let part = gateway.get(&format!("{ARCHIVE}/a")).header("Range", "bytes=5-9").send();
    assert_eq!(part.error(), (422, reason));
}

fn an_archive_between_other_bytes_is_read_file_by_file_and_folder_by_folder(gateway: Gateway) {
    let files = [("d/a", b"alpha".as_slice()), ("d/b", &[b'b'; 70_000]), ("c", b"gamma")];
    let alone = zips::deflated(&files);
    let long = vec![b'#'; 200_000];
    for (front, behind) in
        [(&b""[..], &b"\n"[..]), (b"", &[0; 10_240]), (b"#!/bin/sh\n", b""), (&long, b"\n")]
    {
        let archive = [front, &alone, behind].concat();
        fixtures::small(&gateway, &archive);
        for (path, content) in files {
            assert!(file(&gateway, path).body == content, "{path}");
            let part = gateway.get(&format!("{ARCHIVE}/{path}")).header("Range", "bytes=2-3").send();
            assert_eq!((part.status, &part.body[..]), (206, &content[2..4]), "{path}");
            let packed = gateway.get(&format!("{ARCHIVE}/{path}")).header("Accept-Encoding", "gzip").send();
            assert_eq!(packed.status, 200, "{path}");
        }
        assert!(gateway.get(ARCHIVE).send().body == archive);
        let tree = gateway.get(&format!("{ARCHIVE}/tree?recursive=true")).send().text().to_owned();
        assert!(["\"d/a\"", "\"d/b\"", "\"c\""].iter().all(|path| tree.contains(path)), "{tree}");
        let folder = gateway.get(&format!("{ARCHIVE}?path=d")).send();
        let mut copy = zip::ZipArchive::new(std::io::Cursor::new(folder.body)).unwrap();
        assert_eq!(copy.len(), 2);
        for (path, content) in &files[..2] {
            let mut copied = Vec::new();
            std::io::Read::read_to_end(&mut copy.by_name(path).unwrap(), &mut copied).unwrap();
            assert!(copied == *content, "{path}");
        }
    }
}

fn an_uploaded_archive_behind_other_bytes_is_found_in_its_tail(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let archive = [&b"stub"[..], &zips::deflated(&[("a", b"content")]), b"\n"].concat();
    let answer = gateway
        .post(UPLOAD)
        .job_token(fixtures::RUNNING)
        .form(Form::default().file("a.zip", &archive))
        .send();
    assert_eq!(answer.status, 201);
    assert_eq!(gateway.get(&format!("{UPLOADED}/a")).send().text(), "content");
}

fn names_in_local_headers_may_be_written_otherwise(gateway: Gateway) {
    let large = zips::noise(100_000);
    let local = |name: &[u8]| Some(name.to_vec());
    let entries = [
        Entry { local_name: local(b"sv/a.dll"), ..Entry::stored("sv\\a.dll", b"library") },
        Entry {
            local_name: local(b"gr\x81\xe1e.txt"),
            flags: 0x800,
            ..Entry::stored("grüße.txt", b"greetings")
        },
        Entry { local_name: local(b""), ..Entry::stored("large", &large) },
    ];
    fixtures::small(&gateway, &zips::by_hand(&entries));
    for (path, content) in
        [("sv%5Ca.dll", &b"library"[..]), ("gr%C3%BC%C3%9Fe.txt", b"greetings"), ("large", &large)]
    {
        assert!(file(&gateway, path).body == content, "{path}");
        let part = gateway.get(&format!("{ARCHIVE}/{path}")).header("Range", "bytes=3-4").send();
        assert_eq!((part.status, &part.body[..]), (206, &content[3..5]), "{path}");
    }
    let copy = gateway.get(&format!("{ARCHIVE}?path=/")).send();
    assert_eq!(copy.status, 200);
}

fn one_odd_entry_is_refused_and_its_neighbours_are_served(gateway: Gateway) {
    let entries = ["d/a", "d/odd", "e/z"].map(|name| Entry::stored(name, b"content"));
    let good = zips::by_hand(&entries);
    let record = good.windows(4).enumerate().filter(|(_, w)| w == b"PK\x01\x02").nth(1).unwrap().0;
    let changes: [(usize, &[u8], &str); 5] = [
        (42, &[0xf0; 4], "entry is outside its archive"),
        (42, &[0xff; 4], "entry lacks the zip64 field that its sizes call for"),
        (20, &[0xf0; 4], "entry is outside its archive"),
        (20, &[0xff; 4], "entry lacks the zip64 field that its sizes call for"),
        (34, &[7, 0], "entry is on another disk of a split archive, which is not supported"),
    ];
    for (at, bytes, reason) in changes {
        let mut archive = good.clone();
        archive[record + at..][..bytes.len()].copy_from_slice(bytes);
        fixtures::small(&gateway, &archive);
        let expected = format!("{{\"message\":\"{reason}\"}}");
        assert_eq!(file(&gateway, "d/odd").error(), (422, expected.as_str()));
        assert_eq!(gateway.head(&format!("{ARCHIVE}/d/odd")).send().status, 422);
        assert_eq!(file(&gateway, "d/a").text(), "content");
        assert_eq!(file(&gateway, "e/z").text(), "content");
        let tree = gateway.get(&format!("{ARCHIVE}/tree?path=d")).send().text().to_owned();
        assert!(tree.contains("d/a") && tree.contains("d/odd"), "{tree}");
        let folder = gateway.get(&format!("{ARCHIVE}?path=d")).send();
        let expected = format!("{{\"message\":\"{reason} (entry \\\"d/odd\\\")\"}}");
        assert_eq!(folder.error(), (422, expected.as_str()));
        assert_eq!(gateway.get(&format!("{ARCHIVE}?path=e")).send().status, 200);
    }
}

fn encrypted_and_unknown_entries_are_refused_by_name_of_the_method(gateway: Gateway) {
    let entries = [
        Entry { flags: 1, ..Entry::stored("locked", b"x") },
        Entry { method: 14, ..Entry::stored("lzma", b"x") },
        Entry { method: 12_345, ..Entry::stored("odd", b"x") },
        Entry::stored("plain", b"fine"),
    ];
    fixtures::small(&gateway, &zips::by_hand(&entries));
    for (path, message) in [
        ("locked", r#"{"message":"entry is encrypted"}"#),
        ("lzma", r#"{"message":"entry uses compression method 14, which is not supported"}"#),
        ("odd", r#"{"message":"entry uses compression method 12345, which is not supported"}"#),
    ] {
        assert_eq!(file(&gateway, path).error(), (422, message), "{path}");
        assert_eq!(gateway.head(&format!("{ARCHIVE}/{path}")).send().status, 422);
    }
    assert_eq!(file(&gateway, "plain").text(), "fine");
}

fn hostile_names_do_no_harm_to_their_neighbours(gateway: Gateway) {
    let long = "n".repeat(65_535);
    let names: [&[u8]; 6] = [b"../../up", b"nul\0", b"bad\xff\xfe", long.as_bytes(), b"", b"good"];
    let entries: Vec<Entry> = names.iter().map(|name| Entry::stored(name, b"content")).collect();
    fixtures::small(&gateway, &zips::by_hand(&entries));
    assert_eq!(file(&gateway, "good").text(), "content");
    let asked_for_by_a_long_name = |bytes: usize| file(&gateway, &long[..bytes]).status;
    assert_eq!((asked_for_by_a_long_name(8_000), asked_for_by_a_long_name(60_000)), (404, 414));
}

fn an_unreadable_archive_is_accepted_when_it_is_uploaded(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let broken = b"a runner's disk was full and this is what it sent".to_vec();
    let answer =
        gateway.post(UPLOAD).job_token(fixtures::RUNNING).form(Form::default().file("a.zip", &broken)).send();
    assert_eq!(answer.status, 201);
    assert_eq!(gateway.get(UPLOADED).send().body, broken);
    assert_eq!(gateway.get(&format!("{UPLOADED}/a")).send().status, 422);
}

#[test]
fn more_entries_than_16_bits_can_count_are_served() {
    let gateway = Gateway::on_sqlite();
    for count in [65_535_usize, 65_536, 70_000] {
        let entries: Vec<Entry> =
            (0..count).map(|number| Entry::stored(format!("f{number:06}"), b"x")).collect();
        fixtures::small(&gateway, &zips::by_hand(&entries));
        assert_eq!(file(&gateway, &format!("f{:06}", count - 1)).text(), "x", "{count}");
        assert_eq!(file(&gateway, &format!("f{count:06}")).status, 404);
    }
}

#[test]
fn a_million_entries_are_served_and_one_more_is_refused() {
    let gateway = Gateway::on_sqlite();
    let archive = zips::of_many_entries(1_000_000);
    fixtures::small(&gateway, &archive);
    assert_eq!(file(&gateway, "e0").status, 200);
    let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let blanked = [&archive[..directory], &vec![0; archive.len() - directory]].concat();
    std::fs::write(gateway.blobs().remove(0), blanked).unwrap();
    for name in ["e999999", "e500000"] {
        assert_eq!(file(&gateway, name).status, 200, "{name} from the index that is kept");
    }
    assert_eq!(file(&gateway, "e1000000").status, 404);
    let archive = zips::of_many_entries(1_000_001);
    let upload = gateway
        .post(UPLOAD)
        .job_token(fixtures::RUNNING)
        .form(Form::default().file("a.zip", &archive))
        .send();
    assert_eq!(upload.status, 201);
    let refused = gateway.get(&format!("{UPLOADED}/e0")).send();
    let reason = r#"{"message":"archive has 1000001 entries, more than the limit of 1000000"}"#;
    assert_eq!(refused.error(), (422, reason));
    assert!(gateway.get(UPLOADED).send().body == archive);
}
