//! The audit log: one line per change or rejected change and one per read across projects, never with a
//! secret.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{Serving, artigate};
use crate::support::http_client::{Answer, Form, Request};

/// The lines of the log target, parsed.
fn audit_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["target"] == "audit").collect()
}

/// Returns a log line without the fields that every line has.
fn said(line: &Value) -> Value {
    let mut line = line.clone();
    let object = line.as_object_mut().unwrap();
    assert_eq!(object.remove("span").is_some(), object.remove("spans").is_some());
    assert!(
        object.remove("timestamp").is_some() && object.remove("level") == Some(json!("INFO")),
        "{object:?}"
    );
    for name in ["target", "client.address", "request.id", "message"] {
        assert!(object.remove(name).is_some_and(|value| value.is_string()), "{name}: {object:?}");
    }
    line
}

/// Reads as jobs of other projects, and changes as people and jobs, on the demo.
fn act(serving: &Serving) {
    let address = serving.base_url.trim_start_matches("http://").parse().unwrap();
    let request = |method: &str, path: &str| Request::new(address, method, path);
    let api = |method: &str, path: &str| request(method, &format!("/api/v4/{path}"));
    let expect = |answer: Answer, status: u16| assert_eq!(answer.status, status, "{answer:?}");
    let upload = || Form::default().file("a.zip", b"x");
    expect(api("POST", "jobs/1015/artifacts").job_token("glcbt-64_demo-upload").form(upload()).send(), 201);
    expect(api("POST", "jobs/1015/artifacts").job_token("s3cret-job").form(upload()).send(), 403);
    let keep = "projects/demo%2Ffirmware/jobs/1016/artifacts/keep";
    expect(api("POST", keep).private_token("glpat-demo-alice").send(), 200);
    expect(api("POST", &format!("{keep}?private_token=s3cret-in-query")).send(), 401);
    expect(api("DELETE", "projects/1/jobs/1000/artifacts").private_token("glpat-demo-bob").send(), 403);
    expect(api("DELETE", "projects/1/jobs/1000/artifacts").send(), 401);
    expect(api("DELETE", "projects/1/artifacts").private_token("glpat-demo-alice").send(), 202);
    expect(api("GET", "projects/1/jobs/1003/artifacts").job_token("glcbt-64_demo-consumer").send(), 200);
    expect(api("GET", "projects/2/jobs/1016/artifacts").job_token("glcbt-64_demo-consumer").send(), 200);
    expect(api("GET", "projects/1/jobs/1003/artifacts").private_token("glpat-demo-alice").send(), 200);
    expect(api("GET", "projects/1/jobs").job_token("glcbt-64_demo-consumer").send(), 200);
    expect(api("GET", "projects/2/jobs").job_token("glcbt-64_demo-consumer").send(), 200);
    let registry = |method: &str, path: &str, body: &str| {
        request(method, &format!("/api/registry/v1/{path}"))
            .private_token("glpat-demo-registry")
            .header("Content-Type", "application/json")
            .body(body.as_bytes().to_vec())
            .send()
    };
    let document = json!({"users": [{"id": 90, "username": "eve", "tokens": [{"value": "glpat-s3cret", "scopes": ["api"]}]}]});
    expect(registry("PUT", "documents", &document.to_string()), 200);
    expect(registry("PATCH", "jobs/1015", r#"{"status": "canceling"}"#), 200);
    expect(registry("PATCH", "jobs/1015", r#"{"failure_reason": 1, "s3cret": 1}"#), 400);
    expect(registry("POST", "jobs/1015/token", ""), 201);
    expect(registry("PATCH", "pipelines/4711", "{}"), 404);
}

#[test]
fn every_change_and_every_read_across_projects_has_one_line_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    act(&serving);
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    for secret in ["s3cret", "glpat-", "glcbt-"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let lines: Vec<Value> = audit_lines(&log).iter().map(said).collect();
    let alice = |mut line: Value| {
        line["actor"] = json!("user alice");
        line["actor.user.id"] = json!(2);
        line["credential"] = json!("personal_token");
        line
    };
    let root = |mut line: Value| {
        line["actor"] = json!("user root");
        line["actor.user.id"] = json!(1);
        line["credential"] = json!("personal_token");
        line
    };
    let firmware = |mut line: Value| {
        line["project.id"] = json!(2);
        line["project.path"] = json!("demo/firmware");
        line
    };
    let site = |mut line: Value| {
        line["project.id"] = json!(1);
        line["project.path"] = json!("demo/site");
        line
    };
    let upload = lines[0].clone();
    assert_eq!(
        (&upload["action"], &upload["outcome"], &upload["status"]),
        (&json!("artifact.upload"), &json!("done"), &json!(201))
    );
    assert_eq!((&upload["actor.job.id"], &upload["job.id"]), (&json!(1015), &json!(1015)));
    assert!(upload["artifact.id"].is_i64() && upload["project.path"].is_string(), "{upload}");
    let consumer = lines[7].clone();
    assert_eq!(
        (&consumer["action"], &consumer["outcome"]),
        (&json!("artifact.read"), &json!("done")),
        "{consumer}"
    );
    assert_eq!(
        (&consumer["actor.job.id"], &consumer["project.path"], &consumer["job.id"]),
        (&json!(1017), &json!("demo/site"), &json!(1003))
    );
    assert!(consumer["actor"].as_str().unwrap().starts_with("job 1017 of demo/firmware"), "{consumer}");
    assert!(consumer["artifact.id"].is_i64());
    let list = &lines[8];
    assert_eq!((&list["action"], &list["outcome"]), (&json!("job.list"), &json!("done")), "{list}");
    assert_eq!((&list["actor.job.id"], &list["project.path"]), (&json!(1017), &json!("demo/site")), "{list}");
    let expected = [
        json!({"action": "artifact.upload", "outcome": "refused", "status": 403, "actor": "unknown", "credential": "job_token", "job.id": 1015}),
        firmware(alice(json!({"action": "artifact.keep", "outcome": "done", "status": 200, "job.id": 1016}))),
        json!({"action": "artifact.keep", "outcome": "refused", "status": 401, "actor": "unknown", "credential": "personal_token", "job.id": 1016}),
        json!({"action": "artifact.delete", "outcome": "refused", "status": 403, "actor": "user bob", "actor.user.id": 3, "credential": "personal_token", "job.id": 1000}),
        json!({"action": "artifact.delete", "outcome": "refused", "status": 401, "actor": "unknown", "credential": "none", "job.id": 1000}),
        site(alice(json!({"action": "project.purge", "outcome": "done", "status": 202}))),
    ];
    assert_eq!(lines[1..7], expected);
    let expected = [
        root(
            json!({"action": "registry.load", "outcome": "done", "status": 200, "subject": "1 users, 0 projects, 0 pipelines, 0 jobs, 0 artifacts"}),
        ),
        root(
            json!({"action": "job.change", "outcome": "done", "status": 200, "job.id": 1015, "subject": "status canceling"}),
        ),
        root(json!({"action": "job.change", "outcome": "refused", "status": 400, "job.id": 1015})),
        root(json!({"action": "job_token.create", "outcome": "done", "status": 201, "job.id": 1015})),
        root(json!({"action": "pipeline.change", "outcome": "refused", "status": 404, "pipeline.id": 4711})),
    ];
    assert_eq!(lines[9..], expected);
}

/// Standard error of a command that succeeds.
fn stderr_of(folder: &Path, log: Option<&str>, arguments: &[&str]) -> String {
    let mut command = artigate(folder, arguments);
    if let Some(log) = log {
        command.env("ARTIGATE_LOG", log);
    }
    let output = command.env("ARTIGATE_LOG_FORMAT", "json").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    error
}

#[test]
fn the_command_line_is_an_actor_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(
        path.join("one.yml"),
        "users: [{id: 7, username: loaded, tokens: [{value: glpat-s3cret}]}]",
    )
    .unwrap();
    assert!(artigate(path, &["migrate"]).output().unwrap().status.success());
    let create = ["user", "create", "alice"];
    let lines = audit_lines(&stderr_of(path, None, &create));
    let line = lines[0].as_object().unwrap();
    assert_eq!((lines.len(), &line["action"], &line["outcome"]), (1, &json!("user.create"), &json!("done")));
    assert_eq!((&line["actor"], &line["subject"]), (&json!("command line"), &json!("user alice")));
    assert!(line["actor.uid"].is_u64(), "{line:?}");
    let text = artigate(path, &["user", "create", "bert"]).output().unwrap();
    let text = String::from_utf8(text.stderr).unwrap();
    assert!(
        text.contains(
            r#"INFO audit: user.create done action="user.create" outcome="done" actor="command line""#
        ),
        "{text}"
    );
    for (arguments, action, subject) in [
        (vec!["load", "one.yml"], "registry.load", "1 users, 0 projects, 0 pipelines, 0 jobs, 0 artifacts"),
        (vec!["user", "set", "alice", "--admin"], "user.set", "user alice"),
        (vec!["project", "create", "g/p"], "project.create", "project g/p"),
        (vec!["project", "set", "g/p", "--name", "P"], "project.set", "project g/p"),
        (
            vec!["project", "member", "add", "g/p", "alice", "owner"],
            "member.add",
            "user alice as owner of project g/p",
        ),
        (vec!["project", "member", "remove", "g/p", "alice"], "member.remove", "user alice of project g/p"),
        (vec!["project", "allow", "g/p", "other"], "allowlist.add", "job tokens of other in project g/p"),
        (
            vec!["project", "disallow", "g/p", "other"],
            "allowlist.remove",
            "job tokens of other in project g/p",
        ),
        (vec!["token", "revoke", "1"], "token.revoke", "token 1"),
    ] {
        let error = stderr_of(path, Some("warn"), &arguments);
        let lines = audit_lines(&error);
        assert_eq!(lines.len(), 1, "whatever the level: {arguments:?}: {error}");
        assert_eq!((&lines[0]["action"], &lines[0]["subject"]), (&json!(action), &json!(subject)));
        assert!(!error.contains("s3cret"), "{error}");
    }
    let create = ["token", "create", "--user", "alice", "--name", "ci", "--scopes", "registry,api"];
    let error = stderr_of(path, None, &create);
    assert!(error.contains(r#""subject":"token \"ci\" of user alice, scopes api registry""#), "{error}");
    assert!(!error.contains("glpat-"), "{error}");
    assert_eq!(stderr_of(path, Some("info,audit=off"), &["user", "create", "bob"]), "");
    assert_eq!(stderr_of(path, None, &["user", "list"]), "", "reading is no change");
}
