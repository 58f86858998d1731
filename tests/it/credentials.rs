//! Credentials: where tokens may be, which of several wins, and when a token is no longer valid.

use crate::support::fixtures::{self, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;
use crate::support::zips;

/// A private project; job 20 runs in it for the maintainer, job 30 in another project for the
/// developer.
fn private(gateway: &Gateway) {
    gateway.write_file("archive.zip", &zips::deflated(&[("a.txt", b"hello")]));
    gateway.load(&format!(
        "{USERS}
  - {{id: 7, username: past, tokens: [{{value: glpat-old, scopes: [api], expires_at: 2026-02-01}}, {{value: glpat-soon, scopes: [api], expires_at: 2026-02-02}}]}}
  - {{id: 8, username: gone, tokens: [{{value: glpat-revoked, scopes: [api], revoked: true}}, {{value: glpat-user, scopes: [read_user, read_repository]}}]}}
projects:
  - id: 1
    path: group/project
    members: {{maintainer: maintainer, developer: developer, past: developer, gone: developer}}
    job_token_allowlist: [friends]
    pipelines:
      - {{id: 100, ref: main, sha: a, status: success, jobs: [{{id: 10, name: build, status: success, artifacts: [{{file: archive.zip}}]}}]}}
      - id: 200
        ref: main
        sha: b
        status: running
        user: maintainer
        jobs:
          - {{id: 20, name: a, status: running, token: glcbt-own}}
          - {{id: 21, name: b, status: success, token: glcbt-done}}
          - {{id: 22, name: c, status: canceling, token: glcbt-canceling}}
          - {{id: 23, name: d, status: running, token: glcbt-nobody, user: null}}
          - {{id: 24, name: e, status: running, token: glcbt-erased, erased_at: 2026-01-01}}
          - {{id: 25, name: f, status: running, token: glcbt-outsider, user: outsider}}
  - id: 2
    path: friends/nested/other
    pipelines:
      - {{id: 300, ref: main, sha: a, status: running, user: developer, jobs: [{{id: 30, name: a, status: running, token: glcbt-friend}}]}}
  - id: 3
    path: strangers/third
    pipelines:
      - {{id: 400, ref: main, sha: a, status: running, user: developer, jobs: [{{id: 40, name: a, status: running, token: glcbt-stranger}}]}}
"
    ));
}

const ARCHIVE: &str = fixtures::ARCHIVE;

fn with_query(gateway: &Gateway, query: &str) -> u16 {
    gateway.get(&format!("{ARCHIVE}?{query}")).send().status
}

fn with(gateway: &Gateway, request_context: impl Fn(Request) -> Request) -> (u16, String) {
    let answer = request_context(gateway.get(ARCHIVE)).send();
    let text = if answer.status == 200 { String::new() } else { answer.text().to_owned() };
    (answer.status, text)
}

on_both_databases!(
    a_token_is_accepted_wherever_clients_put_it,
    a_wrong_token_is_401_even_where_nobody_needs_one,
    a_private_project_is_404_for_those_who_may_not_see_it,
    a_personal_token_wins_over_a_job_token_and_a_parameter_over_its_header,
    expired_revoked_and_narrow_tokens_say_what_they_are,
    a_token_revoked_by_a_registry_file_is_refused_at_once,
    a_job_token_dies_with_its_job,
    a_job_token_of_another_project_needs_the_allowlist,
    an_allowlist_entry_covers_its_group_in_any_case_and_no_namesake,
    a_dependent_job_fetches_with_its_own_token_and_nothing_else_does
);

fn a_token_is_accepted_wherever_clients_put_it(gateway: Gateway) {
    private(&gateway);
    for query in [
        "private_token=glpat-developer",
        "access_token=glpat-developer",
        "bearer_token=glpat-developer",
        "job_token=glcbt-own",
        "token=glcbt-own",
    ] {
        assert_eq!(with_query(&gateway, query), 200, "{query}");
    }
    for (name, value) in [
        ("PRIVATE-TOKEN", "glpat-developer"),
        ("private-token", "glpat-developer"),
        ("Authorization", "Bearer glpat-developer"),
        ("Authorization", "bearer glcbt-own"),
        ("JOB-TOKEN", "glcbt-own"),
        ("Job-Token", "glcbt-canceling"),
    ] {
        assert_eq!(with(&gateway, |r| r.header(name, value)).0, 200, "{name}");
    }
}

fn a_wrong_token_is_401_even_where_nobody_needs_one(gateway: Gateway) {
    private(&gateway);
    let unauthorized = (401, r#"{"message":"401 Unauthorized"}"#.to_owned());
    for (name, value) in [
        ("PRIVATE-TOKEN", "wrong"),
        ("PRIVATE-TOKEN", "glcbt-own"),
        ("JOB-TOKEN", "glpat-developer"),
        ("JOB-TOKEN", "wrong"),
        ("Authorization", "Bearer wrong"),
    ] {
        assert_eq!(with(&gateway, |r| r.header(name, value)), unauthorized, "{name}: {value}");
    }
    gateway.load("projects: [{id: 1, path: group/project, visibility: public}]");
    assert_eq!(with(&gateway, |r| r).0, 200);
    assert_eq!(with(&gateway, |r| r.private_token("wrong")), unauthorized);
    assert_eq!(with(&gateway, |r| r.private_token("")).0, 200, "an empty header is none");
}

fn a_private_project_is_404_for_those_who_may_not_see_it(gateway: Gateway) {
    private(&gateway);
    let hidden = (404, r#"{"message":"404 Project Not Found"}"#.to_owned());
    assert_eq!(with(&gateway, |r| r), hidden);
    assert_eq!(with(&gateway, |r| r.private_token(fixtures::OUTSIDER)), hidden);
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-outsider")), hidden);
}

fn a_personal_token_wins_over_a_job_token_and_a_parameter_over_its_header(gateway: Gateway) {
    private(&gateway);
    assert_eq!(with(&gateway, |r| r.private_token("wrong").job_token("glcbt-own")).0, 401);
    assert_eq!(with(&gateway, |r| r.private_token("glpat-developer").job_token("wrong")).0, 200);
    let header = |query: &str| {
        gateway.get(&format!("{ARCHIVE}?{query}")).private_token("glpat-developer").send().status
    };
    assert_eq!(header("private_token=wrong"), 401);
    let header =
        |query: &str| gateway.get(&format!("{ARCHIVE}?{query}")).job_token("glcbt-own").send().status;
    assert_eq!(header("job_token=wrong"), 401);
    assert_eq!(header("token=wrong"), 401);
    assert_eq!(header("token=wrong&job_token=glcbt-own"), 200);
}

fn expired_revoked_and_narrow_tokens_say_what_they_are(gateway: Gateway) {
    private(&gateway);
    let answer = gateway.get(ARCHIVE).private_token("glpat-old").send();
    assert_eq!(
        answer.error(),
        (
            401,
            r#"{"error":"invalid_token","error_description":"Token is expired. You can either do re-authorization or token refresh.","message":"Token is expired. You can either do re-authorization or token refresh."}"#
        )
    );
    assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    let answer = gateway.get(ARCHIVE).private_token("glpat-revoked").send();
    assert_eq!(
        answer.error(),
        (
            401,
            r#"{"error":"invalid_token","error_description":"Token was revoked. You have to re-authorize from the user.","message":"Token was revoked. You have to re-authorize from the user."}"#
        )
    );
    let answer = gateway.get(ARCHIVE).private_token("glpat-user").send();
    assert_eq!(
        answer.error(),
        (
            403,
            r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","message":"The request requires higher privileges than provided by the access token.","scope":"api read_api"}"#
        )
    );
    assert_eq!(gateway.get(ARCHIVE).private_token("glpat-soon").send().status, 200);
    gateway.advance_clock(12 * 3600);
    assert_eq!(gateway.get(ARCHIVE).private_token("glpat-soon").send().status, 401);
}

fn a_token_revoked_by_a_registry_file_is_refused_at_once(gateway: Gateway) {
    private(&gateway);
    assert_eq!(with(&gateway, |r| r.private_token(fixtures::DEVELOPER)).0, 200);
    gateway.load("users: [{id: 3, username: developer, tokens: [{value: glpat-developer, revoked: true}]}]");
    assert_eq!(with(&gateway, |r| r.private_token(fixtures::DEVELOPER)).0, 401);
}

fn a_job_token_dies_with_its_job(gateway: Gateway) {
    private(&gateway);
    for token in ["glcbt-done", "glcbt-erased", "glcbt-nobody"] {
        assert_eq!(with(&gateway, |r| r.job_token(token)).0, 401, "{token}");
    }
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-own")).0, 200);
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: b, status: success, jobs: [{id: 20, name: a, status: success}]}]}]");
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-own")).0, 401);
}

fn a_job_token_of_another_project_needs_the_allowlist(gateway: Gateway) {
    private(&gateway);
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-friend")).0, 200, "its group is on the list");
    let refused = (403, r#"{"message":"403 Forbidden - Authentication by CI/CD job token not allowed from third to project."}"#.to_owned());
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-stranger")), refused);
    let dependency = gateway.get("/api/v4/jobs/10/artifacts").job_token("glcbt-stranger").send();
    assert_eq!((dependency.status, dependency.text()), (403, refused.1.as_str()));
    gateway.load("projects: [{id: 1, path: group/project, visibility: internal}]");
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-stranger")).0, 200);
    gateway.load("projects: [{id: 1, path: group/project, public_jobs: false}]");
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-stranger")).0, 403);
}

fn an_allowlist_entry_covers_its_group_in_any_case_and_no_namesake(gateway: Gateway) {
    private(&gateway);
    for (entries, status) in [
        ("[friends/nested/other]", 200),
        ("[FRIENDS/Nested]", 200),
        ("[Friends]", 200),
        ("[strangers, friends/nested]", 200),
        ("[]", 403),
        ("[friend]", 403),
        ("[friends/nest]", 403),
        ("[friends/nested/othe]", 403),
        ("[nested]", 403),
        ("[friends/nested/other/below]", 403),
        ("[other]", 403),
    ] {
        gateway.load(&format!("projects: [{{id: 1, path: group/project, job_token_allowlist: {entries}}}]"));
        assert_eq!(with(&gateway, |r| r.job_token("glcbt-friend")).0, status, "{entries}");
        let by_ref = gateway
            .get("/api/v4/projects/1/jobs/artifacts/main/raw/a.txt?job=build")
            .job_token("glcbt-friend");
        assert_eq!(by_ref.send().status, status, "{entries} by ref");
        let dependency = gateway.get("/api/v4/jobs/10/artifacts").job_token("glcbt-friend").send();
        assert_eq!(dependency.status, status, "{entries} for a dependent job");
        assert_eq!(
            with(&gateway, |r| r.job_token("glcbt-own")).0,
            200,
            "{entries}: its own jobs are always let in"
        );
    }
    gateway.load("projects: [{id: 1, path: Group/Project}]");
    assert_eq!(with(&gateway, |r| r.job_token("glcbt-own")).0, 200);
}

fn a_dependent_job_fetches_with_its_own_token_and_nothing_else_does(gateway: Gateway) {
    private(&gateway);
    let path = "/api/v4/jobs/10/artifacts";
    let ok = gateway.get(&format!("{path}?direct_download=true")).job_token("glcbt-own").send();
    assert_eq!(ok.status, 200);
    assert_eq!(gateway.get(&format!("{path}?token=glcbt-own")).send().status, 200);
    assert_eq!(gateway.get(path).send().error(), (401, r#"{"message":"401 Unauthorized"}"#));
    for token in ["wrong", "glcbt-done"] {
        assert_eq!(gateway.get(path).job_token(token).send().error().0, 401, "{token}");
    }
    let forbidden = (403, r#"{"message":"403 Forbidden"}"#);
    assert_eq!(gateway.get(path).private_token(fixtures::DEVELOPER).send().error(), forbidden);
    assert_eq!(gateway.get("/api/v4/jobs/99/artifacts").job_token("glcbt-own").send().error(), forbidden);
    assert_eq!(gateway.get(path).job_token("glcbt-outsider").send().error(), forbidden);
    let nothing = gateway.get("/api/v4/jobs/21/artifacts").job_token("glcbt-own").send();
    assert_eq!(nothing.error(), (404, r#"{"message":"404 Not Found"}"#));
}
