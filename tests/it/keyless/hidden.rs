//! Projects that are hidden because they are deleted at their upstream: an ID token that it made since shows them again.

use serde_json::{Value, json};

use super::hooks::{INSTANCE, in_hooked_worlds};
use super::{CURRENT, World, start};

in_hooked_worlds!(
    an_id_token_that_was_made_after_the_deletion_shows_its_project_again,
    an_id_token_is_believed_on_reads_as_well,
);

/// The archive of the job that uploads at first.
const ARCHIVE: &str = "/api/v4/projects/20/jobs/302/artifacts";

/// Uploads an archive, and has the project deleted a minute later.
fn deleted(world: &World) {
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    world.gateway.advance_clock(60);
    let gone =
        json!({"event_name": "project_destroy", "project_id": 20, "path_with_namespace": "group/site"});
    assert_eq!(world.gitlab_hook(INSTANCE, &gone).status, 202);
    assert_eq!(read(world, "glpat-admin"), 404);
    world.gateway.advance_clock(3600);
}

fn read(world: &World, token: &str) -> u16 {
    world.gateway.get(ARCHIVE).private_token(token).send().status
}

/// A token that was made so many seconds after the deletion, of another job.
fn token(world: &World, seconds: i64, more: Value) -> String {
    let at = start() + 60 + seconds;
    let mut claims = json!({"iat": at, "nbf": at, "exp": at + 7200, "job_id": "303"});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.gitlab_token(claims)
}

fn an_id_token_that_was_made_after_the_deletion_shows_its_project_again(world: World) {
    deleted(&world);
    // One from before it, or of the same minute, may be older than the deletion, whenever it is shown.
    for seconds in [-30, 0, 60] {
        assert_eq!(world.upload(CURRENT, &token(&world, seconds, json!({})), b"y").status, 403);
        assert_eq!(read(&world, "glpat-admin"), 404, "{seconds}");
    }
    let other = json!({
        "job_project_id": "21", "job_project_path": "group/other", "pipeline_id": "575", "job_id": "304",
    });
    assert_eq!(world.upload(CURRENT, &token(&world, 61, other), b"y").status, 201);
    assert_eq!(read(&world, "glpat-admin"), 404, "it speaks of another project");
    assert_eq!(world.upload(CURRENT, &token(&world, 61, json!({})), b"y").status, 201);
    assert_eq!(read(&world, "glpat-admin"), 200);
}

fn an_id_token_is_believed_on_reads_as_well(world: World) {
    deleted(&world);
    let read_by = |token: &str| world.gateway.get(ARCHIVE).job_token(token).send().status;
    assert_eq!(read_by(&token(&world, 60, json!({}))), 404);
    assert_eq!(read_by(&token(&world, 61, json!({}))), 200);
    assert_eq!(read(&world, "glpat-admin"), 200);
}
