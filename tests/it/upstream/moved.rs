//! Projects that are renamed, moved and deleted at the upstream: they are known by their numbers.

use serde_json::json;

use super::{BUILD, DEVELOPER, OPEN, OUTSIDER, World, in_front_on_both};
use crate::support::gitlab::StubProject;

in_front_on_both!(
    a_renamed_project_is_found_by_its_new_path_and_by_the_old_one_as_long_as_it_leads_there,
    a_path_that_another_project_has_taken_never_leads_to_the_old_ones_artifacts,
    a_project_that_is_gone_is_gone_here,
    a_path_is_asked_about_once_in_a_while,
);

fn path(project: &str) -> String {
    format!("/api/v4/projects/{}/jobs/7001/artifacts", project.replace('/', "%2F"))
}

fn rename(world: &World, id: i64, path: &str) {
    let mut state = world.gitlab.state();
    let old = std::mem::replace(&mut state.projects.get_mut(&id).unwrap().path, path.to_owned());
    state.moved.insert(old, id);
}

fn a_renamed_project_is_found_by_its_new_path_and_by_the_old_one_as_long_as_it_leads_there(world: World) {
    let world = world.with_archive("public");
    assert_eq!(world.status(&path("Group/App"), DEVELOPER), 200);
    rename(&world, 7, "other/new");
    assert_eq!(world.status(&path("other/new"), DEVELOPER), 200, "it is asked about");
    world.forget();
    world.gitlab.calls();
    assert_eq!(world.status(&path("group/app"), DEVELOPER), 200);
    let asked = ["/projects/group%2Fapp/pipelines?per_page=1", "/projects/7/pipelines?per_page=1"];
    assert_eq!(world.gitlab.asked(), asked, "the number of its new address is asked about");
    let job = world.gateway.get("/api/v4/projects/7/jobs/7001").private_token(DEVELOPER).send();
    assert!(job.text().contains("/other/new/-/jobs/7001"), "{}", job.text());
}

fn a_path_that_another_project_has_taken_never_leads_to_the_old_ones_artifacts(world: World) {
    let world = world.with_archive("public");
    assert_eq!(world.status(&path("group/app"), DEVELOPER), 200);
    {
        let mut state = world.gitlab.state();
        state.projects.get_mut(&7).unwrap().path = "group/app-deletion_scheduled-7".into();
        // Everybody may read the new one.
        state.projects.get_mut(&8).unwrap().path = "group/app".into();
    }
    world.gateway.advance_clock(61);
    for token in [DEVELOPER, OUTSIDER] {
        assert_eq!(world.status(&path("group/app"), token), 404, "no job 7001 is in the new project");
    }
    assert_eq!(world.gateway.get(&path("group/app")).send().status, 404);
    assert_eq!(world.status("/api/v4/projects/7/jobs/7001/artifacts", DEVELOPER), 200, "by its number");
    assert_eq!(world.upload(8001, OPEN, "", "new").status, 201);
    let of_new = "/api/v4/projects/group%2Fapp/jobs/8001/artifacts/a.txt";
    assert_eq!(world.gateway.get(of_new).send().text(), "new");
    let projects = world.gateway.catalog(|db| artigate::catalog::projects::details(db, None));
    let paths: Vec<_> = projects.iter().map(|it| (it.project.id, it.project.path.as_str())).collect();
    assert_eq!(paths, [(7, "group/app-deletion_scheduled-7"), (8, "group/app")]);
}

fn a_project_that_is_gone_is_gone_here(world: World) {
    let world = world.with_archive("public");
    world.gitlab.state().projects.remove(&7);
    for project in ["7", "group/app"] {
        assert_eq!(world.status(&path(project), DEVELOPER), 404, "{project}");
        assert_eq!(world.gateway.get(&path(project)).send().status, 404, "{project}");
    }
}

fn a_path_is_asked_about_once_in_a_while(world: World) {
    let world = world.with_archive("public");
    world.gateway.advance_clock(61);
    assert_eq!(world.status(&path("group/app"), DEVELOPER), 200);
    assert_eq!(world.gitlab.asked(), ["/projects/group%2Fapp/pipelines?per_page=1"], "one question for both");
    assert_eq!(world.status(&path("group/app"), DEVELOPER), 200);
    assert_eq!(world.gitlab.asked(), [""; 0]);
    // One without pipelines tells its number itself.
    let empty = StubProject {
        path: "group/empty".into(),
        visibility: "private",
        public_jobs: false,
        members: [(30, json!(30))].into(),
        allows: Default::default(),
    };
    world.gitlab.state().projects.insert(10, empty);
    assert_eq!(world.status(&path("group/empty"), DEVELOPER), 404);
    assert_eq!(
        world.gitlab.asked(),
        ["/projects/group%2Fempty/pipelines?per_page=1", "/projects/group%2Fempty"]
    );
    for odd in ["..", "a/../b", "%2e%2e", ".a", "a//b", "-/7"] {
        let path =
            format!("/api/v4/projects/{}/jobs/1/artifacts", odd.replace('%', "%25").replace('/', "%2F"));
        let status = world.status(&path, DEVELOPER);
        assert!(matches!(status, 400 | 404), "{odd}: {status}");
    }
    assert_eq!(world.gitlab.asked(), [""; 0], "what is no path is not asked about");
    assert_eq!(world.upload(7001, BUILD, "", "text").status, 201);
}
