//! Bounds on the memory and computation that one client causes: they end with the client and leave room for
//! others.

use std::io::Read;
use std::net::TcpStream;

use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::http_client::read_answer;
use crate::support::until;
use crate::support::zips::{self, Entry, RUN_BYTES};

/// A file that is `runs` runs of one byte, in zstd of this window.
fn file_of_runs(name: &str, window_log: u8, runs: usize) -> Entry {
    let content = [zips::RUN].repeat(RUN_BYTES);
    let mut crc = crc32fast::Hasher::new();
    (0..runs).for_each(|_| crc.update(&content));
    Entry {
        name: name.as_bytes().to_vec(),
        local_name: None,
        method: 93,
        flags: 0,
        crc32: crc.finalize(),
        packed: zips::zstd_runs(window_log, runs),
        uncompressed_size: (runs * RUN_BYTES) as u32,
    }
}

/// Asks for a part and reads nothing of the answer.
fn ask(gateway: &Gateway, path: &str, range: &str) -> TcpStream {
    gateway.get(&format!("{ARCHIVE}/{path}")).header("Range", range).connect()
}

#[test]
fn clients_that_skip_gigabytes_leave_room_for_others_and_end_when_they_leave() {
    let gateway = Gateway::on_sqlite();
    let capacity = gateway.app.deliver.capacity();
    // Nearly 4 GiB; nobody gets to its end, so nobody sees that its checksum is a lie.
    let runs = 32_000;
    let far = Entry { crc32: 1, packed: zips::zstd_runs(23, runs), ..file_of_runs("far", 17, 1) };
    let far = Entry { uncompressed_size: (runs * RUN_BYTES) as u32, ..far };
    fixtures::small(&gateway, &zips::by_hand(&[far, Entry::stored("innocent", b"here")]));
    let last = runs * RUN_BYTES - 10;
    let greedy: Vec<TcpStream> = (0..16).map(|_| ask(&gateway, "far", &format!("bytes={last}-"))).collect();
    until(20_000, "all of them skip", || capacity.skipping() == 16);

    assert_eq!(gateway.get("/-/liveness").send().status, 200);
    assert_eq!(gateway.get(&format!("{ARCHIVE}/innocent")).send().text(), "here");
    for start in [1_000_000, 8 << 20, 20 << 20] {
        let answer =
            read_answer(ask(&gateway, "far", &format!("bytes={start}-{}", start + 2)), false).unwrap();
        assert_eq!((answer.status, answer.text()), (206, "zzz"), "from {start}");
    }
    assert_eq!(capacity.skipping(), 16, "they are all still on their way");

    drop(greedy);
    until(20_000, "nobody skips any more", || capacity.skipping() == 0);
    until(20_000, "nothing is held for them", || capacity.decompression_bytes() == 0);
}

#[test]
fn a_long_way_to_a_part_ends_at_the_right_byte() {
    let gateway = Gateway::on_sqlite();
    let content = [zips::noise(300_000), vec![7; 20 << 20], zips::noise(300_000)].concat();
    for method in [zip::CompressionMethod::Deflated, zip::CompressionMethod::Zstd] {
        fixtures::small(&gateway, &zips::packed(method, &[("file", &content)]));
        for start in [(8 << 20) + 1, 20 << 20, content.len() - 1, content.len() - 200_001] {
            let answer = read_answer(ask(&gateway, "file", &format!("bytes={start}-")), false).unwrap();
            assert!(answer.status == 206 && answer.body == content[start..], "{method:?} from {start}");
        }
        let answer = read_answer(ask(&gateway, "file", "bytes=9000000-9000002"), false).unwrap();
        assert_eq!(answer.body, &content[9_000_000..9_000_003]);
    }
    until(20_000, "all is given back", || {
        gateway.app.deliver.capacity().skipping() + gateway.app.deliver.capacity().decompression_bytes() == 0
    });
}

#[test]
fn a_damaged_entry_is_cut_behind_a_long_way_too() {
    let gateway = Gateway::on_sqlite();
    let lie = Entry { crc32: 1, ..file_of_runs("lie", 20, 100) };
    fixtures::small(&gateway, &zips::by_hand(&[lie]));
    let answer = read_answer(ask(&gateway, "lie", "bytes=12000000-"), false).unwrap();
    assert_eq!((answer.status, answer.complete), (206, false));
}

#[test]
fn a_zstd_window_is_bounded_and_says_so() {
    let gateway = Gateway::on_sqlite();
    let entries = [
        file_of_runs("d/fits", 23, 80),
        file_of_runs("d/large", 24, 80),
        file_of_runs("huge", 31, 80),
        file_of_runs("little", 25, 60),
        file_of_runs("tiny", 31, 1),
        Entry {
            packed: [&[0x28, 0xb5, 0x2f, 0xfd, 1, 0, 9][..], &[0; 9]].concat(),
            ..file_of_runs("book", 17, 1)
        },
    ];
    let archive = zips::by_hand(&entries);
    fixtures::small(&gateway, &archive);
    for (name, runs, coding) in [("d/fits", 80, Some("zstd")), ("little", 60, None), ("tiny", 1, None)] {
        let path = format!("{ARCHIVE}/{name}");
        let plain = gateway.get(&path).send();
        assert!(plain.status == 200 && plain.body == [zips::RUN].repeat(runs * RUN_BYTES), "{name}");
        let packed = gateway.get(&path).header("Accept-Encoding", "zstd").send();
        assert_eq!(
            (packed.status, packed.complete, packed.header("content-encoding")),
            (200, true, coding),
            "{name}"
        );
        let varies = packed.header("vary").is_some_and(|names| names.contains("Accept-Encoding"));
        assert_eq!(varies, coding.is_some(), "{name}");
        let part = gateway.get(&path).header("Range", "bytes=-7").send();
        assert_eq!((part.status, part.text()), (206, "zzzzzzz"), "{name}");
    }
    let reason = |bytes| {
        format!(
            "{{\"message\":\"entry needs a zstd window of {bytes}, more than the limit of 8 MiB; the archive itself can be downloaded\"}}"
        )
    };
    let book = r#"{"message":"entry needs a zstd dictionary, which is not supported"}"#.to_owned();
    for (name, reason) in [("d/large", reason("16 MiB")), ("huge", reason("2 GiB")), ("book", book)] {
        let path = format!("{ARCHIVE}/{name}");
        for (header, value) in [("Accept", "*/*"), ("Accept-Encoding", "zstd"), ("Range", "bytes=0-9")] {
            let refused = gateway.get(&path).header(header, value).send();
            assert_eq!(refused.error(), (422, reason.as_str()), "{name}");
            assert_eq!(gateway.head(&path).header(header, value).send().status, 422);
        }
    }
    assert!(gateway.get(ARCHIVE).send().body == archive, "the archive carries them as they lie");
    assert_eq!(gateway.get(&format!("{ARCHIVE}?path=d")).send().status, 200, "and so does a folder");
}

#[test]
fn a_further_frame_that_asks_for_more_is_refused_or_cut() {
    let gateway = Gateway::on_sqlite();
    let frames = |first: usize, rest: usize| {
        let mut both = file_of_runs("both", 17, first + rest);
        both.packed = [zips::zstd_runs(17, first), zips::zstd_runs(25, rest)].concat();
        both
    };
    fixtures::small(&gateway, &zips::by_hand(&[frames(0, 80)]));
    let path = format!("{ARCHIVE}/both");
    assert_eq!(gateway.get(&path).send().status, 422, "before the first byte");
    fixtures::small(&gateway, &zips::by_hand(&[frames(70, 80)]));
    let cut = gateway.get(&path).send();
    assert_eq!((cut.status, cut.complete), (200, false));
    let small = gateway.get(&path).header("Accept-Encoding", "zstd").send();
    assert_eq!(small.header("content-encoding"), None, "all of a small entry is looked at");
    assert!(!small.complete);
}

#[test]
fn memory_for_unpacking_is_bounded_and_given_back() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.decompression_memory_bytes = 20 << 20);
    let capacity = gateway.app.deliver.capacity();
    fixtures::small(&gateway, &zips::by_hand(&[file_of_runs("file", 23, 800), file_of_runs("tiny", 23, 1)]));
    let stalled = ask(&gateway, "file", "bytes=1-");
    until(20_000, "it is unpacked", || capacity.decompression_bytes() > 8 << 20);
    let others: Vec<TcpStream> = (0..30).map(|_| ask(&gateway, "file", "bytes=1-")).collect();
    assert_eq!(gateway.get("/-/liveness").send().status, 200);
    assert!(capacity.decompression_bytes() <= 15 << 20, "one client does not have all");
    // A share that others wait for is not held for ever: a client that reads nothing is cut off, and each
    // gets its turn.
    let tiny = gateway.get(&format!("{ARCHIVE}/tiny")).header("Accept-Encoding", "identity").send();
    assert!(tiny.complete && matches!(tiny.status, 200 | 503), "{}", tiny.status);
    if tiny.status == 503 {
        assert_eq!(tiny.header("retry-after"), Some("5"));
    }
    let mut rest = Vec::new();
    let mut stalled = stalled;
    let _ = stalled.read_to_end(&mut rest);
    assert!(rest.len() < 800 * RUN_BYTES, "cut, as it made no progress while others waited");
    drop(others);
    until(20_000, "all is given back", || capacity.decompression_bytes() == 0);
}

#[test]
fn a_folder_on_its_way_holds_its_own_rows_and_no_index() {
    let gateway = Gateway::on_sqlite();
    let noise = zips::noise(24 << 20);
    let mut entries: Vec<Entry> =
        (0..5_000).map(|number| Entry::stored(format!("other/{number}"), b"")).collect();
    entries.push(Entry::stored("d/large", &noise));
    fixtures::small(&gateway, &zips::by_hand(&entries));
    let capacity = gateway.app.deliver.capacity();
    let stalled = gateway.get(&format!("{ARCHIVE}?path=d")).connect();
    until(20_000, "the folder is on its way", || capacity.rows_bytes() > 0);
    assert_eq!(capacity.rows_bytes(), 1024, "one row, counted in steps");
    let whole = gateway.get(&format!("{ARCHIVE}?path=other")).connect();
    drop(whole);
    let answer = read_answer(stalled, false).unwrap();
    assert!(answer.complete && answer.body.len() > noise.len());
    until(20_000, "it is given back", || capacity.rows_bytes() == 0);
}

#[test]
fn a_page_of_long_names_is_counted() {
    let gateway = Gateway::on_sqlite();
    let entries: Vec<Entry> =
        (0..100).map(|number| Entry::stored(format!("{number:03}{}", "n".repeat(60_000)), b"")).collect();
    fixtures::small(&gateway, &zips::by_hand(&entries));
    let capacity = gateway.app.deliver.capacity();
    let stalled = gateway.get(&format!("{ARCHIVE}/tree?per_page=100")).connect();
    until(20_000, "the page is on its way", || capacity.rows_bytes() > 100 * 60_000);
    let page = read_answer(stalled, false).unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("application/json")));
    let items: Vec<serde_json::Value> = serde_json::from_slice(&page.body).unwrap();
    assert_eq!((items.len(), items[99]["path"].as_str().unwrap().len()), (100, 60_003));
    until(20_000, "it is given back", || capacity.rows_bytes() == 0);
}
