//! Artifacts of a job beside its archive: reports of every kind, and the job log.

use artigate::domain::artifact::ArtifactKind;

use crate::support::fixtures::{self, MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

const EMPTY: &str = "/api/v4/projects/1/jobs/12/trace";

/// Job 10 has a report of every kind; job 11 a log that is long expired, job 12 none, job 13 one for
/// maintainers, all in a private project; project 2 is public, without public jobs.
fn load(gateway: &Gateway) {
    gateway.write_file("report", b"report");
    gateway.write_file("log", "Grüße\n".as_bytes());
    let all: Vec<String> =
        ArtifactKind::ALL.iter().map(|kind| format!("{{type: {kind}, file: report}}")).collect();
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    members: {MEMBERS}
    keep_latest_artifact: false
    pipelines:
      - id: 100
        ref: main
        sha: a
        status: success
        user: developer
        jobs:
          - {{id: 10, name: a, status: success, artifacts: [{}]}}
          - {{id: 11, name: b, status: success, artifacts: [{{type: trace, file: log, filename: x.log, expire_at: 2026-01-01}}]}}
          - {{id: 12, name: c, status: running, token: {}}}
          - {{id: 13, name: d, status: success, artifacts: [{{type: trace, file: log, accessibility: maintainer}}]}}
  - id: 2
    path: group/shy
    visibility: public
    public_jobs: false
    pipelines: [{{id: 200, ref: main, sha: a, status: success, jobs: [{{id: 20, name: a, status: success}}]}}]
",
        all.join(", "),
        fixtures::RUNNING,
    ));
}

fn log_of(gateway: &Gateway, token: &str, job: &str) -> Answer {
    gateway.get(&format!("/api/v4/projects/{job}/trace")).private_token(token).send()
}

on_both_databases!(
    whatever_a_job_can_hand_over_can_be_fetched_by_its_kind,
    a_log_is_plain_text_and_one_that_nobody_stored_is_empty,
    a_log_is_for_users_who_may_read_the_job
);

fn whatever_a_job_can_hand_over_can_be_fetched_by_its_kind(gateway: Gateway) {
    load(&gateway);
    for kind in ArtifactKind::ALL {
        let answer = gateway
            .get(&format!("/api/v4/projects/1/jobs/10/artifacts?file_type={kind}"))
            .private_token(fixtures::REPORTER)
            .send();
        let is_the_servers_own = matches!(kind, ArtifactKind::Metadata | ArtifactKind::Trace);
        let expected = if is_the_servers_own { 400 } else { 200 };
        assert_eq!(answer.status, expected, "{kind}");
        if expected == 200 {
            assert_eq!(answer.text(), "report", "{kind}");
        }
    }
    let browser = gateway
        .get("/group/project/-/jobs/10/artifacts/download?file_type=terraform")
        .private_token(fixtures::REPORTER)
        .send();
    assert_eq!((browser.status, browser.text()), (200, "report"));
}

fn a_log_is_plain_text_and_one_that_nobody_stored_is_empty(gateway: Gateway) {
    load(&gateway);
    let log = log_of(&gateway, fixtures::REPORTER, "1/jobs/11");
    assert_eq!((log.status, log.text()), (200, "Grüße\n"), "logs never expire");
    assert_eq!(log.header("content-type"), Some("text/plain"));
    assert_eq!(log.header("content-disposition"), Some("attachment; filename=\"11.log\""));
    let part = gateway
        .get("/api/v4/projects/1/jobs/11/trace")
        .private_token(fixtures::GUEST)
        .header("Range", "bytes=-2")
        .send();
    assert_eq!((part.status, part.text()), (206, "e\n"));
    let head =
        gateway.head("/api/v4/projects/group%2Fproject/jobs/11/trace").private_token(fixtures::GUEST).send();
    assert_eq!((head.status, head.header("content-length")), (200, Some("8")));
    let empty = log_of(&gateway, fixtures::GUEST, "1/jobs/12");
    assert_eq!((empty.status, empty.text()), (200, ""));
    assert_eq!(
        (empty.header("content-type"), empty.header("content-length")),
        (Some("text/plain"), Some("0"))
    );
    assert_eq!(
        gateway.post("/api/v4/projects/1/jobs/11/erase").private_token(fixtures::ADMIN).send().status,
        201
    );
    let erased = log_of(&gateway, fixtures::REPORTER, "1/jobs/11");
    assert_eq!((erased.status, erased.text()), (200, ""));
}

fn a_log_is_for_users_who_may_read_the_job(gateway: Gateway) {
    load(&gateway);
    let unauthorized = (401, r#"{"message":"401 Unauthorized"}"#);
    assert_eq!(gateway.get(EMPTY).send().error(), unauthorized);
    assert_eq!(gateway.get(EMPTY).job_token(fixtures::RUNNING).send().error(), unauthorized, "as in GitLab");
    assert_eq!(
        log_of(&gateway, fixtures::OUTSIDER, "1/jobs/11").error(),
        (404, r#"{"message":"404 Project Not Found"}"#)
    );
    assert_eq!(
        log_of(&gateway, fixtures::OUTSIDER, "2/jobs/20").error(),
        (403, r#"{"message":"403 Forbidden"}"#)
    );
    for job in ["1/jobs/99", "1/jobs/20"] {
        assert_eq!(log_of(&gateway, fixtures::GUEST, job).status, 404, "{job}");
    }
    assert_eq!(log_of(&gateway, fixtures::GUEST, "1/jobs/x").status, 400);
    assert_eq!(
        log_of(&gateway, fixtures::DEVELOPER, "1/jobs/13").error(),
        (403, r#"{"message":"403 Forbidden"}"#)
    );
    assert_eq!(log_of(&gateway, fixtures::MAINTAINER, "1/jobs/13").text(), "Grüße\n");
}
