//! What is stored of a job beside its archive: reports of every kind, and its log.

use artigate::domain::artifact::ArtifactKind;

use crate::support::gateway::Gateway;
use crate::support::wire::Answer;
use crate::support::world::{self, MEMBERS, USERS};

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
        world::RUNNING,
    ));
}

fn log_of(gateway: &Gateway, token: &str, job: &str) -> Answer {
    gateway.get(&format!("/api/v4/projects/{job}/trace")).private_token(token).send()
}

on_both_databases! {
    fn whatever_a_job_can_hand_over_can_be_fetched_by_its_kind(gateway) {
        load(&gateway);
        for kind in ArtifactKind::ALL {
            let answer = gateway.get(&format!("/api/v4/projects/1/jobs/10/artifacts?file_type={kind}")).private_token(world::REPORTER).send();
            let expected = if kind.is_uploadable() { 200 } else { 400 };
            assert_eq!(answer.status, expected, "{kind}");
            if expected == 200 {
                assert_eq!(answer.text(), "report", "{kind}");
            }
        }
        let browser = gateway.get("/group/project/-/jobs/10/artifacts/download?file_type=terraform").private_token(world::REPORTER).send();
        assert_eq!((browser.status, browser.text()), (200, "report"));
    }

    fn a_log_is_plain_text_and_one_that_nobody_stored_is_empty(gateway) {
        load(&gateway);
        let log = log_of(&gateway, world::REPORTER, "1/jobs/11");
        assert_eq!((log.status, log.text()), (200, "Grüße\n"), "logs never expire");
        assert_eq!(log.header("content-type"), Some("text/plain"));
        assert_eq!(log.header("content-disposition"), Some("attachment; filename=\"11.log\""));
        let part = gateway.get("/api/v4/projects/1/jobs/11/trace").private_token(world::GUEST).header("Range", "bytes=-2").send();
        assert_eq!((part.status, part.text()), (206, "e\n"));
        let head = gateway.head("/api/v4/projects/group%2Fproject/jobs/11/trace").private_token(world::GUEST).send();
        assert_eq!((head.status, head.header("content-length")), (200, Some("8")));
        let empty = log_of(&gateway, world::GUEST, "1/jobs/12");
        assert_eq!((empty.status, empty.text()), (200, ""));
        assert_eq!((empty.header("content-type"), empty.header("content-length")), (Some("text/plain"), Some("0")));
        assert_eq!(gateway.post("/api/v4/projects/1/jobs/11/erase").private_token(world::ADMIN).send().status, 201);
        let erased = log_of(&gateway, world::REPORTER, "1/jobs/11");
        assert_eq!((erased.status, erased.text()), (200, ""));
    }

    fn a_log_is_for_users_who_may_read_the_job(gateway) {
        load(&gateway);
        let unauthorized = (401, r#"{"message":"401 Unauthorized"}"#);
        assert_eq!(gateway.get(EMPTY).send().says(), unauthorized);
        assert_eq!(gateway.get(EMPTY).job_token(world::RUNNING).send().says(), unauthorized, "as in GitLab");
        assert_eq!(log_of(&gateway, world::OUTSIDER, "1/jobs/11").says(), (404, r#"{"message":"404 Project Not Found"}"#));
        assert_eq!(log_of(&gateway, world::OUTSIDER, "2/jobs/20").says(), (403, r#"{"message":"403 Forbidden"}"#));
        for job in ["1/jobs/99", "1/jobs/20"] {
            assert_eq!(log_of(&gateway, world::GUEST, job).status, 404, "{job}");
        }
        assert_eq!(log_of(&gateway, world::GUEST, "1/jobs/x").status, 400);
        assert_eq!(log_of(&gateway, world::DEVELOPER, "1/jobs/13").says(), (403, r#"{"message":"403 Forbidden"}"#));
        assert_eq!(log_of(&gateway, world::MAINTAINER, "1/jobs/13").text(), "Grüße\n");
    }
}
