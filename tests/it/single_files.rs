//! Single files of an archive: every compression method, unusual names, unusual paths.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;
use crate::support::zips::{self, Entry};

fn file(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(&format!("{ARCHIVE}/{path}")).send()
}

on_both_databases!(
    every_way_of_packing_comes_out_as_it_went_in,
    a_single_file_is_a_named_attachment_with_a_type_by_its_extension,
    a_path_comes_encoded_or_not_and_is_compared_byte_for_byte,
    folders_are_empty_files_by_their_own_entry_only_and_symlinks_are_their_targets,
    the_first_of_several_entries_of_one_name_is_served,
    paths_that_leave_the_archive_or_are_no_text_are_400,
    an_index_is_read_once_and_then_kept,
    a_slash_behind_a_path_is_no_files_whatever_stands_before_it,
    ambiguous_paths_find_the_ref_and_file_that_are_there
);

fn every_way_of_packing_comes_out_as_it_went_in(gateway: Gateway) {
    let big = [zips::noise(700_000), vec![b'x'; 700_000]].concat();
    let files: &[(&str, &[u8])] =
        &[("z/last.bin", &big), ("empty", b""), ("one", b"1"), ("a/first.txt", b"first\n")];
    let methods = [CompressionMethod::Stored, CompressionMethod::Deflated, CompressionMethod::Zstd];
    let mut archives: Vec<Vec<u8>> = methods.iter().map(|method| zips::packed(*method, files)).collect();
    archives.push(zips::streamed(files));
    archives.push(with_zip64_sizes(files));
    for archive in archives {
        fixtures::small(&gateway, &archive);
        for (name, content) in files {
            let answer = file(&gateway, name);
            assert_eq!((answer.status, answer.complete), (200, true), "{name}");
            assert!(answer.body == *content, "{name} is not as it was");
        }
    }
}

fn a_single_file_is_a_named_attachment_with_a_type_by_its_extension(gateway: Gateway) {
    let files: &[(&str, &[u8])] = &[
        ("site/index.html", b"<html>"),
        ("notes.txt", b"plain"),
        ("report.json", b"{}"),
        ("junit.xml.gz", b"\x1f\x8b"),
        ("Makefile", b"all:"),
        ("a \"quoted\\name\".txt", b"q"),
        ("grüße.txt", b"u"),
    ];
    fixtures::small(&gateway, &zips::deflated(files));
    for (path, media_type, disposition) in [
        ("site/index.html", "text/html", "attachment; filename=\"index.html\""),
        ("notes.txt", "text/plain", "attachment; filename=\"notes.txt\""),
        ("report.json", "application/json", "attachment; filename=\"report.json\""),
        ("junit.xml.gz", "application/gzip", "attachment; filename=\"junit.xml.gz\""),
        ("Makefile", "application/octet-stream", "attachment; filename=\"Makefile\""),
        ("a%20%22quoted%5Cname%22.txt", "text/plain", r#"attachment; filename="a \"quoted\\name\".txt""#),
        (
            "gr%C3%BC%C3%9Fe.txt",
            "text/plain",
            "attachment; filename=\"gr__e.txt\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt",
        ),
    ] {
        for url in [
            format!("{ARCHIVE}/{path}"),
            format!("/api/v4/projects/1/jobs/artifacts/main/raw/{path}?job=build"),
        ] {
            let answer = gateway.get(&url).send();
            assert_eq!(answer.status, 200, "{url}");
            assert_eq!(answer.header("content-type"), Some(media_type), "{url}");
            assert_eq!(answer.header("content-disposition"), Some(disposition), "{url}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("content-encoding"), None, "{url}");
        }
    }
}

fn a_path_comes_encoded_or_not_and_is_compared_byte_for_byte(gateway: Gateway) {
    let files: &[(&str, &[u8])] = &[
        ("out/sp ace #1?.txt", b"space"),
        ("out/100%.txt", b"percent"),
        ("back\\slash", b"backslash"),
        ("Case", b"upper"),
        ("a//b", b"double"),
        ("plus+and&", b"plus"),
    ];
    fixtures::small(&gateway, &zips::deflated(files));
    for (path, content) in [
        ("out/sp%20ace%20%231%3F.txt", "space"),
        ("out%2Fsp%20ace%20%231%3F.txt", "space"),
        ("out/100%25.txt", "percent"),
        ("back%5Cslash", "backslash"),
        ("Case", "upper"),
        ("a//b", "double"),
        ("plus+and&", "plus"),
        ("plus%2Band%26", "plus"),
    ] {
        assert_eq!(file(&gateway, path).text(), content, "{path}");
    }
    for path in ["case", "out", "out/", "out/sp%2520ace", "nope"] {
        assert_eq!(file(&gateway, path).error(), (404, r#"{"message":"404 Not Found"}"#), "{path}");
    }
}

fn folders_are_empty_files_by_their_own_entry_only_and_symlinks_are_their_targets(gateway: Gateway) {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    writer.add_directory("listed/", options).unwrap();
    writer.start_file("implied/file", options).unwrap();
    writer.write_all(b"x").unwrap();
    writer.add_symlink("link", "../../etc/passwd", options).unwrap();
    fixtures::small(&gateway, &writer.finish().unwrap().into_inner());
    let folder = file(&gateway, "listed%2F");
    assert_eq!((folder.status, folder.header("content-length")), (200, Some("0")));
    assert_eq!(folder.header("content-disposition"), Some("attachment; filename=\"listed\""));
    for path in ["listed", "implied", "implied%2F"] {
        assert_eq!(file(&gateway, path).status, 404, "{path}");
    }
    assert_eq!(file(&gateway, "link").text(), "../../etc/passwd");
}

fn the_first_of_several_entries_of_one_name_is_served(gateway: Gateway) {
    let twice = [Entry::stored("same", b"first"), Entry::stored("same", b"second")];
    fixtures::small(&gateway, &zips::by_hand(&twice));
    assert_eq!(file(&gateway, "same").text(), "first");
}

fn paths_that_leave_the_archive_or_are_no_text_are_400(gateway: Gateway) {
    let names = ["../escape", "/etc/passwd", "nul\0name"].map(|name| Entry::stored(name, b"hostile"));
    fixtures::small(&gateway, &zips::by_hand(&names));
    for path in [
        "..%2Fescape",
        "../escape",
        "a/../b",
        "%2Fetc/passwd",
        "/etc/passwd",
        "nul%00name",
        "bad%ffutf8",
        "..",
    ] {
        assert_eq!(file(&gateway, path).error(), (400, r#"{"message":"400 Bad request"}"#), "{path}");
    }
    let by_ref = gateway.get("/api/v4/projects/1/jobs/artifacts/main/raw/a%2F..%2Fb?job=build").send();
    assert_eq!(by_ref.error(), (400, r#"{"message":"400 Bad request"}"#));
}

fn an_index_is_read_once_and_then_kept(gateway: Gateway) {
    let archive = zips::packed(CompressionMethod::Stored, &[("a", b"first"), ("b", b"second")]);
    fixtures::small(&gateway, &archive);
    assert_eq!(file(&gateway, "a").text(), "first");
    // Without its directory on disk, only the kept one can tell where the file lies.
    let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let blanked = [&archive[..directory], &vec![0; archive.len() - directory]].concat();
    std::fs::write(gateway.blobs().remove(0), blanked).unwrap();
    assert_eq!(file(&gateway, "b").text(), "second");
}

fn a_slash_behind_a_path_is_no_files_whatever_stands_before_it(gateway: Gateway) {
    fixtures::small(
        &gateway,
        &zips::deflated(&[("css/", b""), ("css/site.css", b"body {}"), ("README", b"read")]),
    );
    for path in ["css/", "css/site.css/", "README/", "README%2F", "none/", "css//", "css%2F/"] {
        for address in [
            format!("{ARCHIVE}/{path}"),
            format!("/api/v4/projects/1/jobs/artifacts/main/raw/{path}?job=build"),
            format!("/group/project/-/jobs/10/artifacts/raw/{path}"),
            format!("/group/project/-/jobs/artifacts/main/file/{path}?job=build"),
        ] {
            assert_eq!(
                gateway.get(&address).send().error(),
                (404, r#"{"message":"404 Not Found"}"#),
                "{address}"
            );
        }
    }
    assert_eq!(file(&gateway, "README").text(), "read");
    assert_eq!(gateway.get(&format!("{ARCHIVE}/")).send().status, 200, "no file's path");
    assert_eq!(gateway.get(&format!("{ARCHIVE}/tree/?path=css/")).send().status, 200);
}

fn ambiguous_paths_find_the_ref_and_file_that_are_there(gateway: Gateway) {
    fixtures::small(&gateway, &zips::deflated(&[("a/raw/b", b"raw"), ("bin/download", b"download")]));
    for path in ["a/raw/b", "bin/download"] {
        let answer =
            gateway.get(&format!("/api/v4/projects/1/jobs/artifacts/main/raw/{path}?job=build")).send();
        assert_eq!(answer.status, 200, "{path}");
    }
}

fn with_zip64_sizes(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().large_file(true)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
