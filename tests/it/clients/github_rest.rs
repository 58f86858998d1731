//! Clients of GitHub's REST API, unmodified from their registries: Octokit, `PyGithub` and `gh`. Each lists, gets,
//! downloads, compares and deletes; what it deleted is uploaded again, and it meets that when it has expired.

use std::process::{Command, Output};

use serde_json::json;

use super::github::expire;
use super::{python, read, run, script};
use crate::github::{runtime_token, upload};
use crate::support::fixtures::{self, MAINTAINER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(octokit_tells_its_story, pygithub_tells_its_story, gh_tells_its_story);

/// Three named archives of the running job, beside the archive that a runner uploaded.
fn three(gateway: &Gateway) -> Vec<u8> {
    let large = zips::noise(20_000_000);
    let archive = zips::deflated(&[("a.txt", b"hello"), ("dir/b.txt", b"world"), ("large.bin", &large)]);
    fixtures::small(gateway, &archive);
    let token = runtime_token(gateway, "20", RUNNING);
    for name in ["first", "second", "bin"] {
        upload(gateway, &token, name, &archive, 8 << 20, json!({}));
    }
    archive
}

/// Uploads `bin`, which was deleted, once more.
fn overwrite(gateway: &Gateway) -> Vec<u8> {
    let archive = zips::deflated(&[("new.txt", b"new")]);
    upload(gateway, &runtime_token(gateway, "20", RUNNING), "bin", &archive, 100, json!({}));
    archive
}

fn octokit_tells_its_story(gateway: Gateway) {
    let archive = three(&gateway);
    let out = gateway.path().join("out.zip");
    let says = |more: &[&str]| {
        run(Command::new("node")
            .arg(script("node/octokit.mjs"))
            .args([&gateway.base_url(), MAINTAINER, "group", "project", "200"])
            .arg(&out)
            .args(more))
    };
    let expected = |all: &str| {
        format!("all: {all} build\nrun: {all}\nsame: 304\ndigest: true\ndeleted: 204\nmissing: 404\n")
    };
    assert_eq!(says(&[]), expected("bin second first"));
    assert!(std::fs::read(&out).unwrap() == archive);
    let new = overwrite(&gateway);
    assert_eq!(says(&[]), expected("bin second first"));
    assert!(std::fs::read(&out).unwrap() == new);
    expire(&gateway, "second");
    let expired = |name: &str| format!("{name}: expired true true 410 Artifact has expired\ndeleted: 204\n");
    assert_eq!(says(&["expired"]), format!("{}{}left: 0\n", expired("second"), expired("first")));
}

fn pygithub_tells_its_story(gateway: Gateway) {
    let archive = three(&gateway);
    let out = gateway.path().join("out.zip");
    let says = |more: &[&str]| {
        run(python("github_artifacts.py")
            .args([&gateway.base_url(), MAINTAINER, "group/project", "200"])
            .arg(&out)
            .args(more))
    };
    let expected = "repository: 1 group/project\nall: 4 bin second first build\nrun: bin second first\n\
        size: True, digest: True\nexpires: 2026-03-03 expired: False\ndeleted: True\nmissing: 404\n";
    assert_eq!(says(&[]), expected);
    assert!(std::fs::read(&out).unwrap() == archive);
    let new = overwrite(&gateway);
    assert_eq!(says(&[]), expected);
    assert!(std::fs::read(&out).unwrap() == new);
    expire(&gateway, "second");
    let expired =
        |name: &str| format!("{name}: expired: True\ndownload: 410 Artifact has expired\ndeleted: True\n");
    assert_eq!(says(&["expired"]), format!("{}{}left: 0\n", expired("second"), expired("first")));
}

fn gh_tells_its_story(gateway: Gateway) {
    three(&gateway);
    let download = |run_id: &str, folder: &str| -> Output {
        let out = gateway.path().join(folder);
        gh(&gateway)
            .args(["run", "download", run_id, "-R", "github.localhost/group/project", "-D"])
            .arg(&out)
            .output()
            .unwrap()
    };
    let downloads = |run_id: &str, folder: &str, names: &[&str]| {
        let output = download(run_id, folder);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for name in names {
            let one = gateway.path().join(folder).join(name);
            assert_eq!(read(&one, "a.txt"), b"hello", "{run_id} {name}");
            assert_eq!(read(&one, "dir/b.txt"), b"world", "{run_id} {name}");
        }
    };
    // What the toolkit uploaded, and what a runner did.
    downloads("200", "all", &["first", "second", "bin"]);
    downloads("100", "runner", &["build"]);
    let all = api(&gateway, &["--paginate", "?per_page=2", "--jq", ".artifacts[].name"]);
    assert_eq!(all, Ok("bin\nsecond\nfirst\nbuild\n".to_owned()));
    let ids = api(&gateway, &["?name=bin", "--jq", ".artifacts[].id"]).unwrap();
    let path = format!("/{}", ids.trim());
    let fields = ["--jq", "[.name, .expired, .size_in_bytes, .digest] | @tsv"];
    let one = api(&gateway, &[&[path.as_str()], &fields[..]].concat()).unwrap();
    let archive = std::fs::read(gateway.path().join("archive.zip")).unwrap();
    let digest = artigate::domain::Sha256Digest::of(&archive);
    assert_eq!(one, format!("bin\tfalse\t{}\tsha256:{digest}\n", archive.len()));
    let delete = ["--method", "DELETE"];
    assert_eq!(api(&gateway, &[&[path.as_str()], &delete[..]].concat()), Ok(String::new()));
    let missing = Err("gh: Not Found (HTTP 404)".to_owned());
    assert_eq!(api(&gateway, &[&path]), missing);
    assert_eq!(api(&gateway, &[&[path.as_str()], &delete[..]].concat()), missing);
    overwrite(&gateway);
    assert!(download("200", "overwritten").status.success());
    assert_eq!(read(&gateway.path().join("overwritten/bin"), "new.txt"), b"new");
    assert!(!gateway.path().join("overwritten/bin/a.txt").exists());
    expire(&gateway, "bin");
    let refused = download("200", "expired");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("no valid artifacts found"), "{why}");
    // The newest successful pipeline of a ref keeps what it has.
    downloads("100", "kept", &["build"]);
    let expired = api(&gateway, &["--jq", ".artifacts[] | [.name, .expired] | @tsv"]);
    assert_eq!(expired, Ok("bin\ttrue\nsecond\ttrue\nfirst\ttrue\nbuild\tfalse\n".to_owned()));
    let ids = api(&gateway, &["?name=bin", "--jq", ".artifacts[].id"]).unwrap();
    let zip = format!("/{}/zip", ids.trim());
    assert_eq!(api(&gateway, &[&zip]), Err("gh: Artifact has expired (HTTP 410)".to_owned()));
}

/// Asks `gh` for a path below the artifacts of the project: what it prints, or why it fails.
pub(super) fn api(gateway: &Gateway, arguments: &[&str]) -> Result<String, String> {
    let of_path = |text: &&&str| text.starts_with(['/', '?']);
    let path = arguments.iter().find(of_path).copied().unwrap_or_default();
    let options = arguments.iter().filter(|text| !of_path(text));
    let output = gh(gateway)
        .args(["api", "--hostname", "github.localhost"])
        .arg(format!("repos/group/project/actions/artifacts{path}"))
        .args(options)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr).trim().to_owned())
    }
}

/// `gh`, which reaches its one plain host through the proxy variable.
fn gh(gateway: &Gateway) -> Command {
    let mut command = Command::new("gh");
    command
        .env("HTTP_PROXY", gateway.base_url())
        .env("http_proxy", gateway.base_url())
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .env("GH_TOKEN", MAINTAINER)
        .env("GH_CONFIG_DIR", gateway.path().join("gh"))
        .env("GH_PROMPT_DISABLED", "1");
    command
}
