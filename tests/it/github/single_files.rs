//! Single files of a job, as GitLab's clients meet them: one by one, and as an archive that is put together.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use zip::ZipArchive;

use super::{begin, upload};
use crate::support::fixtures::{ADMIN, DEVELOPER, GUEST, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};
use crate::support::zips;

on_both_databases!(
    a_job_with_files_alone_has_an_archive_that_is_put_together,
    a_file_comes_before_an_entry_of_its_path,
    files_that_may_not_be_read_are_in_no_archive,
    files_expire_one_by_one,
    an_archive_that_has_expired_hides_nothing_that_has_not,
    keeping_is_for_what_is_available
);

/// Uploads files, and moves them to paths that no toolkit could name.
fn files(gateway: &Gateway, files: &[(&str, &[u8])]) {
    let token = begin(gateway);
    for (path, content) in files {
        let name = path.replace('/', "-");
        upload(gateway, &token, &name, content, 1 << 20, json!({"version": 7, "mime_type": "text/x-test"}));
        let moved = format!("UPDATE artifacts SET name = 'file/{path}' WHERE name = 'file/{name}'");
        gateway.write_catalog(move |db| {
            use diesel::RunQueryDsl;
            Ok(diesel::sql_query(moved).execute(db).map(drop)?)
        });
    }
}

fn names_of<R: Read + std::io::Seek>(archive: &ZipArchive<R>) -> Vec<String> {
    archive.file_names().map(|name| name.unwrap().into_owned()).collect()
}

fn get(gateway: &Gateway, path: &str) -> Request {
    gateway.get(path).private_token(DEVELOPER)
}

fn a_job_with_files_alone_has_an_archive_that_is_put_together(gateway: Gateway) {
    files(&gateway, &[("site/index.html", b"<p>hello</p>"), ("a.txt", b"hello"), ("site/empty", b"")]);
    let whole = get(&gateway, UPLOADED).send();
    assert_eq!((whole.status, whole.complete), (200, true));
    assert_eq!(whole.header("content-disposition"), Some("attachment; filename=\"artifacts.zip\""));
    let mut archive = ZipArchive::new(Cursor::new(&whole.body)).unwrap();
    let names = names_of(&archive);
    assert_eq!(names, ["a.txt", "site/empty", "site/index.html"]);
    let mut page = String::new();
    archive.by_name("site/index.html").unwrap().read_to_string(&mut page).unwrap();
    assert_eq!(page, "<p>hello</p>");
    // Any part of it, and the same one whenever it is made.
    let etag = whole.header("etag").unwrap().to_owned();
    for (from, to) in [(0, 0), (20, 60), (100, whole.body.len() - 1)] {
        let part =
            get(&gateway, UPLOADED).header("Range", &format!("bytes={from}-{to}")).header("If-Range", &etag);
        let part = part.send();
        assert_eq!((part.status, part.body == whole.body[from..=to]), (206, true), "{from}-{to}");
    }
    assert_eq!(get(&gateway, UPLOADED).header("If-None-Match", &etag).send().status, 304);
    let head = gateway.head(UPLOADED).private_token(DEVELOPER).send();
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    let by_job = Request::new(gateway.address, "GET", "/api/v4/jobs/20/artifacts").job_token(RUNNING).send();
    assert!(by_job.body == whole.body);
    let folder = get(&gateway, &format!("{UPLOADED}?path=site")).send();
    let folder = ZipArchive::new(Cursor::new(&folder.body)).unwrap();
    assert_eq!(names_of(&folder), ["site/empty", "site/index.html"]);
    assert_eq!(get(&gateway, &format!("{UPLOADED}?path=none")).send().status, 404);
    let tree = get(&gateway, &format!("{UPLOADED}/tree?recursive=true")).send();
    let tree: Value = serde_json::from_slice(&tree.body).unwrap();
    let paths: Vec<&str> =
        tree.as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a.txt", "site/", "site/empty", "site/index.html"]);
    let file = get(&gateway, &format!("{UPLOADED}/site/index.html")).header("Range", "bytes=3-7").send();
    assert_eq!((file.status, file.text(), file.header("content-type")), (206, "hello", Some("text/x-test")));
    assert_eq!(get(&gateway, &format!("{UPLOADED}/none")).send().status, 404);
    let by_ref = "/api/v4/projects/1/jobs/artifacts/main/raw/a.txt?job=build";
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: success,
            jobs: [{id: 20, name: build, status: success}]}]}]",
    );
    assert_eq!(get(&gateway, by_ref).send().text(), "hello");
}

fn a_file_comes_before_an_entry_of_its_path(gateway: Gateway) {
    files(&gateway, &[("a.txt", b"the file"), ("b.txt", b"another")]);
    let archive = zips::deflated(&[("a.txt", b"the entry"), ("c.txt", b"an entry")]);
    let form = Form::default().file("artifacts.zip", &archive);
    let uploaded = gateway.post("/api/v4/jobs/20/artifacts").job_token(RUNNING).form(form).send();
    assert_eq!(uploaded.status, 201);
    for (path, content) in [("a.txt", "the file"), ("b.txt", "another"), ("c.txt", "an entry")] {
        assert_eq!(get(&gateway, &format!("{UPLOADED}/{path}")).send().text(), content);
    }
    assert!(get(&gateway, UPLOADED).send().body == archive, "the whole archive is the archive alone");
    let tree = get(&gateway, &format!("{UPLOADED}/tree")).send();
    assert_eq!(tree.header("x-total"), Some("3"));
    let tree: Value = serde_json::from_slice(&tree.body).unwrap();
    let items: Vec<_> = tree.as_array().unwrap().iter().map(|item| (&item["path"], &item["size"])).collect();
    assert_eq!(json!(items), json!([["a.txt", 8], ["b.txt", 7], ["c.txt", 8]]));
}

fn files_that_may_not_be_read_are_in_no_archive(gateway: Gateway) {
    files(&gateway, &[("open", b"1"), ("closed", b"2")]);
    let close = |name: &str| {
        let closed = format!("UPDATE artifacts SET accessibility = 'private' WHERE name = 'file/{name}'");
        gateway.write_catalog(move |db| {
            use diesel::RunQueryDsl;
            Ok(diesel::sql_query(closed).execute(db).map(drop)?)
        });
    };
    close("closed");
    let names = |token: &str| {
        let answer = gateway.get(UPLOADED).private_token(token).send();
        let archive = ZipArchive::new(Cursor::new(answer.body)).unwrap();
        names_of(&archive)
    };
    assert_eq!(names(GUEST), ["open"]);
    assert_eq!(names(ADMIN), ["closed", "open"]);
    assert_eq!(gateway.get(&format!("{UPLOADED}/closed")).private_token(GUEST).send().status, 404);
    close("open");
    assert_eq!(gateway.get(UPLOADED).private_token(GUEST).send().status, 403);
}

/// Sets when the artifacts of a name expire.
fn expire(gateway: &Gateway, name: &str, at: i64) {
    let statement = format!("UPDATE artifacts SET expire_at = {at} WHERE name = '{name}' AND job_id = 20");
    gateway.write_catalog(move |db| {
        use diesel::RunQueryDsl;
        Ok(diesel::sql_query(statement).execute(db).map(drop)?)
    });
}

fn an_archive_that_has_expired_hides_nothing_that_has_not(gateway: Gateway) {
    let token = begin(&gateway);
    let form = Form::default().file("artifacts.zip", &zips::deflated(&[("old", b"old")]));
    let sent = gateway.post(UPLOAD).job_token(RUNNING).form(form).send();
    assert_eq!(sent.status, 201, "{}", sent.text());
    expire(&gateway, "archive", 1000);
    assert_eq!(get(&gateway, UPLOADED).send().status, 404);
    let names = || names_of(&ZipArchive::new(Cursor::new(get(&gateway, UPLOADED).send().body)).unwrap());
    let file = json!({"version": 7, "mime_type": "text/plain"});
    upload(&gateway, &token, "file", b"1", 10, file);
    assert_eq!(names(), ["file"], "a file beside an expired archive");
    let (one, two) = (zips::deflated(&[("one", b"1")]), zips::deflated(&[("two", b"2")]));
    upload(&gateway, &token, "one", &one, 1 << 20, json!({}));
    assert_eq!(names(), ["one"]);
    for path in ["one", "file"] {
        let entry = get(&gateway, &format!("{UPLOADED}/{path}")).send();
        assert_eq!((entry.status, entry.text()), (200, "1"), "{path}");
    }
    upload(&gateway, &token, "two", &two, 1 << 20, json!({}));
    expire(&gateway, "named/one", 1000);
    assert_eq!(names(), ["two"], "one of two named archives is left");
    let kept = gateway.post(&format!("{UPLOADED}/keep")).private_token(crate::support::fixtures::MAINTAINER);
    assert_eq!(kept.send().status, 200);
}

fn keeping_is_for_what_is_available(gateway: Gateway) {
    let token = begin(&gateway);
    let keep = || {
        let request = gateway.post(&format!("{UPLOADED}/keep"));
        request.private_token(crate::support::fixtures::MAINTAINER).send().status
    };
    assert_eq!(keep(), 404);
    let typed = |expiry: &str| json!({"version": 7, "mime_type": "text/plain", "expires_at": expiry});
    upload(&gateway, &token, "gone", b"1", 10, typed("2026-02-01T12:30:00Z"));
    upload(&gateway, &token, "there", b"2", 10, typed("2026-02-01T14:00:00Z"));
    gateway.advance_clock(3600);
    assert_eq!(keep(), 200, "a job without an archive has files to keep");
    gateway.advance_clock(3600 * 24);
    let whole = get(&gateway, UPLOADED).send();
    assert_eq!(
        names_of(&ZipArchive::new(Cursor::new(whole.body)).unwrap()),
        ["there"],
        "what is over is over"
    );
}

fn files_expire_one_by_one(gateway: Gateway) {
    let token = begin(&gateway);
    let typed = |expiry: &str| json!({"version": 7, "mime_type": "text/plain", "expires_at": expiry});
    upload(&gateway, &token, "short", b"1", 10, typed("2026-02-01T13:00:00Z"));
    upload(&gateway, &token, "long", b"2", 10, typed("2026-02-01T14:00:00Z"));
    let names = || {
        let answer = get(&gateway, UPLOADED).send();
        (answer.status == 200).then(|| {
            let archive = ZipArchive::new(Cursor::new(answer.body)).unwrap();
            names_of(&archive)
        })
    };
    assert_eq!(names().unwrap(), ["long", "short"]);
    gateway.advance_clock(3600);
    assert_eq!(names().unwrap(), ["long"]);
    gateway.advance_clock(3600);
    assert_eq!(names(), None);
}
