//! Pages of other origins: they may use the API with a token of their own, and nothing beside it.

use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

const ORIGIN: &str = "https://app.example.com";

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 1);
    fixtures::small(&gateway, b"bytes");
    gateway
}

fn ask(gateway: &Gateway, path: &str) -> Request {
    gateway.get(path).header("Origin", ORIGIN)
}

fn may_read(answer: &Answer) -> bool {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    answer.header("access-control-allow-origin") == Some("*")
}

#[test]
fn every_origin_may_read_every_answer_of_the_api_with_its_headers() {
    let gateway = gateway();
    let wrong = || ask(&gateway, ARCHIVE).private_token("wrong").send();
    for (answer, status) in [
        (ask(&gateway, ARCHIVE).send(), 200),
        (ask(&gateway, ARCHIVE).header("Range", "bytes=0-1").send(), 206),
        (ask(&gateway, ARCHIVE).header("Range", "bytes=99-").send(), 416),
        (ask(&gateway, ARCHIVE).header("If-Match", "\"x\"").send(), 412),
        (ask(&gateway, "/api/v4/projects").send(), 200),
        (ask(&gateway, "/api/v4/nonsense").send(), 404),
        (ask(&gateway, "/api/registry/v1/jobs/1").send(), 405),
        (ask(&gateway, &format!("/api/v4/{}", "x".repeat(9_000))).send(), 414),
        (wrong(), 401),
        (wrong(), 429),
    ] {
        assert_eq!((answer.status, may_read(&answer)), (status, true), "{answer:?}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in [
            "Link",
            "X-Total",
            "X-Total-Pages",
            "X-Per-Page",
            "X-Page",
            "X-Next-Page",
            "X-Prev-Page",
            "X-Request-Id",
            "ETag",
            "Content-Length",
            "Content-Range",
            "Accept-Ranges",
            "Content-Disposition",
            "Repr-Digest",
            "Retry-After",
        ] {
            assert!(exposed.split(", ").any(|known| known == name), "{name} is not in {exposed}");
        }
    }
}

#[test]
fn a_browser_that_asks_first_may_send_any_method_and_header() {
    let gateway = gateway();
    for (method, headers) in [
        ("GET", "private-token"),
        ("DELETE", "authorization,x-anything"),
        ("POST", "job-token, content-type"),
    ] {
        for path in [ARCHIVE, "/api/v4/jobs/20/artifacts", "/api/registry/v1/jobs/1", "/api/v4/nonsense"] {
            let answer = Request::new(gateway.address, "OPTIONS", path)
                .header("Origin", ORIGIN)
                .header("Access-Control-Request-Method", method)
                .header("Access-Control-Request-Headers", headers)
                .send();
            assert_eq!((answer.status, may_read(&answer)), (204, true), "{path}");
            assert!(answer.header("access-control-allow-methods").unwrap().split(", ").any(|m| m == method));
            assert_eq!(answer.header("access-control-allow-headers"), Some(headers));
            assert!(answer.header("vary").unwrap().contains("Access-Control-Request-Headers"));
        }
    }
}

#[test]
fn headers_may_be_asked_for_in_several_lines() {
    let gateway = gateway();
    let asked = Request::new(gateway.address, "OPTIONS", ARCHIVE)
        .header("Origin", ORIGIN)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "private-token")
        .header("Access-Control-Request-Headers", "x-anything");
    let answer = asked.send();
    let allowed = answer.headers.iter().filter(|(name, _)| name == "access-control-allow-headers");
    let allowed: Vec<&str> = allowed.map(|(_, value)| value.as_str()).collect();
    assert_eq!(allowed, ["private-token", "x-anything"]);
}

#[test]
fn other_requests_are_told_nothing_but_that_the_origin_matters() {
    let gateway = gateway();
    let plain = gateway.get(ARCHIVE).send();
    assert!(!may_read(&plain) && plain.header("vary").unwrap().ends_with("Origin"));
    let options = Request::new(gateway.address, "OPTIONS", ARCHIVE).header("Origin", ORIGIN).send();
    assert_eq!(options.status, 404, "it asks nothing");
}

#[test]
fn addresses_for_people_and_operators_are_not_for_other_origins() {
    let gateway = gateway();
    for path in ["/group/project/-/jobs/10/artifacts/download", "/-/health", "/-/liveness", "/", "/api"] {
        assert!(!may_read(&ask(&gateway, path).send()), "{path}");
    }
}
