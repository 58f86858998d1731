//! The caching headers of every answer, whatever it is and whichever layer made it.

use crate::support::fixtures::{self, ADMIN, ARCHIVE, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};
use crate::support::zips;

/// An address of everything that can be read.
const ADDRESSES: &[&str] = &[
    ARCHIVE,
    "/api/v4/projects/1/jobs/10/artifacts/a.txt",
    "/api/v4/projects/1/jobs/10/artifacts/tree",
    "/api/v4/projects/1/jobs/10/artifacts?path=d",
    "/api/v4/projects/1/jobs/artifacts/main/download?job=build",
    "/api/v4/projects/1/jobs/artifacts/main/download?job=build&path=d",
    "/api/v4/projects/1/jobs/artifacts/main/raw/a.txt?job=build",
    "/group/project/-/jobs/10/artifacts/download",
    "/group/project/-/jobs/10/artifacts/raw/a.txt",
    "/group/project/-/jobs/artifacts/main/download?job=build",
    "/group/project/-/jobs/artifacts/main/raw/a.txt?job=build",
    "/api/v4/jobs/10/artifacts",
    "/api/v4/projects",
    "/api/v4/projects/1",
    "/api/v4/projects/1/jobs",
    "/api/v4/projects/1/jobs/10",
    "/api/v4/projects/1/pipelines",
    "/api/v4/projects/1/pipelines/latest",
    "/api/v4/projects/1/pipelines/100",
    "/api/v4/projects/1/pipelines/100/jobs",
    "/api/v4/projects/1/pipelines/100/bridges",
    "/api/v4/job",
    "/api/v4/user",
    "/api/v4/personal_access_tokens/self",
    "/api/v4/version",
    "/api/v4/metadata",
    "/api/v4/nonsense",
    "/api/registry/openapi.json",
    "/api/registry/v1/jobs/10",
    "/api/registry/nonsense",
    "/nonsense",
    "/",
    "/-/health",
    "/-/liveness",
    "/-/readiness",
    "/-/nonsense",
];

/// The same for everybody, so that no credential makes a difference.
fn is_for_everybody(path: &str) -> bool {
    path.starts_with("/-/")
}

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite_with(|settings| {
        settings.failed_auth_per_minute = 1;
        settings.max_artifact_bytes = Some(1000);
    });
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", &b"hello ".repeat(20)), ("d/b.txt", b"b")]));
    gateway
}

/// Every answer forbids shared caches to keep it, and says in one line by what it differs.
fn is_private(answer: &Answer, path: &str) {
    let of = |name: &str| -> Vec<&str> {
        let fields = answer.headers.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.as_str()).collect()
    };
    let [caches] = of("cache-control")[..] else { panic!("{path}: {answer:?}") };
    assert!(caches.contains("no-store") || caches.starts_with("private"), "{path}: {caches}");
    assert_eq!(of("x-content-type-options"), ["nosniff"], "{path}");
    assert_eq!(of("x-request-id").len(), 1, "{path}");
    if is_for_everybody(path) {
        return;
    }
    let [differs] = of("vary")[..] else { panic!("{path}: {answer:?}") };
    assert!(differs.contains("Authorization, PRIVATE-TOKEN, JOB-TOKEN"), "{path}: {differs}");
    assert_eq!(differs.contains("Origin"), path.starts_with("/api/"), "{path}: {differs}");
}

#[test]
fn no_answer_to_anybody_may_be_kept_by_a_shared_cache() {
    let gateway = gateway();
    for path in ADDRESSES {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            // A deletion would leave the other requests nothing to read.
            if method == "DELETE" && *path == ARCHIVE {
                continue;
            }
            let request = || Request::new(gateway.address, method, path);
            is_private(&request().send(), path);
            is_private(&request().private_token(ADMIN).send(), path);
            is_private(&request().job_token(RUNNING).send(), path);
        }
    }
}

#[test]
fn nor_may_a_refusal_of_any_kind() {
    let gateway = gateway();
    let upload = |bytes: usize| {
        gateway.post(UPLOAD).job_token(RUNNING).form(Form::default().file("a", &vec![0; bytes])).send()
    };
    let wrong = || gateway.get(ARCHIVE).private_token("wrong").send();
    for (answer, status) in [
        (gateway.get(ARCHIVE).header("If-Match", "\"other\"").send(), 412),
        (gateway.get(ARCHIVE).header("Range", "bytes=999999-").send(), 416),
        (gateway.get("/api/v4/projects/1/jobs/99/artifacts").send(), 404),
        (gateway.get(&format!("{ARCHIVE}/..%2Fx")).send(), 400),
        (wrong(), 401),
        (wrong(), 429),
        (upload(2000), 413),
        (gateway.get(&format!("/api/v4/{}", "x".repeat(9_000))).send(), 414),
        (Request::new(gateway.address, "GET", "/api/registry/v1/jobs/10").send(), 405),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        is_private(&answer, ARCHIVE);
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{status}");
    }
}

#[test]
fn a_download_may_be_kept_by_its_own_client_that_asks_again() {
    let gateway = gateway();
    let whole = gateway.get(ARCHIVE).send();
    let tag = whole.header("etag").unwrap();
    let part = gateway.get(ARCHIVE).header("Range", "bytes=0-9").send();
    let unchanged = gateway.get(ARCHIVE).header("If-None-Match", tag).send();
    for (answer, status) in [(&whole, 200), (&part, 206), (&unchanged, 304)] {
        assert_eq!((answer.status, answer.header("cache-control")), (status, Some("private, no-cache")));
        is_private(answer, ARCHIVE);
    }
    let packed = gateway.get(&format!("{ARCHIVE}/a.txt")).header("Accept-Encoding", "gzip").send();
    let differs = "Accept-Encoding, Authorization, PRIVATE-TOKEN, JOB-TOKEN, Origin";
    assert_eq!(packed.header("vary"), Some(differs));
}
