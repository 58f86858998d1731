//! Projects that are deleted at the upstream: what tells so, and what does not.

use artigate::app::App;
use artigate::domain::Error;
use artigate::settings::{HookMode, HookSettings, UpstreamSettings};
use serde_json::{Value, json};

use super::{APP, BUILD, DEVELOPER, OUTSIDER, World};
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gitlab::{Failure, StubJob, StubPipeline, StubProject, StubToken};
use crate::support::zips;

/// Declares tests that run once on each database, with hooks of both modes and a token of the gateway's own.
macro_rules! deleted_on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                let world = $crate::upstream::World::on_sqlite($crate::upstream::gone::hooked);
                super::$name($crate::upstream::gone::with_token(world));
            }

            #[test]
            fn on_postgres() {
                let world = $crate::upstream::World::on_postgres($crate::upstream::gone::hooked);
                super::$name($crate::upstream::gone::with_token(world));
            }
        }
    )+};
}
pub(super) use deleted_on_both;

deleted_on_both!(
    a_believed_hook_hides_a_project_at_once,
    a_hook_that_is_not_believed_has_the_project_asked_about,
    what_the_own_token_saw_and_sees_no_more_is_hidden,
    another_token_that_sees_less_hides_nothing,
    where_many_projects_vanish_at_once_none_is_hidden,
    nothing_else_tells_that_a_project_is_deleted,
    a_project_is_asked_about_once_a_day_and_later_if_nothing_is_answered,
    a_project_is_asked_about_by_one_node,
    a_project_that_is_parked_leaves_its_path_in_every_dialect,
);

const SERVICE: &str = "glpat-up-service";
pub const BELIEVED: &str = "secret-that-is-believed";
pub const DOUBTED: &str = "secret-that-is-not";
pub const DAY: i64 = 86_400;

/// What is asked about project 7.
const QUESTION: &str = "/projects/7";

pub fn hooked(settings: &mut UpstreamSettings) {
    let hook =
        |secret: &str, mode| HookSettings { scope: "*".into(), secret: secret.to_owned().into(), mode };
    settings.service_token = Some(SERVICE.to_owned().into());
    settings.hooks = vec![hook(BELIEVED, HookMode::Trust), hook(DOUBTED, HookMode::Hint)];
}

/// Uploads the archive of job 7001, and has the gateway's own token see its project.
pub fn with_token(world: World) -> World {
    let token = StubToken::Personal { user: 40, scopes: &["read_api"], expires_at: None };
    world.gitlab.state().tokens.insert(SERVICE.into(), token);
    let world = world.with_archive("public");
    assert_eq!(check(&world).unwrap(), 1);
    assert_eq!(world.gitlab.asked(), [QUESTION]);
    world
}

pub fn check(world: &World) -> Result<usize, Error> {
    world.gateway.block_on(world.gateway.app.access.check_projects())
}

/// Delivers an event about project 7.
pub fn hook(world: &World, secret: &str, event: &Value) -> u16 {
    let kind = if event["object_kind"] == "pipeline" { "Pipeline Hook" } else { "System Hook" };
    let request = world.gateway.post("/api/feeds/v1/gitlab").header("X-Gitlab-Event", kind);
    request.header("X-Gitlab-Token", secret).body(event.to_string().into_bytes()).send().status
}

pub fn destroyed() -> Value {
    json!({"event_name": "project_destroy", "project_id": 7, "path_with_namespace": "group/app"})
}

/// Deletes project 7 at the upstream.
pub fn delete(world: &World) {
    let mut state = world.gitlab.state();
    state.projects.remove(&7);
    for job in [7001, 7002] {
        state.jobs.get_mut(&job).unwrap().status = "failed";
    }
}

/// Deletes project 7 at the upstream, which a believed hook tells.
pub fn delete_and_tell(world: &World) {
    delete(world);
    assert_eq!(hook(world, BELIEVED, &destroyed()), 202);
}

/// The numbers and paths of the projects that are hidden.
pub fn hidden(world: &World) -> Vec<(i64, String)> {
    let all = world.gateway.catalog(|db| artigate::catalog::projects::details(db, None));
    all.into_iter().filter(|it| it.project.is_gone()).map(|it| (it.project.id, it.project.path)).collect()
}

pub fn is_hidden(world: &World) -> bool {
    !hidden(world).is_empty()
}

fn a_believed_hook_hides_a_project_at_once(world: World) {
    // What is remembered of its readers is of no use any more.
    assert_eq!(world.status(APP, DEVELOPER), 200);
    delete_and_tell(&world);
    assert_eq!(hidden(&world), [(7, "group/app".to_owned())]);
    assert_eq!(world.status(APP, DEVELOPER), 404);
    assert_eq!(hook(&world, BELIEVED, &destroyed()), 202, "once more");
    assert_eq!(world.upload(7001, BUILD, "", "more").status, 403);
    // A project that is registered here is nobody else's to delete.
    fixtures::small(&world.gateway, b"bytes");
    let local =
        json!({"event_name": "project_destroy", "project_id": 1, "path_with_namespace": "group/project"});
    assert_eq!(hook(&world, BELIEVED, &local), 202);
    assert_eq!(world.status(ARCHIVE, fixtures::ADMIN), 200);
}

fn a_hook_that_is_not_believed_has_the_project_asked_about(world: World) {
    assert_eq!(hook(&world, DOUBTED, &destroyed()), 202);
    assert!(!is_hidden(&world));
    assert_eq!(check(&world).unwrap(), 1);
    assert_eq!(world.gitlab.asked(), [QUESTION]);
    assert!(!is_hidden(&world), "it is there");
    delete(&world);
    assert_eq!(check(&world).unwrap(), 0, "nobody asks before the next day");
    assert_eq!(hook(&world, DOUBTED, &destroyed()), 202);
    assert_eq!(check(&world).unwrap(), 1);
    assert!(is_hidden(&world));
}

fn what_the_own_token_saw_and_sees_no_more_is_hidden(world: World) {
    // Project 9 is private, and the token's user no member.
    {
        let mut state = world.gitlab.state();
        state.jobs.insert(9001, StubJob::of(901, "build", "running", Some(30)));
        state.tokens.insert("glcbt-64_lib".into(), StubToken::Job(9001));
    }
    assert_eq!(world.upload(9001, "glcbt-64_lib", "", "lib").status, 201);
    delete(&world);
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 2);
    assert_eq!(hidden(&world), [(7, "group/app".to_owned())], "the other was never seen with this token");
}

fn another_token_that_sees_less_hides_nothing(world: World) {
    world.gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        // As if a token before this one had seen the project.
        let other = "(SELECT sha256 FROM artifacts ORDER BY id LIMIT 1)";
        diesel::sql_query(format!("UPDATE projects SET seen_by = {other} WHERE id = 7")).execute(db)?;
        Ok(())
    });
    delete(&world);
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 1);
    assert!(!is_hidden(&world));
}

fn where_many_projects_vanish_at_once_none_is_hidden(world: World) {
    {
        let mut state = world.gitlab.state();
        for number in 0..6 {
            let (project, job) = (100 + number, 10_000 + number);
            let copy = StubProject { path: format!("group/many-{number}"), ..state.projects[&7].clone() };
            state.projects.insert(project, copy);
            let pipeline = StubPipeline { project, ..state.pipelines[&701].clone() };
            state.pipelines.insert(1_000 + number, pipeline);
            state.jobs.insert(job, StubJob::of(1_000 + number, "build", "running", Some(30)));
            state.tokens.insert(format!("glcbt-64_many-{number}"), StubToken::Job(job));
        }
    }
    for number in 0..6 {
        let token = format!("glcbt-64_many-{number}");
        assert_eq!(world.upload(10_000 + number, &token, "", "text").status, 201);
    }
    assert_eq!(check(&world).unwrap(), 6, "they are seen");
    for number in 0..6 {
        world.gitlab.state().projects.remove(&(100 + number));
    }
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 7);
    assert!(!is_hidden(&world), "the token may have lost its rights");
    for number in 0..2 {
        let project =
            StubProject { path: format!("group/many-{number}"), ..world.gitlab.state().projects[&7].clone() };
        world.gitlab.state().projects.insert(100 + number, project);
    }
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 7);
    assert_eq!(hidden(&world).len(), 4);
}

fn nothing_else_tells_that_a_project_is_deleted(world: World) {
    let project = world.gitlab.state().projects[&7].clone();
    // A user's 404.
    world.gitlab.state().projects.remove(&7);
    world.forget();
    for token in [DEVELOPER, OUTSIDER] {
        assert_eq!(world.status(APP, token), 404);
    }
    world.gitlab.state().projects.insert(7, project);
    assert!(!is_hidden(&world));
    for failure in [
        Failure::Status(404),
        Failure::Status(502),
        Failure::Limited(1),
        Failure::Body("application/json", "{\"id\": 8}"),
        Failure::Body("application/json", "nonsense"),
        Failure::Body("text/html", "<html></html>"),
        Failure::Redirect("http://127.0.0.1:1/".into()),
        Failure::Moved("http://127.0.0.1:1/".into()),
        Failure::Hangup,
        Failure::Flood,
    ] {
        world.gitlab.state().failure = Some(failure);
        world.gateway.advance_clock(DAY);
        world.gitlab.calls();
        let _ = check(&world);
        assert_eq!(world.gitlab.count(), 1);
        assert!(!is_hidden(&world));
    }
    world.gitlab.state().failure = None;
    // A token that is not valid any more, and one that may ask nothing.
    let useless = StubToken::Personal { user: 40, scopes: &["read_user"], expires_at: None };
    for token in [None, Some(useless)] {
        world.gitlab.state().tokens.remove(SERVICE);
        world.gitlab.state().tokens.extend(token.map(|token| (SERVICE.to_owned(), token)));
        world.gateway.advance_clock(DAY);
        assert_eq!(check(&world).unwrap(), 1);
        assert!(!is_hidden(&world));
    }
    assert_eq!(world.status(APP, DEVELOPER), 200);
}

fn a_project_is_asked_about_once_a_day_and_later_if_nothing_is_answered(world: World) {
    // Only what has artifacts is asked about.
    assert_eq!(world.gateway.get("/api/v4/projects/8").private_token(DEVELOPER).send().status, 404);
    world.gateway.advance_clock(DAY - 1);
    assert_eq!(check(&world).unwrap(), 0);
    world.gateway.advance_clock(1);
    assert_eq!(check(&world).unwrap(), 1);
    world.gateway.advance_clock(DAY);
    world.gitlab.state().failure = Some(Failure::Status(502));
    world.gitlab.calls();
    assert_eq!(check(&world).unwrap(), 1);
    assert_eq!(check(&world).unwrap(), 0, "it is put off");
    world.gitlab.state().failure = None;
    delete(&world);
    world.gateway.advance_clock(900);
    assert_eq!(check(&world).unwrap(), 1);
    assert!(is_hidden(&world));
}

fn a_project_is_asked_about_by_one_node(world: World) {
    let app = &world.gateway.app;
    let other = App::open(app.settings.clone(), app.clock.clone()).unwrap();
    delete(&world);
    world.gateway.advance_clock(DAY);
    let asked = std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(other.access.check_projects()).unwrap()
        });
        check(&world).unwrap() + beside.join().unwrap()
    });
    assert_eq!(asked, 1);
    assert_eq!(world.gitlab.asked(), [QUESTION]);
    assert!(is_hidden(&world));
    // What one node hides, the other does not show from memory.
    assert_eq!(world.status(APP, DEVELOPER), 404);
}

fn a_project_that_is_parked_leaves_its_path_in_every_dialect(world: World) {
    let parked = "group/app-deletion_scheduled-7";
    {
        let mut state = world.gitlab.state();
        state.projects.get_mut(&7).unwrap().path = parked.into();
        state.projects.get_mut(&8).unwrap().path = "group/app".into();
    }
    world.forget();
    let status = |path: &str| {
        let request = world.gateway.get(path).header("Authorization", &format!("Bearer {DEVELOPER}"));
        request.send().status
    };
    for path in [
        "/api/v4/projects/group%2Fapp/jobs/7001/artifacts",
        "/api/v3/repos/group/app/actions/runs/701",
        "/v2/organizations/group/pipelines/app/builds/1",
        "/v2/organizations/group/pipelines/app/builds/1/artifacts",
    ] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert_eq!(status(APP), 200, "it is still there, by its number");
    assert!(!is_hidden(&world));
    // The daily question moves it, too.
    world.gitlab.state().projects.get_mut(&7).unwrap().path = format!("{parked}-again");
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 1);
    let of_7 = world.gateway.catalog(|db| artigate::catalog::projects::details(db, Some(7)));
    assert_eq!(of_7[0].project.path, format!("{parked}-again"));
}

/// An archive with a report.
pub fn with_report(world: &World) {
    let archive = zips::deflated(&[("index.html", b"<p>report</p>"), ("a.txt", b"text")]);
    let form = crate::support::http_client::Form::default().file("artifacts.zip", &archive);
    let path = "/api/v4/jobs/7002/artifacts?accessibility=public";
    assert_eq!(world.gateway.post(path).job_token(super::TEST).form(form).send().status, 201);
}
