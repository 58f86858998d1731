//! Moving to another store without downtime and without losing a byte.

use std::process::Command;

use artigate::settings::StorageUrl;
use serde_json::json;

use crate::github;
use crate::program::{Serving, artigate};
use crate::support::bucket;
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD, UPLOADED};
use crate::support::http_client::{Form, Request};
use crate::support::zips;

struct Moving {
    folder: tempfile::TempDir,
    bucket: StorageUrl,
}

impl Moving {
    fn begin() -> Self {
        let moving = Self { folder: tempfile::tempdir().unwrap(), bucket: bucket::fresh(bucket::server()) };
        std::fs::write(moving.path().join("archive.zip"), zips::deflated(&[("a.txt", b"hello")])).unwrap();
        std::fs::write(moving.path().join("registry.yml"), fixtures::small_document()).unwrap();
        assert!(moving.command(&["load", "registry.yml"]).status().unwrap().success());
        moving
    }

    fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The program, which knows how to reach the bucket.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = artigate(self.path(), arguments);
        command.envs(bucket::variables(bucket::server()));
        command
    }

    fn copy(&self, more: &[&str]) -> (Option<i32>, String, String) {
        let target = bucket::text(&self.bucket);
        let all = [&["copy-store", "--from", "file://artigate-data/blobs", "--to", &target], more].concat();
        let output = self.command(&all).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Every node is restarted like this in the middle of a move.
    fn serve_from_both(&self) -> Serving {
        let mut command = self.command(&["serve"]);
        command.env("ARTIGATE_STORAGE__URL", bucket::text(&self.bucket));
        command.env("ARTIGATE_STORAGE__PREVIOUS_URL", "file://artigate-data/blobs");
        Serving::run(command)
    }

    fn serve_from_the_bucket(&self) -> Serving {
        let mut command = self.command(&["serve"]);
        command.env("ARTIGATE_STORAGE__URL", bucket::text(&self.bucket));
        Serving::run(command)
    }
}

fn get(serving: &Serving, path: &str) -> Vec<u8> {
    let answer = Request::new(serving.address(), "GET", path).send();
    assert_eq!((answer.status, answer.complete), (200, true), "{path}");
    answer.body
}

fn upload(serving: &Serving, query: &str, content: &[u8]) {
    let request = Request::new(serving.address(), "POST", &format!("{UPLOAD}?{query}")).job_token(RUNNING);
    assert_eq!(request.form(Form::default().file("a", content)).send().status, 201);
}

#[test]
fn an_instance_moves_to_a_bucket_without_a_gap() {
    let moving = Moving::begin();
    let archive = zips::deflated(&[("a.txt", b"hello")]);
    assert_eq!(
        moving.copy(&[]),
        (
            Some(0),
            format!("1 blobs copied, {} bytes; 0 already present; 0 could not be copied\n", archive.len()),
            String::new()
        )
    );
    let before = Serving::plain(moving.path());
    upload(&before, "artifact_type=sast&artifact_format=raw", b"came while the copy ran");
    let both = moving.serve_from_both();
    upload(&both, "artifact_type=dast&artifact_format=raw", b"came after the switch");
    for serving in [&before, &both] {
        assert!(get(serving, ARCHIVE) == archive);
        assert_eq!(get(serving, &format!("{ARCHIVE}/a.txt")), b"hello");
        assert_eq!(get(serving, &format!("{UPLOADED}?file_type=sast")), b"came while the copy ran");
    }
    assert_eq!(get(&both, &format!("{UPLOADED}?file_type=dast")), b"came after the switch");
    assert_eq!(before.stop(), Some(0));
    let (code, printed, _) = moving.copy(&["--json"]);
    let all = "{\"already_there\":2,\"bytes\":23,\"copied\":1,\"faults\":0}\n";
    assert_eq!((code, printed.as_str()), (Some(0), all), "what only the bucket has is no fault");
    assert_eq!(both.stop(), Some(0));
    std::fs::remove_dir_all(moving.path().join("artigate-data/blobs")).unwrap();
    let after = moving.serve_from_the_bucket();
    assert!(get(&after, ARCHIVE) == archive);
    for (kind, content) in [("sast", "came while the copy ran"), ("dast", "came after the switch")] {
        assert_eq!(get(&after, &format!("{UPLOADED}?file_type={kind}")), content.as_bytes());
    }
    assert_eq!(after.stop(), Some(0));
}

#[test]
fn a_copy_that_was_interrupted_goes_on_and_damaged_bytes_are_told() {
    let moving = Moving::begin();
    let serving = Serving::plain(moving.path());
    upload(&serving, "artifact_type=sast&artifact_format=raw", b"good");
    upload(&serving, "artifact_type=dast&artifact_format=raw", b"evil");
    assert_eq!(serving.stop(), Some(0));
    let blobs = moving.path().join("artigate-data/blobs");
    let files = std::fs::read_dir(&blobs)
        .unwrap()
        .filter_map(|folder| std::fs::read_dir(folder.unwrap().path()).ok())
        .flatten();
    let damaged =
        files.map(|file| file.unwrap().path()).find(|file| std::fs::read(file).unwrap() == b"evil").unwrap();
    std::fs::write(&damaged, b"EVIL").unwrap();
    let (code, printed, error) = moving.copy(&[]);
    assert_eq!(code, Some(1));
    assert!(printed.contains("(dast of job 20)") && printed.contains("SHA-256 is "), "{printed}");
    assert!(error.contains("2 blobs copied") && error.contains("1 could not be copied"), "{error}");
    std::fs::write(&damaged, b"evil").unwrap();
    let (code, printed, _) = moving.copy(&["--json"]);
    assert_eq!(
        (code, printed.as_str()),
        (Some(0), "{\"already_there\":2,\"bytes\":4,\"copied\":1,\"faults\":0}\n")
    );
    let serving = moving.serve_from_the_bucket();
    assert_eq!(get(&serving, &format!("{UPLOADED}?file_type=dast")), b"evil");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_store_that_cannot_be_named_is_refused() {
    let moving = Moving::begin();
    for (arguments, says) in [
        (
            ["copy-store", "--from", "ftp://x", "--to", "file://y"],
            "--from: expected file://PATH or s3://BUCKET/PREFIX",
        ),
        (
            ["copy-store", "--from", "file://x", "--to", "s3://"],
            "--to: expected file://PATH or s3://BUCKET/PREFIX",
        ),
    ] {
        let output = moving.command(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(error.contains(says), "{error}");
    }
}

/// An upload in pieces that is under way while a store is moved is finished from the new one alone.
#[test]
fn an_upload_that_is_not_finished_moves_too() {
    let moving = Moving::begin();
    let before = Serving::run(moving.command(&["serve"]));
    let address = before.address();
    let token = github::runtime_token(&address, "20", RUNNING);
    let block = github::block_id(0);
    let links = ["received", "open"].map(|name| github::create(&address, &token, name, json!({})));
    for link in &links {
        assert_eq!(github::put_block(&address, link, &block, b"piece").status, 201);
    }
    assert_eq!(github::put_list(&address, &links[0], [block.as_str()]).status, 201);
    drop(before);
    let (code, said, _) = moving.copy(&[]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::remove_dir_all(moving.path().join("artigate-data/blobs")).unwrap();
    let after = moving.serve_from_the_bucket();
    let address = after.address();
    assert_eq!(github::put_list(&address, &links[1], [block.as_str()]).status, 201);
    for name in ["received", "open"] {
        let finalize = github::with(github::of_job(name), json!({"size": "5"}));
        github::called(&address, &token, "FinalizeArtifact", &finalize);
        let link = github::signed(&address, &token, name);
        assert_eq!(Request::new(address, "GET", &link).send().body, b"piece", "{name}");
    }
}
