//! Artifacts: the files of archives and single files, listed, read and deleted one by one.

use std::io::Cursor;

use serde_json::json;
use zip::ZipArchive;

use super::{FINISHED, RUNNING_BUILD, delete, field, get, got, path_of, refused, request, small};
use crate::github::{runtime_token, upload};
use crate::support::fixtures::{ARCHIVE, MAINTAINER, REPORTER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    every_file_of_an_archive_is_an_artifact,
    what_other_dialects_uploaded_is_listed,
    lists_are_filtered_and_paged,
    a_download_is_a_link_in_header_and_body,
    a_file_is_taken_out_of_its_archive,
    files_that_are_deleted_at_once_are_both_gone,
    an_expired_artifact_is_listed_as_such,
    odd_archives_are_listed_as_far_as_they_can_be
);

pub(super) const ARTIFACTS: &str = "/v2/organizations/group/pipelines/project/builds/1/artifacts";

fn every_file_of_an_archive_is_an_artifact(gateway: Gateway) {
    small(&gateway);
    let list = got(&gateway, ARTIFACTS);
    assert_eq!(field(&list, "path"), ["a.txt", "log/b.log"]);
    let (first, second) = (&list[0], &list[1]);
    let job = got(&gateway, FINISHED)["jobs"][0]["id"].as_str().unwrap().to_owned();
    let id = first["id"].as_str().unwrap();
    assert_eq!(path_of(&gateway, &first["url"]), format!("{FINISHED}/jobs/{job}/artifacts/{id}"));
    assert_eq!(first["download_url"], format!("{}/download", first["url"].as_str().unwrap()));
    for (field, value) in [
        ("job_id", json!(job)),
        ("state", json!("finished")),
        ("dirname", json!(".")),
        ("filename", json!("a.txt")),
        ("mime_type", json!("text/plain")),
        ("file_size", json!(5)),
        ("glob_path", json!(null)),
        ("original_path", json!(null)),
        ("sha1sum", json!("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")),
    ] {
        assert_eq!(first[field], value, "{field}");
    }
    assert_eq!((&second["dirname"], &second["filename"]), (&json!("log"), &json!("b.log")));
    assert_eq!(got(&gateway, &path_of(&gateway, &first["url"])), *first);
    let of_job = format!("{FINISHED}/jobs/{job}/artifacts/");
    assert_eq!(got(&gateway, &of_job), list);
    assert_eq!(got(&gateway, &format!("/v2/organizations/group/jobs/{job}/artifacts")), list);
    assert_eq!(got(&gateway, &format!("/v2/organizations/group/jobs/{job}/artifacts/{id}")), *first);
}

fn what_other_dialects_uploaded_is_listed(gateway: Gateway) {
    small(&gateway);
    let token = runtime_token(&gateway, "20", RUNNING);
    upload(&gateway, &token, "bin", &zips::deflated(&[("x/y", b"named")]), 100, json!({}));
    upload(&gateway, &token, "page.html", b"<p>", 100, json!({"version": 7, "mime_type": "text/html"}));
    let list = got(&gateway, &format!("{RUNNING_BUILD}/artifacts"));
    assert_eq!(field(&list, "path"), ["bin/x/y", "page.html"]);
    assert_eq!(field(&list, "mime_type"), ["application/octet-stream", "text/html"]);
    for (item, content) in [(&list[0], "named"), (&list[1], "<p>")] {
        let link = get(&gateway, &path_of(&gateway, &item["download_url"]));
        let location = json!(link.header("location").unwrap());
        let file = gateway.get(&path_of(&gateway, &location)).send();
        assert_eq!((file.status, file.text()), (200, content));
    }
}

fn lists_are_filtered_and_paged(gateway: Gateway) {
    let files: Vec<(String, Vec<u8>)> = (0..25).map(|n| (format!("d/{n:02}_%.txt"), vec![b'x'; n])).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    crate::support::fixtures::small(&gateway, &zips::deflated(&files));
    let paths = |query: &str| field(&got(&gateway, &format!("{ARTIFACTS}?{query}")), "path");
    assert_eq!(paths("").len(), 25);
    assert_eq!(paths("per_page=10&page=3").len(), 5);
    assert_eq!(paths("per_page=10&page=2")[0], "d/10_%.txt");
    assert_eq!(paths("path=*1_%25.txt"), ["d/01_%.txt", "d/11_%.txt", "d/21_%.txt"]);
    assert_eq!(paths("path=d/05_%25.txt&state=finished"), ["d/05_%.txt"]);
    assert!(paths("path=d/05").is_empty() && paths("path=d_05*").is_empty() && paths("state=new").is_empty());
    let link = get(&gateway, &format!("{ARTIFACTS}?per_page=10&path=*.txt"));
    assert!(link.header("link").unwrap().contains("page=3&per_page=10>; rel=\"last\""));
    let unknown = refused(&get(&gateway, &format!("{ARTIFACTS}?state=nonsense")));
    assert_eq!(unknown, (422, "state must be one of new, error, finished, deleted, expired".into()));
}

fn a_download_is_a_link_in_header_and_body(gateway: Gateway) {
    small(&gateway);
    let item = got(&gateway, ARTIFACTS)[0].clone();
    let answer = get(&gateway, &format!("{}/", path_of(&gateway, &item["download_url"])));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, body["url"].as_str()), (302, answer.header("location")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let link = path_of(&gateway, &body["url"]);
    // Clients send their credential along; it counts for nothing.
    let file = request(&gateway, "GET", "wrong", &link).header("Accept-Encoding", "gzip").send();
    assert_eq!((file.status, file.text()), (200, "hello"));
    assert_eq!(file.header("content-type"), Some("text/plain"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"a.txt\""));
    assert_eq!(file.header("content-encoding"), None);
    let part = gateway.get(&link).header("Range", "bytes=1-2").send();
    assert_eq!((part.status, part.text()), (206, "el"));
    let other = gateway.get(&link.replace("a%2Etxt", "log%2Fb%2Elog")).send();
    assert_eq!(other.status, 403, "a link is for one file");
    gateway.advance_clock(60);
    assert_eq!(gateway.get(&link).send().status, 403);
}

pub(super) fn names_of(archive: &[u8]) -> Vec<String> {
    let archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    archive.file_names().map(|name| name.unwrap().into_owned()).collect()
}

fn a_file_is_taken_out_of_its_archive(gateway: Gateway) {
    small(&gateway);
    let list = got(&gateway, ARTIFACTS);
    let before = gateway.get(ARCHIVE).private_token(REPORTER).send();
    assert_eq!(delete(&gateway, &path_of(&gateway, &list[0]["url"])).status, 204);
    let left = got(&gateway, ARTIFACTS);
    assert_eq!(left[0]["id"], list[1]["id"], "the other keeps its ID");
    assert_eq!(left.as_array().unwrap().len(), 1);
    let after = gateway.get(ARCHIVE).private_token(REPORTER).send();
    assert_eq!(names_of(&after.body), ["log/b.log"]);
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(gateway.get(&format!("{ARCHIVE}/a.txt")).private_token(REPORTER).send().status, 404);
    assert_eq!(gateway.get(&format!("{ARCHIVE}/log/b.log")).private_token(REPORTER).send().text(), "line\n");
    assert_eq!(got(&gateway, &format!("{ARTIFACTS}?state=deleted")), json!([]), "it leaves no tombstone");
    // The former bytes stay for those who read them, and go then.
    gateway.sweep();
    gateway.until_blobs(2);
    gateway.advance_clock(16 * 60);
    gateway.sweep();
    gateway.until_blobs(1);
    assert_eq!(delete(&gateway, &path_of(&gateway, &list[1]["url"])).status, 204);
    assert_eq!(got(&gateway, ARTIFACTS), json!([]));
    let gone = gateway.get(ARCHIVE).private_token(REPORTER).send();
    assert_eq!(gone.status, 404, "the last file was deleted, and so the archive");
    assert_eq!(refused(&delete(&gateway, &path_of(&gateway, &list[1]["url"]))).0, 404);
}

fn files_that_are_deleted_at_once_are_both_gone(gateway: Gateway) {
    let names: Vec<String> = (0..13).map(|n| format!("{n}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"content"[..])).collect();
    crate::support::fixtures::small(&gateway, &zips::deflated(&files));
    let list = got(&gateway, ARTIFACTS);
    let paths: Vec<String> = (0..12).map(|n| path_of(&gateway, &list[n]["url"])).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            paths.iter().map(|path| scope.spawn(|| delete(&gateway, path).status)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 204);
        }
    });
    let archive = gateway.get(ARCHIVE).private_token(MAINTAINER).send();
    assert_eq!(names_of(&archive.body).len(), 1);
}

fn an_expired_artifact_is_listed_as_such(gateway: Gateway) {
    small(&gateway);
    let token = runtime_token(&gateway, "20", RUNNING);
    let expiring = json!({"version": 7, "mime_type": "text/plain", "expires_at": "2026-02-01T12:10:00Z"});
    upload(&gateway, &token, "short.txt", b"x", 100, expiring);
    let path = format!("{RUNNING_BUILD}/artifacts");
    let item = got(&gateway, &path)[0].clone();
    gateway.advance_clock(600);
    for _ in 0..2 {
        let expired = got(&gateway, &path)[0].clone();
        assert_eq!((&expired["state"], &expired["id"]), (&json!("expired"), &item["id"]));
        let download = get(&gateway, &path_of(&gateway, &item["download_url"]));
        assert_eq!(refused(&download), (404, "Artifact is expired".into()));
        gateway.sweep();
    }
    assert_eq!(field(&got(&gateway, &format!("{path}?state=expired")), "path"), ["short.txt"]);
    assert_eq!(got(&gateway, &format!("{path}?state=finished")), json!([]));
}

fn odd_archives_are_listed_as_far_as_they_can_be(gateway: Gateway) {
    let mut raw = zips::deflated(&[("AAAAAA", b"up"), ("./b", b"first"), ("b", b"last"), ("dir/", b"")]);
    // A name that leads out of the archive, in both places where it stands.
    while let Some(at) = raw.windows(6).position(|bytes| bytes == b"AAAAAA") {
        raw[at..at + 6].copy_from_slice(b"../abc");
    }
    crate::support::fixtures::small(&gateway, &raw);
    let list = got(&gateway, ARTIFACTS);
    assert_eq!(
        (field(&list, "path"), field(&list, "file_size")),
        (vec!["b".to_owned()], vec!["4".to_owned()])
    );
    crate::support::fixtures::small(&gateway, b"this is no archive");
    let list = got(&gateway, ARTIFACTS);
    assert_eq!(field(&list, "path"), ["artifacts.zip"]);
    assert_eq!(field(&list, "mime_type"), ["application/zip"]);
    let one = got(&gateway, &path_of(&gateway, &list[0]["url"]));
    assert_eq!(one["sha1sum"].as_str().unwrap().len(), 40);
}
