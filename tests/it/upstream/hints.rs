//! Hints: hooks that are not believed. What they are about is asked of the GitLab, with the gateway's own token.

use artigate::catalog::foreign::{self, EventKey, ForeignId, ReportedProject};
use artigate::domain::Sha256Digest;
use artigate::domain::status::Status;
use artigate::settings::{HookMode, HookSettings, UpstreamSettings};
use serde_json::json;

use super::{APP, REPORTER, World};
use crate::support::gitlab::{Failure, StubPipeline, StubToken};
use crate::support::until;

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
    hints_that_are_not_answered_keep_no_others_waiting_and_are_given_up,
    changes_of_members_and_of_the_project_end_what_is_remembered,
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
    assert_eq!(follow(&world).unwrap(), 0, "it is put off");
    world.gateway.advance_clock(30);
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

/// Delivers a system hook.
fn system_hook(world: &World, event: serde_json::Value) -> u16 {
    let request = world.gateway.post("/api/feeds/v1/gitlab").header("X-Gitlab-Event", "System Hook");
    request.header("X-Gitlab-Token", SECRET).body(event.to_string().into_bytes()).send().status
}

fn hints_that_are_not_answered_keep_no_others_waiting_and_are_given_up(world: World) {
    // More than are looked at together, all older.
    let now = world.gateway.now();
    world.gateway.write_catalog(move |db| {
        for number in 0..600_i64 {
            let project = ReportedProject {
                upstream: "gitlab".into(),
                id: ForeignId::Number(7),
                path: "group/app".into(),
            };
            let key = EventKey(Sha256Digest::of(&number.to_be_bytes()));
            foreign::remember_event(db, key, &project, Some(10_000 + number % 3), now)?;
        }
        Ok(())
    });
    world.gateway.advance_clock(1);
    assert_eq!(hook(&world, "a"), 202);
    world.gitlab.state().fails_below = Some("/projects/7/pipelines/1000".into());
    world.gitlab.calls();
    assert!(follow(&world).is_err());
    let asked = world.gitlab.asked();
    let vain = |number: i64| {
        let path = format!("/projects/7/pipelines/{}/jobs?per_page=100&page=1", 10_000 + number);
        asked.iter().filter(|asked| **asked == path).count()
    };
    assert!(asked.contains(&JOBS.to_owned()) && (0..3).all(|number| vain(number) >= 1), "{asked:?}");
    // Each is asked about some times more, further and further apart, and then no more.
    let mut rounds = 0;
    for _ in 0..23 {
        world.gateway.advance_clock(3_600);
        rounds += usize::from(follow(&world).is_err());
    }
    assert!((10..=12).contains(&rounds), "{rounds}");
    world.gitlab.calls();
    assert_eq!(follow(&world).unwrap(), 0);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn changes_of_members_and_of_the_project_end_what_is_remembered(world: World) {
    let of_project = |name: &str| {
        json!({"event_name": name, "project_id": 7, "path_with_namespace": "group/app",
               "project_visibility": "private"})
    };
    let of_member = |name: &str| {
        json!({"event_name": name, "project_id": 7, "project_path_with_namespace": "group/app", "user_id": 20,
               "project_path": "app", "access_level": "Reporter"})
    };
    let events = [
        of_project("project_update"),
        of_member("user_remove_from_team"),
        of_member("user_update_for_team"),
        of_member("user_add_to_team"),
    ];
    for event in events {
        assert_eq!(world.status(APP, REPORTER), 200);
        world.gitlab.calls();
        assert_eq!((world.status(APP, REPORTER), world.gitlab.count()), (200, 0));
        assert_eq!(system_hook(&world, event.clone()), 202);
        assert_eq!((world.status(APP, REPORTER), world.gitlab.count()), (200, 1), "{event}");
    }
    // What was asked before the event and is answered after it is not remembered.
    let reporter = world.gitlab.state().projects[&7].members[&20].clone();
    assert_eq!(system_hook(&world, of_project("project_update")), 202);
    world.gitlab.calls();
    world.gitlab.state().held = true;
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| world.status(APP, REPORTER));
        until(60_000, "it is asked", || world.gitlab.count() == 1);
        world.gitlab.state().projects.get_mut(&7).unwrap().members.remove(&20);
        assert_eq!(system_hook(&world, of_member("user_remove_from_team")), 202);
        world.gitlab.state().held = false;
        assert_eq!(reading.join().unwrap(), 200);
    });
    assert_eq!(world.status(APP, REPORTER), 404);
    // A refusal is asked about again, too.
    world.gitlab.state().projects.get_mut(&7).unwrap().members.insert(20, reporter);
    assert_eq!(system_hook(&world, of_member("user_add_to_team")), 202);
    assert_eq!(world.status(APP, REPORTER), 200);
    // Of a project that nobody knows, and without its fields, it is of no use.
    let unknown = json!({"event_name": "project_update", "project_id": 99, "path_with_namespace": "group/x"});
    assert_eq!(system_hook(&world, unknown), 202);
    assert_eq!(system_hook(&world, json!({"event_name": "user_remove_from_team"})), 400);
}
