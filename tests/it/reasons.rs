//! The reason of a rejected request is in its log line, however little the client is told.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use crate::program::Serving;
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};
use crate::support::zips;

const DOCUMENT: &str = "
users:
  - {id: 70, username: guest, tokens: [{value: s3cret-guest, scopes: [read_api]}, {value: s3cret-old, scopes: [api], expires_at: 2020-01-01},
      {value: s3cret-gone, scopes: [api], revoked: true}, {value: s3cret-user, scopes: [read_user]}]}
projects:
  - {id: 70, path: other/project, visibility: public, pipelines: [{id: 700, ref: main, sha: a, status: running, user: guest, jobs: [
      {id: 7000, name: a, status: running, token: s3cret-job}, {id: 7001, name: b, status: success, token: s3cret-done},
      {id: 7002, name: c, status: running, token: s3cret-erased, erased_at: 2026-01-01}, {id: 7003, name: d, status: running, token: s3cret-nobody, user: null}]}]}
  - {id: 71, path: other/shy, visibility: public, public_jobs: false}
";

/// Method, path, header, status, reason. An upload has a file with it.
type Case = (&'static str, &'static str, (&'static str, &'static str), u16, &'static str);

const NONE: (&str, &str) = ("X-Nothing", "x");
const GUEST: (&str, &str) = ("PRIVATE-TOKEN", "s3cret-guest");
const ROOT: (&str, &str) = ("PRIVATE-TOKEN", "glpat-demo-root");
const REGISTRY: (&str, &str) = ("PRIVATE-TOKEN", "glpat-demo-registry");
const JOB: (&str, &str) = ("JOB-TOKEN", "s3cret-job");

const SITE: &str = "/api/v4/projects/1/jobs/1003/artifacts";
const FIRMWARE: &str = "/api/v4/projects/2/jobs/1016/artifacts";
const UPLOAD: &str = "/api/v4/jobs/1015/artifacts";

const CASES: &[Case] = &[
    // Credentials.
    ("GET", SITE, ("PRIVATE-TOKEN", "s3cret-wrong"), 401, "token is unknown"),
    ("GET", SITE, ("PRIVATE-TOKEN", "s3cret-old"), 401, "token is expired"),
    ("GET", SITE, ("PRIVATE-TOKEN", "s3cret-gone"), 401, "token is revoked"),
    ("GET", SITE, ("PRIVATE-TOKEN", "s3cret-user"), 403, "token lacks scope api or read_api"),
    ("DELETE", SITE, GUEST, 403, "token lacks scope api"),
    ("GET", SITE, ("JOB-TOKEN", "s3cret-done"), 401, "job of the token is not running: success"),
    ("GET", SITE, ("JOB-TOKEN", "s3cret-erased"), 401, "job of the token was erased"),
    ("GET", SITE, ("JOB-TOKEN", "s3cret-nobody"), 401, "job of the token has no user"),
    (
        "GET",
        SITE,
        ("PRIVATE-TOKEN", "s3cret-\u{fc}"),
        401,
        "malformed credential: PRIVATE-TOKEN is not ASCII text",
    ),
    ("GET", SITE, ("Authorization", "Basic s3cret"), 401, "malformed credential: Authorization: Basic"),
    ("GET", SITE, ("Authorization", "token s3cret"), 401, "malformed credential: Authorization: Token"),
    (
        "GET",
        SITE,
        ("Authorization", "s3cret"),
        401,
        "malformed credential: Authorization does not use the Bearer scheme",
    ),
    ("GET", "/api/v4/user", NONE, 401, "no credential was sent"),
    // An empty credential is none, and the reason says so.
    ("GET", "/api/v4/user", ("PRIVATE-TOKEN", ""), 401, "no credential was sent; PRIVATE-TOKEN is empty"),
    (
        "GET",
        "/api/v4/user",
        ("Authorization", "Bearer"),
        401,
        "no credential was sent; Authorization is empty",
    ),
    ("GET", "/api/v4/user?private_token=", NONE, 401, "no credential was sent; private_token is empty"),
    ("GET", FIRMWARE, ("JOB-TOKEN", " "), 404, "project is hidden from caller; JOB-TOKEN is empty"),
    (
        "POST",
        "/api/registry/v1/jobs/7001/token",
        ("PRIVATE-TOKEN", ""),
        401,
        "no credential was sent; PRIVATE-TOKEN is empty",
    ),
    // A credential that cannot be read is not none.
    (
        "GET",
        "/api/v4/projects/1?private_token[]=s3cret",
        NONE,
        401,
        "malformed credential: private_token is a list",
    ),
    (
        "GET",
        "/api/v4/projects/1?access_token=s3cret&access_token=s3cret-other",
        NONE,
        401,
        "malformed credential: access_token has several values",
    ),
    (
        "GET",
        "/api/v4/projects/1?oauth_token=s3cret",
        NONE,
        401,
        "malformed credential: oauth_token is not accepted here",
    ),
    // Uploads.
    ("POST", UPLOAD, ("JOB-TOKEN", "s3cret-wrong"), 403, "token is unknown"),
    ("POST", UPLOAD, JOB, 403, "token belongs to another job"),
    ("POST", UPLOAD, ("JOB-TOKEN", ""), 403, "no credential was sent; JOB-TOKEN is empty"),
    ("POST", UPLOAD, NONE, 403, "no credential was sent"),
    ("POST", "/api/v4/jobs/7001/artifacts", ("JOB-TOKEN", "s3cret-done"), 403, "job is not running: success"),
    ("GET", "/api/v4/user", JOB, 401, "job tokens are not accepted here"),
    ("GET", "/api/v4/jobs/1003/artifacts", NONE, 401, "no credential was sent"),
    ("GET", "/api/v4/jobs/1003/artifacts", ROOT, 403, "credential is not a job token"),
    ("GET", "/api/v4/job", ROOT, 404, "credential is not a job token"),
    // Projects, jobs, pipelines.
    ("GET", "/api/v4/projects/99", NONE, 404, "project does not exist"),
    ("GET", "/api/v4/projects/2", GUEST, 404, "project is hidden from caller"),
    ("GET", "/api/v4/projects/71/pipelines", GUEST, 403, "caller may not read the project's jobs"),
    ("GET", "/api/v4/projects/1/jobs/7000/artifacts", NONE, 404, "job belongs to another project"),
    ("GET", "/api/v4/projects/1/jobs/99999/artifacts/a", NONE, 404, "job does not exist"),
    ("GET", "/api/v4/projects/demo/site/jobs/99999/artifacts/a", NONE, 404, "job does not exist"),
    ("GET", "/api/v4/projects/1/pipelines/700", NONE, 404, "pipeline belongs to another project"),
    ("GET", "/api/v4/projects/1/pipelines/99999", NONE, 404, "pipeline does not exist"),
    ("GET", "/api/v4/projects/1/pipelines/latest?ref=none", NONE, 404, "ref has no pipeline"),
    (
        "GET",
        "/api/v4/projects/2/jobs/1016/artifacts",
        JOB,
        403,
        "Authentication by CI/CD job token not allowed from project to firmware.",
    ),
    ("GET", "/api/v4/jobs/99999/artifacts", JOB, 403, "job does not exist"),
    // Artifacts.
    ("GET", "/api/v4/projects/1/jobs/1001/artifacts", NONE, 404, "no artifact of this kind"),
    ("GET", "/api/v4/projects/1/jobs/1003/artifacts?file_type=sast", NONE, 404, "no artifact of this kind"),
    ("GET", "/api/v4/projects/1/jobs/1003/artifacts/none.txt", NONE, 404, "entry is not in the archive"),
    (
        "GET",
        "/api/v4/projects/1/jobs/1003/artifacts/README.txt/",
        NONE,
        404,
        "path ends with a slash, so it is not a file",
    ),
    ("GET", "/api/v4/projects/1/jobs/1003/artifacts?path=none", NONE, 404, "folder is not in the archive"),
    (
        "GET",
        "/api/v4/projects/1/jobs/1003/artifacts/tree?path=none",
        NONE,
        404,
        "folder is not in the archive",
    ),
    ("GET", "/api/v4/projects/1/jobs/1003/artifacts/a/../b", NONE, 400, "path contains a `..` segment"),
    (
        "GET",
        "/api/v4/projects/1/jobs/artifacts/none/download?job=build",
        NONE,
        404,
        "ref has no successful pipeline",
    ),
    (
        "GET",
        "/api/v4/projects/1/jobs/artifacts/main/raw/a?job=none",
        NONE,
        404,
        "job name is not in the pipeline",
    ),
    (
        "GET",
        "/api/v4/projects/1/jobs/artifacts/main/raw/a?job=none&search_recent_successful_pipelines=1",
        NONE,
        404,
        "job name is not in the pipeline",
    ),
    ("GET", "/demo/site/-/jobs/1003/artifacts/raw/none.txt", NONE, 404, "entry is not in the archive"),
    ("GET", "/demo/firmware/-/jobs/1016/artifacts/download", NONE, 404, "project is hidden from caller"),
    // Requests.
    ("GET", "/api/v4/nonsense", NONE, 404, "no such route"),
    ("PUT", "/api/v4/projects/1", NONE, 404, "no such route"),
    ("GET", "/api/v4/projects/1/jobs/x/artifacts", NONE, 400, "job_id is invalid"),
    ("GET", "/api/v4/projects/1/jobs/artifacts/main/download", NONE, 400, "job is missing"),
    (
        "GET",
        "/api/v4/projects?pagination=keyset",
        NONE,
        405,
        "Keyset pagination is not yet available for this type of request",
    ),
    ("GET", SITE, ("If-Match", "\"other\""), 412, "a precondition of the request failed"),
    ("POST", "/api/v4/projects/1/jobs/1015/erase", ROOT, 403, "Job is not erasable!"),
    (
        "DELETE",
        "/api/v4/projects/1/artifacts",
        ("PRIVATE-TOKEN", "glpat-demo-bob"),
        403,
        "token lacks scope api",
    ),
    (
        "POST",
        "/api/v4/jobs/1015/artifacts/authorize",
        NONE,
        403,
        "only GitLab's own proxy may send this request",
    ),
    // The registry.
    ("GET", "/api/registry/none", NONE, 404, "no such route"),
    ("GET", "/api/registry/v1/documents", NONE, 405, "the resource does not support the method"),
    ("POST", "/api/registry/v1/jobs/99999/token", REGISTRY, 404, "there is no job 99999"),
    (
        "POST",
        "/api/registry/v1/jobs/7001/token",
        REGISTRY,
        409,
        "job 7001 is success; only a pending, running or canceling job can have a token",
    ),
    ("POST", "/api/registry/v1/jobs/7001/token", ROOT, 403, "token lacks scope registry"),
    ("POST", "/api/registry/v1/jobs/7001/token", NONE, 401, "no credential was sent"),
    (
        "POST",
        "/api/registry/v1/jobs/x/token",
        REGISTRY,
        400,
        "id: expected a number from 1 to 9223372036854775807",
    ),
    ("PATCH", "/api/registry/v1/jobs/7000", REGISTRY, 415, "Content-Type: expected application/json"),
];

#[test]
fn every_refusal_says_why_in_its_line_and_none_says_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    let request = |method: &str, path: &str, id: &str| {
        Request::new(serving.address(), method, path).header("X-Request-Id", id)
    };
    let documents = |id: &str, text: &str| {
        request("PUT", "/api/registry/v1/documents", id)
            .header(REGISTRY.0, REGISTRY.1)
            .body(text.into())
            .send()
    };
    assert_eq!(documents("document", DOCUMENT).status, 200);
    let mut expected: Vec<(String, u16, &str)> = Vec::new();
    for (number, (method, path, (name, value), status, reason)) in CASES.iter().enumerate() {
        let id = format!("case-{number}");
        let asked = request(method, path, &id).header(name, value);
        let is_upload =
            *method == "POST" && path.starts_with("/api/v4/jobs/") && path.ends_with("/artifacts");
        let asked = if is_upload { asked.form(Form::default().file("a", b"x")) } else { asked };
        assert_eq!(asked.send().status, *status, "{method} {path}");
        expected.push((id, *status, reason));
    }
    assert_eq!(
        documents("document-1", "users: [{id: 1, username: root, tokens: [s3cret-there]}]").status,
        400
    );
    assert_eq!(documents("document-2", "users: [{id: 0, username: root}]").status, 422);
    expected.push((
        "document-2".into(),
        422,
        "document: users[0]: id: 0 is not a valid ID, expected a whole number of at least 1",
    ));
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("s3cret") && !log.contains("glpat-"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line_of = |id: &str| {
        let is_line = |line: &&Value| {
            line["span"]["request.id"] == id && line["status"].is_number() && line["target"] != "audit"
        };
        lines.iter().find(is_line).unwrap_or_else(|| panic!("{id}: {log}"))
    };
    for (id, status, reason) in expected {
        let line = line_of(&id);
        assert_eq!(
            (&line["status"], line["reason"].as_str()),
            (&status.into(), Some(reason)),
            "{}",
            line["message"]
        );
    }
    assert!(line_of("document-1")["reason"].as_str().unwrap().contains("the value is not shown"));
    assert!(line_of("document").get("reason").is_none(), "what is done has no reason");
}

/// A public project whose jobs only members may read.
fn shy(gateway: &Gateway) {
    let zip = zips::deflated(&[("a.txt", b"hello")]);
    let made = Fixture::project("group/project").public().public_jobs(false).keep_latest(false).members();
    let made = made.pipeline(100, "main").job(10, "build").archive(&zip);
    let made = made.job(11, "old").archive(&zip).expire_in("1 hour");
    let made = made.job(12, "red").status("failed").archive(&zip);
    let made = made.job(13, "closed").archive(&zip).accessibility("none").expire_in("1 hour");
    made.and_project("group/other").pipeline(200, "main").job(20, "a").load(gateway);
    gateway.advance_clock(7200);
}

on_both_databases!(who_may_read_a_projects_jobs_is_told_why_there_is_nothing);

fn who_may_read_a_projects_jobs_is_told_why_there_is_nothing(gateway: Gateway) {
    shy(&gateway);
    let expired = "artifact has expired at 2026-02-01T13:00:00.000Z";
    for (path, reason) in [
        ("jobs/11/artifacts", expired),
        ("jobs/11/artifacts/a.txt", expired),
        ("jobs/11/artifacts/tree", expired),
        ("jobs/10/artifacts/b.txt", "entry is not in the archive"),
        ("jobs/10/artifacts/A.txt", "entry is not in the archive"),
        ("jobs/10/artifacts/a.txt/", "path ends with a slash, so it is not a file"),
        ("jobs/10/artifacts?path=x", "folder is not in the archive"),
        ("jobs/10/artifacts?file_type=junit", "no artifact of this kind"),
        ("jobs/99/artifacts", "job is not in the project"),
        ("jobs/20/artifacts", "job is not in the project"),
        ("jobs/20", "job is not in the project"),
        ("pipelines/200", "pipeline is not in the project"),
        ("jobs/artifacts/other/download?job=build", "ref has no successful pipeline"),
        ("jobs/artifacts/main/download?job=Build", "job name is not in the pipeline"),
        ("jobs/artifacts/main/raw/a.txt?job=red", "job did not succeed in the pipeline: failed"),
        ("jobs/artifacts/main/raw/a.txt?job=old", "job has no artifact that can be read"),
        ("jobs/artifacts/main/raw/b.txt?job=build", "entry is not in the archive"),
        ("repository/branches/x", "no pipeline ran on a ref of this kind and name"),
    ] {
        let ask =
            |token: &str| gateway.get(&format!("/api/v4/projects/1/{path}")).private_token(token).send();
        let told = ask(fixtures::REPORTER);
        assert_eq!((told.status, told.reason()), (404, Some(reason)), "{path}: {}", told.text());
        let refused = ask(fixtures::GUEST);
        assert_eq!(
            refused.error(),
            (403, r#"{"message":"403 Forbidden"}"#),
            "{path} for who may not read jobs"
        );
        assert_eq!(refused.reason(), None);
    }
    let quiet = |answer: Answer, status: u16| {
        assert_eq!((answer.status, answer.reason()), (status, None), "{}", answer.text())
    };
    quiet(gateway.get("/api/v4/projects/2/jobs/20/artifacts").private_token(fixtures::REPORTER).send(), 404);
    quiet(gateway.get("/api/v4/projects/1/jobs/13/artifacts").private_token(fixtures::ADMIN).send(), 403);
    quiet(
        gateway.post("/api/v4/projects/1/jobs/20/artifacts/keep").private_token(fixtures::MAINTAINER).send(),
        404,
    );
    quiet(gateway.get("/group/project/-/jobs/10/artifacts/download").send(), 404);
    quiet(
        gateway.get("/group/project/-/jobs/13/artifacts/download").private_token(fixtures::REPORTER).send(),
        404,
    );
    let browser =
        gateway.get("/group/project/-/jobs/11/artifacts/download").private_token(fixtures::REPORTER).send();
    assert_eq!((browser.error(), browser.reason()), ((404, r#"{"message":"404 Not Found"}"#), Some(expired)));
}
