//! Errors as pages: for browsers alone, each with its request's ID.

use super::{is_page, navigation, open};
use crate::support::fixtures::{self, ADMIN};
use crate::support::gateway::Gateway;
use crate::support::zips;

#[test]
fn what_a_browser_cannot_have_is_told_on_a_page() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 2);
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let long = format!("/{}", "x".repeat(9_000));
    for (path, status) in [
        ("/nothing", 404),
        ("/group/project/-/nothing", 404),
        ("/group/project/-/jobs/99", 404),
        ("/group/project/-/jobs/10/artifacts/raw/none", 404),
        ("/group/project/-/jobs/10/artifacts/raw/..%2Fx", 400),
        ("/group/project/-/jobs/99/artifacts/download", 404),
        ("/-/nothing", 404),
        (&long, 414),
    ] {
        let answer = open(&gateway, "", path);
        assert_eq!(answer.status, status, "{path}");
        is_page(&answer);
        let id = answer.header("x-request-id").unwrap();
        assert!(answer.text().contains(&format!("<code>{id}</code>")), "{path}");
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{path}");
        let plain = gateway.get(path).send();
        assert_eq!(
            (plain.status, plain.header("content-type")),
            (status, Some("application/json")),
            "{path}"
        );
    }
    let head = navigation(&gateway, "HEAD", "/nothing").send();
    assert_eq!((head.status, head.body.len()), (404, 0));
}

#[test]
fn wrong_tokens_are_counted_as_in_the_api() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 2);
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let wrong = || open(&gateway, "glpat-wrong", "/group/project");
    assert_eq!((wrong().status, wrong().status), (401, 401));
    let limited = wrong();
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").is_some());
    is_page(&limited);
    assert!(!limited.text().contains("glpat-wrong"));
    assert_eq!(open(&gateway, ADMIN, "/group/project").status, 200, "a valid one is never limited");
}

#[test]
fn a_request_with_a_body_is_answered_to_its_end() {
    let gateway = Gateway::on_sqlite();
    let answer = navigation(&gateway, "GET", "/nothing").body(vec![b'x'; 100_000]).send();
    assert_eq!(answer.status, 404);
    is_page(&answer);
    // The body is read behind the answer, so a dialect's stays as it is.
    let answer = navigation(&gateway, "GET", "/-/nothing").body(vec![b'x'; 100_000]).send();
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/json")));
    let answer = navigation(&gateway, "POST", "/nothing").body(vec![b'x'; 100_000]).send();
    assert_eq!(answer.status, 404);
}
