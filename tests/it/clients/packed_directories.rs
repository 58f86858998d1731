//! Directories that `load` packs into zips, as readers of zips see them: file by file, as a tree, as the zip
//! of one folder, and whole.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{python, read, run};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips;

const ARCHIVE: &str = "/api/v4/projects/1/jobs/1/artifacts";

/// Has the directory `site` as the archive of a successful job.
const DOCUMENT: &str =
    "projects: [{id: 1, path: g/p, visibility: public, pipelines: [{id: 1, ref: main, sha: a,
    status: success, jobs: [{id: 1, name: build, status: success, artifacts: [{file: site}]}]}]}]";

/// Returns the content of the directory: path, mode as in a zip, and the bytes; of a link its target's name.
fn content() -> Vec<(&'static str, u32, Vec<u8>)> {
    vec![
        ("a-b", 0o100_644, b"before a/, as - is before /".to_vec()),
        ("a/", 0o40_755, vec![]),
        ("a/deep/", 0o40_700, vec![]),
        ("a/deep/noise.bin", 0o100_600, zips::noise(300_000)),
        ("a/empty file", 0o100_644, vec![]),
        ("a/up", 0o120_777, b"../a-b".to_vec()),
        ("dangling", 0o120_777, b"nowhere".to_vec()),
        ("empty/", 0o40_755, vec![]),
        ("index.html", 0o100_644, b"<p>hello</p>".repeat(10_000)),
        ("outside", 0o120_777, b"/etc/passwd".to_vec()),
        ("outside-directory", 0o120_777, b"/etc".to_vec()),
        ("run.sh", 0o100_755, b"#!/bin/sh\n".to_vec()),
        ("Größe – 大.txt", 0o100_644, "Grüße\n".repeat(500).into()),
    ]
}

fn make(site: &Path) {
    fs::create_dir(site).unwrap();
    for (path, mode, bytes) in content() {
        let path = site.join(path);
        match mode >> 12 {
            0o4 => fs::create_dir(&path).unwrap(),
            0o12 => symlink(String::from_utf8(bytes).unwrap(), &path).unwrap(),
            _ => fs::write(&path, bytes).unwrap(),
        }
        if mode >> 12 != 0o12 {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o777)).unwrap();
        }
    }
}

fn sorted_paths() -> Vec<&'static str> {
    let mut paths: Vec<&str> = content().into_iter().map(|(path, _, _)| path).collect();
    paths.sort_unstable();
    paths
}

on_both_databases!(
    a_directory_is_packed_and_served_as_any_archive,
    loading_a_directory_again_changes_nothing_until_something_in_it_has_changed
);

fn a_directory_is_packed_and_served_as_any_archive(gateway: Gateway) {
    make(&gateway.path().join("site"));
    gateway.load(DOCUMENT);
    for (path, mode, bytes) in content().into_iter().filter(|(path, _, _)| !path.ends_with('/')) {
        let encoded = path
            .replace(' ', "%20")
            .replace("öß", "%C3%B6%C3%9F")
            .replace('–', "%E2%80%93")
            .replace('大', "%E5%A4%A7");
        let answer = gateway.get(&format!("{ARCHIVE}/{encoded}")).send();
        assert_eq!((answer.status, answer.body == bytes), (200, true), "{path} {mode:o}");
    }
    let tree = gateway.get(&format!("{ARCHIVE}/tree?recursive=true&per_page=100")).send();
    let tree: Vec<Value> = serde_json::from_slice(&tree.body).unwrap();
    for (path, mode, bytes) in content() {
        let item =
            tree.iter().find(|item| item["path"] == *path).unwrap_or_else(|| panic!("{path}: {tree:?}"));
        assert_eq!(item["mode"], format!("{mode:06o}"), "{path}");
        if !path.ends_with('/') {
            assert_eq!(item["size"], json!(bytes.len()), "{path}");
        }
    }
    assert_eq!(tree.len(), content().len());
    let whole = gateway.get(ARCHIVE).send();
    assert_eq!(whole.header("content-disposition"), Some("attachment; filename=\"artifacts.zip\""));
    gateway.write_file("whole.zip", &whole.body);
    let folder = gateway.get(&format!("{ARCHIVE}?path=a")).send();
    gateway.write_file("folder.zip", &folder.body);
    let names =
        run(Command::new("unzip").env("LC_ALL", "C.UTF-8").arg("-Z1").arg(gateway.path().join("folder.zip")));
    let expected: Vec<&str> = sorted_paths().into_iter().filter(|path| path.starts_with("a/")).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);
}

fn loading_a_directory_again_changes_nothing_until_something_in_it_has_changed(gateway: Gateway) {
    let site = gateway.path().join("site");
    make(&site);
    gateway.load(DOCUMENT);
    let (blobs, first) = (gateway.blobs(), gateway.get(ARCHIVE).send());
    // Names that come and go leave a trace in the time of their directory only.
    fs::write(site.join("a/passing"), "").unwrap();
    fs::remove_file(site.join("a/passing")).unwrap();
    gateway.load(DOCUMENT);
    assert_eq!(gateway.blobs(), blobs);
    assert_eq!(gateway.get(ARCHIVE).send().header("etag"), first.header("etag"));
    fs::set_permissions(site.join("a-b"), fs::Permissions::from_mode(0o755)).unwrap();
    gateway.load(DOCUMENT);
    let second = gateway.get(ARCHIVE).send();
    assert_ne!(second.header("etag"), first.header("etag"));
    assert_eq!(second.body.len(), first.body.len());
}

/// Packs the directory, and tells where the archive is.
fn packed() -> (Gateway, std::path::PathBuf) {
    let gateway = Gateway::on_sqlite();
    make(&gateway.path().join("site"));
    gateway.load(DOCUMENT);
    let archive = gateway.write_file("whole.zip", &gateway.get(ARCHIVE).send().body);
    (gateway, archive)
}

#[test]
fn unzip_extracts_a_packed_directory_as_it_was() {
    let (gateway, archive) = packed();
    let unzip = || {
        let mut command = Command::new("unzip");
        command.env("LC_ALL", "C.UTF-8");
        command
    };
    run(unzip().arg("-tq").arg(&archive));
    assert_eq!(run(unzip().arg("-Z1").arg(&archive)).lines().collect::<Vec<_>>(), sorted_paths());
    let target = gateway.path().join("out");
    run(unzip().arg("-q").arg(&archive).arg("-d").arg(&target));
    for (path, mode, bytes) in content() {
        let found = fs::symlink_metadata(target.join(path.trim_end_matches('/'))).unwrap();
        match mode >> 12 {
            0o4 => assert!(found.is_dir(), "{path}"),
            0o12 => assert_eq!(
                fs::read_link(target.join(path)).unwrap().to_str().unwrap().as_bytes(),
                bytes,
                "{path}"
            ),
            _ => assert!(read(&target, path) == bytes, "{path}"),
        }
        if mode >> 12 != 0o12 {
            assert_eq!(found.permissions().mode() & 0o777, mode & 0o777, "{path}");
        }
        let same_time = |root: &Path| fs::metadata(root.join("run.sh")).unwrap().modified().unwrap();
        let [then, now] = [gateway.path().join("site"), target.clone()].map(|root| same_time(&root));
        assert!(then.duration_since(now).map_or(true, |apart| apart.as_secs() < 2) || path != "run.sh");
    }
}

#[test]
fn python_reads_names_modes_sizes_and_bytes_of_a_packed_directory() {
    let (_gateway, archive) = packed();
    let said: Vec<Value> = serde_json::from_str(&run(python("zip_listing.py").arg(archive))).unwrap();
    let mut expected: Vec<(&str, u32, Vec<u8>)> = content();
    expected.sort_unstable_by_key(|(path, _, _)| *path);
    let expected: Vec<Value> = expected
        .into_iter()
        .map(|(path, mode, bytes)| json!([path, mode, bytes.len(), crc32fast::hash(&bytes)]))
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn a_directory_that_cannot_be_packed_whole_is_refused_with_the_path() {
    let gateway = Gateway::on_sqlite();
    let site = gateway.path().join("site");
    make(&site);
    let refused = |document: &str, parts: &[&str]| {
        let error = gateway.try_load(document).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
        gateway.until_blobs(0);
    };
    let junit = DOCUMENT.replace("{file: site}", "{type: junit, file: site}");
    refused(&junit, &["artifacts[0]: file: site is a directory", "junit artifacts are gzip"]);
    run(Command::new("mkfifo").arg(site.join("a/pipe")));
    refused(DOCUMENT, &["site cannot be read: a/pipe: is neither a file, a directory nor a symbolic link"]);
    fs::remove_file(site.join("a/pipe")).unwrap();
    run(Command::new("bash").args(["-c", r"touch a/$'\xff'"]).current_dir(&site));
    refused(DOCUMENT, &["site cannot be read: a/", "its name is not UTF-8"]);
    fs::remove_dir_all(site.join("a")).unwrap();
    let mut deep = site.clone();
    (0..260).for_each(|_| deep.push("d"));
    fs::create_dir_all(deep).unwrap();
    refused(DOCUMENT, &["is nested too deeply"]);
    assert_eq!(gateway.get(fixtures::ARCHIVE).send().status, 404);
}
