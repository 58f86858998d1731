//! Hints: hooks that are not believed. What they are about is asked of the GitLab, with the gateway's own token.

use artigate::domain::status::Status;
use artigate::settings::{HookMode, HookSettings, UpstreamSettings};
use serde_json::json;

use super::{APP, REPORTER, World};
use crate::support::gitlab::{Failure, StubPipeline, StubToken};

/// Declares tests that run once on each database, with a hook and a token of the gateway's own.
macro_rules! hinted_on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(super::with_token($crate::upstream::World::on_sqlite(super::hinted)));
            }

            #[test]
            fn on_postgres() {
                super::$name(super::with_token($crate::upstream::World::on_postgres(super::hinted)));
            }
        }
    )+};
}

hinted_on_both!(
    a_hint_is_asked_about_once_and_what_is_told_is_taken_over,
    many_hints_of_a_pipeline_are_one_question,
    a_hint_waits_while_there_is_no_answer_and_no_longer_than_a_day,
    what_is_remembered_of_a_project_is_asked_again_after_a_hook,
);

const SERVICE: &str = "glpat-up-service";
const SECRET: &str = "secret-of-a-hook";

/// What is asked about pipeline 701.
const JOBS: &str = "/projects/7/pipelines/701/jobs?per_page=100&page=1";
const BRIDGES: &str = "/projects/7/pipelines/701/bridges?per_page=100";

fn hinted(settings: &mut UpstreamSettings) {
    settings.service_token = Some(SERVICE.to_owned().into());
    settings.hooks =
        vec![HookSettings { scope: "*".into(), secret: SECRET.to_owned().into(), mode: HookMode::Hint }];
}

fn with_token(world: World) -> World {
    let token = StubToken::Personal { user: 40, scopes: &["read_api"], expires_at: None };
    world.gitlab.state().tokens.insert(SERVICE.into(), token);
    world.with_archive("public")
}

/// Delivers an event about pipeline 701, which says that it failed.
fn hook(world: &World, sha: &str) -> u16 {
    let event = json!({
        "object_kind": "pipeline",
        "object_attributes": {
            "id": 701, "iid": 1, "ref": "main", "tag": false, "sha": sha, "source": "push", "status": "failed",
            "created_at": "2026-02-01T11:59:00Z", "finished_at": "2026-02-01T12:00:00Z",
        },
        "project": {"id": 7, "path_with_namespace": "group/app"}, "builds": [],
    });
    let request = world.gateway.post("/api/feeds/v1/gitlab").header("X-Gitlab-Event", "Pipeline Hook");
    request.header("X-Gitlab-Token", SECRET).body(event.to_string().into_bytes()).send().status
}

fn follow(world: &World) -> Result<usize, artigate::domain::Error> {
    world.gateway.block_on(world.gateway.app.access.follow_hints())
}

fn status_of(world: &World, job: i64) -> Option<Status> {
    world.gateway.catalog(move |db| artigate::catalog::jobs::find(db, job)).map(|job| job.status)
}

fn a_hint_is_asked_about_once_and_what_is_told_is_taken_over(world: World) {
    {
        let mut state = world.gitlab.state();
        state.pipelines.get_mut(&701).unwrap().status = "success";
        state.jobs.get_mut(&7001).unwrap().status = "success";
        state.jobs.get_mut(&7002).unwrap().status = "failed";
        let (ref_name, status, source) = ("main", "running", "parent_pipeline");
        let child = StubPipeline { project: 7, ref_name, status, source, parent: Some(701) };
        state.pipelines.insert(702, child);
    }
    assert_eq!(hook(&world, "a"), 202);
    assert_eq!(world.gitlab.asked(), [""; 0], "the sender waits for nobody");
    assert_eq!(status_of(&world, 7001), Some(Status::Running));
    assert_eq!(follow(&world).unwrap(), 1);
    assert_eq!(world.gitlab.asked(), [JOBS, BRIDGES]);
    assert_eq!(
        [7001, 7002].map(|job| status_of(&world, job)),
        [Some(Status::Success), Some(Status::Failed)],
        "what the GitLab says, and not what the event says"
    );
    let parent = world.gateway.catalog(|db| artigate::catalog::pipelines::parent_of(db, 702));
    assert_eq!(parent, Some(701));
    // The same event again, and none.
    assert_eq!(hook(&world, "a"), 202);
    assert_eq!(follow(&world).unwrap(), 0);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn many_hints_of_a_pipeline_are_one_question(world: World) {
    for sha in ["a", "b", "c"] {
        assert_eq!(hook(&world, sha), 202);
    }
    assert_eq!(follow(&world).unwrap(), 1);
    assert_eq!(world.gitlab.asked(), [JOBS, BRIDGES]);
}

fn a_hint_waits_while_there_is_no_answer_and_no_longer_than_a_day(world: World) {
    assert_eq!(hook(&world, "a"), 202);
    world.gitlab.state().failure = Some(Failure::Status(502));
    assert!(follow(&world).is_err());
    world.gitlab.state().failure = None;
    assert_eq!(follow(&world).unwrap(), 1);
    // A token that may not read it ends it.
    assert_eq!(hook(&world, "b"), 202);
    let token = world.gitlab.state().tokens.remove(SERVICE).unwrap();
    assert_eq!((follow(&world).unwrap(), follow(&world).unwrap()), (0, 0));
    world.gitlab.state().tokens.insert(SERVICE.into(), token);
    assert_eq!(hook(&world, "c"), 202);
    world.gateway.advance_clock(86_401);
    world.gitlab.asked();
    assert_eq!(follow(&world).unwrap(), 0);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn what_is_remembered_of_a_project_is_asked_again_after_a_hook(world: World) {
    for _ in 0..2 {
        assert_eq!(world.status(APP, REPORTER), 200);
    }
    assert_eq!(world.gitlab.asked().len(), 1);
    assert_eq!(hook(&world, "a"), 202);
    assert_eq!(world.status(APP, REPORTER), 200);
    assert_eq!(world.gitlab.asked().len(), 1);
}
