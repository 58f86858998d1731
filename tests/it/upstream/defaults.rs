//! What the upstream shows of a project to administrators alone: this server's defaults stand for it.

use serde_json::json;

use super::gone::{DAY, check, deleted_on_both};
use super::{APP, DEVELOPER, OPEN, World};
use crate::administration::parsed;
use crate::support::gitlab::Failure;

deleted_on_both!(
    what_the_upstream_shows_to_administrators_alone_is_not_taken_over,
    the_newest_success_of_a_ref_is_kept_although_the_upstream_keeps_none,
    a_job_of_another_project_reads_as_the_upstream_lets_it_whatever_is_shown_to_administrators,
);

/// An answer about project 7 with what only its administrators are told.
const TOLD: &str = r#"{"id": 7, "path_with_namespace": "group/app", "visibility": "private",
    "keep_latest_artifact": false, "public_jobs": true, "ci_job_token_scope_enabled": false,
    "ci_inbound_job_token_scope_enabled": false, "default_branch": "trunk", "max_artifacts_size": 1}"#;

/// Has the own token told so.
fn tell(world: &World) {
    world.gitlab.state().failure = Some(Failure::Body("application/json", TOLD));
    world.gateway.advance_clock(DAY);
    assert_eq!(check(world).unwrap(), 1);
    world.gitlab.state().failure = None;
}

fn what_the_upstream_shows_to_administrators_alone_is_not_taken_over(world: World) {
    let shown = || parsed(&world.gateway, &["project", "show", "group/app"]);
    let before = shown();
    tell(&world);
    assert_eq!(shown(), before);
    for (name, value) in [
        ("keep_latest_artifact", json!(true)),
        ("public_jobs", json!(false)),
        ("visibility", json!("private")),
        ("max_artifact_size", json!(null)),
        ("default_branch", json!(null)),
        ("job_token_allowlist", json!([])),
    ] {
        assert_eq!(before[name], value, "{name}");
    }
}

fn the_newest_success_of_a_ref_is_kept_although_the_upstream_keeps_none(world: World) {
    let upload = world.upload(7002, super::TEST, "accessibility=public&expire_in=1%20hour", "text");
    assert_eq!(upload.status, 201);
    tell(&world);
    let path = APP.replace("7001", "7002");
    assert_eq!(world.status(&path, DEVELOPER), 404, "its pipeline runs");
    {
        let mut state = world.gitlab.state();
        state.pipelines.get_mut(&701).unwrap().status = "success";
        for job in [7001, 7002] {
            state.jobs.get_mut(&job).unwrap().status = "success";
        }
    }
    let by_ref = "/api/v4/projects/7/jobs/artifacts/main/download?job=test";
    assert_eq!(world.status(by_ref, DEVELOPER), 200);
    assert_eq!(world.gateway.sweep().expired, 0);
    assert_eq!(world.status(&path, DEVELOPER), 200);
}

fn a_job_of_another_project_reads_as_the_upstream_lets_it_whatever_is_shown_to_administrators(world: World) {
    tell(&world);
    let read = || world.gateway.get(APP).job_token(OPEN).send().status;
    assert_eq!(read(), 403);
    world.gitlab.state().projects.get_mut(&7).unwrap().allows.insert(8);
    world.forget();
    assert_eq!(read(), 200);
}
