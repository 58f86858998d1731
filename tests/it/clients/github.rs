//! GitHub's toolkit, unmodified from its registry, in four versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use artigate::domain::Timestamp;
use serde_json::Value;

use super::{python, read, run, script};
use crate::support::fixtures::{self, MAINTAINER, REPORTER, RUNNING, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;
use crate::support::zips;

const VERSIONS: &[&str] = &["6.2.1", "5.0.3", "2.3.2", "2.1.0"];

/// The folder of a version of the toolkit.
fn toolkit(version: &str) -> PathBuf {
    let tools = std::env::var_os("ARTIGATE_TEST_TOOLKITS")
        .expect("ARTIGATE_TEST_TOOLKITS names a folder with GitHub's toolkits: use tests/run --install, which fills one");
    PathBuf::from(tools).join(version)
}

/// The variables of the running job, as a shell would have them.
fn environment(gateway: &Gateway) -> Vec<(String, String)> {
    let path = "/api/registry/v1/jobs/20/environment";
    let answer = Request::new(gateway.address, "POST", path).job_token(RUNNING).send();
    let variables: std::collections::BTreeMap<String, String> = serde_json::from_slice(&answer.body).unwrap();
    variables.into_iter().collect()
}

fn source(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    std::fs::create_dir_all(source.join("dir")).unwrap();
    std::fs::write(source.join("a.txt"), "hello").unwrap();
    // Three blocks of 8 MiB, and no pattern that a wrong order would hide.
    let big: Vec<u8> = (0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(source.join("dir/big.bin"), big).unwrap();
    std::fs::write(source.join("dir/empty"), "").unwrap();
    source
}

/// Runs one of the toolkit's scripts, and returns the lines that it says.
fn toolkit_says(gateway: &Gateway, version: &str, name: &str, source: &Path) -> Vec<String> {
    let (out, major) = (gateway.path().join("out"), version.split('.').next().unwrap());
    let printed = run(Command::new("node")
        .arg(script(name))
        .args([major.as_ref(), out.as_os_str(), source.as_os_str()])
        .envs(environment(gateway))
        .env("READ_TOKEN", MAINTAINER)
        .env("GITHUB_WORKSPACE", gateway.path())
        .env("ARTIGATE_TEST_TOOLKIT", toolkit(version))
        .env_remove("GITHUB_SERVER_URL"));
    printed.lines().filter_map(|line| line.strip_prefix(">> ")).map(str::to_owned).collect()
}

/// Moves the clock to where the newest artifact of this name has expired.
pub(super) fn expire(gateway: &Gateway, name: &str) {
    let list =
        gateway.get(&format!("/api/v3/repos/group/project/actions/artifacts?name={name}&per_page=1")).send();
    let list: Value = serde_json::from_slice(&list.body).unwrap();
    let until = Timestamp::parse(list["artifacts"][0]["expires_at"].as_str().unwrap()).unwrap();
    // The list tells whole seconds.
    gateway.advance_clock((until.as_millis() - gateway.now().as_millis()) / 1000 + 1);
}

fn tell_a_story(gateway: &Gateway, version: &str) {
    fixtures::small(gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let (source, out) = (source(gateway.path()), gateway.path().join("out"));
    let (newest, with_digests) = (version.starts_with('6'), version != "2.1.0");
    let only = |said: bool, lines: &'static [&'static str]| if said { lines } else { &[] };
    let expected = [
        &[
            "\"size\" true",
            "\"listed\" [\"bin\"]",
            "\"got\" true",
            "\"found\" [\"bin\"]",
            "\"found one\" true",
        ],
        only(with_digests, &["\"mismatch\" false false true", "\"digests\" [true,true,true,true]"]),
        &["\"twice\" true"],
        only(newest, &["\"raw\" true false", "\"deleted raw\" true"]),
        &[
            "\"deleted\" true",
            "\"deleted is missing\" \"ArtifactNotFoundError\" 404",
            "\"overwritten\" true",
            "\"missing\" \"ArtifactNotFoundError\" \"ArtifactNotFoundError\"",
        ],
    ];
    assert_eq!(toolkit_says(gateway, version, "node/toolkit.mjs", &source), expected.concat(), "{version}");
    for folder in ["job", "rest"] {
        for name in ["a.txt", "dir/big.bin", "dir/empty"] {
            assert!(read(&out.join(folder), name) == read(&source, name), "{version} {folder} {name}");
        }
    }
    if newest {
        assert_eq!(read(&out.join("raw"), "a.txt"), b"hello");
    }
    assert_eq!(read(&out.join("again"), "a.txt"), b"hello");
    assert!(!out.join("again/dir").exists(), "{version}: nothing is left of what was overwritten");
    // What the toolkit uploaded last comes out of GitLab's routes.
    let file = gateway.get(&format!("{UPLOADED}/a.txt")).private_token(REPORTER).send();
    assert_eq!(file.text(), "hello", "{version}");
    let read_by =
        run(python("job_file.py").args([&gateway.base_url(), REPORTER, "group/project", "20", "a.txt"]));
    assert!(
        read_by.starts_with("hello\n") && read_by.lines().nth(1).unwrap().contains("a.txt"),
        "{version}: {read_by}"
    );
    expire(gateway, "bin");
    let expected = [
        "\"listed\" [] \"ArtifactNotFoundError\"",
        "\"found\" [\"bin\"]",
        "\"downloaded\" \"ArtifactNotFoundError\" 410",
        "\"says\" true",
        "\"uploaded\" true",
        "\"deleted\" true []",
    ];
    assert_eq!(toolkit_says(gateway, version, "node/toolkit_expired.mjs", &source), expected, "{version}");
    assert_eq!(read(&out.join("next"), "a.txt"), b"hello");
}

#[test]
fn every_version_of_the_toolkit_uploads_downloads_and_deletes() {
    for version in VERSIONS {
        tell_a_story(&Gateway::on_sqlite(), version);
    }
}

#[test]
fn the_newest_toolkit_works_on_postgresql_and_on_a_bucket() {
    tell_a_story(&Gateway::on_postgres(), VERSIONS[0]);
    tell_a_story(&Gateway::in_a_bucket(crate::support::bucket::server(), |_| {}), VERSIONS[0]);
}
