//! GitHub's tools, unmodified from their registries: the toolkit in four versions, Octokit, `PyGithub`, `gh` and curl.

use std::path::{Path, PathBuf};
use std::process::Command;

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

fn tell_a_story(gateway: &Gateway, version: &str) {
    fixtures::small(gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let (source, out) = (source(gateway.path()), gateway.path().join("out"));
    let major = version.split('.').next().unwrap();
    let printed = run(Command::new("node")
        .arg(script("node/toolkit.mjs"))
        .args([major.as_ref(), out.as_os_str(), source.as_os_str()])
        .envs(environment(gateway))
        .env("READ_TOKEN", MAINTAINER)
        .env("GITHUB_WORKSPACE", gateway.path())
        .env("ARTIGATE_TEST_TOOLKIT", toolkit(version))
        .env_remove("GITHUB_SERVER_URL"));
    let said: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix(">> ")).collect();
    let raw = ["\"raw\" true", "\"deleted raw\" true"];
    let expected: Vec<&str> = [
        "\"size\" true",
        "\"listed\" [\"bin\"]",
        "\"got\" true",
        "\"found\" [\"bin\"]",
        "\"found one\" true",
        "\"twice\" true",
    ]
    .into_iter()
    .chain(raw.into_iter().filter(|_| major == "6"))
    .chain(["\"deleted\" true", "\"overwritten\" true", "\"missing\" \"ArtifactNotFoundError\""])
    .collect();
    assert_eq!(said, expected, "{printed}");
    for folder in ["job", "rest"] {
        for name in ["a.txt", "dir/big.bin", "dir/empty"] {
            assert!(read(&out.join(folder), name) == read(&source, name), "{version} {folder} {name}");
        }
    }
    if major == "6" {
        assert_eq!(read(&out.join("raw"), "a.txt"), b"hello");
    }
    // What the toolkit uploaded last comes out of GitLab's routes.
    let file = gateway.get(&format!("{UPLOADED}/a.txt")).private_token(REPORTER).send();
    assert_eq!(file.text(), "hello", "{version}");
    let read =
        run(python("job_file.py").args([&gateway.base_url(), REPORTER, "group/project", "20", "a.txt"]));
    assert!(
        read.starts_with("hello\n") && read.lines().nth(1).unwrap().contains("a.txt"),
        "{version}: {read}"
    );
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

/// Three named archives of the running job, beside the archive that a runner uploaded.
fn three(gateway: &Gateway) -> Vec<u8> {
    let archive = zips::deflated(&[("a.txt", b"hello"), ("dir/b.txt", b"world")]);
    fixtures::small(gateway, &archive);
    let token = crate::github::runtime_token(gateway, "20", RUNNING);
    for name in ["first", "second", "bin"] {
        crate::github::upload(gateway, &token, name, &archive, 100, serde_json::json!({}));
    }
    archive
}

on_both_databases!(
    octokit_pages_downloads_and_deletes,
    pygithub_lists_and_deletes,
    gh_downloads_what_the_toolkit_and_what_a_runner_uploaded,
    curl_follows_the_redirect
);

fn octokit_pages_downloads_and_deletes(gateway: Gateway) {
    let archive = three(&gateway);
    let out = gateway.path().join("out.zip");
    let printed = run(Command::new("node")
        .arg(script("node/octokit.mjs"))
        .args([&gateway.base_url(), MAINTAINER, "group", "project", "200"])
        .arg(&out));
    let expected =
        "all: bin second first build\nrun: bin second first\nsame: 304\ndeleted: 204\nmissing: 404\n";
    assert_eq!(printed, expected);
    assert!(std::fs::read(out).unwrap() == archive);
}

fn pygithub_lists_and_deletes(gateway: Gateway) {
    three(&gateway);
    let printed =
        run(python("github_artifacts.py").args([&gateway.base_url(), MAINTAINER, "group/project", "200"]));
    let expected = "repository: 1 group/project\nall: 4 bin second first build\nrun: bin second first\n\
        expires: 2026-03-03 expired: False\ndeleted: True\nmissing: 404\n";
    assert_eq!(printed, expected);
}

fn gh_downloads_what_the_toolkit_and_what_a_runner_uploaded(gateway: Gateway) {
    three(&gateway);
    for (run_id, names) in [("200", &["first", "second", "bin"][..]), ("100", &["build"])] {
        let out = gateway.path().join(run_id);
        run(gh(&gateway)
            .args(["run", "download", run_id, "-R", "github.localhost/group/project", "-D"])
            .arg(&out));
        for name in names {
            let folder = out.join(name);
            assert_eq!(read(&folder, "a.txt"), b"hello", "{run_id} {name}");
            assert_eq!(read(&folder, "dir/b.txt"), b"world", "{run_id} {name}");
        }
    }
    let path = "repos/group/project/actions/artifacts?per_page=2";
    let printed = run(gh(&gateway).args([
        "api",
        "--hostname",
        "github.localhost",
        "--paginate",
        path,
        "--jq",
        ".artifacts[].name",
    ]));
    assert_eq!(printed, "bin\nsecond\nfirst\nbuild\n");
}

/// `gh`, which reaches its one plain host through the proxy variable.
fn gh(gateway: &Gateway) -> Command {
    let mut command = Command::new("gh");
    command
        .env("HTTP_PROXY", gateway.base_url())
        .env("http_proxy", gateway.base_url())
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .env("GH_TOKEN", REPORTER)
        .env("GH_CONFIG_DIR", gateway.path().join("gh"))
        .env("GH_PROMPT_DISABLED", "1");
    command
}

fn curl_follows_the_redirect(gateway: Gateway) {
    let archive = three(&gateway);
    let list = gateway.get("/api/v3/repos/group/project/actions/artifacts?name=bin").send();
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    let url = list["artifacts"][0]["archive_download_url"].as_str().unwrap();
    let out = gateway.path().join("bin.zip");
    run(Command::new("curl").args(["--fail-with-body", "--silent", "--location", "--header"]).args([
        format!("Authorization: Bearer {REPORTER}"),
        "--output".into(),
        out.display().to_string(),
        url.into(),
    ]));
    assert!(std::fs::read(out).unwrap() == archive);
}
