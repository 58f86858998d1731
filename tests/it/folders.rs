//! Folders of archives: listed from the index, and copied into zips of their own.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use zip::ZipArchive;

use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::zips::{self, Entry};

/// Archives that runners have written: the legacy writer, fastzip, and fastzip with zstd.
const RECORDED: [&[u8]; 4] = [
    include_bytes!("../../fixtures/archives/site.zip"),
    include_bytes!("../../fixtures/archives/coverage.zip"),
    include_bytes!("../../fixtures/archives/firmware.zip"),
    include_bytes!("../../fixtures/archives/docs-zstd.zip"),
];

fn tree(gateway: &Gateway, query: &str) -> Value {
    let answer = gateway.get(&format!("{ARCHIVE}/tree?{query}")).send();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn paths(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect()
}

fn encode(path: &str) -> String {
    percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC).to_string()
}

on_both_databases!(
    a_tree_lists_folders_first_with_sizes_and_modes,
    a_tree_comes_in_pages_whose_links_repeat_every_filter,
    a_tree_of_nothing_says_what_is_missing,
    every_file_of_recorded_archives_is_served_and_copied_as_it_is,
    a_folder_is_a_download_of_its_own,
    a_damaged_or_encrypted_folder_is_not_taken_for_a_whole_one,
    a_folder_whose_first_entry_is_damaged_is_an_error,
    a_folder_is_copied_with_what_the_tree_hides
);

fn a_tree_lists_folders_first_with_sizes_and_modes(gateway: Gateway) {
    fixtures::small(&gateway, RECORDED[0]);
    assert_eq!(
        tree(&gateway, "")[0],
        json!({"name": "css", "path": "css/", "type": "directory", "mode": "040755"})
    );
    assert_eq!(
        paths(&tree(&gateway, "")),
        ["css/", "data/", "img/", "js/", "README.txt", "home.html", "index.html"]
    );
    let size = gateway.get(&format!("{ARCHIVE}/css/site.css")).send().body.len();
    let file =
        json!([{"name": "site.css", "path": "css/site.css", "type": "file", "size": size, "mode": "100644"}]);
    for query in ["path=css", "path=css/", "path=css%2F&recursive=true", "path=css&recursive=True"] {
        assert_eq!(tree(&gateway, query), file, "{query}");
    }
    let link =
        tree(&gateway, "").as_array().unwrap().iter().find(|item| item["name"] == "home.html").cloned();
    assert_eq!(link.unwrap()["mode"], "120777");
    let all = tree(&gateway, "recursive=true");
    assert_eq!(
        paths(&all),
        [
            "README.txt",
            "css/",
            "css/site.css",
            "data/",
            "data/report.json",
            "home.html",
            "img/",
            "img/logo.svg",
            "index.html",
            "js/",
            "js/app.js"
        ]
    );
}

fn a_tree_comes_in_pages_whose_links_repeat_every_filter(gateway: Gateway) {
    let names: Vec<String> = (0..45).map(|number| format!("d/f{number:02}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    fixtures::small(&gateway, &zips::deflated(&files));
    let mut url = format!("{ARCHIVE}/tree?path=d&recursive=false&private_token={}", fixtures::REPORTER);
    let mut walked = Vec::new();
    loop {
        let answer = gateway.get(&url).private_token(fixtures::REPORTER).send();
        let items: Value = serde_json::from_slice(&answer.body).unwrap();
        walked.extend(paths(&items).into_iter().map(str::to_owned));
        assert_eq!(
            (answer.header("x-total"), answer.header("x-total-pages"), answer.header("x-per-page")),
            (Some("45"), Some("3"), Some("20"))
        );
        let link = answer.header("link").unwrap();
        assert!(!link.contains("glpat"), "{link}");
        let next = link.split(", ").find(|link| link.ends_with("rel=\"next\""));
        match next {
            None => {
                assert_eq!(
                    (answer.header("x-page"), answer.header("x-next-page"), answer.header("x-prev-page")),
                    (Some("3"), Some(""), Some("2"))
                );
                break;
            }
            Some(next) => {
                let address = next.split(['<', '>']).nth(1).unwrap();
                assert!(address.contains("path=d&recursive=false&page="), "{address}");
                url = address.strip_prefix(&gateway.base_url()).expect("the client's own host").to_owned();
            }
        }
    }
    assert_eq!(walked, names);
    assert_eq!(paths(&tree(&gateway, "path=d&per_page=1000&page=1")).len(), 45);
    assert_eq!(tree(&gateway, "path=d&page=9"), json!([]));
    for (query, body) in [
        ("page=0", r#"{"error":"page is invalid","message":"page is invalid"}"#),
        ("page=-1", r#"{"error":"page is invalid","message":"page is invalid"}"#),
        ("per_page=many", r#"{"error":"per_page is invalid","message":"per_page is invalid"}"#),
        ("recursive=maybe", r#"{"error":"recursive is invalid","message":"recursive is invalid"}"#),
        ("path=../x", r#"{"message":"400 Bad request"}"#),
        ("path=/etc", r#"{"message":"400 Bad request"}"#),
    ] {
        assert_eq!(gateway.get(&format!("{ARCHIVE}/tree?{query}")).send().error(), (400, body), "{query}");
    }
}

fn a_tree_of_nothing_says_what_is_missing(gateway: Gateway) {
    fixtures::small(&gateway, RECORDED[0]);
    for (path, body) in [
        ("10/artifacts/tree?path=nope", r#"{"message":"404 Path Not Found"}"#),
        ("10/artifacts/tree?path=index.html", r#"{"message":"404 Path Not Found"}"#),
        ("21/artifacts/tree", r#"{"message":"404 Artifacts Not Found"}"#),
        ("99/artifacts/tree", r#"{"message":"404 Not found"}"#),
    ] {
        assert_eq!(
            gateway.get(&format!("/api/v4/projects/1/jobs/{path}")).send().error(),
            (404, body),
            "{path}"
        );
    }
    fixtures::small(&gateway, b"no archive");
    let refused = gateway.get(&format!("{ARCHIVE}/tree")).send();
    assert_eq!(
        refused.error(),
        (422, r#"{"message":"not a zip archive: no end-of-central-directory record"}"#)
    );
    assert_eq!(gateway.get(&format!("{ARCHIVE}?path=x")).send().status, 422);
    let tree_file = zips::deflated(&[("tree", b"a file"), ("a", b"x")]);
    fixtures::small(&gateway, &tree_file);
    assert_eq!(paths(&tree(&gateway, "")), ["a", "tree"], "the listing hides a file of its name");
}

fn every_file_of_recorded_archives_is_served_and_copied_as_it_is(gateway: Gateway) {
    for archive in RECORDED {
        fixtures::small(&gateway, archive);
        let mut original = ZipArchive::new(Cursor::new(archive)).unwrap();
        let listed = tree(&gateway, "recursive=true&per_page=100");
        for item in listed.as_array().unwrap().iter().filter(|item| item["type"] == "file") {
            let name = item["path"].as_str().unwrap();
            let mut expected = Vec::new();
            original.by_name(name).unwrap().read_to_end(&mut expected).unwrap();
            let answer = gateway.get(&format!("{ARCHIVE}/{}", encode(name))).send();
            assert!(answer.status == 200 && answer.body == expected, "{name}");
            assert_eq!(item["size"], expected.len());
        }
        let folder = listed.as_array().unwrap().iter().find(|item| item["type"] == "directory").unwrap();
        let folder = folder["path"].as_str().unwrap();
        for url in [
            format!("{ARCHIVE}?path={}", encode(folder)),
            format!(
                "/api/v4/projects/1/jobs/artifacts/main/download?job=build&path={}",
                encode(folder.trim_end_matches('/'))
            ),
        ] {
            let answer = gateway.get(&url).send();
            assert!(answer.status == 200 && answer.complete, "{url}");
            let mut copy = ZipArchive::new(Cursor::new(&answer.body)).unwrap();
            assert!(!copy.is_empty());
            for number in 0..copy.len() {
                let mut copied = copy.by_index(number).unwrap();
                let name = copied.name().unwrap().into_owned();
                assert!(name.starts_with(folder), "{name} is not in {folder}");
                let mut original = original.by_name(&name).unwrap();
                assert_eq!(
                    (copied.unix_mode(), copied.compression()),
                    (original.unix_mode(), original.compression())
                );
                assert_eq!(
                    (copied.crc32(), copied.compressed_size()),
                    (original.crc32(), original.compressed_size())
                );
                let (mut one, mut other) = (Vec::new(), Vec::new());
                copied.read_to_end(&mut one).unwrap();
                original.read_to_end(&mut other).unwrap();
                assert!(one == other, "{name} is not as it was");
            }
        }
    }
}

fn a_folder_is_a_download_of_its_own(gateway: Gateway) {
    fixtures::small(&gateway, RECORDED[1]);
    let answer = gateway.get(&format!("{ARCHIVE}?path=coverage/src/")).send();
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"src.zip\""));
    assert_eq!(answer.header("accept-ranges"), Some("none"));
    let archive = artigate::domain::Sha256Digest::of(RECORDED[1]);
    let tag = artigate::domain::Sha256Digest::of(format!("{archive}:coverage/src/").as_bytes());
    assert_eq!(answer.header("etag"), Some(format!("\"{tag}\"").as_str()));
    let head = gateway.head(&format!("{ARCHIVE}?path=coverage/src")).send();
    assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let cached = gateway
        .get(&format!("{ARCHIVE}?path=coverage/src"))
        .header("If-None-Match", &format!("\"{tag}\""))
        .send();
    assert_eq!(cached.status, 304);
    let part = gateway.get(&format!("{ARCHIVE}?path=coverage/src")).header("Range", "bytes=0-9").send();
    assert_eq!((part.status, part.body.len()), (200, answer.body.len()));
    for whole in ["path=", "path=/", "path=%2F"] {
        assert!(gateway.get(&format!("{ARCHIVE}?{whole}")).send().body == RECORDED[1], "{whole}");
    }
    for (path, status) in [
        ("nope", 404),
        ("coverage/index.html", 404),
        ("coverage/../x", 400),
        ("/coverage", 400),
        ("a%00", 400),
        ("a%ff", 400),
    ] {
        assert_eq!(gateway.get(&format!("{ARCHIVE}?path={path}")).send().status, status, "{path}");
    }
}

fn a_damaged_or_encrypted_folder_is_not_taken_for_a_whole_one(gateway: Gateway) {
    let content = zips::noise(200_000);
    let mut damaged = zips::by_hand(&[Entry::stored("d/a", &content), Entry::stored("d/b", &content)]);
    let second = damaged.windows(3).skip(1000).position(|window| window == b"d/b").unwrap() + 1000;
    // The name of the second entry's local header, which begins 30 bytes before it.
    damaged[second - 30] = b'X';
    fixtures::small(&gateway, &damaged);
    let cut = gateway.get(&format!("{ARCHIVE}?path=d")).send();
    assert!(!cut.complete, "the connection is cut");
    fixtures::small(&gateway, &zips::by_hand(&[Entry { flags: 1, ..Entry::stored("d/a", b"x") }]));
    let refused = gateway.get(&format!("{ARCHIVE}?path=d")).send();
    assert_eq!(refused.error(), (422, r#"{"message":"entry is encrypted (entry \"d/a\")"}"#));
}

fn a_folder_whose_first_entry_is_damaged_is_an_error(gateway: Gateway) {
    let mut damaged = zips::by_hand(&[Entry::stored("d/a", b"x"), Entry::stored("d/b", b"y")]);
    damaged[..4].copy_from_slice(b"none");
    fixtures::small(&gateway, &damaged);
    let refused = gateway.get(&format!("{ARCHIVE}?path=d")).send();
    let reason = r#"{"message":"entry has no local header at its stated offset (entry \"d/a\")"}"#;
    assert_eq!(refused.error(), (422, reason));
}

fn a_folder_is_copied_with_what_the_tree_hides(gateway: Gateway) {
    let names: [&[u8]; 5] = [b"d/gr\x81\xe1e.txt", b"d/ok.txt", b"d//x.txt", b"./d/dotted", b"e"];
    fixtures::small(&gateway, &zips::by_hand(&names.map(|name| Entry::stored(name, name))));
    assert_eq!(paths(&tree(&gateway, "path=d")), ["d/ok.txt"]);
    for path in ["d", "d/", "./d", "./d/"] {
        let answer = gateway.get(&format!("{ARCHIVE}?path={path}")).send();
        assert_eq!(
            (answer.status, answer.header("content-disposition")),
            (200, Some("attachment; filename=\"d.zip\""))
        );
        let mut copy = ZipArchive::new(Cursor::new(&answer.body)).unwrap();
        let mut found = Vec::new();
        for number in 0..copy.len() {
            let mut entry = copy.by_index(number).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert_eq!(entry.name_raw(), content);
            found.push(content);
        }
        assert_eq!(found, &names[..4], "path={path}");
    }
    for dotted_only in ["./f/a", "./f/b/c"] {
        fixtures::small(&gateway, &zips::by_hand(&[Entry::stored(dotted_only, b"x")]));
        assert_eq!(gateway.get(&format!("{ARCHIVE}?path=f")).send().status, 200);
        assert_eq!(gateway.get(&format!("{ARCHIVE}?path=./f")).send().status, 200);
    }
    let whole = gateway.get(&format!("{ARCHIVE}?path=.")).send();
    assert_eq!(whole.header("accept-ranges"), Some("bytes"), "a dot is the whole archive");
}
