//! Keep, delete and erase: permissions, answers, and the state afterwards.

use serde_json::{Value, json};

use crate::support::fixtures::{self, ARCHIVE, MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};
use crate::support::zips;

/// A private project: job 10 has an archive that expires, a report and a log; job 11 is in the newest
/// successful pipeline.
fn private(gateway: &Gateway) {
    gateway.write_file("archive.zip", &zips::deflated(&[("a.txt", b"hello")]));
    gateway.write_file("report.gz", b"report");
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    members: {MEMBERS}
    pipelines:
      - id: 100
        iid: 7
        ref: main
        sha: 0ff3ae198f8601a285adcf5c0fff204ee6fba5fd
        status: success
        user: developer
        created_at: 2026-01-11T10:13:33.506Z
        commit: {{title: Test, message: Test commit, author_name: Alice, author_email: alice@example.com, created_at: 2026-01-11T10:00:00Z}}
        jobs:
          - id: 10
            name: rspec
            status: failed
            allow_failure: true
            failure_reason: script_failure
            coverage: 98.3
            created_at: 2026-01-11T10:13:33.506Z
            started_at: 2026-01-11T10:13:35.000Z
            finished_at: 2026-01-11T10:15:10.506Z
            artifacts:
              - {{file: archive.zip, expire_in: 1 week}}
              - {{type: junit, file: report.gz, expire_in: 1 day}}
              - {{type: trace, file: report.gz}}
      - {{id: 101, ref: main, sha: b, status: success, jobs: [{{id: 11, name: a, status: success, artifacts: [{{file: archive.zip, expire_in: 1 hour}}]}}, {{id: 12, name: b, status: success}}, {{id: 13, name: c, status: running, token: running, user: developer, artifacts: [{{file: archive.zip}}]}}]}}
"
    ));
}

const JOB: &str = "/api/v4/projects/1/jobs/10";

fn keep(gateway: &Gateway, token: &str) -> Answer {
    gateway.post(&format!("{JOB}/artifacts/keep")).private_token(token).body(b"{}".to_vec()).send()
}

fn delete(gateway: &Gateway, path: &str) -> Request {
    Request::new(gateway.address, "DELETE", path)
}

on_both_databases!(
    keep_answers_the_whole_job_and_takes_all_expiries_away,
    keep_works_on_what_is_available_and_nothing_else,
    changes_need_a_user_with_the_right_role_and_scope,
    deleting_takes_everything_but_the_log_and_can_be_repeated,
    erasing_takes_the_log_too_and_only_once,
    addresses_carry_the_host_that_the_client_used
);

fn keep_answers_the_whole_job_and_takes_all_expiries_away(gateway: Gateway) {
    private(&gateway);
    let answer = keep(&gateway, fixtures::DEVELOPER);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let base = gateway.base_url();
    let job: Value = serde_json::from_slice(&answer.body).unwrap();
    let user_created = job["user"]["created_at"].clone();
    let updated = job["pipeline"]["updated_at"].clone();
    assert_eq!(
        job,
        json!({
            "id": 10, "status": "failed", "stage": "test", "name": "rspec", "ref": "main", "tag": false,
            "coverage": 98.3, "allow_failure": true,
            "created_at": "2026-01-11T10:13:33.506Z", "started_at": "2026-01-11T10:13:35.000Z",
            "finished_at": "2026-01-11T10:15:10.506Z", "erased_at": null,
            "duration": 95.506, "queued_duration": 1.494, "failure_reason": "script_failure",
            "user": {"id": 3, "username": "developer", "name": "developer", "state": "active", "locked": false, "avatar_url": null,
                "web_url": format!("{base}/developer"), "created_at": user_created, "bio": "", "location": "", "public_email": null},
            "commit": {"id": "0ff3ae198f8601a285adcf5c0fff204ee6fba5fd", "short_id": "0ff3ae19", "created_at": "2026-01-11T10:00:00.000Z",
                "parent_ids": [], "title": "Test", "message": "Test commit", "author_name": "Alice", "author_email": "alice@example.com",
                "authored_date": "2026-01-11T10:00:00.000Z", "committer_name": "Alice", "committer_email": "alice@example.com",
                "committed_date": "2026-01-11T10:00:00.000Z",
                "web_url": format!("{base}/group/project/-/commit/0ff3ae198f8601a285adcf5c0fff204ee6fba5fd")},
            "pipeline": {"id": 100, "iid": 7, "project_id": 1, "sha": "0ff3ae198f8601a285adcf5c0fff204ee6fba5fd", "ref": "main",
                "status": "success", "source": "push", "created_at": "2026-01-11T10:13:33.506Z", "updated_at": updated,
                "web_url": format!("{base}/group/project/-/pipelines/100")},
            "web_url": format!("{base}/group/project/-/jobs/10"),
            "project": {"ci_job_token_scope_enabled": false},
            "artifacts_file": {"filename": "artifacts.zip", "size": std::fs::metadata(gateway.path().join("archive.zip")).unwrap().len()},
            "artifacts": [
                {"file_type": "archive", "size": std::fs::metadata(gateway.path().join("archive.zip")).unwrap().len(), "filename": "artifacts.zip", "file_format": "zip"},
                {"file_type": "junit", "size": 6, "filename": "junit.xml", "file_format": "gzip"},
                {"file_type": "trace", "size": 6, "filename": "job.log", "file_format": "raw"},
            ],
            "runner": null, "runner_manager": null, "artifacts_expire_at": null, "archived": false, "tag_list": [],
        })
    );
    gateway.advance_clock(30 * 86_400);
    let get =
        |path: &str| gateway.get(&format!("{JOB}/{path}")).private_token(fixtures::DEVELOPER).send().status;
    assert_eq!((get("artifacts"), get("artifacts?file_type=junit")), (200, 200));
    assert_eq!(keep(&gateway, fixtures::DEVELOPER).status, 200, "keeping again is fine");
}

fn keep_works_on_what_is_available_and_nothing_else(gateway: Gateway) {
    private(&gateway);
    gateway.advance_clock(8 * 86_400);
    assert_eq!(
        keep(&gateway, fixtures::DEVELOPER).error(),
        (404, r#"{"message":"404 Not Found"}"#),
        "expired"
    );
    let keep = |job: i64| {
        gateway
            .post(&format!("/api/v4/projects/1/jobs/{job}/artifacts/keep"))
            .private_token(fixtures::DEVELOPER)
            .send()
    };
    assert_eq!(keep(12).error(), (404, r#"{"message":"404 Not Found"}"#), "nothing to keep");
    assert_eq!(keep(99).error(), (404, r#"{"message":"404 Not found"}"#));
    let locked = keep(11);
    assert_eq!(locked.status, 200, "expired, and locked");
    let job: Value = serde_json::from_slice(&locked.body).unwrap();
    assert_eq!(job["artifacts_expire_at"], Value::Null);
    assert_eq!(job["artifacts_file"]["filename"], "artifacts.zip");
    assert!(job.get("failure_reason").is_none());
}

fn changes_need_a_user_with_the_right_role_and_scope(gateway: Gateway) {
    private(&gateway);
    gateway.load("users: [{id: 2, username: maintainer, tokens: [{value: narrow, scopes: [read_api]}]}]");
    let paths: [(&str, String, u16); 4] = [
        ("POST", format!("{JOB}/artifacts/keep"), 200),
        ("DELETE", format!("{JOB}/artifacts"), 204),
        ("DELETE", "/api/v4/projects/1/artifacts".into(), 202),
        ("POST", format!("{JOB}/erase"), 403),
    ];
    for (method, path, allowed) in &paths {
        let ask = |request_context: &dyn Fn(Request) -> Request| {
            request_context(Request::new(gateway.address, method, path)).send()
        };
        let unauthorized = (401, r#"{"message":"401 Unauthorized"}"#);
        assert_eq!(ask(&|r| r).error(), unauthorized, "{path}");
        assert_eq!(
            ask(&|r| r.job_token("running")).error(),
            unauthorized,
            "{path}: a job's token is no credential here"
        );
        assert_eq!(ask(&|r| r.header("Authorization", "Bearer running")).error(), unauthorized, "{path}");
        assert_eq!(ask(&|r| r.private_token("wrong")).error(), unauthorized, "{path}");
        let narrow = ask(&|r| r.private_token("narrow"));
        assert!(
            narrow.status == 403 && narrow.text().ends_with(r#""scope":"api"}"#),
            "{path}: read_api does not write"
        );
        assert_eq!(
            ask(&|r| r.private_token(fixtures::OUTSIDER)).error(),
            (404, r#"{"message":"404 Project Not Found"}"#),
            "{path}"
        );
        assert_eq!(ask(&|r| r.private_token(fixtures::GUEST)).status, 403, "{path}");
        let forbidden = (403, r#"{"message":"403 Forbidden"}"#);
        if !path.ends_with("keep") && !path.ends_with("erase") {
            assert_eq!(ask(&|r| r.private_token(fixtures::DEVELOPER)).error(), forbidden, "{path}");
        }
        if !path.ends_with("erase") {
            assert_eq!(ask(&|r| r.private_token(fixtures::MAINTAINER)).status, *allowed, "{path}");
        }
    }
    let missing = delete(&gateway, "/api/v4/projects/1/jobs/99/artifacts");
    assert_eq!(
        missing.private_token(fixtures::MAINTAINER).send().error(),
        (404, r#"{"message":"404 Not found"}"#)
    );
    let before_the_job = delete(&gateway, "/api/v4/projects/1/jobs/99/artifacts");
    assert_eq!(
        before_the_job.private_token(fixtures::DEVELOPER).send().status,
        403,
        "the right is asked before the job"
    );
}

fn deleting_takes_everything_but_the_log_and_can_be_repeated(gateway: Gateway) {
    private(&gateway);
    for _ in 0..2 {
        let answer = delete(&gateway, &format!("{JOB}/artifacts")).private_token(fixtures::MAINTAINER).send();
        assert_eq!((answer.status, answer.body.len()), (204, 0));
    }
    let get = |path: &str| gateway.get(&format!("{JOB}/{path}")).private_token(fixtures::ADMIN).send().status;
    assert_eq!((get("artifacts"), get("artifacts?file_type=junit"), get("artifacts/a.txt")), (404, 404, 404));
    let kinds = gateway.catalog(|db| artigate::catalog::artifacts::of_job(db, 10));
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].kind.as_str(), "trace");
    assert_eq!(
        gateway.get(ARCHIVE.replace("10", "11").as_str()).private_token(fixtures::ADMIN).send().status,
        200
    );
}

fn erasing_takes_the_log_too_and_only_once(gateway: Gateway) {
    private(&gateway);
    let erase = |job: i64, token: &str| {
        gateway.post(&format!("/api/v4/projects/1/jobs/{job}/erase")).private_token(token).send()
    };
    gateway.load("users: [{id: 4, username: reporter, tokens: [{value: reporters, scopes: [api]}]}]");
    assert_eq!(erase(10, "reporters").error(), (403, r#"{"message":"403 Forbidden"}"#));
    assert_eq!(erase(11, fixtures::DEVELOPER).status, 403, "another's job");
    assert_eq!(
        erase(13, fixtures::MAINTAINER).error(),
        (403, r#"{"message":"403 Forbidden - Job is not erasable!"}"#),
        "it runs"
    );
    assert_eq!(
        erase(12, fixtures::MAINTAINER).error(),
        (403, r#"{"message":"403 Forbidden - Job is not erasable!"}"#),
        "it has nothing"
    );
    let erased = erase(10, fixtures::DEVELOPER);
    assert_eq!(erased.status, 201, "the developer's own job");
    let job: Value = serde_json::from_slice(&erased.body).unwrap();
    assert_eq!((&job["erased_at"], &job["artifacts"]), (&json!("2026-02-01T12:00:00.000Z"), &json!([])));
    assert!(job.get("artifacts_file").is_none());
    assert_eq!(erase(10, fixtures::MAINTAINER).status, 403);
    assert_eq!(gateway.get(ARCHIVE).private_token(fixtures::ADMIN).send().status, 404);
    assert!(gateway.catalog(|db| artigate::catalog::artifacts::of_job(db, 10)).is_empty());
}

fn addresses_carry_the_host_that_the_client_used(gateway: Gateway) {
    private(&gateway);
    let request = gateway.post(&format!("{JOB}/artifacts/keep")).private_token(fixtures::DEVELOPER);
    let answer =
        request.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "ci.example.com").send();
    let job: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(job["web_url"], format!("{}/group/project/-/jobs/10", gateway.base_url()));
}
