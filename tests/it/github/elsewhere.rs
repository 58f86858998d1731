//! GitHub's dialect where bytes lie in a bucket, and where the server is known under another address.

use std::io::Cursor;

use serde_json::{Value, json};
use zip::ZipArchive;

use super::{begin, blob_error, called, of_job, path_of, signed, upload};
use crate::support::bucket;
use crate::support::fixtures::{DEVELOPER, MAINTAINER, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;
use crate::support::zips;

fn in_a_bucket(direct_download: bool) -> (Gateway, String) {
    let gateway =
        Gateway::in_a_bucket(bucket::server(), |settings| settings.direct_download = direct_download);
    let token = begin(&gateway);
    (gateway, token)
}

fn get(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(path).private_token(DEVELOPER).send()
}

#[test]
fn links_files_and_archives_come_out_of_a_bucket() {
    let (gateway, token) = in_a_bucket(false);
    let page = json!({"version": 7, "mime_type": "text/html"});
    upload(&gateway, &token, "page.html", b"<p>hello</p>", 5, page);
    let file = gateway.get(&signed(&gateway, &token, "page.html")).send();
    assert_eq!((file.text(), file.header("content-type")), ("<p>hello</p>", Some("text/html")));
    let part = gateway.get(&signed(&gateway, &token, "page.html")).header("Range", "bytes=3-7").send();
    assert_eq!((part.status, part.text()), (206, "hello"));
    // The archive that is assembled of it, whole and in part.
    let whole = get(&gateway, UPLOADED);
    let names: Vec<String> = ZipArchive::new(Cursor::new(&whole.body))
        .unwrap()
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    assert_eq!(names, ["page.html"]);
    let some = gateway.get(UPLOADED).private_token(DEVELOPER).header("Range", "bytes=10-30").send();
    assert_eq!((some.status, some.body), (206, whole.body[10..=30].to_vec()));
    // And the archive that its uploader named, through the REST API.
    let named = zips::deflated(&[("a.txt", b"named")]);
    let id = upload(&gateway, &token, "bin", &named, 50, json!({}));
    let redirect = get(&gateway, &format!("/api/v3/repos/group/project/actions/artifacts/{id}/zip"));
    let to = path_of(&gateway, redirect.header("location").unwrap());
    assert!(gateway.get(&to).send().body == named);
    let path = format!("/api/v3/repos/group/project/actions/artifacts/{id}");
    let deleted = gateway.request("DELETE", &path).private_token(MAINTAINER).send();
    assert_eq!(deleted.status, 204);
    assert_eq!(blob_error(&gateway.get(&to).send()), (404, "BlobNotFound"));
}

#[test]
fn a_link_may_lead_to_the_bucket() {
    let (gateway, token) = in_a_bucket(true);
    let content = zips::deflated(&[("a.txt", b"hello")]);
    upload(&gateway, &token, "bin", &content, 50, json!({}));
    let redirect = gateway.get(&signed(&gateway, &token, "bin")).send();
    assert_eq!((redirect.status, redirect.header("cache-control")), (302, Some("no-store")));
    let location = redirect.header("location").unwrap();
    assert!(!location.starts_with(&gateway.base_url()), "{location}");
    let output = std::process::Command::new("curl").args(["-sS", "--fail", location]).output().unwrap();
    assert!(output.status.success() && output.stdout == content);
}

#[test]
fn links_begin_with_the_external_url() {
    let gateway = Gateway::on_sqlite_with(|settings| {
        settings.external_url = Some("https://artifacts.example.com".into());
    });
    crate::support::fixtures::small(&gateway, b"x");
    let token = super::runtime_token(&gateway, "20", crate::support::fixtures::RUNNING);
    let request = super::with(of_job("bin"), json!({"version": 4}));
    let created: Value = called(&gateway, &token, "CreateArtifact", &request);
    let url = created["signed_upload_url"].as_str().unwrap();
    let path = url.strip_prefix("https://artifacts.example.com").unwrap_or_else(|| panic!("{url}"));
    assert_eq!(super::put_block(&gateway, path, &super::block_id(0), b"x").status, 201);
}
