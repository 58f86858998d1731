//! What remains of projects that are deleted at the upstream: who is told of it, and when a sweep removes it.

use artigate::catalog::usage::DueReason;
use serde_json::json;

use super::gone::{DAY, delete_and_tell, deleted_on_both, hooked, with_token};
use super::pulling::{OLD, archive, get, pulls, with_archives};
use super::{APP, DEVELOPER, World};
use crate::administration::{done, parsed};
use crate::storage::{count, view};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, ARCHIVE};
use crate::web::{html, open};

deleted_on_both!(
    bytes_are_deleted_after_a_week_whatever_was_kept,
    the_list_of_projects_tells_what_is_hidden_and_until_when,
    whoever_operates_the_server_sees_that_a_project_is_gone,
);

fn bytes_are_deleted_after_a_week_whatever_was_kept(world: World) {
    fixtures::small(&world.gateway, b"bytes");
    let keep = format!("{APP}/keep");
    assert_eq!(world.gateway.post(&keep).private_token(super::MAINTAINER).send().status, 200);
    let before = world.gateway.blobs().len();
    delete_and_tell(&world);
    world.gateway.advance_clock(7 * DAY - 1);
    world.gateway.sweep();
    assert_eq!(world.gateway.blobs().len(), before);
    world.gateway.advance_clock(1);
    assert_eq!(world.gateway.sweep().expired, 1);
    assert_eq!(world.gateway.blobs().len(), before - 1);
    let all = world.gateway.catalog(|db| artigate::catalog::projects::details(db, None));
    assert!(!all.is_empty() && all.iter().all(|it| it.project.id != 7), "{all:?}");
    assert_eq!(world.gateway.catalog(|db| artigate::catalog::jobs::find(db, 7001)).map(|job| job.id), None);
    assert_eq!(world.status(APP, DEVELOPER), 404);
    assert_eq!(world.status(ARCHIVE, fixtures::ADMIN), 200, "what is registered here stays");
    assert_eq!(world.gateway.sweep(), artigate::retention::Swept::default());
}

fn the_list_of_projects_tells_what_is_hidden_and_until_when(world: World) {
    assert!(!done(&world.gateway, &["project", "list"]).contains("HIDDEN_UNTIL"));
    delete_and_tell(&world);
    let until = world.gateway.now().as_millis() + 7 * DAY * 1000;
    let until = artigate::domain::Timestamp::from_millis(until).to_string();
    let listed = parsed(&world.gateway, &["project", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["path"]), (&json!(7), &json!("group/app")));
    assert_eq!(listed[0]["hidden_until"], until);
    let text = done(&world.gateway, &["project", "list"]);
    assert!(text.contains("HIDDEN_UNTIL") && text.contains(&until), "{text}");
}

fn whoever_operates_the_server_sees_that_a_project_is_gone(world: World) {
    Fixture::users().load(&world.gateway);
    let page = || html(&open(&world.gateway, fixtures::ADMIN, "/-/operate")).to_owned();
    let usage = || parsed(&world.gateway, &["project", "list", "--usage"])["projects"].clone();
    assert!(page().contains("<a href=\"/group/app\">group/app</a>") && !page().contains("gone since"));
    assert_eq!((&usage()[0]["id"], &usage()[0]["gone_since"]), (&json!(7), &json!(null)));
    assert!(!done(&world.gateway, &["project", "list", "--usage"]).contains("GONE_SINCE"));
    delete_and_tell(&world);
    let since = world.gateway.now().to_string();
    let shown = page();
    assert!(
        shown.contains(&format!("group/app <span class=\"state\">gone since <time datetime=\"{since}\">")),
        "{shown}"
    );
    assert!(!shown.contains("href=\"/group/app\""), "its address leads nowhere");
    assert_eq!((&usage()[0]["id"], &usage()[0]["gone_since"]), (&json!(7), &json!(since)));
    let text = done(&world.gateway, &["project", "list", "--usage"]);
    assert!(text.contains("GONE_SINCE") && text.contains(&since), "{text}");
}

mod the_next_sweep_counts_what_is_gone_and_copies_without_room {
    use super::{World, full};

    #[test]
    fn on_sqlite() {
        super::the_next_sweep_counts_what_is_gone_and_copies_without_room(World::on_sqlite(full));
    }

    #[test]
    fn on_postgres() {
        super::the_next_sweep_counts_what_is_gone_and_copies_without_room(World::on_postgres(full));
    }
}

/// An upstream whose copies may take as much as one and a half archives.
fn full(settings: &mut artigate::settings::UpstreamSettings) {
    hooked(settings);
    pulls(settings);
    settings.cache_bytes = archive().len() as u64 * 3 / 2;
}

fn the_next_sweep_counts_what_is_gone_and_copies_without_room(world: World) {
    let world = with_archives(with_token(world));
    let path = |id: i64| OLD.replace("5001", &id.to_string());
    // Nothing makes room for the second copy while somebody keeps the first one.
    assert_eq!(get(&world, &path(5001), DEVELOPER).status, 200);
    world.gateway.advance_clock(1);
    let expiry = |sql: &'static str| {
        world.gateway.write_catalog(move |db| {
            use diesel::RunQueryDsl;
            diesel::sql_query(format!("UPDATE artifacts SET expire_at = {sql} WHERE job_id = 5001"))
                .execute(db)?;
            Ok(())
        });
    };
    expiry("NULL");
    assert_eq!(get(&world, &path(5002), DEVELOPER).status, 200);
    expiry("4000000000000");
    assert_eq!(world.upload(7002, super::TEST, "expire_in=1%20hour", "soon").status, 201);
    let made =
        Fixture::project("local/project").members().pipeline(100, "main").status("failed").job(10, "a");
    made.archive(b"old").expire_in("1 hour").job(11, "b").archive(b"stays").load(&world.gateway);
    let due = |world: &World| -> Vec<(i64, DueReason)> {
        let counts = count(&world.gateway);
        assert_eq!(counts.next_sweep.artifacts, counts.next_sweep_first.len() as i64);
        assert_eq!(counts.next_sweep.bytes, counts.next_sweep_first.iter().map(|it| it.bytes).sum::<i64>());
        counts.next_sweep_first.iter().map(|it| (it.job_id, it.why)).collect()
    };
    assert_eq!(due(&world), [(5001, DueReason::NoRoom)]);
    delete_and_tell(&world);
    world.gateway.advance_clock(7 * DAY - 1);
    let mut expected = vec![(7002, DueReason::Expired), (10, DueReason::Expired), (5001, DueReason::NoRoom)];
    let mut expired = due(&world);
    expired[..2].sort_by_key(|(job, _)| std::cmp::Reverse(*job));
    assert_eq!(expired, expected);
    world.gateway.advance_clock(1);
    expected.extend([(7001, DueReason::Gone), (5002, DueReason::Gone)]);
    let mut all = due(&world);
    all[..2].sort_by_key(|(job, _)| std::cmp::Reverse(*job));
    assert_eq!(all, expected);
    Fixture::users().load(&world.gateway);
    let page = html(&open(&world.gateway, fixtures::ADMIN, "/-/operate")).to_owned();
    for (why, times) in [("other copies need its room", 1), ("its project was deleted at the upstream", 2)] {
        assert_eq!(page.matches(why).count(), times, "{page}");
    }
    let (next, before) = (count(&world.gateway).next_sweep, view(&world.gateway).stored);
    assert_eq!(world.gateway.sweep().expired as i64, next.artifacts);
    let left = view(&world.gateway).stored;
    assert_eq!((before.artifacts - left.artifacts, before.bytes - left.bytes), (next.artifacts, next.bytes));
    assert_eq!((left.artifacts, due(&world)), (1, vec![]));
}
