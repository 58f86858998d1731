//! The permission table over HTTP: every cell is compared with `domain::permissions`.

use artigate::domain::artifact::Accessibility;
use artigate::domain::permissions::{Action, Decision, Grant, Project, TokenReach, authorize};
use artigate::domain::project::Visibility;
use artigate::domain::role::Role;

use crate::support::fixture::Fixture;
use crate::support::fixtures;
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
    let zip = zips::deflated(&[("a.txt", b"hello")]);
    let mut projects = Vec::new();
    let mut made = Fixture::users();
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let id = projects.len() as i64 + 1;
            projects.push((id, Project { visibility: *visibility, public_jobs }));
            made = made.and_project(&format!("group/p{id}")).visibility(visibility).public_jobs(public_jobs);
            made = made.members().pipeline(id, "main");
            for (job, accessibility) in (id * 10..).zip(Accessibility::ALL) {
                made = made.job(job, &accessibility.to_string()).archive(&zip).accessibility(accessibility);
            }
        }
    }
    made.load(&gateway);
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
    let made = Fixture::project("group/project").public_jobs(false);
    let made = made.member("reporter", "reporter").member("guest", "guest");
    let made = made.pipeline(1, "main").status("running");
    let made = made.job(10, "a").archive(b"bytes").accessibility("none");
    let made = made.job(20, "b").status("running").user("reporter").token("glcbt-reporter");
    made.job(21, "c").status("running").user("guest").token("glcbt-guest").load(&gateway);
    assert_eq!(gateway.get(fixtures::ARCHIVE).private_token(fixtures::ADMIN).send().status, 403);
    assert_eq!(gateway.get("/api/v4/jobs/10/artifacts").job_token("glcbt-reporter").send().status, 200);
    let guest = gateway.get("/api/v4/jobs/10/artifacts").job_token("glcbt-guest").send();
    assert_eq!(guest.error(), (403, r#"{"message":"403 Forbidden"}"#));
}

fn a_dependency_is_fetched_whatever_its_accessibility_by_jobs_that_are_let_in_and_by_no_others(
    gateway: Gateway,
) {
    let users = [
        ("outsider", user(false, None)),
        ("guest", user(false, Some(Role::Guest))),
        ("reporter", user(false, Some(Role::Reporter))),
        ("developer", user(false, Some(Role::Developer))),
        ("maintainer", user(false, Some(Role::Maintainer))),
        ("admin", user(true, None)),
    ];
    let with_running = |made: Fixture, from: &str, first: i64| {
        users.iter().zip(first..).fold(made, |made, ((name, _), id)| {
            made.job(id, name).status("running").user(name).token(&format!("{from}-{name}"))
        })
    };
    let mut projects = Vec::new();
    let mut made = Fixture::users();
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let id = projects.len() as i64 + 1;
            projects.push((id, Project { visibility: *visibility, public_jobs }));
            made = made.and_project(&format!("group/p{id}")).visibility(visibility).public_jobs(public_jobs);
            made = made.members().allows("friends").pipeline(id, "main").status("running");
            for (job, accessibility) in (id * 10..).zip(Accessibility::ALL) {
                made = made.job(job, "a").archive(b"bytes").accessibility(accessibility);
            }
            made = with_running(made, &format!("own{id}"), id * 100);
        }
    }
    let made = made.and_project("friends/project").pipeline(80, "main").status("running");
    let made = with_running(made, "friend", 8000).and_project("strangers/project");
    let made = made.pipeline(90, "main").status("running");
    with_running(made, "stranger", 9000).load(&gateway);
    for (id, project) in projects {
        for (number, accessibility) in Accessibility::ALL.iter().enumerate() {
            for (name, caller) in users {
                let Grant::User { admin, role, .. } = caller else { continue };
                for (token, reach) in [
                    (format!("own{id}-{name}"), TokenReach::AllowedJob),
                    (format!("friend-{name}"), TokenReach::AllowedJob),
                    (format!("stranger-{name}"), TokenReach::ForeignJob),
                ] {
                    let decision = authorize(
                        Grant::User { admin, role, reach },
                        Action::FetchDependency(*accessibility),
                        project,
                    );
                    let expected = if decision == Decision::Allow { 200 } else { 403 };
                    let path = format!("/api/v4/jobs/{}/artifacts", id * 10 + number as i64);
                    let answer = gateway.get(&path).job_token(&token).send();
                    assert_eq!(answer.status, expected, "{token} {project:?} {accessibility}");
                }
            }
        }
    }
}
