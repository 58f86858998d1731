//! The scenario of the client libraries: a project with names that need encoding, whose archives are
//! downloaded, kept and deleted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{read, run};
use crate::support::fixtures::{self, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::zips;

pub const PROJECT: &str = "group/sub/pro.j";
pub const REF: &str = "feature/x";
pub const JOB_NAME: &str = "build: [a/b]";

/// A job of the newest successful pipeline of the ref, so its artifacts are locked.
pub const NEWEST_JOB: &str = "10301";
/// A job of the pipeline before; its archive and its report expire within a week.
const EXPIRING_JOB: &str = "10300";
/// A job of the pipeline before; its archive never expires, but is not locked either.
const UNLOCKED_JOB: &str = "10310";

/// A running job of another ref, with the token [`RUNNING`].
const RUNNING_JOB: &str = "10320";

/// The maintainer's other token. Some clients send long tokens in another header than short ones.
pub const LONG_TOKEN: &str = "glpat-maintainer-0123456789abcdef0123456789abcdef0123456789abcdef";

const SHA: &str = "0ff3ae198f8601a285adcf5c0fff204ee6fba5fd";

/// The newest job's files: bytes, JSON in its shortest form, text and a compressed file. None is pure
/// ASCII.
pub struct Story {
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub archive: Vec<u8>,
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Loads the project.
pub fn begin(gateway: &Gateway) -> Story {
    let files = vec![
        ("out/sub/data.bin", zips::noise(300_000)),
        ("out/report.json", r#"{"name":"prüfung","results":[1,2,{"ok":true}]}"#.into()),
        ("out/notes.txt", "Grüße\n".repeat(1000).into()),
        ("out/logs.gz", gzip("inside, and still packed on arrival\n".repeat(100).as_bytes())),
    ];
    let pairs: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (*name, &content[..])).collect();
    let archive = zips::deflated(&pairs);
    gateway.write_file("newest.zip", &archive);
    gateway.write_file("older.zip", &zips::deflated(&[("older", &zips::noise(1000))]));
    gateway.write_file("junit.xml.gz", &gzip(b"<testsuites/>"));
    gateway.load(&document());
    Story { files, archive }
}

fn document() -> String {
    format!(
        "{}
projects:
  - id: 1
    path: {PROJECT}
    visibility: private
    members: {}
    pipelines:
      - id: 300
        ref: {REF}
        sha: {SHA}
        status: success
        user: developer
        commit: {{title: Build, message: Build, author_name: Dev, author_email: dev@example.com}}
        jobs:
          - id: {EXPIRING_JOB}
            name: '{JOB_NAME}'
            status: success
            artifacts:
              - {{file: older.zip, expire_in: 1 week}}
              - {{file: junit.xml.gz, type: junit, filename: junit.xml.gz, expire_in: 1 week}}
          - {{id: {UNLOCKED_JOB}, name: other, status: success, artifacts: [{{file: older.zip}}]}}
      - id: 301
        ref: {REF}
        sha: {SHA}
        status: success
        user: developer
        jobs:
          - {{id: {NEWEST_JOB}, name: '{JOB_NAME}', status: success, artifacts: [{{file: newest.zip}}]}}
      - id: 302
        ref: develop
        sha: {SHA}
        status: running
        user: developer
        jobs:
          - {{id: {RUNNING_JOB}, name: '{JOB_NAME}', status: running, token: {RUNNING}}}
",
        fixtures::USERS.replace(
            "tokens: [{value: glpat-maintainer, scopes: [api]}]",
            &format!(
                "tokens: [{{value: glpat-maintainer, scopes: [api]}}, {{value: {LONG_TOKEN}, scopes: [api]}}]"
            ),
        ),
        fixtures::MEMBERS,
    )
}

impl Story {
    /// The paths in the newest job's archive.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(path, _)| *path)
    }

    /// Asserts that each file in `folder` under one of these names is the newest job's archive.
    pub fn assert_archives(&self, folder: &Path, names: &[&str]) {
        for name in names {
            assert!(read(folder, name) == self.archive, "{name} is not as it was");
        }
    }

    /// Asserts that below each of these folders every file of the newest job's archive lies.
    pub fn assert_files(&self, folders: &[PathBuf]) {
        for folder in folders {
            for (path, content) in &self.files {
                assert!(read(folder, path) == *content, "{path} in {} is not as it was", folder.display());
            }
        }
    }
}

/// Asserts that a client was given the expiring job, kept.
fn assert_kept(printed: &str, gateway: &Gateway) {
    let job: Value = serde_json::from_str(printed).unwrap_or_else(|e| panic!("{e}: {printed}"));
    for (pointer, expected) in [
        ("/id", json!(10300)),
        ("/name", json!(JOB_NAME)),
        ("/stage", json!("test")),
        ("/status", json!("success")),
        ("/ref", json!(REF)),
        ("/tag", json!(false)),
        ("/artifacts_expire_at", Value::Null),
        ("/artifacts_file/filename", json!("artifacts.zip")),
        ("/artifacts_file/size", json!(size(gateway, "older.zip"))),
        ("/commit/id", json!(SHA)),
        ("/commit/short_id", json!(&SHA[..8])),
        ("/commit/title", json!("Build")),
        ("/pipeline/id", json!(300)),
        ("/pipeline/project_id", json!(1)),
        ("/pipeline/ref", json!(REF)),
        ("/pipeline/sha", json!(SHA)),
        ("/pipeline/status", json!("success")),
        ("/user/username", json!("developer")),
        ("/web_url", json!(format!("{}/{PROJECT}/-/jobs/{EXPIRING_JOB}", gateway.base_url()))),
    ] {
        assert_eq!(job.pointer(pointer), Some(&expected), "{pointer} of {job:#}");
    }
    let mut artifacts = job["artifacts"].as_array().expect("artifacts is a list").clone();
    artifacts.sort_by_key(|artifact| artifact["file_type"].to_string());
    assert_eq!(
        Value::Array(artifacts),
        json!([
            {"file_type": "archive", "size": size(gateway, "older.zip"), "filename": "artifacts.zip", "file_format": "zip"},
            {"file_type": "junit", "size": size(gateway, "junit.xml.gz"), "filename": "junit.xml.gz", "file_format": "gzip"},
        ])
    );
}

fn size(gateway: &Gateway, name: &str) -> usize {
    read(gateway.path(), name).len()
}

/// Longer than the expiring job's artifacts live if nobody keeps them.
fn let_expire(gateway: &Gateway) {
    gateway.advance_clock(30 * 24 * 3600);
}

/// Asserts that the deletion of all the project's artifacts was asked for: the next sweep takes them,
/// except the locked ones.
pub fn assert_project_deleted(gateway: &Gateway) {
    gateway.sweep();
    let status = |job: &str| {
        let archive = gateway.get(&format!("/api/v4/projects/1/jobs/{job}/artifacts"));
        archive.private_token(fixtures::MAINTAINER).send().status
    };
    assert_eq!((status(UNLOCKED_JOB), status(NEWEST_JOB)), (404, 200));
}

/// Asserts that a client found its way from the project's name to the newest job's artifacts, kept and
/// deleted them: what it printed on the way, and what it left in `folder`.
pub fn assert_whole(story: &Story, gateway: &Gateway, printed: &str, folder: &Path, entry: &str) {
    let expected = format!(
        "user: maintainer\nproject: 1\njobs: {RUNNING_JOB} {UNLOCKED_JOB} {NEWEST_JOB} {EXPIRING_JOB}\n\
         succeeded: {UNLOCKED_JOB} {NEWEST_JOB} {EXPIRING_JOB}\npipeline: 301\njob: {NEWEST_JOB}\n\
         kept until: None\ndeleted\n"
    );
    assert_eq!(printed, expected);
    story.assert_archives(folder, &["by-id.zip", "by-ref.zip"]);
    let content = story.files.iter().find(|(path, _)| *path == entry).map(|(_, content)| content);
    assert!(read(folder, "one") == *content.unwrap(), "{entry} is not as it was");
    let archive = gateway.get(&format!("/api/v4/projects/1/jobs/{NEWEST_JOB}/artifacts"));
    assert_eq!(archive.private_token(fixtures::MAINTAINER).send().status, 404);
}

/// Has a client keep a job, wait for its expiry, and delete what its scripts delete. `program` makes the command
/// that runs a script, and `ending` is what scripts end with. Returns what the last one printed.
pub fn keep_and_delete(gateway: &Gateway, program: impl Fn(&str) -> Command, ending: &str) -> String {
    begin(gateway);
    let base_url = gateway.base_url();
    let kept = run(program(&format!("keep.{ending}")).args([
        &base_url,
        fixtures::MAINTAINER,
        fixtures::REPORTER,
        PROJECT,
        EXPIRING_JOB,
    ]));
    assert_kept(&kept, gateway);
    let_expire(gateway);
    run(program(&format!("delete.{ending}")).args([
        &base_url,
        fixtures::MAINTAINER,
        PROJECT,
        EXPIRING_JOB,
        UNLOCKED_JOB,
    ]))
}

/// Has a client go from a project's name to its artifacts, of which it downloads `entry`, and clean up.
pub fn from_name_to_artifacts(gateway: &Gateway, mut command: Command, entry: &str) {
    let (story, out) = (begin(gateway), gateway.path().join("out"));
    let printed = run(command
        .args([&gateway.base_url(), fixtures::MAINTAINER, PROJECT, REF, JOB_NAME])
        .arg(&out)
        .arg(entry));
    assert_whole(&story, gateway, &printed, &out, entry);
}
