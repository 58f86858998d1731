//! Ranges and conditional requests on archives and single files, and the identity of a representation.

use std::io::Read;

use artigate::domain::Sha256Digest;
use zip::CompressionMethod;

use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};
use crate::support::zips;

fn content() -> Vec<u8> {
    [zips::noise(150_000), vec![b'x'; 50_000], zips::noise(100_000)].concat()
}

/// One archive with the same content in each way of packing.
fn archives() -> Vec<Vec<u8>> {
    let methods = [CompressionMethod::Stored, CompressionMethod::Deflated, CompressionMethod::Zstd];
    methods
        .map(|method| zips::packed(method, &[("before", b"b"), ("file.bin", &content()), ("empty", b"")]))
        .into()
}

fn part(gateway: &Gateway, path: &str, range: &str) -> Answer {
    gateway.get(path).header("Range", range).send()
}

on_both_databases!(
    parts_of_archives_and_of_files_are_as_in_the_whole,
    tags_and_dates_identify_what_was_uploaded,
    conditions_are_asked_in_their_order,
    a_packed_file_goes_out_as_it_lies_to_a_client_that_unpacks_it,
    what_is_packed_already_goes_out_without_a_coding,
    a_packed_form_is_no_way_around_a_damaged_header,
    reports_are_downloaded_by_their_kind
);

fn parts_of_archives_and_of_files_are_as_in_the_whole(gateway: Gateway) {
    for archive in archives() {
        fixtures::small(&gateway, &archive);
        let file = format!("{ARCHIVE}/file.bin");
        for (path, whole) in [(ARCHIVE, &archive), (file.as_str(), &content())] {
            assert_eq!(gateway.get(path).send().header("accept-ranges"), Some("bytes"));
            let size = whole.len();
            for (range, from, to) in [
                ("bytes=0-0".to_owned(), 0, 1),
                ("bytes=100-199".into(), 100, 200),
                ("bytes=65535-65537".into(), 65_535, 65_538),
                (format!("bytes={}-", size - 7), size - 7, size),
                ("bytes=-1".into(), size - 1, size),
                (format!("bytes=10-{}", size * 2), 10, size),
                ("bytes=0-".into(), 0, size),
            ] {
                let answer = part(&gateway, path, &range);
                assert_eq!((answer.status, answer.complete), (206, true), "{path} {range}");
                assert_eq!(
                    answer.header("content-range"),
                    Some(format!("bytes {from}-{}/{size}", to - 1).as_str())
                );
                assert!(answer.body == whole[from..to], "{path} {range} is not as in the whole");
            }
            for range in [format!("bytes={size}-"), "bytes=-0".into()] {
                let answer = part(&gateway, path, &range);
                assert_eq!(answer.error(), (416, r#"{"message":"416 Range Not Satisfiable"}"#));
                assert_eq!(answer.header("content-range"), Some(format!("bytes */{size}").as_str()));
            }
            for range in ["bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes"] {
                let answer = part(&gateway, path, range);
                assert_eq!((answer.status, answer.body.len()), (200, size), "{range}");
            }
            let head = gateway.head(path).header("Range", "bytes=0-0").send();
            assert_eq!((head.status, head.header("content-length")), (200, Some(size.to_string().as_str())));
        }
        assert_eq!(part(&gateway, &format!("{ARCHIVE}/empty"), "bytes=0-").status, 416);
    }
}

fn tags_and_dates_identify_what_was_uploaded(gateway: Gateway) {
    let archive = archives().remove(0);
    fixtures::small(&gateway, &archive);
    let hex = Sha256Digest::of(&archive).to_string();
    let whole = gateway.get(ARCHIVE).send();
    assert_eq!(whole.header("etag"), Some(format!("\"{hex}\"").as_str()));
    assert_eq!(whole.header("last-modified"), Some("Sun, 01 Feb 2026 12:00:00 GMT"));
    assert_eq!(whole.header("cache-control"), Some("private, no-cache"));
    let digest = whole.header("repr-digest").unwrap();
    let base64 = digest.strip_prefix("sha-256=:").and_then(|rest| rest.strip_suffix(':')).unwrap();
    use base64::Engine;
    let decoded = base64::prelude::BASE64_STANDARD.decode(base64).unwrap();
    assert_eq!(decoded, Sha256Digest::of(&archive).as_bytes());
    let file = gateway.get(&format!("{ARCHIVE}/file.bin")).send();
    let expected = Sha256Digest::of(format!("{hex}:file.bin").as_bytes());
    assert_eq!(file.header("etag"), Some(format!("\"{expected}\"").as_str()));
    assert_eq!(file.header("last-modified"), Some("Sun, 01 Feb 2026 12:00:00 GMT"));
    assert_eq!(file.header("repr-digest"), None);
    let by_ref = gateway.get("/api/v4/projects/1/jobs/artifacts/main/raw/file.bin?job=build").send();
    assert_eq!(by_ref.header("etag"), file.header("etag"));
}

fn conditions_are_asked_in_their_order(gateway: Gateway) {
    fixtures::small(&gateway, &archives().remove(0));
    for path in [ARCHIVE.to_owned(), format!("{ARCHIVE}/file.bin")] {
        let tag = gateway.get(&path).send().header("etag").unwrap().to_owned();
        let date = "Sun, 01 Feb 2026 12:00:00 GMT";
        let (before, after) = ("Sun, 01 Feb 2026 11:59:59 GMT", "Sun, 01 Feb 2026 12:00:01 GMT");
        let ask = |request_context: &dyn Fn(Request) -> Request| {
            let get = request_context(gateway.get(&path)).send();
            let head = request_context(gateway.head(&path)).send();
            assert_eq!(get.status, head.status);
            if get.status == 304 {
                assert!(get.body.is_empty());
                assert_eq!(get.header("etag"), Some(tag.as_str()));
                assert_eq!(get.header("last-modified"), Some(date));
            }
            get.status
        };
        let weak = format!("W/{tag}");
        let list = format!("\"other\", {tag}");
        for (name, value, status) in [
            ("If-None-Match", tag.as_str(), 304),
            ("If-None-Match", weak.as_str(), 304),
            ("If-None-Match", list.as_str(), 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", "\"other\"", 200),
            ("If-Modified-Since", date, 304),
            ("If-Modified-Since", after, 304),
            ("If-Modified-Since", before, 200),
            ("If-Modified-Since", "yesterday", 200),
            ("If-Match", tag.as_str(), 200),
            ("If-Match", list.as_str(), 200),
            ("If-Match", "*", 200),
            ("If-Match", weak.as_str(), 412),
            ("If-Match", "\"other\"", 412),
            ("If-Unmodified-Since", date, 200),
            ("If-Unmodified-Since", before, 412),
        ] {
            assert_eq!(ask(&|r| r.header(name, value)), status, "{name}: {value}");
        }
        assert_eq!(
            ask(&|r| r.header("If-None-Match", "\"other\"").header("If-Modified-Since", date)),
            200,
            "the tag decides"
        );
        assert_eq!(ask(&|r| r.header("If-Match", &tag).header("If-None-Match", &tag)), 304);
        let refused = gateway.get(&path).header("If-Match", "\"other\"").send();
        assert_eq!(refused.error(), (412, r#"{"message":"412 Precondition Failed"}"#));
        for (value, status) in [
            (tag.as_str(), 206),
            (date, 206),
            (weak.as_str(), 200),
            ("\"other\"", 200),
            (before, 200),
            (after, 200),
        ] {
            let answer = gateway.get(&path).header("Range", "bytes=0-9").header("If-Range", value).send();
            assert_eq!(answer.status, status, "If-Range: {value}");
        }
    }
}

fn a_packed_file_goes_out_as_it_lies_to_a_client_that_unpacks_it(gateway: Gateway) {
    let all = archives();
    let unpack_gzip = |bytes: &[u8]| {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
        out
    };
    let cases: [(usize, &str, Option<&str>); 7] = [
        (1, "gzip", Some("gzip")),
        (1, "gzip;q=1.0,deflate;q=0.6,identity;q=0.3", Some("gzip")),
        (1, "zstd, br", None),
        (1, "identity, gzip;q=0.5", None),
        (2, "gzip, zstd", Some("zstd")),
        (2, "gzip", None),
        (0, "gzip, zstd", None),
    ];
    for (archive, accepted, coding) in cases {
        fixtures::small(&gateway, &all[archive]);
        let path = format!("{ARCHIVE}/file.bin");
        let plain = gateway.get(&path).send();
        let answer = gateway.get(&path).header("Accept-Encoding", accepted).send();
        let head = gateway.head(&path).header("Accept-Encoding", accepted).send();
        assert_eq!((answer.status, answer.complete), (200, true));
        assert_eq!(answer.header("content-encoding"), coding, "archive {archive}, {accepted}");
        assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert_eq!(head.header("content-encoding"), coding);
        let by = |answer: &Answer| answer.header("vary").unwrap().starts_with("Accept-Encoding, ");
        assert_eq!((by(&answer), by(&plain)), (archive != 0, archive != 0));
        let tag = plain.header("etag").unwrap().trim_end_matches('"').to_owned();
        match coding {
            None => assert!(answer.body == content()),
            Some(coding) => {
                assert_eq!(answer.header("etag"), Some(format!("{tag}-{coding}\"").as_str()));
                assert!(answer.body.len() < content().len());
                if coding == "gzip" {
                    assert!(unpack_gzip(&answer.body) == content());
                }
            }
        }
        let part = gateway.get(&path).header("Accept-Encoding", accepted).header("Range", "bytes=5-9").send();
        assert_eq!((part.status, part.header("content-encoding")), (206, None));
        assert_eq!(part.body, &content()[5..10]);
        assert_eq!(part.header("etag"), plain.header("etag"));
    }
}

fn what_is_packed_already_goes_out_without_a_coding(gateway: Gateway) {
    let names = ["x.tar.gz", "x.TGZ", "logo.svgz", "app.jar", "picture.png", "logo.svg", "log.txt"];
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &[b'x'; 5000][..])).collect();
    for method in [CompressionMethod::Deflated, CompressionMethod::Zstd] {
        fixtures::small(&gateway, &zips::packed(method, &files));
        for name in names {
            let path = format!("{ARCHIVE}/{name}");
            let answer = gateway.get(&path).header("Accept-Encoding", "gzip, deflate, br, zstd").send();
            let is_coded = matches!(name, "logo.svg" | "log.txt");
            assert_eq!(answer.header("content-encoding").is_some(), is_coded, "{name}");
            let varies = answer.header("vary").is_some_and(|names| names.contains("Accept-Encoding"));
            assert_eq!(varies, is_coded, "{name}");
            assert!(is_coded || answer.body == [b'x'; 5000], "{name}");
        }
    }
}

fn a_packed_form_is_no_way_around_a_damaged_header(gateway: Gateway) {
    let mut archive = archives().remove(1);
    let name = archive.windows(8).position(|window| window == b"file.bin").unwrap();
    archive[name - 30] = b'p';
    fixtures::small(&gateway, &archive);
    let path = format!("{ARCHIVE}/file.bin");
    for (name, value) in [("Accept-Encoding", "gzip"), ("Range", "bytes=0-9"), ("Accept", "*/*")] {
        assert_eq!(gateway.get(&path).header(name, value).send().status, 422, "{name}");
    }
    let mut stored = archives().remove(0);
    let name = stored.windows(8).position(|window| window == b"file.bin").unwrap();
    stored[name - 30] = b'p';
    fixtures::small(&gateway, &stored);
    assert_eq!(gateway.get(&path).header("Range", "bytes=0-9").send().status, 422);
}

fn reports_are_downloaded_by_their_kind(gateway: Gateway) {
    let (zip, report) = (archives().remove(0), b"junit");
    let made = Fixture::project("group/project").public().members().pipeline(100, "main");
    let made = made.job(10, "a").archive(&zip).artifact("junit", report);
    let made = made.artifact("dotenv", report).accessibility("private").artifact("trace", report);
    let made = made.job(11, "b").archive(&zip).accessibility("maintainer").artifact("junit", report);
    made.job(12, "c").artifact("junit", report).load(&gateway);
    let get = |job: i64, kind: &str| {
        gateway.get(&format!("/api/v4/projects/1/jobs/{job}/artifacts?file_type={kind}"))
    };
    let junit = get(10, "junit").send();
    assert_eq!((junit.status, junit.text()), (200, "junit"));
    assert_eq!(junit.header("content-disposition"), Some("attachment; filename=\"junit.xml\""));
    assert_eq!(get(12, "junit").send().status, 200);
    assert_eq!(get(10, "archive").send().body, archives().remove(0));
    assert_eq!(get(10, "sast").send().error(), (404, r#"{"message":"404 Not Found"}"#));
    assert_eq!(
        get(10, "dotenv").send().error(),
        (403, r#"{"message":"403 Forbidden"}"#),
        "private beside a public archive"
    );
    assert_eq!(get(10, "dotenv").private_token(fixtures::DEVELOPER).send().status, 200);
    assert_eq!(
        get(11, "junit").private_token(fixtures::DEVELOPER).send().status,
        403,
        "the archive's accessibility is the job's"
    );
    for kind in ["trace", "metadata", "nonsense"] {
        assert_eq!(
            get(10, kind).send().error(),
            (
                400,
                r#"{"error":"file_type does not have a valid value","message":"file_type does not have a valid value"}"#
            ),
            "{kind}"
        );
    }
}
