//! The permission table over HTTP: every cell is compared with `domain::permissions`.

use artigate::domain::artifact::Accessibility;
use artigate::domain::permissions::{Action, Decision, Grant, Project, TokenReach, authorize};
use artigate::domain::project::Visibility;
use artigate::domain::role::Role;

use crate::support::fixtures::{self, MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::zips;

fn user(admin: bool, role: Option<Role>) -> Grant {
    Grant::User { admin, role, reach: TokenReach::Unrestricted }
}

on_both_databases!(
    every_cell_of_the_permission_table_is_answered_as_it_says,
    a_dependent_job_gets_what_people_may_not,
    a_dependency_is_fetched_whatever_its_accessibility_by_jobs_that_are_let_in_and_by_no_others
);

fn every_cell_of_the_permission_table_is_answered_as_it_says(gateway: Gateway) {
    gateway.write_file("archive.zip", &zips::deflated(&[("a.txt", b"hello")]));
    let mut projects = Vec::new();
    let mut document = format!("{USERS}\nprojects:\n");
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let id = projects.len() as i64 + 1;
            projects.push((id, Project { visibility: *visibility, public_jobs }));
            document.push_str(&format!(
                "
  - id: {id}
    path: group/p{id}
    visibility: {visibility}
    public_jobs: {public_jobs}
    members: {MEMBERS}
    pipelines:
      - id: {id}
        ref: main
        sha: a
        status: success
        jobs:
"
            ));
            for (number, accessibility) in Accessibility::ALL.iter().enumerate() {
                let job = id * 10 + number as i64;
                document.push_str(&format!("          - {{id: {job}, name: {accessibility}, status: success, artifacts: [{{file: archive.zip, accessibility: {accessibility}}}]}}\n"));
            }
        }
    }
    gateway.load(&document);
    let callers = [
        (None, Grant::Anonymous),
        (Some(fixtures::OUTSIDER), user(false, None)),
        (Some(fixtures::GUEST), user(false, Some(Role::Guest))),
        (Some(fixtures::REPORTER), user(false, Some(Role::Reporter))),
        (Some(fixtures::DEVELOPER), user(false, Some(Role::Developer))),
        (Some(fixtures::MAINTAINER), user(false, Some(Role::Maintainer))),
        (Some(fixtures::ADMIN), user(true, None)),
    ];
    for (id, project) in projects {
        for (number, accessibility) in Accessibility::ALL.iter().enumerate() {
            let job = id * 10 + number as i64;
            for (token, caller) in callers {
                let expected = match authorize(caller, Action::ReadArtifact(*accessibility), project) {
                    Decision::Allow => 200,
                    Decision::Forbid | Decision::JobTokenNotAllowed => 403,
                    Decision::Hide => 404,
                };
                for path in [
                    format!("jobs/{job}/artifacts"),
                    format!("jobs/{job}/artifacts/a.txt"),
                    format!("jobs/artifacts/main/download?job={accessibility}"),
                    format!("jobs/artifacts/main/raw/a.txt?job={accessibility}"),
                ] {
                    let mut request = gateway.get(&format!("/api/v4/projects/{id}/{path}"));
                    if let Some(token) = token {
                        request = request.private_token(token);
                    }
                    let answer = request.send();
                    assert_eq!(answer.status, expected, "{project:?} {accessibility} {token:?} {path}");
                    match answer.status {
                        403 => assert_eq!(answer.text(), r#"{"message":"403 Forbidden"}"#),
                        404 => assert_eq!(answer.text(), r#"{"message":"404 Project Not Found"}"#),
                        _ => {}
                    }
                }
            }
        }
    }
}

fn a_dependent_job_gets_what_people_may_not(gateway: Gateway) {
    gateway.write_file("archive.zip", b"bytes");
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    members: {{reporter: reporter, guest: guest}}
    public_jobs: false
    pipelines:
      - {{id: 1, ref: main, sha: a, status: running, jobs: [
          {{id: 10, name: a, status: success, artifacts: [{{file: archive.zip, accessibility: none}}]}},
          {{id: 20, name: b, status: running, user: reporter, token: glcbt-reporter}},
          {{id: 21, name: c, status: running, user: guest, token: glcbt-guest}}]}}
"
    ));
    assert_eq!(gateway.get(fixtures::ARCHIVE).private_token(fixtures::ADMIN).send().status, 403);
    assert_eq!(gateway.get("/api/v4/jobs/10/artifacts").job_token("glcbt-reporter").send().status, 200);
    let guest = gateway.get("/api/v4/jobs/10/artifacts").job_token("glcbt-guest").send();
    assert_eq!(guest.error(), (403, r#"{"message":"403 Forbidden"}"#));
}

fn a_dependency_is_fetched_whatever_its_accessibility_by_jobs_that_are_let_in_and_by_no_others(
    gateway: Gateway,
) {
    gateway.write_file("archive.zip", b"bytes");
    let users = [
        ("outsider", user(false, None)),
        ("guest", user(false, Some(Role::Guest))),
        ("reporter", user(false, Some(Role::Reporter))),
        ("developer", user(false, Some(Role::Developer))),
        ("maintainer", user(false, Some(Role::Maintainer))),
        ("admin", user(true, None)),
    ];
    let running = |from: &str, first: i64| {
        let job = |(number, (name, _)): (usize, &(&str, Grant))| {
            format!(
                "{{id: {}, name: {name}, status: running, user: {name}, token: {from}-{name}}}",
                first + number as i64
            )
        };
        users.iter().enumerate().map(job).collect::<Vec<_>>().join(", ")
    };
    let mut document = format!("{USERS}
projects:
  - {{id: 80, path: friends/project, pipelines: [{{id: 80, ref: main, sha: a, status: running, jobs: [{}]}}]}}
  - {{id: 90, path: strangers/project, pipelines: [{{id: 90, ref: main, sha: a, status: running, jobs: [{}]}}]}}
", running("friend", 8000), running("stranger", 9000));
    let mut projects = Vec::new();
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let id = projects.len() as i64 + 1;
            projects.push((id, Project { visibility: *visibility, public_jobs }));
            let stored = Accessibility::ALL.iter().enumerate().map(|(number, accessibility)| {
                format!("{{id: {}, name: a, status: success, artifacts: [{{file: archive.zip, accessibility: {accessibility}}}]}}", id * 10 + number as i64)
            });
            let stored = stored.collect::<Vec<_>>().join(", ");
            document.push_str(&format!("
  - {{id: {id}, path: group/p{id}, visibility: {visibility}, public_jobs: {public_jobs}, members: {MEMBERS}, job_token_allowlist: [friends],
      pipelines: [{{id: {id}, ref: main, sha: a, status: running, jobs: [{stored}, {}]}}]}}
", running(&format!("own{id}"), id * 100)));
        }
    }
    gateway.load(&document);
    for (id, project) in projects {
        for (number, accessibility) in Accessibility::ALL.iter().enumerate() {
            for (name, caller) in users {
                let Grant::User { admin, role, .. } = caller else { continue };
                for (token, reach) in [
                    (format!("own{id}-{name}"), TokenReach::AllowedJob),
                    (format!("friend-{name}"), TokenReach::AllowedJob),
                    (format!("stranger-{name}"), TokenReach::ForeignJob),
                ] {
                    let verdict = authorize(
                        Grant::User { admin, role, reach },
                        Action::FetchDependency(*accessibility),
                        project,
                    );
                    let expected = if verdict == Decision::Allow { 200 } else { 403 };
                    let path = format!("/api/v4/jobs/{}/artifacts", id * 10 + number as i64);
                    let answer = gateway.get(&path).job_token(&token).send();
                    assert_eq!(answer.status, expected, "{token} {project:?} {accessibility}");
                }
            }
        }
    }
}
