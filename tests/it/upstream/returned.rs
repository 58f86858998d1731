//! Projects that are deleted at the upstream and show again: what the upstream tells of them after the deletion, and what
//! is only older than that.

use serde_json::{Value, json};

use super::gone::{
    BELIEVED, DAY, DOUBTED, check, delete, delete_and_tell, deleted_on_both, destroyed, hidden, hook,
    is_hidden,
};
use super::{APP, DEVELOPER, OPEN, OUTSIDER, TEST, World};
use crate::support::fixture::Fixture;
use crate::support::{fixtures, until};

deleted_on_both!(
    what_the_upstream_tells_within_a_week_shows_again,
    an_answer_from_before_the_deletion_shows_nothing_again,
    an_event_after_the_deletion_shows_a_project_again_and_one_before_does_not,
    a_move_shows_a_project_again_by_its_own_time,
    a_project_at_the_old_path_is_another_one,
    a_project_that_shows_again_has_the_slugs_that_nobody_took,
);

/// The time so many seconds from now.
fn then(world: &World, seconds: i64) -> String {
    let millis = world.gateway.now().as_millis() + seconds * 1000;
    artigate::domain::Timestamp::from_millis(millis).to_string()
}

fn what_the_upstream_tells_within_a_week_shows_again(world: World) {
    let project = world.gitlab.state().projects[&7].clone();
    let hide = || {
        world.gateway.advance_clock(DAY);
        world.gitlab.state().projects.remove(&7);
        check(&world).unwrap();
        assert!(is_hidden(&world));
        world.gateway.advance_clock(5 * DAY);
        world.gitlab.state().projects.insert(7, project.clone());
        assert!(is_hidden(&world), "nobody has told of it yet");
    };
    // To the gateway's own token.
    hide();
    assert_eq!(check(&world).unwrap(), 1);
    assert!(!is_hidden(&world));
    let by_path = APP.replace("/7/", "/group%2Fapp/");
    assert_eq!([APP, &by_path].map(|path| world.status(path, DEVELOPER)), [200; 2]);
    // To somebody who may read it.
    hide();
    assert_eq!(world.status(APP, OUTSIDER), 404);
    assert!(is_hidden(&world), "a refusal tells nothing");
    assert_eq!(world.status(APP, DEVELOPER), 200);
    assert!(!is_hidden(&world));
    // That the own token is told nothing of it proves nothing then, until it has seen it again.
    world.gateway.advance_clock(DAY);
    let members = std::mem::take(&mut world.gitlab.state().projects.get_mut(&7).unwrap().members);
    assert_eq!(check(&world).unwrap(), 1);
    assert!(!is_hidden(&world));
    world.gitlab.state().projects.get_mut(&7).unwrap().members = members;
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 1);
    // To somebody who asks by its path.
    hide();
    assert_eq!(world.status(&by_path, DEVELOPER), 200);
    world.gateway.advance_clock(DAY);
    assert_eq!(check(&world).unwrap(), 1);
    // To a job of it.
    hide();
    assert_eq!(world.upload(7002, TEST, "", "more").status, 201);
    assert!(!is_hidden(&world));
    assert_eq!(world.status(APP, DEVELOPER), 200);
}

/// Two nodes, of which one's clock is ahead of the other's by half a minute: it asks, and the other one is told meanwhile that
/// the project is deleted. Here both are one, whose clock is moved.
fn an_answer_from_before_the_deletion_shows_nothing_again(world: World) {
    let by_path = APP.replace("/7/", "/group%2Fapp/");
    world.gitlab.state().held = true;
    world.gitlab.calls();
    world.gateway.advance_clock(30);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| world.status(&by_path, DEVELOPER));
        let uploading = scope.spawn(|| world.upload(7002, TEST, "", "more").status);
        until(60_000, "both are asked about", || world.gitlab.count() == 2);
        world.gateway.advance_clock(-30);
        assert_eq!(hook(&world, BELIEVED, &destroyed()), 202);
        // Its answers are still those from before.
        world.gitlab.state().held = false;
        assert_eq!((reading.join().unwrap(), uploading.join().unwrap()), (404, 403));
    });
    assert!(is_hidden(&world));
    // What it tells later is another matter.
    world.gateway.advance_clock(61);
    assert_eq!(world.status(&by_path, DEVELOPER), 200);
    assert!(!is_hidden(&world));
}

fn an_event_after_the_deletion_shows_a_project_again_and_one_before_does_not(world: World) {
    let event = |finished_at: &str| {
        json!({
            "object_kind": "pipeline",
            "object_attributes": {
                "id": 701, "iid": 1, "ref": "main", "tag": false, "sha": "a", "source": "push", "status": "canceled",
                "created_at": "2020-02-01T11:59:00Z", "finished_at": finished_at,
            },
            "project": {"id": 7, "path_with_namespace": "group/app"}, "builds": [],
        })
    };
    delete_and_tell(&world);
    // It was canceled by the deletion, and is delivered late.
    let (before, after) = (event(&then(&world, -1)), event(&then(&world, 120)));
    assert_eq!(hook(&world, BELIEVED, &before), 202);
    assert!(is_hidden(&world));
    assert_eq!(hook(&world, DOUBTED, &after), 202);
    assert!(is_hidden(&world), "it is not believed");
    world.gateway.advance_clock(300);
    assert_eq!(hook(&world, BELIEVED, &event(&then(&world, 0))), 202);
    assert!(!is_hidden(&world));
}

fn a_move_shows_a_project_again_by_its_own_time(world: World) {
    let moved = |name: &str, to: &str, updated_at: Option<String>| {
        let mut event = json!({
            "event_name": name, "project_id": 7, "path_with_namespace": to, "old_path_with_namespace": "group/app",
        });
        if let Some(time) = updated_at {
            event["updated_at"] = time.into();
        }
        event
    };
    delete_and_tell(&world);
    let (before, after) = (then(&world, -1), then(&world, 61));
    world.gateway.advance_clock(3600);
    let late = |name: &str, secret: &str, updated_at: Option<&str>| {
        let event: Value = moved(name, "group/new", updated_at.map(str::to_owned));
        assert_eq!(hook(&world, secret, &event), 202);
        hidden(&world)
    };
    for name in ["project_rename", "project_transfer"] {
        for (secret, time) in [
            (BELIEVED, Some(&*before)),
            (BELIEVED, Some("nonsense")),
            (BELIEVED, None),
            (DOUBTED, Some(&*after)),
        ] {
            assert_eq!(late(name, secret, time), [(7, "group/app".to_owned())], "{name} {time:?}");
        }
    }
    assert_eq!(late("project_rename", BELIEVED, Some(&after)), []);
    let of_7 = world.gateway.catalog(|db| artigate::catalog::projects::details(db, Some(7)));
    assert_eq!(of_7[0].project.path, "group/new");
}

fn a_project_at_the_old_path_is_another_one(world: World) {
    delete_and_tell(&world);
    let path = |job: i64| format!("/api/v4/projects/group%2Fapp/jobs/{job}/artifacts");
    world.gitlab.state().projects.get_mut(&8).unwrap().path = "group/app".into();
    assert_eq!(world.upload(8001, OPEN, "", "new").status, 201);
    assert_eq!(world.status(&path(8001), DEVELOPER), 200);
    assert_eq!(world.status(&path(7001), DEVELOPER), 404);
    Fixture::users().load(&world.gateway);
    assert_eq!([7001, 8001].map(|job| world.status(&path(job), fixtures::ADMIN)), [404, 200]);
    // The old one is told of again, elsewhere.
    world.gateway.advance_clock(61);
    let mut project = world.gitlab.state().projects[&9].clone();
    project.path = "other/restored".into();
    world.gitlab.state().projects.insert(7, project);
    assert_eq!(world.status("/api/v4/projects/other%2Frestored/jobs/7001/artifacts", DEVELOPER), 200);
    assert_eq!([7001, 8001].map(|job| world.status(&path(job), DEVELOPER)), [404, 200]);
}

fn a_project_that_shows_again_has_the_slugs_that_nobody_took(world: World) {
    let project = world.gitlab.state().projects[&7].clone();
    let build = |organization: &str, pipeline: &str| {
        let path = format!("/v2/organizations/{organization}/pipelines/{pipeline}/builds/1/artifacts");
        let request = world.gateway.get(&path).header("Authorization", &format!("Bearer {DEVELOPER}"));
        let answer = request.send();
        // The numbers of jobs are hidden in that dialect, those of bytes are not.
        let size = |text: &str| serde_json::from_str::<Value>(text).unwrap()[0]["sha1sum"].clone();
        (answer.status == 200).then(|| size(answer.text()))
    };
    let old = build("group", "app").unwrap();
    let tell_again = |path: &str| {
        world.gateway.advance_clock(61);
        let restored = crate::support::gitlab::StubProject { path: path.into(), ..project.clone() };
        world.gitlab.state().projects.insert(7, restored);
        let number = format!("/api/v4/projects/{}/jobs/7001/artifacts", path.replace('/', "%2F"));
        assert_eq!(world.status(&number, DEVELOPER), 200);
        assert!(!is_hidden(&world));
    };
    delete_and_tell(&world);
    assert_eq!(build("group", "app"), None);
    tell_again("group/app");
    assert_eq!(build("group", "app"), Some(old.clone()), "nobody took them");
    // Another one is at its path, and is called so.
    delete(&world);
    let mut again = destroyed();
    again["updated_at"] = then(&world, 0).into();
    assert_eq!(hook(&world, BELIEVED, &again), 202, "the same event would be known");
    assert!(is_hidden(&world));
    world.gitlab.state().projects.get_mut(&8).unwrap().path = "group/app".into();
    assert_eq!(world.upload(8001, OPEN, "", "new").status, 201);
    let new = build("group", "app").unwrap();
    assert_ne!(new, old);
    // A node that starts gives nothing to one that is hidden.
    let app = &world.gateway.app;
    drop(artigate::app::App::open(app.settings.clone(), app.clock.clone()).unwrap());
    let slugs = |id| world.gateway.catalog(move |db| artigate::catalog::projects::slugs_of(db, id));
    assert!(slugs(7).is_none() && slugs(8).is_some());
    tell_again("other/restored");
    assert_eq!(build("other", "restored"), Some(old));
    assert_eq!(build("group", "app"), Some(new));
}
