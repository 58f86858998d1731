//! An upstream that gives no answer: 503 where one is needed, and nothing else is harmed.

use super::{APP, BUILD, DEVELOPER, MAINTAINER, OPEN, REPORTER, World, in_front_on_both};
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gitlab::{Failure, StubGitLab};
use crate::support::zips;

in_front_on_both!(
    without_an_answer_there_is_503_and_nothing_is_remembered,
    what_is_registered_here_is_served_as_ever,
    what_is_remembered_is_served_until_it_has_run_out,
    a_limit_of_calls_is_passed_on_and_kept_to,
    what_it_does_not_answer_to_one_is_answered_to_others,
    a_project_that_moves_for_ever_is_asked_about_twice,
);

fn fail(world: &World, failure: impl Into<Option<Failure>>) {
    world.gitlab.state().failure = failure.into();
}

fn retry_after(world: &World, token: &str) -> (u16, Option<String>) {
    let answer = world.gateway.get(APP).private_token(token).send();
    (answer.status, answer.header("retry-after").map(str::to_owned))
}

fn without_an_answer_there_is_503_and_nothing_is_remembered(world: World) {
    let world = world.with_archive("public");
    let elsewhere = StubGitLab::start();
    let failures = [
        Failure::Status(500),
        Failure::Status(502),
        Failure::Status(401),
        Failure::Status(403),
        Failure::Status(404),
        Failure::Hangup,
        Failure::Flood,
        Failure::Redirect(format!("{}/api/v4/job", elsewhere.url)),
        Failure::Body("text/html", "<html>"),
        Failure::Body("application/json", "{\"message\""),
        Failure::Body("application/json", "{}"),
        Failure::Body("application/json", "[{\"id\": 1, \"project_id\": 70}]"),
        Failure::Body("application/json", "[{\"id\": 1, \"project_id\": \"7\"}]"),
        Failure::Body("application/json", "[7]"),
    ];
    for failure in failures {
        fail(&world, failure);
        assert_eq!(retry_after(&world, DEVELOPER), (503, Some("5".into())));
        fail(&world, Failure::Body("application/json", "{\"id\": 7001}"));
        assert_eq!(world.upload(7001, "glcbt-64_other", "", "x").status, 503);
        fail(&world, None);
        world.gateway.advance_clock(6);
        assert_eq!(world.status(APP, DEVELOPER), 200);
        world.forget();
    }
    assert!(elsewhere.calls().is_empty(), "no redirect is followed");
    // Five in a row, and it is left alone for five seconds.
    fail(&world, Failure::Hangup);
    for _ in 0..5 {
        assert_eq!(world.status(APP, DEVELOPER), 503);
    }
    fail(&world, None);
    world.gitlab.calls();
    assert_eq!(world.status(APP, DEVELOPER), 503);
    assert_eq!(world.gitlab.asked(), [""; 0]);
    world.gateway.advance_clock(5);
    assert_eq!(world.status(APP, DEVELOPER), 200);
}

fn what_is_registered_here_is_served_as_ever(world: World) {
    let archive = zips::deflated(&[("a.txt", b"local")]);
    let project = Fixture::project("local/project").members().visibility("private").public_jobs(false);
    let job = project.pipeline(100, "main").job(10, "build").archive(&archive);
    job.pipeline(200, "main")
        .status("running")
        .job(20, "build")
        .status("running")
        .user("developer")
        .token("glcbt-local")
        .load(&world.gateway);
    fail(&world, Failure::Status(500));
    for path in [
        "/api/v4/projects/1/jobs/10/artifacts",
        "/api/v4/projects/local%2Fproject/jobs/10/artifacts",
        "/api/v4/projects/1/jobs/artifacts/main/download?job=build",
    ] {
        assert_eq!(world.status(path, fixtures::REPORTER), 200, "{path}");
        assert_eq!(world.status(path, fixtures::OUTSIDER), 404, "{path}");
        assert_eq!(world.gateway.get(path).send().status, 404, "{path}");
        assert_eq!(world.gateway.get(path).job_token("glcbt-local").send().status, 200, "{path}");
    }
    assert_eq!(world.upload(20, "glcbt-local", "", "x").status, 201);
    assert_eq!(world.gateway.get("/-/readiness").send().status, 200);
    assert_eq!(world.gitlab.asked(), [""; 0], "nothing of it is the upstream's");
}

fn what_is_remembered_is_served_until_it_has_run_out(world: World) {
    let world = world.with_archive("private");
    assert_eq!((world.status(APP, MAINTAINER), world.status(APP, REPORTER)), (200, 403));
    fail(&world, Failure::Status(500));
    world.gateway.advance_clock(29);
    assert_eq!((world.status(APP, MAINTAINER), world.status(APP, REPORTER)), (200, 403));
    world.gateway.advance_clock(1);
    assert_eq!((world.status(APP, MAINTAINER), world.status(APP, REPORTER)), (503, 503));
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 503, "a runner tries again");
}

fn what_it_does_not_answer_to_one_is_answered_to_others(world: World) {
    let world = world.with_archive("public");
    for failure in [Failure::Status(414), Failure::Flood, Failure::Limited(17)] {
        fail(&world, failure);
        for _ in 0..6 {
            assert_eq!(world.status(APP, "glpat-others"), 503);
        }
        fail(&world, None);
        assert_eq!(world.status(APP, DEVELOPER), 200);
        world.forget();
    }
}

fn a_limit_of_calls_is_passed_on_and_kept_to(world: World) {
    let world = world.with_archive("public");
    fail(&world, Failure::Limited(17));
    assert_eq!(retry_after(&world, DEVELOPER), (503, Some("17".into())));
    fail(&world, None);
    world.gitlab.calls();
    world.gateway.advance_clock(10);
    assert_eq!(retry_after(&world, DEVELOPER), (503, Some("7".into())));
    assert_eq!(world.gitlab.asked(), [""; 0]);
    world.gateway.advance_clock(7);
    assert_eq!(world.status(APP, DEVELOPER), 200);
}

fn a_project_that_moves_for_ever_is_asked_about_twice(world: World) {
    assert_eq!(world.upload(8001, OPEN, "", "x").status, 201, "the job is known");
    let number = format!("{}/api/v4/projects/7", world.gitlab.url);
    let path = "/api/v4/projects/group%2Fapp/jobs/7001/artifacts";
    let asked = |to: &str| {
        fail(&world, Failure::Moved(to.to_owned()));
        world.gitlab.calls();
        let user = world.status(path, DEVELOPER);
        let job = world.gateway.get(path).job_token(OPEN).send().status;
        (user, job, world.gitlab.asked())
    };
    let twice = |list: &str| {
        [format!("/projects/group%2Fapp/{list}?per_page=1"), format!("/projects/7/{list}?per_page=1")]
    };
    let (user, job, calls) = asked(&number);
    assert_eq!((user, job, calls), (503, 503, [twice("pipelines"), twice("jobs")].concat()));
    // Only to a number of the same GitLab.
    let elsewhere = StubGitLab::start();
    for to in
        [format!("{}/api/v4/projects/7", elsewhere.url), "/api/v4/projects/7".into(), format!("{number}x")]
    {
        let (user, job, calls) = asked(&to);
        assert_eq!((user, job, calls.len()), (503, 503, 2), "{to}");
        fail(&world, None);
        world.gateway.advance_clock(6);
        assert_eq!(world.upload(8001, OPEN, "", "x").status, 201);
    }
    assert!(elsewhere.calls().is_empty());
}
