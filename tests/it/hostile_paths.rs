//! Hostile paths: ones with very many meanings, and targets of excessive length.

use crate::program::Serving;
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};

/// Paths that once took seconds and gigabytes each, as long as the HTTP library lets them be.
fn made_up() -> Vec<String> {
    let api = "/api/v4/projects/a/b/";
    let mut paths: Vec<String> = [160, 375, 640, 900, 3_000]
        .map(|count| format!("{api}{}x", "jobs/artifacts/r/raw/".repeat(count)))
        .into();
    paths.extend([
        format!("{api}jobs/artifacts/r/{}x", "raw/".repeat(16_000)),
        format!("/a/b/-/jobs/artifacts/{}x", "raw/".repeat(16_000)),
        format!("{api}{}x", "jobs/1/artifacts/".repeat(3_700)),
        format!("/api/v4/projects/{}x", "x/".repeat(30_000)),
        format!("/api/registry/v1/{}x", "jobs/".repeat(12_000)),
        format!("/-/liveness/{}", "x".repeat(60_000)),
        format!("/api/v4/projects/{}", "%2F".repeat(20_000)),
    ]);
    paths
}

#[test]
fn they_are_refused_before_they_are_read_whatever_the_method() {
    let gateway = Gateway::on_sqlite();
    for path in made_up() {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = Request::new(gateway.address, method, &path).send();
            let (status, text) = answer.error();
            assert_eq!(status, 414, "{method} of {} bytes", path.len());
            assert!(text.starts_with(r#"{"message":"414 URI Too Long - the path "#), "{text}");
        }
    }
    assert_eq!(gateway.get("/-/liveness").send().status, 200);
}

#[test]
fn they_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::plain(folder.path());
    let before = serving.peak_memory_bytes();
    for path in made_up() {
        Request::new(serving.address(), "GET", &path).send();
    }
    let more = serving.peak_memory_bytes() - before;
    assert!(more < 16 << 20, "{more} bytes more");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn those_that_are_short_enough_are_answered_after_eight_meanings() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    for (repeated, count) in [("jobs/artifacts/r/raw/", 60), ("raw/", 240), ("jobs/1/artifacts/", 80)] {
        for before in
            ["/api/v4/projects/group/project/jobs/artifacts/r/", "/group/project/-/jobs/artifacts/r/"]
        {
            let answer = gateway.get(&format!("{before}{}x?job=build", repeated.repeat(count))).send();
            assert_eq!(answer.status, 404, "{repeated}");
        }
    }
    assert_eq!(gateway.get(ARCHIVE).send().status, 200);
}

#[test]
fn a_query_longer_than_anybody_needs_is_refused() {
    let gateway = Gateway::on_sqlite();
    let ask = |bytes: usize| gateway.get(&format!("/api/v4/projects?search={}", "x".repeat(bytes))).send();
    assert_eq!(ask(16_000).status, 200);
    let expected = r#"{"message":"414 URI Too Long - the query is longer than 16384 bytes"}"#;
    assert_eq!(ask(16_384).error(), (414, expected));
}

#[test]
fn a_refused_upload_is_read_to_its_end_so_that_its_client_sees_why() {
    let gateway = Gateway::on_sqlite();
    let form = Form::default().file("a", &vec![0; 3 << 20]);
    let answer = gateway.post(&format!("/api/v4/{}", "x".repeat(9_000))).form(form).send();
    assert_eq!(answer.status, 414);
}
