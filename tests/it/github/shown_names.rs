//! Names under which artifacts are listed and found: set by whoever inserts an artifact or renames a job, and known of
//! artifacts that a node of the release before inserted, too.

use diesel::RunQueryDsl;
use serde_json::{Value, json};

use super::{archive, begin, upload};
use crate::support::fixtures::{REPORTER, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;

on_both_databases!(
    an_artifact_is_found_by_name_however_it_came,
    a_long_name_is_found_too,
    an_artifact_of_the_release_before_is_found_and_filled,
    pages_hold_artifacts_of_both_releases_in_their_order,
    the_archive_of_a_renamed_job_has_its_new_name,
    a_control_character_is_a_hyphen_in_lists_and_where_they_are_searched
);

const ARTIFACTS: &str = "/api/v3/repos/group/project/actions/artifacts";

/// The names and the total of a list with this query.
fn listed(gateway: &Gateway, path: &str, query: &str) -> (usize, Vec<String>) {
    let answer = gateway.get(&format!("{path}?{query}")).private_token(REPORTER).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    let names = list["artifacts"].as_array().unwrap().iter();
    let total = usize::try_from(list["total_count"].as_u64().unwrap()).unwrap();
    (total, names.map(|row| row["name"].as_str().unwrap().to_owned()).collect())
}

/// How many artifacts are listed under a name: in the project, which is the same as in the run.
fn found(gateway: &Gateway, run: usize, name: &str) -> usize {
    let query = format!("name={}", name.replace('%', "%25").replace(' ', "%20").replace('&', "%26"));
    let (total, names) = listed(gateway, ARTIFACTS, &query);
    assert_eq!(names, vec![name; total]);
    let of_run = format!("/api/v3/repos/group/project/actions/runs/{run}/artifacts");
    assert_eq!(listed(gateway, &of_run, &query), (total, names), "{name} in run {run}");
    total
}

/// Changes the catalog as a node of the release before leaves it.
fn execute(gateway: &Gateway, statement: &'static str) -> usize {
    gateway.write_catalog(move |db| Ok(diesel::sql_query(statement).execute(db)?))
}

/// How many artifacts have no name to be listed by.
fn unfilled(gateway: &Gateway) -> usize {
    execute(gateway, "UPDATE artifacts SET state = state WHERE shown_name IS NULL")
}

/// Registers artifacts of job 10, in YAML, each with the bytes of a small archive.
fn load(gateway: &Gateway, artifacts: &str) {
    gateway.write_file("more.zip", &archive());
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: aaaa, status: success,
            jobs: [{{id: 10, name: build, status: success, artifacts: [{artifacts}]}}]}}]}}]"
    ));
}

fn rename(gateway: &Gateway, name: &str) {
    // In the one form that YAML takes of every character.
    let name: String = name.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: aaaa, status: success,
            jobs: [{{id: 10, name: \"{name}\", status: success}}]}}]}}]"
    ));
}

fn an_artifact_is_found_by_name_however_it_came(gateway: Gateway) {
    let token = begin(&gateway);
    upload(&gateway, &token, "by the toolkit", &archive(), 1000, json!({}));
    upload(&gateway, &token, "a.txt", b"a", 1000, json!({"version": 7, "mime_type": "text/plain"}));
    load(
        &gateway,
        "{name: loaded, file: more.zip}, {path: dir/file.bin, file: more.zip}, {type: junit, file: more.zip}",
    );
    for (run, name) in
        [(200, "by the toolkit"), (200, "a.txt"), (100, "loaded"), (100, "dir-file.bin"), (100, "build")]
    {
        assert_eq!(found(&gateway, run, name), 1, "{name}");
    }
    let form = Form::default().file("artifacts.zip", &archive());
    assert_eq!(gateway.post(UPLOAD).job_token(RUNNING).form(form).send().status, 201);
    let both = listed(&gateway, ARTIFACTS, "name=build");
    assert_eq!(both.0, 2, "of two jobs");
    // A report has a name only for its own dialect.
    assert_eq!((found(&gateway, 100, "junit"), unfilled(&gateway)), (0, 0));
}

fn a_long_name_is_found_too(gateway: Gateway) {
    begin(&gateway);
    let path = |end: &str| format!("{}/{end}", "0123456789".repeat(60));
    load(
        &gateway,
        &format!("{{path: {}, file: more.zip}}, {{path: {}, file: more.zip}}", path("a"), path("b")),
    );
    for end in ["a", "b"] {
        assert_eq!(found(&gateway, 100, &path(end).replace('/', "-")), 1);
    }
    assert_eq!(found(&gateway, 100, &path("c").replace('/', "-")), 0);
}

fn an_artifact_of_the_release_before_is_found_and_filled(gateway: Gateway) {
    let token = begin(&gateway);
    upload(&gateway, &token, "bin", &archive(), 1000, json!({}));
    load(&gateway, "{path: dir/file.bin, file: more.zip}, {type: junit, file: more.zip}");
    for fill in ["sweep", "migrate"] {
        assert_eq!(execute(&gateway, "UPDATE artifacts SET shown_name = NULL"), 4);
        for filled in [false, true] {
            if filled && fill == "sweep" {
                gateway.sweep();
            } else if filled {
                gateway.app.catalog.migrate().unwrap();
            }
            assert_eq!(unfilled(&gateway), if filled { 0 } else { 4 }, "{fill}");
            for (run, name) in [(200, "bin"), (100, "dir-file.bin"), (100, "build")] {
                assert_eq!(found(&gateway, run, name), 1, "{name}, {fill}, filled: {filled}");
            }
            assert_eq!((found(&gateway, 100, "junit"), found(&gateway, 100, "dir/file.bin")), (0, 0));
        }
    }
}

fn pages_hold_artifacts_of_both_releases_in_their_order(gateway: Gateway) {
    begin(&gateway);
    let jobs: Vec<String> = (50..57)
        .map(|id| format!("{{id: {id}, name: 'x: y', status: success, artifacts: [{{file: archive.zip}}]}}"))
        .collect();
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: aaaa, status: success,
            jobs: [{}]}}]}}]",
        jobs.join(", ")
    ));
    let ids = |path: &str, query: &str| -> Vec<i64> {
        let answer = gateway.get(&format!("{path}?{query}")).private_token(REPORTER).send();
        let list: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(list["total_count"], 7, "{query}");
        list["artifacts"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    let all = ids(ARTIFACTS, "name=x-%20y");
    assert!(all.is_sorted_by(|a, b| a > b) && all.len() == 7);
    let of_run = "/api/v3/repos/group/project/actions/runs/100/artifacts";
    for statement in [
        "UPDATE artifacts SET shown_name = shown_name",
        "UPDATE artifacts SET shown_name = NULL WHERE id % 3 = 0",
        "UPDATE artifacts SET shown_name = NULL WHERE id % 3 <> 1",
        "UPDATE artifacts SET shown_name = NULL",
    ] {
        execute(&gateway, statement);
        for (path, query, expected) in [
            (ARTIFACTS, "", all.clone()),
            (ARTIFACTS, "&per_page=3", all[..3].to_vec()),
            (ARTIFACTS, "&per_page=3&page=2", all[3..6].to_vec()),
            (ARTIFACTS, "&per_page=3&page=3", all[6..].to_vec()),
            (ARTIFACTS, "&per_page=3&page=4", vec![]),
            (of_run, "&per_page=4&page=2", all[4..].to_vec()),
            (of_run, "&direction=asc", all.iter().rev().copied().collect()),
        ] {
            assert_eq!(ids(path, &format!("name=x-%20y{query}")), expected, "{statement}: {path} {query}");
        }
    }
}

fn the_archive_of_a_renamed_job_has_its_new_name(gateway: Gateway) {
    begin(&gateway);
    load(&gateway, "{name: own, file: more.zip}, {path: a/b, file: more.zip}");
    for (name, shown) in [("deploy: x", "deploy- x"), ("..", "job-10"), ("again", "again")] {
        rename(&gateway, name);
        assert_eq!((found(&gateway, 100, shown), found(&gateway, 100, "build")), (1, 0));
        assert_eq!((found(&gateway, 100, "own"), found(&gateway, 100, "a-b")), (1, 1), "they have their own");
    }
    // So has its tombstone, and an archive without a name to be listed by.
    execute(&gateway, "UPDATE artifacts SET shown_name = NULL, state = 'expired' WHERE name = 'archive'");
    rename(&gateway, "last");
    assert_eq!((found(&gateway, 100, "last"), found(&gateway, 100, "again"), unfilled(&gateway)), (1, 0, 0));
}

fn a_control_character_is_a_hyphen_in_lists_and_where_they_are_searched(gateway: Gateway) {
    begin(&gateway);
    for character in ['\u{1}', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}'] {
        rename(&gateway, &format!("a{character}b"));
        let all = listed(&gateway, ARTIFACTS, "");
        assert_eq!((all, found(&gateway, 100, "a-b")), ((1, vec!["a-b".to_owned()]), 1), "{character:?}");
        execute(&gateway, "UPDATE artifacts SET shown_name = NULL");
        assert_eq!(found(&gateway, 100, "a-b"), 1, "{character:?}, of the release before");
    }
}
