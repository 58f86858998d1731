//! The limit on failed authentications: what counts, the answer above the limit, and valid credentials still
//! pass.

use artigate::settings::Settings;

use crate::support::fixtures::{self, ARCHIVE, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};

const TOO_MANY: &str = r#"{"message":{"error":"Too many failed authentications. Try again later."}}"#;

fn wrong(gateway: &Gateway) -> Answer {
    gateway.get(ARCHIVE).private_token("wrong").send()
}

/// A gateway whose bound is reached with three failures.
fn strict(change: impl FnOnce(&mut Settings)) -> Gateway {
    let gateway = Gateway::on_sqlite_with(|settings| {
        settings.failed_auth_per_minute = 3;
        change(settings);
    });
    fixtures::small(&gateway, b"bytes");
    gateway
}

fn too_many(answer: &Answer, seconds: &str) {
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some(seconds)), "{answer:?}");
}

on_both_databases!(the_61st_failure_within_a_minute_is_told_to_wait_and_how_long);

fn the_61st_failure_within_a_minute_is_told_to_wait_and_how_long(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    for _ in 0..60 {
        assert_eq!(wrong(&gateway).error(), (401, r#"{"message":"401 Unauthorized"}"#));
    }
    gateway.advance_clock(20);
    let answer = wrong(&gateway);
    assert_eq!(answer.error(), (429, TOO_MANY));
    too_many(&answer, "40");
    gateway.advance_clock(39);
    too_many(&wrong(&gateway), "1");
    gateway.advance_clock(1);
    assert_eq!(wrong(&gateway).status, 401, "a new minute");
}

#[test]
fn good_credentials_and_nobody_still_pass_from_an_address_past_the_bound() {
    let gateway = strict(|_| {});
    for _ in 0..4 {
        wrong(&gateway);
    }
    too_many(&wrong(&gateway), "60");
    assert_eq!(gateway.get(ARCHIVE).send().status, 200);
    assert_eq!(gateway.get(ARCHIVE).private_token(fixtures::GUEST).send().status, 200);
    assert_eq!(gateway.get(ARCHIVE).job_token(fixtures::RUNNING).send().status, 200);
    let upload =
        gateway.post(UPLOAD).job_token(fixtures::RUNNING).form(Form::default().file("a", b"x")).send();
    assert_eq!(upload.status, 201);
}

#[test]
fn every_dialect_and_the_runners_endpoints_count_together() {
    let gateway = strict(|_| {});
    let upload = || gateway.post(UPLOAD).job_token("wrong").form(Form::default().file("a", b"x")).send();
    let registry =
        || Request::new(gateway.address, "PATCH", "/api/registry/v1/jobs/20").private_token("wrong").send();
    let dependency = || gateway.get("/api/v4/jobs/10/artifacts").job_token("wrong").send();
    let keep = || gateway.post("/api/v4/projects/1/jobs/10/artifacts/keep").private_token("wrong").send();
    assert_eq!(upload().error(), (403, r#"{"message":"403 Forbidden"}"#));
    assert_eq!((registry().status, dependency().status), (401, 401));
    assert_eq!(keep().error(), (429, TOO_MANY));
    assert_eq!(upload().error(), (429, TOO_MANY));
    assert_eq!(dependency().error(), (429, TOO_MANY));
    assert_eq!(
        registry().error(),
        (429, r#"{"message":"Too many failed authentications. Try again later."}"#)
    );
    too_many(&registry(), "60");
}

#[test]
fn only_a_credential_that_is_not_good_counts() {
    let gateway = strict(|_| {});
    gateway.load("users: [{id: 7, username: narrow, tokens: [{value: glpat-narrow, scopes: [read_user]}, {value: glpat-old, scopes: [api], expires_at: 2020-01-01}, {value: glpat-revoked, scopes: [api], revoked: true}]}]
projects: [{id: 2, path: hidden/project}]");
    let keep = "/api/v4/projects/1/jobs/10/artifacts/keep";
    for _ in 0..5 {
        assert_eq!(gateway.post(keep).send().status, 401, "none at all");
        assert_eq!(
            gateway.post(keep).job_token(fixtures::RUNNING).send().status,
            401,
            "none that counts here"
        );
        assert_eq!(gateway.get(ARCHIVE).private_token("glpat-narrow").send().status, 403);
        assert_eq!(
            gateway.get("/api/v4/projects/2/jobs/1/artifacts").private_token(fixtures::GUEST).send().status,
            404
        );
        assert_eq!(gateway.post(keep).private_token(fixtures::OUTSIDER).send().status, 403);
        let ended = gateway.post("/api/v4/jobs/21/artifacts").job_token(fixtures::FINISHED);
        assert_eq!(
            ended.form(Form::default().file("a", b"x")).send().status,
            403,
            "a runner must learn this"
        );
    }
    assert_eq!(gateway.get(ARCHIVE).private_token("glpat-old").send().status, 401);
    assert_eq!(gateway.get(ARCHIVE).private_token("glpat-revoked").send().status, 401);
    assert_eq!(gateway.get(ARCHIVE).job_token(fixtures::FINISHED).send().status, 401);
    assert_eq!(gateway.get(ARCHIVE).private_token("glpat-old").send().status, 429);
}

#[test]
fn a_client_behind_a_trusted_proxy_is_counted_for_itself() {
    let from = |gateway: &Gateway, client: &str| {
        gateway.get(ARCHIVE).private_token("wrong").header("X-Forwarded-For", client).send().status
    };
    let gateway = strict(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    for _ in 0..3 {
        assert_eq!(from(&gateway, "203.0.113.9"), 401);
    }
    assert_eq!(from(&gateway, "203.0.113.9"), 429);
    assert_eq!(from(&gateway, "10.1.1.1, 203.0.113.9"), 429, "what a client says of itself is nothing");
    assert_eq!(from(&gateway, "203.0.113.10"), 401);
    let gateway = strict(|_| {});
    for number in 0..3 {
        assert_eq!(from(&gateway, &format!("203.0.113.{number}")), 401);
    }
    assert_eq!(from(&gateway, "203.0.113.9"), 429, "nobody is trusted unless it was said");
}

#[test]
fn a_client_is_counted_for_itself_by_either_header_and_its_proxy_where_they_disagree() {
    let gateway = strict(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    let from = |headers: &[(&str, &str)]| {
        let request = gateway.get(ARCHIVE).private_token("wrong");
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().status
    };
    let standard = |value: &str| from(&[("Forwarded", value)]);
    for value in
        ["for=203.0.113.9", "for=10.1.1.1, for=\"203.0.113.9:80\";proto=https", "for=\"a,b\",for=203.0.113.9"]
    {
        assert_eq!(standard(value), 401, "{value}");
    }
    assert_eq!(standard("for=203.0.113.9"), 429);
    assert_eq!(from(&[("X-Forwarded-For", "203.0.113.9")]), 429, "the same client");
    assert_eq!(from(&[("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9")]), 429);
    assert_eq!(standard("for=\"[2001:db8::1]:4711\""), 401);
    for number in 0..3 {
        let own = format!("203.0.113.{number}");
        assert_eq!(from(&[("X-Forwarded-For", &own), ("Forwarded", "for=192.0.2.1")]), 401);
    }
    assert_eq!(
        from(&[("X-Forwarded-For", "203.0.113.4"), ("Forwarded", "for=192.0.2.2")]),
        429,
        "their proxy"
    );
    assert_eq!(from(&[]), 429);
    assert_eq!(from(&[("X-Forwarded-For", "203.0.113.4")]), 401);
}

#[test]
fn zero_turns_the_bound_off() {
    let gateway = strict(|settings| settings.failed_auth_per_minute = 0);
    assert!((0..70).all(|_| wrong(&gateway).status == 401));
}
