//! Registry files: loaded in full or not at all, and repeatable.

use artigate::registry::LoadSummary;

use crate::support::fixtures::{self, ARCHIVE, USERS};
use crate::support::gateway::Gateway;

fn refuses(gateway: &Gateway, document: &str, expected: &[&str]) {
    let error = gateway.try_load(document).unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
    assert!(error.contains("registry-") && error.contains(".yml: "), "{error:?} does not name the file");
}

fn status(gateway: &Gateway, path: &str) -> u16 {
    gateway.get(path).send().status
}

on_both_databases!(
    loading_twice_is_loading_once,
    new_bytes_replace_the_old_ones_and_same_bytes_change_only_what_is_named,
    what_is_not_named_is_left_alone,
    parents_and_children_come_in_any_order_and_may_change_places,
    a_wrong_document_changes_nothing_and_says_where_and_why,
    an_error_on_line_40_is_found_on_line_40,
    several_files_are_one_load_in_any_order,
    json_is_a_registry_file_too_and_numbers_may_be_names,
    an_artifact_that_was_deleted_is_made_again
);

fn loading_twice_is_loading_once(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let blobs = gateway.blobs();
    fixtures::small(&gateway, b"bytes");
    assert_eq!(gateway.blobs(), blobs);
    assert_eq!(gateway.get(ARCHIVE).send().body, b"bytes");
}

fn new_bytes_replace_the_old_ones_and_same_bytes_change_only_what_is_named(gateway: Gateway) {
    fixtures::small(&gateway, b"old");
    let job = |artifact: &str| {
        format!(
            "projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: a, status: success, jobs: [{{id: 10, name: build, status: success, artifacts: [{{file: archive.zip{artifact}}}]}}]}}]}}]"
        )
    };
    gateway.load(&job(", filename: site.zip, accessibility: maintainer"));
    assert_eq!(status(&gateway, ARCHIVE), 403);
    gateway.load(&job(", accessibility: public"));
    let answer = gateway.get(ARCHIVE).send();
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"site.zip\""));
    gateway.load(&job(", expire_in: 1 hour"));
    gateway.load("projects: [{id: 1, path: group/project, keep_latest_artifact: false}]");
    gateway.advance_clock(7200);
    assert_eq!(status(&gateway, ARCHIVE), 200, "expire_in counts from the first load, which named none");
    gateway.load(&job(", expire_at: 2026-02-01T12:00:00Z"));
    assert_eq!(status(&gateway, ARCHIVE), 404);
    gateway.load(&job(", expire_at: null"));
    assert_eq!(status(&gateway, ARCHIVE), 200);
    gateway.write_file("archive.zip", b"new");
    gateway.load(&job(""));
    assert_eq!(gateway.get(ARCHIVE).send().body, b"new");
}

fn what_is_not_named_is_left_alone(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    gateway.load("projects: [{id: 1, path: group/renamed, max_artifact_size: 5}]");
    assert_eq!(status(&gateway, "/api/v4/projects/group%2Frenamed/jobs/10/artifacts"), 200);
    assert_eq!(status(&gateway, "/api/v4/projects/group%2Fproject/jobs/10/artifacts"), 301);
    gateway.load("projects: [{id: 1, path: group/renamed, visibility: private}]");
    let as_guest = gateway.get(ARCHIVE).private_token(fixtures::GUEST).send();
    assert_eq!(as_guest.status, 200, "members were not named");
    gateway.load("projects: [{id: 1, path: group/renamed, members: {}}]");
    assert_eq!(gateway.get(ARCHIVE).private_token(fixtures::GUEST).send().status, 404);
}

fn parents_and_children_come_in_any_order_and_may_change_places(gateway: Gateway) {
    gateway.write_file("archive.zip", b"bytes");
    let document = |a: &str, b: &str| {
        format!("projects: [{{id: 1, path: g/p, visibility: public, pipelines: [
            {{id: 1, ref: main, sha: a, status: success, {a}, jobs: [{{id: 10, name: a, status: success, artifacts: [{{file: archive.zip}}]}}]}},
            {{id: 2, ref: main, sha: a, status: success, {b}, jobs: [{{id: 20, name: b, status: success, artifacts: [{{file: archive.zip}}]}}]}},
            {{id: 3, ref: main, sha: a, status: success, source: parent_pipeline, parent: 2, jobs: [{{id: 30, name: c, status: success, artifacts: [{{file: archive.zip}}]}}]}}]}}]")
    };
    let by_ref =
        |job: &str| status(&gateway, &format!("/api/v4/projects/1/jobs/artifacts/main/download?job={job}"));
    gateway.load(&document("source: parent_pipeline, parent: 2", "source: push, parent: null"));
    assert_eq!(["a", "b", "c"].map(by_ref), [200, 200, 200]);
    gateway.load(&document("source: push, parent: null", "source: parent_pipeline, parent: 1"));
    assert_eq!(["a", "b", "c"].map(by_ref), [200, 200, 200]);
    gateway.load(&document("source: push, parent: null", "source: parent_pipeline, parent: null"));
    assert_eq!(["a", "b", "c"].map(by_ref), [200, 404, 404]);
}

fn a_wrong_document_changes_nothing_and_says_where_and_why(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let (before, pipeline) = (gateway.blobs(), "id: 900, ref: main, sha: a, status: success");
    let in_pipelines =
        |pipelines: &str| format!("projects: [{{id: 9, path: g/p, pipelines: [{pipelines}]}}]");
    for (document, expected) in [
        ("nonsense: 1".to_owned(), vec!["nonsense", "users", "projects"]),
        ("users: [{id: 1}]".into(), vec!["users[0]", "username"]),
        ("users: [{id: 1, username: a, colour: red}]".into(), vec!["users[0]", "colour"]),
        ("users: [{id: x, username: a}]".into(), vec!["users[0].id"]),
        ("users: [{id: 0, username: a}]".into(), vec!["users[0]", "id: 0 is not a valid ID"]),
        (
            "users: [{id: 1, username: a}, {id: 1, username: b}]".into(),
            vec!["users[1]", "id: 1 appears twice"],
        ),
        (
            "users: [{id: 70, username: admin}]".into(),
            vec!["users[0]", "username: admin belongs to another user"],
        ),
        (
            "users: [{id: 70, username: x, tokens: [{value: a, expires_at: tomorrow}]}]".into(),
            vec!["users[0].tokens[0].expires_at", "2026-01-11"],
        ),
        ("projects: [{id: 9, path: /bad/}]".into(), vec!["projects[0]", "path", "group/project"]),
        (
            "projects: [{id: 9, path: GROUP/project}]".into(),
            vec!["projects[0]", "path: GROUP/project belongs to another project"],
        ),
        (
            "projects: [{id: 9, path: g/p, visibility: secret}]".into(),
            vec!["projects[0].visibility", "private, internal, public"],
        ),
        (
            "projects: [{id: 9, path: g/p, members: {nobody: guest}}]".into(),
            vec!["projects[0]", "there is no user \"nobody\""],
        ),
        (
            "projects: [{id: 9, path: g/p, members: {admin: king}}]".into(),
            vec!["projects[0].members", "king"],
        ),
        (
            "projects: [{id: 9, path: g/p, job_token_allowlist: [a, b/]}]".into(),
            vec!["projects[0]", "job_token_allowlist[1]: \"b/\" is not a valid full path"],
        ),
        (
            "projects: [{id: 9, path: g/p, max_artifact_size: huge}]".into(),
            vec!["max_artifact_size", "100 MiB"],
        ),
        (
            in_pipelines("{id: 900, ref: main, sha: a, status: done}"),
            vec!["projects[0].pipelines[0].status", "unknown status \"done\"", "success"],
        ),
        (
            in_pipelines("{id: 100, ref: main, sha: a, status: success}"),
            vec!["projects[0].pipelines[0]", "pipeline 100 belongs to another project"],
        ),
        (
            in_pipelines(&format!("{{{pipeline}, parent: 901}}")),
            vec!["projects[0].pipelines[0].parent", "there is no pipeline 901"],
        ),
        (
            in_pipelines(&format!("{{{pipeline}, parent: 100}}")),
            vec!["projects[0].pipelines[0].parent", "pipeline 100 belongs to another project"],
        ),
        (
            in_pipelines(&format!("{{{pipeline}, parent: 900}}")),
            vec!["projects[0].pipelines[0].parent", "its own ancestor"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, parent: 901}}, {{id: 901, ref: main, sha: a, status: success, parent: 900}}"
            )),
            vec!["pipelines[1].parent", "its own ancestor"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, iid: 1}}, {{id: 901, ref: main, sha: a, status: success, iid: 1}}"
            )),
            vec!["projects[0].pipelines[1]", "already in use"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, iid: {}}}, {{id: 901, ref: main, sha: a, status: success}}",
                i64::MAX
            )),
            vec!["projects[0].pipelines[1]", "the largest possible ID already belongs to a pipeline"],
        ),
        (
            in_pipelines(&format!("{{{pipeline}, jobs: [{{id: 10, name: a, status: success}}]}}")),
            vec!["jobs[0]", "job 10 belongs to another pipeline"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, jobs: [{{id: 90, name: a, status: success, token: {}}}]}}",
                fixtures::RUNNING
            )),
            vec!["jobs[0]", "token: belongs to another job"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, jobs: [{{id: 90, name: a, status: success, user: nobody}}]}}"
            )),
            vec!["jobs[0]", "user: there is no user"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, jobs: [{{id: 90, name: a, status: success, artifacts: [{{type: junit, format: zip, file: archive.zip}}]}}]}}"
            )),
            vec!["artifacts[0]", "junit artifacts are gzip, not zip"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, jobs: [{{id: 90, name: a, status: success, artifacts: [{{file: archive.zip}}, {{file: archive.zip}}]}}]}}"
            )),
            vec!["artifacts[1]", "type: archive appears twice"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, jobs: [{{id: 90, name: a, status: success, artifacts: [{{file: archive.zip, expire_in: soon}}]}}]}}"
            )),
            vec!["artifacts[0].expire_in", "30 days"],
        ),
        (
            in_pipelines(&format!(
                "{{{pipeline}, jobs: [{{id: 90, name: a, status: success, artifacts: [{{file: archive.zip}}]}}, {{id: 91, name: b, status: success, artifacts: [{{file: missing.zip}}]}}]}}"
            )),
            vec!["jobs[1].artifacts[0]", "missing.zip cannot be read"],
        ),
        ("users: [".into(), vec!["line 1"]),
        ("".into(), vec!["empty"]),
        ("users: []\nusers: []".into(), vec!["line 2", "duplicate"]),
    ] {
        refuses(&gateway, &document, &expected);
        assert_eq!(gateway.blobs(), before, "{document}");
    }
    assert_eq!(status(&gateway, "/api/v4/projects/9/jobs/90/artifacts"), 404);
    assert_eq!(gateway.get(ARCHIVE).private_token(fixtures::GUEST).send().status, 200);
}

fn an_error_on_line_40_is_found_on_line_40(gateway: Gateway) {
    let mut document = "users:\n".to_owned();
    for id in 1..=38 {
        document.push_str(&format!("  - {{id: {id}, username: user{id}}}\n"));
    }
    document.push_str("  - {id: 39, username: user39, admin: perhaps}\n");
    refuses(&gateway, &document, &["line 40 ", "users[38].admin"]);
    assert!(!gateway.catalog(artigate::catalog::users::any), "nothing of the first 39 lines stays");
}

fn several_files_are_one_load_in_any_order(gateway: Gateway) {
    gateway.write_file("archive.zip", b"bytes");
    let projects = gateway.write_file("projects.yml", format!("projects: [{{id: 1, path: g/p, visibility: public, members: {}, pipelines: [{{id: 100, ref: main, sha: a, status: success, jobs: [{{id: 10, name: a, status: success, artifacts: [{{file: archive.zip}}]}}]}}]}}]", fixtures::MEMBERS).as_bytes());
    let users = gateway.write_file("users.yml", USERS.as_bytes());
    let wrong = gateway.write_file("wrong.yml", b"users: [{id: 1, username: again}]");
    let error = gateway.try_load_files(&[projects.clone(), users.clone(), wrong]).unwrap_err().to_string();
    assert!(error.contains("wrong.yml: users[0]: id: 1 appears twice"), "{error}");
    assert_eq!(status(&gateway, ARCHIVE), 404);
    let loaded = gateway.try_load_files(&[projects, users]).unwrap();
    assert_eq!(loaded, LoadSummary { users: 6, projects: 1, pipelines: 1, jobs: 1, artifacts: 1 });
    assert_eq!(status(&gateway, ARCHIVE), 200);
}

fn json_is_a_registry_file_too_and_numbers_may_be_names(gateway: Gateway) {
    gateway.load(r#"{"users": [{"id": 1, "username": "a", "email": null, "tokens": [{"value": "t", "scopes": ["api"], "expires_at": null}]}],
            "projects": [{"id": 1, "path": "g/p", "max_artifact_size": 1048576, "pipelines": [{"id": 1, "ref": "1.0", "sha": "0000001", "status": "success"}]}]}"#);
    gateway.load("projects: [{id: 1, path: g/p, pipelines: [{id: 2, ref: 1.0, sha: 12345678, status: success, jobs: [{id: 5, name: 3.14, status: success}]}]}]");
    let job = gateway.catalog(|db| artigate::catalog::jobs::find(db, 5)).unwrap();
    assert_eq!(job.name, "3.14");
}

fn an_artifact_that_was_deleted_is_made_again(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let now = gateway.now();
    gateway.catalog(move |db| {
        let archive =
            artigate::catalog::artifacts::find(db, 10, &artigate::domain::artifact::ArtifactName::ARCHIVE)?
                .unwrap();
        artigate::catalog::tombstones::soft_delete(db, archive.id, now)
    });
    assert_eq!(status(&gateway, ARCHIVE), 404);
    fixtures::small(&gateway, b"bytes");
    assert_eq!(status(&gateway, ARCHIVE), 200);
}
