//! The reading API beside artifacts: projects, pipelines, jobs, the caller's account, and browser URLs.

mod account;
mod browser;
mod jobs;
mod parameters;
mod pipelines;
mod projects;

use serde_json::Value;

use crate::support::fixtures::{self, MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;
use crate::support::zips;

/// Asks as somebody; without a token as nobody.
fn get(gateway: &Gateway, token: &str, path: &str) -> Answer {
    let request = gateway.get(&format!("/api/v4{path}"));
    if token.is_empty() { request.send() } else { request.private_token(token).send() }
}

/// Returns the JSON of an answer, which must have succeeded.
fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_slice(&answer.body).unwrap()
}

/// The same with `http://gateway` in place of the server's address, which is another one at each run.
fn without_address(gateway: &Gateway, value: &Value) -> Value {
    serde_json::from_str(&value.to_string().replace(&gateway.base_url(), "http://gateway")).unwrap()
}

/// The numbers of what a list holds.
fn ids(answer: &Answer) -> Vec<i64> {
    json(answer).as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// The address behind a relation of `Link`.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let links = answer.header("link")?;
    let found = links.split(", ").find(|link| link.ends_with(&format!("rel=\"{relation}\"")))?;
    Some(found.split(['<', '>']).nth(1).unwrap().to_owned())
}

/// The path and query of an address that a list gave.
fn path_of(gateway: &Gateway, url: &str) -> String {
    url.strip_prefix(&format!("{}/api/v4", gateway.base_url())).unwrap_or_else(|| panic!("{url}")).to_owned()
}

/// Two pipelines of `main`, the older with a child and a grandchild, one of a branch, and a job that
/// runs; in a private project with the usual members.
fn load(gateway: &Gateway) {
    gateway.write_file("archive.zip", &zips::deflated(&[("a.txt", b"hello")]));
    gateway.write_file("report.gz", b"report");
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/sub/project
    name: The project
    default_branch: main
    members: {MEMBERS}
    pipelines:
      - id: 100
        iid: 1
        ref: main
        sha: aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000
        status: success
        user: developer
        created_at: 2026-01-11T10:00:00Z
        started_at: 2026-01-11T10:00:02Z
        finished_at: 2026-01-11T10:01:05.500Z
        commit: {{title: Test, message: Test it, author_name: Alice, author_email: alice@example.com, created_at: 2026-01-11T09:00:00Z}}
        jobs:
          - {{id: 10, name: build, status: failed, retried: true, failure_reason: script_failure, coverage: 1}}
          - id: 11
            name: build
            status: success
            coverage: 90.0
            artifacts: [{{file: archive.zip, expire_in: 1 day}}, {{type: junit, file: report.gz, expire_in: 1 hour}}]
          - {{id: 12, name: test, status: success, coverage: 80.5, artifacts: [{{file: archive.zip}}]}}
      - {{id: 101, iid: 2, ref: main, sha: aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000, status: success, source: parent_pipeline, parent: 100, user: developer,
          created_at: 2026-01-11T10:00:10Z, started_at: 2026-01-11T10:00:12Z, finished_at: 2026-01-11T10:00:20Z,
          jobs: [{{id: 13, name: child, status: success}}]}}
      - {{id: 102, iid: 3, ref: main, sha: aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000, status: failed, source: parent_pipeline, parent: 101,
          jobs: [{{id: 14, name: grandchild, status: failed, failure_reason: script_failure}}]}}
      - {{id: 103, iid: 4, ref: feature/x, sha: bbbb, status: failed, source: merge_request_event, user: maintainer,
          jobs: [{{id: 15, name: build, status: failed, failure_reason: script_failure, artifacts: [{{file: archive.zip, expire_in: 1 day}}]}}, {{id: 16, name: later, status: manual}}]}}
      - {{id: 104, iid: 5, ref: v1.0, tag: true, sha: cccc, status: canceled, source: web, jobs: [{{id: 17, name: build, status: canceled}}]}}
      - id: 105
        iid: 6
        ref: main
        sha: dddd
        status: running
        user: developer
        jobs: [{{id: 18, name: build, status: running, user: developer, token: {}}}]
",
        fixtures::RUNNING,
    ));
}
