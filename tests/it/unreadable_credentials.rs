//! Credentials that are present but cannot be parsed: the request is rejected, never treated as anonymous.

use artigate::settings::Settings;

use crate::support::fixtures::{self, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};
use crate::support::zips;

/// Header and value: nothing that can be a token.
const SHAPES: &[(&str, &str)] = &[
    ("PRIVATE-TOKEN", "glpat-ü"),
    ("PRIVATE-TOKEN", "\u{80}"),
    ("Private-Token", " \u{ff}glpat-developer"),
    ("JOB-TOKEN", "glcbt-64_ü"),
    ("Authorization", "Bearer glpat-ü"),
    ("Authorization", "bearer \u{ff}"),
    ("Authorization", "Basic cm9vdDpyb290"),
    ("authorization", "basic \u{fc}"),
    ("Authorization", "token glpat-developer"),
    ("Authorization", "glpat-developer"),
    ("Authorization", "Digest username=\"root\""),
    ("Authorization", "Bearer\u{a0}glpat-developer"),
    ("Authorization", "\u{fc}"),
];

/// Paths of a public project that everyone may read, and paths that need a user or a job.
const READS: &[&str] = &[
    "/api/v4/projects",
    "/api/v4/projects/1",
    "/api/v4/projects/group/project",
    "/api/v4/projects/1/jobs",
    "/api/v4/projects/1/jobs/10",
    "/api/v4/projects/1/jobs/10/trace",
    "/api/v4/projects/1/jobs/10/artifacts",
    "/api/v4/projects/1/jobs/10/artifacts?file_type=junit",
    "/api/v4/projects/1/jobs/10/artifacts/a.txt",
    "/api/v4/projects/1/jobs/10/artifacts/tree",
    "/api/v4/projects/1/jobs/artifacts/main/download?job=build",
    "/api/v4/projects/group%2Fproject/jobs/artifacts/main/raw/a.txt?job=build",
    "/api/v4/projects/1/pipelines",
    "/api/v4/projects/1/pipelines/latest?ref=main",
    "/api/v4/projects/1/pipelines/100",
    "/api/v4/projects/1/pipelines/100/jobs",
    "/api/v4/projects/1/pipelines/100/bridges",
    "/api/v4/projects/1/repository/branches",
    "/api/v4/projects/1/repository/branches/main",
    "/api/v4/projects/1/repository/tags",
    "/api/v4/projects/1/repository/commits",
    "/api/v4/projects/1/repository/commits/aaaa",
    "/api/v4/user",
    "/api/v4/personal_access_tokens/self",
    "/api/v4/job",
    "/api/v4/version",
    "/api/v4/metadata",
    "/api/v4/jobs/10/artifacts",
    "/group/project/-/jobs/10/artifacts/download",
    "/group/project/-/jobs/10/artifacts/raw/a.txt",
    "/group/project/-/jobs/artifacts/main/download?job=build",
    "/group/project/-/jobs/artifacts/main/raw/a.txt?job=build",
];

const WRITES: &[(&str, &str)] = &[
    ("POST", "/api/v4/projects/1/jobs/10/artifacts/keep"),
    ("DELETE", "/api/v4/projects/1/jobs/10/artifacts"),
    ("POST", "/api/v4/projects/1/jobs/10/erase"),
    ("DELETE", "/api/v4/projects/1/artifacts"),
    ("PUT", "/api/registry/v1/documents"),
    ("PATCH", "/api/registry/v1/jobs/20"),
    ("PATCH", "/api/registry/v1/pipelines/200"),
    ("POST", "/api/registry/v1/jobs/20/token"),
];

fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let reads = READS.iter().flat_map(|path| [("GET", *path), ("HEAD", *path)]);
    reads.chain(WRITES.iter().copied())
}

fn small(change: impl FnOnce(&mut Settings)) -> Gateway {
    let gateway = Gateway::on_sqlite_with(change);
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello")]));
    gateway
}

#[test]
fn what_cannot_be_read_is_401_on_every_route() {
    let gateway = small(|settings| settings.failed_auth_per_minute = 0);
    for (method, path) in routes() {
        for (name, value) in SHAPES {
            let answer = Request::new(gateway.address, method, path).header(name, value).send();
            assert_eq!(answer.status, 401, "{method} {path} with {name}: {value}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {path}");
            assert!(!answer.text().contains(value), "{}", answer.text());
        }
    }
    for (name, value) in SHAPES {
        let upload = gateway.post(UPLOAD).header(name, value).form(Form::default().file("a", b"x")).send();
        assert_eq!(
            upload.error(),
            (403, r#"{"message":"403 Forbidden"}"#),
            "runners take only this for final"
        );
    }
}

#[test]
fn another_good_credential_counts_beside_a_scheme_that_nobody_reads() {
    let gateway = small(|settings| settings.failed_auth_per_minute = 0);
    let of = |answer: Answer| (answer.status, answer.body);
    for path in READS {
        for (name, value) in SHAPES.iter().filter(|(_, value)| {
            ["Basic", "basic", "token", "glpat", "Digest"].iter().any(|scheme| value.starts_with(scheme))
        }) {
            if *name == "PRIVATE-TOKEN" {
                continue;
            }
            let ask = || gateway.get(path).private_token(fixtures::DEVELOPER);
            assert_eq!(of(ask().header(name, value).send()), of(ask().send()), "{path} with {value}");
            let mark = if path.contains('?') { '&' } else { '?' };
            let query = format!("{path}{mark}access_token={}", fixtures::DEVELOPER);
            assert_eq!(
                of(gateway.get(&query).header(name, value).send()),
                of(gateway.get(&query).send()),
                "{query}"
            );
        }
    }
    let archive = || gateway.get(fixtures::ARCHIVE).header("Authorization", "Basic cm9vdDpyb290");
    assert_eq!(archive().job_token(fixtures::RUNNING).send().status, 200);
    assert_eq!(archive().job_token("wrong").send().status, 401);
    let upload = gateway.post(UPLOAD).header("Authorization", "Basic x").job_token(fixtures::RUNNING);
    assert_eq!(upload.form(Form::default().file("a", b"x")).send().status, 201);
}

#[test]
fn what_cannot_be_read_in_its_own_place_is_as_wrong_as_any_other_token_there() {
    let gateway = small(|_| {});
    let archive = |name: &str, value: &str| gateway.get(fixtures::ARCHIVE).header(name, value);
    assert_eq!(archive("PRIVATE-TOKEN", "ü").job_token(fixtures::RUNNING).send().status, 401);
    assert_eq!(archive("Authorization", "Bearer ü").job_token(fixtures::RUNNING).send().status, 401);
    assert_eq!(archive("Authorization", "Bearer ü").private_token(fixtures::GUEST).send().status, 200);
    assert_eq!(archive("JOB-TOKEN", "ü").private_token(fixtures::GUEST).send().status, 200);
    let in_query = format!("{}?private_token={}", fixtures::ARCHIVE, fixtures::GUEST);
    assert_eq!(
        gateway.get(&in_query).header("PRIVATE-TOKEN", "ü").send().status,
        200,
        "a parameter before its header"
    );
    for wrong in ["private_token=%ff", "job_token=%00", "access_token=gl%C3%BC"] {
        assert_eq!(gateway.get(&format!("{}?{wrong}", fixtures::ARCHIVE)).send().status, 401, "{wrong}");
    }
}

#[test]
fn an_empty_header_is_none() {
    let gateway = small(|_| {});
    for (name, value) in [
        ("PRIVATE-TOKEN", ""),
        ("PRIVATE-TOKEN", "  "),
        ("JOB-TOKEN", ""),
        ("Authorization", ""),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer "),
    ] {
        assert_eq!(
            gateway.get(fixtures::ARCHIVE).header(name, value).send().status,
            200,
            "{name}: {value:?}"
        );
        let registry =
            Request::new(gateway.address, "PATCH", "/api/registry/v1/jobs/20").header(name, value).send();
        assert_eq!(
            registry.error(),
            (401, r#"{"message":"a personal access token with the `registry` scope is required"}"#)
        );
    }
}

#[test]
fn what_cannot_be_read_counts_as_a_failed_authentication() {
    for (name, value) in SHAPES {
        let gateway = small(|settings| settings.failed_auth_per_minute = 2);
        let ask = |path: &str| gateway.get(path).header(name, value).send().status;
        assert_eq!(
            (ask(fixtures::ARCHIVE), ask("/api/v4/projects/1/pipelines")),
            (401, 401),
            "{name}: {value}"
        );
        assert_eq!(ask("/group/project/-/jobs/10/artifacts/download"), 429, "{name}: {value}");
        if *name != "JOB-TOKEN" {
            let registry =
                Request::new(gateway.address, "PATCH", "/api/registry/v1/jobs/20").header(name, value);
            assert_eq!(registry.send().status, 429, "{name}: {value}");
        }
    }
}
