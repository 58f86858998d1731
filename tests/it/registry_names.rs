//! Named archives and single files in registry documents.

use serde_json::Value;

use crate::support::fixtures::{self, ARCHIVE, DEVELOPER};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    named_archives_and_single_files_are_loaded,
    other_bytes_replace_a_file_and_the_same_bytes_change_only_what_is_named,
    wrong_names_are_refused_and_say_why
);

/// The project of the fixture, with a job that has these artifacts.
fn document(artifacts: &str) -> String {
    format!(
        "projects: [{{id: 1, path: group/project, keep_latest_artifact: false, pipelines: [{{id: 100, ref: main,
            sha: aaaa, status: success,
            jobs: [{{id: 11, name: assets, status: success, artifacts: [{artifacts}]}}]}}]}}]"
    )
}

const ASSETS: &str = "/api/v4/projects/1/jobs/11/artifacts";

fn json(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.get(path).private_token(DEVELOPER).send();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

fn named_archives_and_single_files_are_loaded(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let archive = zips::deflated(&[("site/index.html", b"an entry"), ("z", b"last")]);
    gateway.write_file("bin.zip", &archive);
    gateway.write_file("page", b"<p>hello</p>");
    gateway.write_file("a.txt", b"hello");
    let all = "{name: binaries, file: bin.zip},
        {path: site/index.html, file: page, media_type: text/x-page},
        {path: a.txt, file: a.txt, accessibility: private, expire_in: 1 day}";
    gateway.load(&document(all));
    let before = gateway.blobs();
    gateway.load(&document(all));
    assert_eq!(gateway.blobs(), before, "loading again stores nothing");

    // The only archive is that of the job; a file comes before its entry.
    assert!(gateway.get(ASSETS).private_token(DEVELOPER).send().body == archive);
    let page = gateway.get(&format!("{ASSETS}/site/index.html")).private_token(DEVELOPER).send();
    assert_eq!((page.text(), page.header("content-type")), ("<p>hello</p>", Some("text/x-page")));
    let tree = json(&gateway, &format!("{ASSETS}/tree?recursive=true"));
    assert_eq!(names(&tree, "path"), ["a.txt", "site/", "site/index.html", "z"]);
    assert_eq!(tree[2]["size"], 12);
    let second = json(&gateway, &format!("{ASSETS}/tree?per_page=1&page=2"));
    assert_eq!(names(&second, "path"), ["a.txt"], "folders come first");
    let site = json(&gateway, &format!("{ASSETS}/tree?path=site"));
    assert_eq!(names(&site, "path"), ["site/index.html"]);
    // Who may not read the file sees the entries alone.
    let public = gateway.get(&format!("{ASSETS}/tree")).send();
    let public: Value = serde_json::from_slice(&public.body).unwrap();
    assert_eq!(names(&public, "path"), ["site/", "z"]);

    let list = json(&gateway, "/api/v3/repos/group/project/actions/runs/100/artifacts");
    let mut listed = names(&list["artifacts"], "name");
    listed.sort();
    assert_eq!(listed, ["a.txt", "binaries", "build", "site-index.html"]);
    gateway.advance_clock(86_400);
    assert_eq!(gateway.get(&format!("{ASSETS}/a.txt")).private_token(DEVELOPER).send().status, 404);
}

fn other_bytes_replace_a_file_and_the_same_bytes_change_only_what_is_named(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let get = |path: &str| gateway.get(&format!("{ASSETS}/{path}")).private_token(DEVELOPER).send();
    gateway.write_file("a.txt", b"first");
    gateway.load(&document("{path: dir/a.txt, file: a.txt, media_type: text/x-a}"));
    let before = gateway.blobs();
    gateway.load(&document("{path: dir/a.txt, file: a.txt, media_type: text/x-b}"));
    assert_eq!(gateway.blobs(), before);
    let same = get("dir/a.txt");
    assert_eq!((same.text(), same.header("content-type")), ("first", Some("text/x-b")));
    gateway.load(&document("{path: dir/a.txt, file: a.txt}"));
    assert_eq!(get("dir/a.txt").header("content-type"), Some("text/x-b"));
    gateway.write_file("a.txt", b"second");
    gateway.load(&document("{path: dir/a.txt, file: a.txt}"));
    assert_eq!(get("dir/a.txt").text(), "second");
    assert_eq!(gateway.get(ASSETS).private_token(DEVELOPER).send().status, 200, "put together of the file");
}

fn wrong_names_are_refused_and_say_why(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    gateway.write_file("a.txt", b"hello");
    let before = gateway.blobs();
    let long = format!("{{path: {}, file: a.txt}}", "a/".repeat(2048) + "a");
    for (artifacts, expected) in [
        ("{name: '', file: a.txt}", "artifacts[0]: name: must not be empty"),
        ("{name: .., file: a.txt}", "name: must not be . or .."),
        ("{name: a/b, file: a.txt}", "name: must not hold control characters or any of"),
        ("{path: '', file: a.txt}", "path: must not be empty"),
        ("{path: /etc/passwd, file: a.txt}", "path: must be a path"),
        ("{path: a/../b, file: a.txt}", "path: must be a path"),
        ("{path: a//b, file: a.txt}", "path: must be a path"),
        ("{path: a/, file: a.txt}", "path: must be a path"),
        ("{path: \"a\\nb\", file: a.txt}", "path: must be a path"),
        (long.as_str(), "path: is longer than 2048 bytes"),
        ("{name: a, path: a, file: a.txt}", "expected name or path, not both"),
        ("{type: junit, path: a, file: a.txt}", "type: expected no type beside a name or a path"),
        (
            "{path: a, file: a.txt, media_type: nonsense}",
            "media_type: expected a media type such as text/html",
        ),
        ("{name: a, file: a.txt, media_type: text/html}", "media_type: expected only beside a path"),
        ("{path: a, file: a.txt, format: zip}", "format: \"a\" artifacts are raw, not zip"),
        ("{path: a, file: .}", "is a directory"),
        ("{path: a, file: a.txt}, {path: a, file: a.txt}", "artifacts[1]: path: \"a\" appears twice"),
        (
            "{path: a, file: a.txt}, {path: a/b, file: a.txt}",
            "artifacts[1]: path: \"a\" is a file and a folder",
        ),
        (
            "{path: a/b/c, file: a.txt}, {path: a/b, file: a.txt}",
            "artifacts[1]: path: \"a/b\" is a file and a folder",
        ),
        ("{name: a, file: a.txt}, {name: a, file: a.txt}", "artifacts[1]: name: \"a\" appears twice"),
    ] {
        let error = gateway.try_load(&document(artifacts)).unwrap_err().to_string();
        assert!(error.contains(expected), "{artifacts}: {error}");
        assert_eq!(gateway.blobs(), before, "{artifacts}");
    }
    assert_eq!(gateway.get(ARCHIVE).private_token(DEVELOPER).send().status, 200);
    assert_eq!(gateway.get(ASSETS).private_token(DEVELOPER).send().status, 404);
}
