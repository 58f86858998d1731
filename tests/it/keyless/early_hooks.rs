//! Hooks that come before the upload of the job that they tell of.

use serde_json::json;

use super::hooks::{INSTANCE, build, pipeline, run};
use super::{CURRENT, World};
use crate::support::gateway::Gateway;

#[test]
fn a_job_that_was_only_told_to_be_waiting_uploads_and_reads() {
    let world = World::with_hooks(Gateway::on_sqlite_with);
    // Something of each project is kept already.
    assert_eq!(
        world.upload(CURRENT, &world.gitlab_token(json!({"job_id": "1", "pipeline_id": "1"})), b"x").status,
        201
    );
    for status in ["created", "pending"] {
        assert_eq!(world.gitlab_hook(INSTANCE, &pipeline(status, 0, json!({}))).status, 202);
        assert_eq!(world.states("20", 574), (status.into(), vec![("pages".into(), status.into())]));
    }
    let token = world.gitlab_token(json!({}));
    assert_eq!(world.gateway.get(CURRENT).job_token(&token).send().status, 404, "nothing is there yet");
    assert_eq!(world.upload(CURRENT, &token, b"x").status, 201);
    assert_eq!(
        world.states("20", 574).1,
        [("pages".to_owned(), "running".to_owned())],
        "the name stays, too"
    );
}

#[test]
fn a_run_that_was_told_of_first_gets_its_branch_from_the_token() {
    let world = World::with_hooks(Gateway::on_sqlite_with);
    let other = json!({"run_id": "1", "check_run_id": "1", "run_number": "9"});
    assert_eq!(world.upload(CURRENT, &world.github_token(other), b"x").status, 201);
    assert_eq!(world.github_hook("workflow_run", &run("in_progress", json!(null), 2)).status, 202);
    assert_eq!(world.upload(CURRENT, &world.github_token(json!({})), b"built").status, 201);
    assert_eq!(world.github_hook("workflow_run", &run("completed", json!("success"), 9)).status, 202);
    assert_eq!(world.by_ref("github/octo/site", "main", "build").text(), "built");
    let failed = json!({"build_number": 6, "job_id": "one"});
    assert_eq!(world.upload(CURRENT, &world.buildkite_token(failed), b"x").status, 201);
    assert_eq!(world.buildkite_hook("build.running", &build("running", 2, json!({}))).status, 202);
    assert_eq!(world.upload(CURRENT, &world.buildkite_token(json!({})), b"built").status, 201);
    assert_eq!(world.buildkite_hook("build.finished", &build("failed", 9, json!({}))).status, 202);
    assert_eq!(world.by_ref("buildkite/acme/web", "main", "build").status, 404, "a failed build is none");
}
