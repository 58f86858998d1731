//! Jobs whose tokens only the upstream knows: what they upload, and what they fetch.

use super::{APP, BUILD, DEVELOPER, OPEN, TEST, World, in_front_on_both};

in_front_on_both!(
    what_a_job_that_nobody_registered_uploads_is_read_by_whom_the_upstream_lets,
    a_token_uploads_to_its_own_job_and_only_while_it_runs,
    what_is_told_of_a_job_is_here_then,
    a_job_fetches_from_its_own_project_and_reads_as_its_user,
    a_job_of_another_project_is_let_in_by_that_project,
    what_needs_a_role_is_closed_to_jobs_of_other_projects,
    a_server_that_lists_no_jobs_for_jobs_serves_those_of_the_own_project,
);

fn what_a_job_that_nobody_registered_uploads_is_read_by_whom_the_upstream_lets(world: World) {
    let answer = world.upload(7001, BUILD, "", "text");
    assert_eq!(answer.error(), (201, "201"));
    assert_eq!(world.gitlab.asked(), ["/job"], "one question for a token that nobody knows");
    let file = world.gateway.get(&format!("{APP}/a.txt")).private_token(DEVELOPER).send();
    assert_eq!((file.status, file.text()), (200, "text"));
    assert_eq!(world.gitlab.asked(), ["/projects/7/pipelines?per_page=1"]);
    // Warm, nothing is asked.
    assert_eq!(world.gateway.get(APP).private_token(DEVELOPER).send().status, 200);
    assert_eq!(world.upload(7001, BUILD, "", "text").status, 201);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

/// Where a runner fetches what job 7001 handed over.
const DEPENDENCY: &str = "/api/v4/jobs/7001/artifacts";

fn read(world: &World, path: &str, token: &str) -> u16 {
    world.gateway.get(path).job_token(token).send().status
}

fn a_token_uploads_to_its_own_job_and_only_while_it_runs(world: World) {
    assert_eq!(world.upload(7002, BUILD, "", "x").error().0, 403);
    assert_eq!(
        world.upload(7001, "glcbt-64_nobodys", "", "x").error(),
        (403, "{\"message\":\"403 Forbidden\"}")
    );
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 201);
    assert_eq!(world.gitlab.asked(), ["/job", "/job"], "one question a token");
    assert_eq!(world.upload(7001, "glcbt-64_nobodys", "", "x").status, 403);
    assert_eq!(world.gitlab.asked(), [""; 0], "a refusal is remembered, too");
    // A user's token, an ID token and what cannot be a token are no questions.
    for (token, status) in [("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", 401), ("glcbt-64_\u{e9}", 403)] {
        assert_eq!(world.upload(7001, token, "", "x").status, status, "{token}");
    }
    assert_eq!(world.gitlab.asked(), [""; 0]);
    world.gitlab.state().jobs.get_mut(&7001).unwrap().status = "success";
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 201, "it is remembered for half a minute");
    world.gateway.advance_clock(30);
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 403);
}

fn what_is_told_of_a_job_is_here_then(world: World) {
    world.gitlab.state().projects.get_mut(&7).unwrap().path = "Group/App".into();
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 201);
    let job = world.gateway.get("/api/v4/projects/7/jobs/7001").private_token(DEVELOPER).send();
    let job: serde_json::Value = serde_json::from_slice(&job.body).unwrap();
    assert_eq!(
        (&job["name"], &job["status"], &job["ref"]),
        (&"build".into(), &"running".into(), &"main".into())
    );
    assert_eq!(job["user"]["username"], "up-developer");
    assert_eq!((&job["pipeline"]["id"], &job["pipeline"]["iid"]), (&701.into(), &1.into()));
    assert!(job["web_url"].as_str().unwrap().ends_with("/Group/App/-/jobs/7001"), "{job}");
    let users = world.gateway.catalog(artigate::catalog::users::all);
    assert_eq!(users.iter().map(|user| (user.id, user.admin)).collect::<Vec<_>>(), [(30, false)]);
}

fn a_job_fetches_from_its_own_project_and_reads_as_its_user(world: World) {
    let world = world.with_archive("private");
    assert_eq!(read(&world, DEPENDENCY, TEST), 200);
    assert_eq!(world.gitlab.asked(), ["/job", "/job/allowed_agents"]);
    assert_eq!(read(&world, APP, TEST), 200, "its user is a developer");
    assert_eq!(world.gitlab.asked(), [""; 0]);
    let level = |level: i64| {
        world.gitlab.state().projects.get_mut(&7).unwrap().members.insert(30, level.into());
        world.forget();
    };
    level(20);
    assert_eq!((read(&world, DEPENDENCY, TEST), read(&world, APP, TEST)), (200, 403));
    level(10);
    assert_eq!((read(&world, DEPENDENCY, TEST), read(&world, APP, TEST)), (403, 403), "he reads no jobs");
    world.gitlab.state().projects.get_mut(&7).unwrap().members.remove(&30);
    world.forget();
    // A runner is told 403 for whatever it may not know.
    assert_eq!((read(&world, DEPENDENCY, TEST), read(&world, APP, TEST)), (403, 404));
    assert_eq!(read(&world, APP, "glcbt-64_nobodys"), 401);
}

fn a_job_of_another_project_is_let_in_by_that_project(world: World) {
    let world = world.with_archive("public");
    let answer = world.gateway.get(APP).job_token(OPEN).send();
    let why =
        "{\"message\":\"403 Forbidden - Authentication by CI/CD job token not allowed from open to app.\"}";
    assert_eq!(answer.error(), (403, why));
    assert_eq!(world.gitlab.asked(), ["/job", "/projects/7/jobs?per_page=1"]);
    world.gitlab.state().projects.get_mut(&7).unwrap().allows.insert(8);
    world.forget();
    assert_eq!((read(&world, APP, OPEN), read(&world, DEPENDENCY, OPEN)), (200, 200));
    world.gitlab.state().projects.get_mut(&7).unwrap().members.remove(&30);
    world.forget();
    assert_eq!(read(&world, APP, OPEN), 404, "the user behind the job has no right");
}

fn what_needs_a_role_is_closed_to_jobs_of_other_projects(world: World) {
    let world = world.with_archive("private");
    world.gitlab.state().projects.get_mut(&7).unwrap().allows.insert(8);
    assert_eq!(read(&world, APP, OPEN), 403, "nobody tells the role of a job's user in another project");
}

fn a_server_that_lists_no_jobs_for_jobs_serves_those_of_the_own_project(world: World) {
    let world = world.with_archive("private");
    world.gitlab.state().lists_jobs_for_jobs = false;
    world.gitlab.state().projects.get_mut(&7).unwrap().allows.insert(8);
    assert_eq!((read(&world, APP, TEST), read(&world, DEPENDENCY, TEST)), (200, 200));
    assert_eq!(read(&world, APP, OPEN), 403);
}

#[test]
fn with_nothing_to_remember_every_request_asks() {
    let world = World::on_sqlite(|upstream| upstream.remember = std::time::Duration::ZERO);
    for _ in 0..2 {
        assert_eq!(world.upload(7001, BUILD, "", "x").status, 201);
        assert_eq!(world.gitlab.asked(), ["/job"]);
        assert_eq!(world.status(APP, DEVELOPER), 200);
        assert_eq!(world.gitlab.asked(), ["/projects/7/pipelines?per_page=1"]);
        assert_eq!(world.status(APP, "glpat-nobodys"), 401);
        assert_eq!(world.gitlab.asked(), ["/projects/7/pipelines?per_page=1"]);
    }
}

#[test]
fn a_question_says_for_whom_it_is_asked_and_with_what() {
    let world = World::on_sqlite(|_| {}).with_archive("public");
    world.gateway.get(APP).private_token(DEVELOPER).send();
    world.gateway.get(APP).header("Authorization", &format!("Bearer {DEVELOPER}")).send();
    world.gateway.get(APP).header("Authorization", &format!("Bearer {TEST}")).send();
    let shown: Vec<_> = world
        .gitlab
        .calls()
        .into_iter()
        .map(|call| {
            assert_eq!(call.forwarded_for.as_deref(), Some("127.0.0.1"));
            call.credential.unwrap()
        })
        .collect();
    let expected = [
        ("private-token", DEVELOPER.to_owned()),
        ("authorization", format!("Bearer {DEVELOPER}")),
        ("job-token", TEST.to_owned()),
        ("job-token", TEST.to_owned()),
    ];
    assert_eq!(shown, expected.map(|(place, text)| (place.to_owned(), text)));
}
