//! Every address of a page that any dialect hands out opens.

use std::collections::BTreeSet;

use serde_json::Value;

use super::open;
use crate::support::fixtures::{MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(every_address_of_a_page_that_is_handed_out_opens);

fn load(gateway: &Gateway) {
    gateway.write_file("archive.zip", &zips::deflated(&[("a.txt", b"hello")]));
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: Some_Group/sub/app
    visibility: public
    default_branch: main
    members: {MEMBERS}
    pipelines:
      - id: 100
        ref: main
        sha: aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000
        status: success
        user: developer
        commit: {{title: Test, message: Test it, author_name: A, author_email: a@example.com}}
        jobs:
          - {{id: 10, name: build, status: success, user: developer, artifacts: [{{file: archive.zip}}]}}
      - {{id: 101, ref: main, sha: aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000, status: success, source: parent_pipeline, parent: 100, user: developer,
          jobs: [{{id: 11, name: child, status: failed, user: maintainer}}]}}
      - {{id: 102, ref: feature/x, sha: bbbb, status: running, user: maintainer, jobs: [{{id: 12, name: build, status: running}}]}}
      - {{id: 103, ref: v1.0, tag: true, sha: cccc, status: success, user: developer, jobs: [{{id: 13, name: build, status: success}}]}}
"
    ));
}

/// Collects the addresses of pages of an answer, which stand under these names.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(url) if matches!(name.as_str(), "web_url" | "html_url" | "badge_url") => {
                        found.insert(url.clone());
                    }
                    other => collect(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

fn every_address_of_a_page_that_is_handed_out_opens(gateway: Gateway) {
    load(&gateway);
    let developer = "glpat-developer";
    let gitlab = [
        "projects",
        "projects/1",
        "projects/1/pipelines",
        "projects/1/pipelines/100",
        "projects/1/pipelines/100/jobs",
        "projects/1/pipelines/100/bridges",
        "projects/1/pipelines/latest",
        "projects/1/jobs",
        "projects/1/jobs/10",
        "projects/1/repository/branches",
        "projects/1/repository/tags",
        "projects/1/repository/commits",
        "projects/1/repository/commits/main",
        "user",
    ];
    let gitlab = gitlab.iter().map(|path| (format!("/api/v4/{path}"), 1));
    let github = ["", "/actions/runs", "/actions/runs/100", "/actions/artifacts"];
    let github = github.iter().map(|path| (format!("/api/v3/repos/Some_Group%2Fsub/app{path}"), 0));
    let organizations =
        gateway.get("/v2/organizations").header("Authorization", &format!("Bearer {developer}")).send();
    let organizations: Value = serde_json::from_slice(&organizations.body).unwrap();
    let organization = organizations[0]["slug"].as_str().unwrap().to_owned();
    let pipelines = format!("/v2/organizations/{organization}/pipelines");
    let listed = gateway.get(&pipelines).header("Authorization", &format!("Bearer {developer}")).send();
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    let slug = listed[0]["slug"].as_str().unwrap().to_owned();
    let builds = format!("{pipelines}/{slug}/builds");
    let buildkite = [
        "/v2/organizations".to_owned(),
        format!("/v2/organizations/{organization}"),
        pipelines.clone(),
        format!("{pipelines}/{slug}"),
        builds.clone(),
        format!("{builds}/1"),
        "/v2/builds".to_owned(),
    ];
    let mut found = BTreeSet::new();
    for (path, least) in gitlab.chain(github).chain(buildkite.into_iter().map(|path| (path, 1))) {
        let answer = gateway.get(&path).header("Authorization", &format!("Bearer {developer}")).send();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let mut own = BTreeSet::new();
        collect(&serde_json::from_slice(&answer.body).unwrap(), &mut own);
        assert!(own.len() >= least, "{path}: {}", answer.text());
        found.extend(own);
    }
    assert!(found.len() > 12, "{found:?}");
    let base = gateway.base_url();
    for url in &found {
        let path = url.strip_prefix(&base).unwrap_or_else(|| panic!("{url}"));
        let path = path.split('#').next().unwrap();
        let mut answer = open(&gateway, developer, path);
        for _ in 0..3 {
            let Some(next) = answer.header("location").map(str::to_owned) else { break };
            answer = open(&gateway, developer, &next);
        }
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        if !url.ends_with(".svg") {
            super::is_page(&answer);
        }
        // A project that everybody may see has pages for everybody.
        let alone = open(&gateway, "", path);
        assert!(matches!(alone.status, 200 | 302), "{url}: {}", alone.status);
    }
    assert_eq!(open(&gateway, "", "/outsider").status, 302, "a user who appears in no public project");
    assert_eq!(open(&gateway, developer, "/outsider").status, 200);
}
