//! Search of an agent: patterns, duplicates, steps, attempts, and what a job may read.

use serde_json::Value;

use super::{Agent, refusal, sha1, sha256};
use crate::support::fixtures::{self, MEMBERS, RUNNING, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;
use crate::support::zips;

on_both_databases!(
    patterns_match_whole_paths_and_only_the_star_has_a_meaning,
    a_runners_archive_is_found_file_by_file_with_its_digests,
    steps_are_scoped_by_job_key_and_label,
    attempts_that_were_replaced_are_found_only_when_asked_for,
    other_projects_are_searched_as_their_allowlist_says,
    what_is_closed_or_has_expired_is_not_found,
    a_long_list_is_sent_whole
);

/// A build with a step of three parallel jobs, one that was tried twice, and the job that searches.
fn build(gateway: &Gateway) -> Agent {
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    visibility: private
    members: {MEMBERS}
    pipelines:
      - id: 200
        ref: main
        sha: bbbb
        status: running
        user: developer
        jobs:
          - {{id: 11, name: test 1/3, step_key: tests, status: running, token: t11}}
          - {{id: 12, name: test 2/3, step_key: tests, status: running, token: t12}}
          - {{id: 13, name: test 3/3, step_key: tests, status: running, token: t13}}
          - {{id: 14, name: lint, status: running, retried: true, token: t14}}
          - {{id: 15, name: lint, status: running, token: t15}}
          - {{id: 16, name: Deploy it, status: running, token: t16}}
          - {{id: 20, name: publish, status: running, token: {RUNNING}}}
"
    ));
    for job in ["11", "12", "13", "14", "15", "16"] {
        let agent = Agent::new(gateway.address, &format!("t{job}"), job, "200");
        let name = format!("only-{job}.txt");
        agent.upload("batch", &[("result.xml", job.as_bytes()), (&name, job.as_bytes())]);
    }
    Agent::new(gateway.address, RUNNING, "20", "200")
}

/// What the found files hold.
fn contents(agent: &Agent, query: &str, more: &str) -> Vec<String> {
    let text = |item: &Value| agent.download(item).text().to_owned();
    let mut found: Vec<String> = agent.found(query, more).iter().map(text).collect();
    found.sort();
    found
}

fn patterns_match_whole_paths_and_only_the_star_has_a_meaning(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    agent.upload(
        "batch",
        &[
            ("log/a.log", b"1"),
            ("log/deep/b.log", b"2"),
            ("x[1]?.txt", b"3"),
            ("100%_.txt", b"4"),
            ("A.log", b"5"),
        ],
    );
    for (query, expected) in [
        ("log/*", &["log/a.log", "log/deep/b.log"][..]),
        ("log/**/*", &["log/deep/b.log"]),
        ("*.log", &["log/a.log", "log/deep/b.log", "A.log"]),
        ("a.log", &[]),
        ("x[1]?.txt", &["x[1]?.txt"]),
        ("x[1]*", &["x[1]?.txt"]),
        ("x?1*", &[]),
        ("100%_.txt", &["100%_.txt"]),
        ("1%*", &[]),
        ("*%_*", &["100%_.txt"]),
        ("log\\*", &["log/a.log", "log/deep/b.log"]),
        ("log", &[]),
        ("**", &["log/a.log", "log/deep/b.log", "x[1]?.txt", "100%_.txt", "A.log"]),
    ] {
        assert_eq!(agent.paths(query, ""), expected, "{query}");
    }
    let long = agent.search(&"x".repeat(2049), "");
    assert_eq!(refusal(&long), (400, "query is longer than 2048 bytes".into()));
    let answer = agent.request("GET", "/builds/200/artifacts/search?state=finished").send();
    assert_eq!(refusal(&answer), (400, "query is missing".into()));
}

fn a_runners_archive_is_found_file_by_file_with_its_digests(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let archive = zips::deflated(&[("bin/app", b"binary"), ("docs/a.md", b"# A"), ("docs/", b"")]);
    let form = Form::default().file("artifacts.zip", &archive);
    assert_eq!(gateway.post(fixtures::UPLOAD).job_token(RUNNING).form(form).send().status, 201);
    let found = agent.found("*", "");
    assert_eq!(found.len(), 2);
    for (item, (path, content)) in found.iter().zip([("bin/app", &b"binary"[..]), ("docs/a.md", b"# A")]) {
        assert_eq!(item["path"], path);
        assert_eq!((&item["sha1sum"], &item["sha256sum"]), (&sha1(content).into(), &sha256(content).into()));
        let answer = agent.download(item);
        assert_eq!(answer.body, content);
        assert_eq!(answer.header("content-encoding"), None);
    }
    // Of another build of the project, named by its number.
    let other = Agent::new(gateway.address, RUNNING, "20", "100");
    assert_eq!(other.paths("log/*", ""), ["log/b.log"]);
    // The link outlives a long download, and the job.
    gateway.advance_clock(3500);
    assert_eq!(agent.download(&found[0]).status, 200);
    gateway.advance_clock(200);
    assert_eq!(agent.download(&found[0]).status, 403);
}

fn steps_are_scoped_by_job_key_and_label(gateway: Gateway) {
    let agent = build(&gateway);
    let uuid = agent.found("only-12.txt", "")[0]["job_id"].as_str().unwrap().to_owned();
    for (scope, expected) in [
        (uuid.as_str(), &["12"][..]),
        ("12", &["12"]),
        ("tests", &["11", "12", "13"]),
        ("test", &["11", "12", "13"]),
        ("test%202/3", &["12"]),
        ("lint", &["15"]),
        ("deploy-it", &["16"]),
        ("Deploy%20it", &["16"]),
        ("publish", &[]),
    ] {
        let scope = format!("&scope={scope}");
        assert_eq!(contents(&agent, "result.xml", &scope), expected, "{scope}");
        assert_eq!(contents(&agent, "only-*", &scope), expected, "{scope}");
    }
    // Of several jobs the most recent one, unless all are asked for; one path of several is not one.
    assert_eq!(contents(&agent, "result.*", ""), ["16"]);
    assert_eq!(contents(&agent, "result.*", "&scope=tests"), ["13"]);
    assert_eq!(contents(&agent, "result.*", "&include_duplicates=true"), ["11", "12", "13", "15", "16"]);
    assert_eq!(agent.search("result.xml", "").status, 400);
    let nowhere = agent.search("*", "&scope=no%0Athing");
    assert_eq!(refusal(&nowhere), (404, "A step could not be found matching: `no thing`".into()));
    let nowhere = agent.search("*", "&scope=nothing");
    assert_eq!(refusal(&nowhere), (404, "A step could not be found matching: `nothing`".into()));
}

fn attempts_that_were_replaced_are_found_only_when_asked_for(gateway: Gateway) {
    let agent = build(&gateway);
    assert_eq!(agent.paths("only-14.txt", ""), [] as [&str; 0]);
    assert_eq!(agent.paths("only-14.txt", "&include_retried_jobs=true"), ["only-14.txt"]);
    assert_eq!(contents(&agent, "result.xml", "&scope=lint"), ["15"]);
    assert_eq!(contents(&agent, "result.*", "&scope=lint&include_retried_jobs=true"), ["15"]);
    let all = "&scope=lint&include_retried_jobs=true&include_duplicates=true";
    assert_eq!(contents(&agent, "result.xml", all), ["14", "15"]);
    assert_eq!(contents(&agent, "result.xml", "&scope=14"), ["14"], "a job that is named is searched");
    // Two attempts are not two parallel jobs.
    assert_eq!(agent.search("result.xml", "&scope=lint&include_retried_jobs=true").status, 400);
}

fn other_projects_are_searched_as_their_allowlist_says(gateway: Gateway) {
    let agent = build(&gateway);
    gateway.load(
        "projects:
  - {id: 2, path: group/closed, visibility: private, members: {developer: developer}, pipelines: [{id: 300, ref: main,
      sha: cccc, status: running, user: developer, jobs: [{id: 30, name: build, status: running, token: t30}]}]}
  - {id: 3, path: group/foreign, visibility: private, job_token_allowlist: [group/project], pipelines: [{id: 400,
      ref: main, sha: cccc, status: running, jobs: [{id: 40, name: build, status: running, token: t40}]}]}",
    );
    for (token, job, build) in [("t30", "30", "300"), ("t40", "40", "400")] {
        Agent::new(gateway.address, token, job, build).upload("batch", &[("a", b"a")]);
        let other = Agent { build: build.into(), ..Agent::new(gateway.address, RUNNING, "20", build) };
        assert_eq!(refusal(&other.search("*", "")), (404, "No build found".into()));
    }
    let other = Agent::new(gateway.address, RUNNING, "20", "300");
    gateway.load("projects: [{id: 2, path: group/closed, job_token_allowlist: [group/project]}]");
    assert_eq!(other.paths("*", ""), ["a"]);
    // A job of nobody reads what it uploaded itself.
    let nobody = Agent::new(gateway.address, "t40", "40", "400");
    assert_eq!(nobody.paths("*", ""), ["a"]);
    for unknown in ["999", "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e", "x"] {
        let other = Agent::new(gateway.address, RUNNING, "20", unknown);
        assert_eq!(refusal(&other.search("*", "")), (404, "No build found".into()), "{unknown}");
    }
    assert_eq!(agent.paths("only-11.txt", ""), ["only-11.txt"]);
}

fn what_is_closed_or_has_expired_is_not_found(gateway: Gateway) {
    let agent = build(&gateway);
    gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        let closed = "UPDATE artifacts SET accessibility = 'none' WHERE job_id = 11";
        Ok(diesel::sql_query(closed).execute(db).map(drop)?)
    });
    // Nothing of a pipeline is hidden from its later jobs.
    assert_eq!(agent.paths("only-11.txt", ""), ["only-11.txt"]);
    gateway.advance_clock(31 * 24 * 3600);
    assert_eq!(agent.paths("*", "&include_retried_jobs=true"), [] as [&str; 0]);
}

fn a_long_list_is_sent_whole(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let names: Vec<String> = (0..700).map(|number| format!("dir/{number:04}.txt")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let form = Form::default().file("artifacts.zip", &zips::deflated(&entries));
    assert_eq!(gateway.post(fixtures::UPLOAD).job_token(RUNNING).form(form).send().status, 201);
    let found = agent.found("*", "");
    assert_eq!(found.len(), 700);
    for (item, name) in found.iter().zip(&names) {
        assert_eq!(
            (&item["path"], &item["sha1sum"]),
            (&Value::from(name.as_str()), &sha1(name.as_bytes()).into())
        );
    }
    assert_eq!(agent.download(&found[699]).text(), names[699]);
}
