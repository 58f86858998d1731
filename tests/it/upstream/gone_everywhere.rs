//! A project that is deleted at the upstream is hidden in every dialect, on pages, behind links and in reports.

use super::gone::{delete_and_tell, deleted_on_both, with_report};
use super::{APP, DEVELOPER, TEST, World};
use crate::buildkite::agent::Agent;
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::web::{open, report};

deleted_on_both!(
    no_dialect_and_no_page_shows_a_project_that_is_gone,
    links_and_reports_of_a_project_that_is_gone_lead_nowhere,
    an_agent_finds_and_uploads_nothing_in_a_project_that_is_gone,
    a_badge_tells_nothing_of_a_project_that_is_gone,
);

/// What is asked for in each dialect.
const OF_DIALECTS: [&str; 17] = [
    "/api/v4/projects/7",
    "/api/v4/projects/group%2Fapp",
    "/api/v4/projects/7/pipelines",
    "/api/v4/projects/7/pipelines/701/jobs",
    "/api/v4/projects/7/jobs",
    "/api/v4/projects/7/jobs/7001",
    APP,
    "/api/v4/projects/7/jobs/7001/artifacts/a.txt",
    "/api/v4/projects/7/pipelines/701",
    "/api/v4/projects/7/jobs/artifacts/main/download?job=build",
    "/api/v4/projects/7/jobs/artifacts/main/raw/a.txt?job=build",
    "/api/v4/projects/group%2Fapp/jobs/7001/artifacts",
    "/api/v3/repos/group/app/actions/artifacts",
    "/api/v3/repos/group/app/actions/runs/701",
    "/v2/organizations/group/pipelines/app/builds/1",
    "/v2/organizations/group/pipelines/app/builds/1/artifacts",
    "/v2/organizations/group/pipelines/app/builds/1/jobs",
];

const OF_PAGES: [&str; 15] = [
    "/group/app",
    "/group/app/-/pipelines",
    "/group/app/-/branches",
    "/group/app/-/pipelines?ref=main",
    "/group/app/-/jobs/artifacts/main/browse?job=build",
    "/group/app/-/jobs/artifacts/main/download?job=build",
    "/group/app/-/jobs/artifacts/main/raw/a.txt?job=build",
    "/group/app/-/jobs/7001/artifacts/view/a.txt",
    "/group/app/-/jobs/7001/artifacts/raw/a.txt",
    "/group/app/-/jobs/7001/artifacts/download",
    "/group/app/-/jobs/7001/artifacts/compare/7001",
    "/group/app/-/pipelines/701",
    "/group/app/-/jobs/7001",
    "/group/app/-/jobs/7001/artifacts/browse/",
    "/group/app/-/artifacts",
];

/// Lets the pipeline succeed, so that its ref leads to it.
fn finish(world: &World) {
    let mut state = world.gitlab.state();
    state.pipelines.get_mut(&701).unwrap().status = "success";
    state.jobs.get_mut(&7001).unwrap().status = "success";
}

fn status(world: &World, path: &str, token: &str) -> u16 {
    world.gateway.get(path).header("Authorization", &format!("Bearer {token}")).send().status
}

fn no_dialect_and_no_page_shows_a_project_that_is_gone(world: World) {
    Fixture::users().load(&world.gateway);
    finish(&world);
    // Who is registered here as an administrator sees everything, and nobody is asked about it.
    for path in OF_DIALECTS {
        assert_eq!([DEVELOPER, fixtures::ADMIN].map(|token| status(&world, path, token)), [200; 2], "{path}");
    }
    for path in OF_PAGES {
        let shown = [DEVELOPER, fixtures::ADMIN].map(|it| open(&world.gateway, it, path).status);
        assert!(shown.iter().all(|status| (200..400).contains(status)), "{path}: {shown:?}");
    }
    let listed = |path: &str| {
        let answer = world.gateway.get(path).header("Authorization", &format!("Bearer {}", fixtures::ADMIN));
        answer.send().text().contains("\"app\"")
    };
    let lists = [
        "/api/v4/projects",
        "/v2/organizations/group/pipelines",
        "/v2/organizations/group/pipelines/app",
        "/v2/organizations/group/pipelines/app/builds",
        "/v2/organizations/group/builds",
        "/v2/builds",
    ];
    assert_eq!(lists.map(listed), [true; 6]);
    delete_and_tell(&world);
    for path in OF_DIALECTS {
        assert_eq!([DEVELOPER, fixtures::ADMIN].map(|token| status(&world, path, token)), [404; 2], "{path}");
        assert_eq!(world.gateway.get(path).send().status / 100, 4, "{path}");
    }
    for path in OF_PAGES {
        let shown = [DEVELOPER, fixtures::ADMIN].map(|it| open(&world.gateway, it, path).status);
        assert_eq!(shown, [404; 2], "{path}");
    }
    assert_eq!(lists.map(listed), [false; 6]);
    assert!(!open(&world.gateway, fixtures::ADMIN, "/").text().contains("group/app"));
    let other = world.gateway.get(APP).job_token(super::OPEN).send();
    assert_eq!(other.status, 404, "to a job of another project");
    let own = world.gateway.get(APP).job_token(TEST).send();
    assert_eq!(own.status, 401, "its own jobs are nobody's any more");
}

fn links_and_reports_of_a_project_that_is_gone_lead_nowhere(world: World) {
    Fixture::users().load(&world.gateway);
    with_report(&world);
    let authorization = format!("Bearer {}", fixtures::ADMIN);
    let get = |path: &str| world.gateway.get(path).header("Authorization", &authorization).send();
    let listed: serde_json::Value =
        serde_json::from_str(get("/api/v3/repos/group/app/actions/artifacts").text()).unwrap();
    let id = &listed["artifacts"][0]["id"];
    let zip = get(&format!("/api/v3/repos/group/app/actions/artifacts/{id}/zip"));
    let link = zip.header("location").unwrap().strip_prefix(&world.gateway.base_url()).unwrap().to_owned();
    assert!(link.starts_with("/-/blobs/"), "{link}");
    let path = "/group/app/-/jobs/7002/artifacts/report/index.html";
    let address = report::address(&world.gateway, fixtures::ADMIN, path);
    let shown = || [&link, &address].map(|path| world.gateway.get(path).send().status);
    assert_eq!(shown(), [200; 2]);
    delete_and_tell(&world);
    let [link, report] = shown();
    assert_eq!(link, 404);
    assert!((400..500).contains(&report) || report == 303, "{report}");
    assert!(!world.gateway.get(&address).send().text().contains("<p>report</p>"));
}

fn an_agent_finds_and_uploads_nothing_in_a_project_that_is_gone(world: World) {
    let agent = Agent::new(world.gateway.address, TEST, "7002", "701");
    agent.upload("one", &[("out/a.txt", b"text")]);
    assert_eq!(agent.paths("out/*", ""), ["out/a.txt"]);
    let found = agent.found("out/*", "");
    assert_eq!(agent.download(&found[0]).text(), "text");
    delete_and_tell(&world);
    assert_eq!(agent.search("*", "").status, 401);
    assert_eq!(agent.download(&found[0]).status, 404);
}

fn a_badge_tells_nothing_of_a_project_that_is_gone(world: World) {
    Fixture::users().load(&world.gateway);
    finish(&world);
    world.gitlab.state().projects.get_mut(&7).unwrap().visibility = "public";
    world.gitlab.state().projects.get_mut(&7).unwrap().public_jobs = true;
    world.forget();
    let by_ref = "/api/v4/projects/7/jobs/artifacts/main/download?job=build";
    assert_eq!(status(&world, by_ref, DEVELOPER), 200, "what its ref leads to is known here");
    let told = |path: &str, project: &str| {
        let badge = world.gateway.get(&path.replace("PROJECT", project)).send();
        (badge.status, badge.text().to_owned())
    };
    let badges = ["/PROJECT/badges/main/pipeline.svg", "/PROJECT/-/jobs/artifacts/main/badge.svg?job=build"];
    for path in badges {
        assert!(told(path, "group/app").1.contains("passed"), "{path}");
    }
    delete_and_tell(&world);
    for path in badges {
        assert_eq!(told(path, "group/app"), told(path, "group/none"), "{path}");
    }
}
