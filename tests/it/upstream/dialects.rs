//! Jobs of the GitLab in the other dialects: a token that nobody registered counts there as well.

use super::{BUILD, DEVELOPER, OUTSIDER, TEST, World, in_front_on_both};
use crate::buildkite::agent::Agent;

in_front_on_both!(
    a_job_hands_files_over_as_an_agent_and_others_of_its_project_fetch_them,
    every_dialect_asks_about_a_token_that_nobody_registered,
);

fn a_job_hands_files_over_as_an_agent_and_others_of_its_project_fetch_them(world: World) {
    let agent = |token: &str, job: &str| Agent::new(world.gateway.address, token, job, "701");
    let (build, test) = (agent(BUILD, "7001"), agent(TEST, "7002"));
    build.upload("one", &[("out/a.txt", b"text")]);
    assert_eq!(test.paths("*", ""), ["out/a.txt"]);
    let found = test.found("*", "");
    assert_eq!(test.download(&found[0]).text(), "text");
    // Its user left the project, and it has ended.
    world.gitlab.state().jobs.get_mut(&7002).unwrap().status = "success";
    world.forget();
    assert_eq!(test.search("*", "").status, 401);
    assert_eq!(agent("glcbt-64_nobodys", "7001").search("*", "").status, 401);
    let other = agent(crate::upstream::OPEN, "8001");
    assert_eq!(other.search("*", "").status, 404, "a private project lets no other in");
    world.gitlab.state().projects.get_mut(&7).unwrap().allows.insert(8);
    world.forget();
    assert_eq!(other.paths("*", ""), ["out/a.txt"], "its user may read there");
}

fn every_dialect_asks_about_a_token_that_nobody_registered(world: World) {
    let world = world.with_archive("public");
    for path in [
        "/api/v4/projects/7/jobs/7001",
        "/api/v3/repos/group/app/actions/artifacts",
        "/api/v3/repos/group/app/actions/runs/701",
        "/api/v3/repos/group/app/actions/runs/701/artifacts",
        "/v2/organizations/group/pipelines/app/builds/1",
        "/v2/organizations/group/pipelines/app/builds/1/artifacts",
        "/v2/organizations/group/pipelines/app/builds/1/jobs",
    ] {
        let status = |token: &str| {
            let request = world.gateway.get(path).header("Authorization", &format!("Bearer {token}"));
            request.send().status
        };
        assert_eq!(status(DEVELOPER), 200, "{path}");
        assert_eq!(status(OUTSIDER), 404, "{path}");
        assert_eq!(status("glpat-nobodys"), 401, "{path}");
    }
}
