//! The registry over HTTP: who may use it, the small calls of a CI coordinator, and its description.

mod documents;

use artigate::api::registry::OPENAPI;
use artigate::domain::pipeline::Source;
use artigate::domain::project::Visibility;
use artigate::domain::role::Role;
use artigate::domain::status::Status;
use serde_json::{Value, json};

use crate::support::fixtures::{self, ARCHIVE, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};

const REGISTRY: &str = "glpat-registry";
const DOCUMENTS: &str = "/api/registry/v1/documents";
const JOB: &str = "/api/registry/v1/jobs/20";
const TOKEN: &str = "/api/registry/v1/jobs/20/token";
const PIPELINE: &str = "/api/registry/v1/pipelines/200";

/// The small world, with tokens that may or may not change the registry.
fn begin(gateway: &Gateway) {
    fixtures::small(gateway, b"bytes");
    gateway.load(
        "users:
  - {id: 1, username: admin, tokens: [{value: glpat-registry, scopes: [registry]}]}
  - {id: 2, username: maintainer, tokens: [{value: glpat-no-admin, scopes: [api, registry]}]}",
    );
}

fn request(gateway: &Gateway, method: &str, path: &str) -> Request {
    Request::new(gateway.address, method, path)
}

fn put(gateway: &Gateway, media_type: Option<&str>, document: &str) -> Answer {
    let request = request(gateway, "PUT", DOCUMENTS).private_token(REGISTRY);
    let request = match media_type {
        Some(media_type) => request.header("Content-Type", media_type),
        None => request,
    };
    request.body(document.as_bytes().to_vec()).send()
}

fn patch(gateway: &Gateway, path: &str, change: &str) -> Answer {
    request(gateway, "PATCH", path)
        .header("Authorization", &format!("Bearer {REGISTRY}"))
        .header("Content-Type", "application/json")
        .body(change.as_bytes().to_vec())
        .send()
}

fn changed(gateway: &Gateway, path: &str, change: Value) -> Value {
    let answer = patch(gateway, path, &change.to_string());
    assert_eq!(answer.status, 200, "{change}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn message(answer: &Answer) -> (u16, String) {
    let said: Value = serde_json::from_str(answer.error().1).unwrap();
    assert_eq!(said.as_object().unwrap().len(), 1, "{said}");
    (answer.status, said["message"].as_str().unwrap().to_owned())
}

fn minted(gateway: &Gateway) -> String {
    let answer = request(gateway, "POST", TOKEN).private_token(REGISTRY).send();
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{}", answer.text());
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["job_id"], 20);
    let token = said["token"].as_str().unwrap();
    assert!(token.starts_with("glcbt-") && token.len() == 49, "{token}");
    token.to_owned()
}

fn upload(gateway: &Gateway, token: &str) -> (u16, Option<String>) {
    let answer = gateway.post(UPLOAD).job_token(token).form(Form::default().file("a.zip", b"built")).send();
    (answer.status, answer.header("job-status").map(str::to_owned))
}

on_both_databases!(
    only_an_administrator_with_the_scope_gets_in,
    a_job_goes_on_with_one_word_and_its_times_follow,
    a_skipped_job_may_be_taken_up_again,
    a_pipeline_goes_on_and_may_run_again,
    a_wrong_change_names_its_field_and_changes_nothing,
    a_job_token_is_minted_once_and_dies_with_its_job,
    what_two_coordinators_say_at_once_is_decided_one_after_the_other
);

fn only_an_administrator_with_the_scope_gets_in(gateway: Gateway) {
    begin(&gateway);
    for (method, path) in [("PUT", DOCUMENTS), ("PATCH", JOB), ("PATCH", PIPELINE), ("POST", TOKEN)] {
        let ask = |token: Option<(&str, &str)>| {
            let request = request(&gateway, method, path).header("Content-Type", "application/json");
            let request =
                token.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            let answer = request.body(b"{}".to_vec()).send();
            assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{path}");
            answer.status
        };
        assert_eq!(ask(None), 401, "{path}");
        assert_eq!(ask(Some(("PRIVATE-TOKEN", "wrong"))), 401, "{path}");
        assert_eq!(ask(Some(("JOB-TOKEN", fixtures::RUNNING))), 401, "{path}");
        assert_eq!(ask(Some(("Authorization", &format!("Bearer {}", fixtures::RUNNING)))), 401, "{path}");
        assert_eq!(ask(Some(("PRIVATE-TOKEN", fixtures::ADMIN))), 403, "{path}: api is not registry");
        assert_eq!(ask(Some(("PRIVATE-TOKEN", "glpat-no-admin"))), 403, "{path}");
        assert!([200, 201].contains(&ask(Some(("PRIVATE-TOKEN", REGISTRY)))), "{path}");
        assert!([200, 201].contains(&ask(Some(("Authorization", "Bearer glpat-registry")))), "{path}");
    }
    assert_eq!(gateway.get(ARCHIVE).private_token(REGISTRY).send().status, 403, "registry is not read_api");
    gateway.load("users: [{id: 1, username: admin, admin: false}]");
    assert_eq!(patch(&gateway, JOB, "{}").status, 403, "from the next request on");
}

fn a_job_goes_on_with_one_word_and_its_times_follow(gateway: Gateway) {
    begin(&gateway);
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [{id: 20, name: build, status: pending}]}]}]");
    let job = changed(&gateway, JOB, json!({}));
    assert_eq!(
        job,
        json!({"id": 20, "project_id": 1, "pipeline_id": 200, "name": "build", "stage": "test", "status": "pending",
        "allow_failure": false, "retried": false, "user": "developer", "coverage": null, "failure_reason": null,
        "created_at": "2026-02-01T12:00:00.000Z", "started_at": null, "finished_at": null, "erased_at": null})
    );
    gateway.advance_clock(5);
    let job = changed(&gateway, JOB, json!({"status": "running"}));
    assert_eq!(
        (&job["status"], &job["started_at"], &job["finished_at"]),
        (&json!("running"), &json!("2026-02-01T12:00:05.000Z"), &Value::Null)
    );
    gateway.advance_clock(5);
    let job = changed(&gateway, JOB, json!({"status": "canceling"}));
    assert_eq!(job["started_at"], "2026-02-01T12:00:05.000Z");
    let job = changed(
        &gateway,
        JOB,
        json!({"status": "failed", "failure_reason": "script_failure", "coverage": 90.5, "allow_failure": true, "retried": true}),
    );
    assert_eq!(job["finished_at"], "2026-02-01T12:00:10.000Z");
    assert_eq!((&job["failure_reason"], &job["coverage"]), (&json!("script_failure"), &json!(90.5)));
    assert_eq!((&job["allow_failure"], &job["retried"]), (&json!(true), &json!(true)));
    gateway.advance_clock(5);
    let job = changed(&gateway, JOB, json!({"status": "success", "failure_reason": null, "coverage": null}));
    assert_eq!(
        (&job["finished_at"], &job["failure_reason"]),
        (&json!("2026-02-01T12:00:10.000Z"), &Value::Null)
    );
    assert_eq!(job["coverage"], Value::Null);
    let job = changed(
        &gateway,
        JOB,
        json!({"started_at": "2026-01-31", "finished_at": "2026-02-01T14:00:00+02:00"}),
    );
    assert_eq!(
        (&job["started_at"], &job["finished_at"]),
        (&json!("2026-01-31T00:00:00.000Z"), &json!("2026-02-01T12:00:00.000Z"))
    );
    let (code, text) = message(&patch(&gateway, JOB, r#"{"status": "running"}"#));
    assert_eq!(
        (code, text.as_str()),
        (409, "status: job 20 has ended with success and cannot be running again")
    );
    assert_eq!(changed(&gateway, JOB, json!({}))["status"], "success");
}

fn a_skipped_job_may_be_taken_up_again(gateway: Gateway) {
    begin(&gateway);
    assert_eq!(changed(&gateway, JOB, json!({"status": "skipped"}))["finished_at"], Value::Null);
    assert_eq!(changed(&gateway, JOB, json!({"status": "pending"}))["status"], "pending");
}

fn a_pipeline_goes_on_and_may_run_again(gateway: Gateway) {
    begin(&gateway);
    let by_ref = || gateway.get("/api/v4/projects/1/jobs/artifacts/main/download?job=build").send().status;
    assert_eq!(by_ref(), 200);
    gateway.advance_clock(5);
    let pipeline = changed(&gateway, PIPELINE, json!({"status": "running"}));
    assert_eq!(
        pipeline,
        json!({"id": 200, "iid": 2, "project_id": 1, "ref": "main", "tag": false, "sha": "bbbb", "status": "running",
        "source": "push", "parent": null, "user": "developer", "created_at": "2026-02-01T12:00:00.000Z",
        "updated_at": "2026-02-01T12:00:05.000Z", "started_at": "2026-02-01T12:00:05.000Z", "finished_at": null})
    );
    gateway.advance_clock(5);
    assert_eq!(
        changed(&gateway, PIPELINE, json!({"status": "failed"}))["finished_at"],
        "2026-02-01T12:00:10.000Z"
    );
    assert_eq!(changed(&gateway, PIPELINE, json!({"status": "running"}))["finished_at"], Value::Null);
    gateway.advance_clock(5);
    let pipeline = changed(&gateway, PIPELINE, json!({"status": "success"}));
    assert_eq!(
        (&pipeline["started_at"], &pipeline["finished_at"]),
        (&json!("2026-02-01T12:00:05.000Z"), &json!("2026-02-01T12:00:15.000Z"))
    );
    gateway.advance_clock(5);
    assert_eq!(
        changed(&gateway, PIPELINE, json!({}))["updated_at"],
        "2026-02-01T12:00:15.000Z",
        "nothing changed"
    );
    assert_eq!(by_ref(), 404, "this is the newest successful pipeline now, and its job has not succeeded");
}

fn a_wrong_change_names_its_field_and_changes_nothing(gateway: Gateway) {
    begin(&gateway);
    let before = changed(&gateway, JOB, json!({}));
    for (change, expected) in [
        (r#"{"colour": "red"}"#, "unknown field `colour`"),
        (r#"{"status": "done"}"#, "status: unknown status \"done\""),
        (r#"{"status": null}"#, "status: "),
        (r#"{"retried": null}"#, "retried: "),
        (r#"{"retried": "yes"}"#, "retried: "),
        (r#"{"coverage": 100.5}"#, "coverage: 100.5 is not a valid percentage"),
        (r#"{"coverage": "90"}"#, "coverage: "),
        (r#"{"started_at": "yesterday"}"#, "started_at: expected a time"),
        (r#"{"failure_reason": "a\u0000b"}"#, "failure_reason: expected at most 255 characters"),
        (r#"{"token": "x"}"#, "unknown field `token`"),
        (r#"["running"]"#, "invalid type: sequence"),
        (r#"{"status": "success""#, "EOF"),
        ("", "EOF"),
    ] {
        let (code, text) = message(&patch(&gateway, JOB, change));
        assert!(code == 400 && text.contains(expected), "{change}: {code} {text}");
    }
    for change in [r#"{"coverage": 1}"#, r#"{"iid": 7}"#, r#"{"ref": "x"}"#] {
        assert_eq!(message(&patch(&gateway, PIPELINE, change)).0, 400, "{change}");
    }
    let too_long = format!(r#"{{"failure_reason": "{}"}}"#, "x".repeat(70_000));
    assert_eq!(message(&patch(&gateway, JOB, &too_long)).0, 413);
    for (path, status) in [
        ("jobs/4711", 404),
        ("pipelines/4711", 404),
        ("jobs/0", 400),
        ("jobs/x", 400),
        ("jobs/-1", 400),
        ("jobs/99999999999999999999", 400),
        ("jobs/", 400),
        ("jobs/20/", 404),
    ] {
        assert_eq!(message(&patch(&gateway, &format!("/api/registry/v1/{path}"), "{}")).0, status, "{path}");
    }
    let plain = request(&gateway, "PATCH", JOB).private_token(REGISTRY).body(b"{}".to_vec()).send();
    assert_eq!(message(&plain), (415, "Content-Type: expected application/json".into()));
    assert_eq!(changed(&gateway, JOB, json!({})), before);
}

fn a_job_token_is_minted_once_and_dies_with_its_job(gateway: Gateway) {
    begin(&gateway);
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [{id: 20, name: build, status: pending}]}]}]");
    let first = minted(&gateway);
    assert_eq!(upload(&gateway, fixtures::RUNNING), (403, None), "the old token is no token any more");
    let second = minted(&gateway);
    assert_ne!(first, second);
    assert_eq!(upload(&gateway, &second), (403, Some("pending".into())), "not good before the job runs");
    changed(&gateway, JOB, json!({"status": "running"}));
    assert_eq!(upload(&gateway, &first), (403, None));
    assert_eq!(upload(&gateway, &second), (201, None));
    assert_eq!(gateway.get(UPLOADED).job_token(&second).send().body, b"built");
    changed(&gateway, JOB, json!({"status": "success"}));
    assert_eq!(gateway.get(UPLOADED).job_token(&second).send().status, 401);
    assert_eq!(upload(&gateway, &second), (403, Some("success".into())));
    let (code, text) = message(&request(&gateway, "POST", TOKEN).private_token(REGISTRY).send());
    assert_eq!(
        (code, text.as_str()),
        (409, "job 20 is success; only a pending, running or canceling job can have a token")
    );
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [{id: 20, name: build, status: running, erased_at: 2026-01-01}]}]}]");
    assert_eq!(message(&request(&gateway, "POST", TOKEN).private_token(REGISTRY).send()).0, 409);
    assert_eq!(
        message(
            &request(&gateway, "POST", "/api/registry/v1/jobs/4711/token").private_token(REGISTRY).send()
        )
        .0,
        404
    );
}

fn what_two_coordinators_say_at_once_is_decided_one_after_the_other(gateway: Gateway) {
    begin(&gateway);
    let gateway = &gateway;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let sent: Vec<_> =
            ["success", "running", "failed", "running", "canceled", "running", "success", "pending"]
                .into_iter()
                .map(|status| {
                    scope.spawn(move || patch(gateway, JOB, &json!({"status": status}).to_string()).status)
                })
                .collect();
        sent.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    let job = changed(gateway, JOB, json!({}));
    assert!(["success", "failed", "canceled"].contains(&job["status"].as_str().unwrap()), "{job}");
    assert!(job["finished_at"].is_string());
}

#[test]
fn there_is_nothing_else_and_other_methods_are_told_which_there_are() {
    let gateway = Gateway::on_sqlite();
    for (path, allowed) in [
        ("/api/registry/openapi.json", "GET, HEAD"),
        (DOCUMENTS, "PUT"),
        (JOB, "PATCH"),
        (PIPELINE, "PATCH"),
        (TOKEN, "POST"),
    ] {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"] {
            let answer = request(&gateway, method, path).send();
            let expected = if allowed.contains(method) { None } else { Some(allowed) };
            assert_eq!(answer.header("allow"), expected, "{method} {path}");
            assert_eq!(answer.status == 405, expected.is_some(), "{method} {path}");
        }
    }
    for path in [
        "/api/registry",
        "/api/registry/",
        "/api/registry/v1",
        "/api/registry/v2/documents",
        "/api/registry/v1/jobs",
    ] {
        assert_eq!(message(&gateway.get(path).send()).0, 404, "{path}");
    }
    assert_eq!(
        gateway.get("/api/registryx").send().error(),
        (404, r#"{"error":"404 Not Found","message":"404 Not Found"}"#)
    );
}

#[test]
fn the_description_is_served_and_names_what_the_domain_names() {
    let gateway = Gateway::on_sqlite();
    let answer = gateway.get("/api/registry/openapi.json").send();
    assert_eq!(answer.error(), (200, OPENAPI));
    let head = gateway.head("/api/registry/openapi.json").send();
    assert_eq!((head.status, head.header("content-length")), (200, Some(OPENAPI.len().to_string().as_str())));
    let description: Value = serde_json::from_str(OPENAPI).unwrap();
    let names = |schema: &str| description["components"]["schemas"][schema]["enum"].clone();
    let all = |names: Vec<&'static str>| json!(names);
    assert_eq!(names("Status"), all(Status::ALL.iter().map(|name| name.as_str()).collect()));
    assert_eq!(names("Source"), all(Source::ALL.iter().map(|name| name.as_str()).collect()));
    assert_eq!(names("Visibility"), all(Visibility::ALL.iter().map(|name| name.as_str()).collect()));
    assert_eq!(names("Role"), all(Role::ALL.iter().map(|name| name.as_str()).collect()));
}
