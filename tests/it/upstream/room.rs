//! The room that copies may take, and the turns that a reader may have.

use artigate::ingest::pull::PullOrder;
use artigate::upstream::{ArchiveAt, Asker, Place};

use super::pulling::{OLD, archive, downloads, downloads_seen, get, pulling_on_both, pulls, with_archives};
use super::{DEVELOPER, GUEST, MAINTAINER, World};
use crate::support::until;

pulling_on_both!(what_one_may_not_have_is_not_refused_to_another_who_waits_with_him);

/// A world whose copies may take as much as so many halves of an archive.
fn world(halves: u64) -> World {
    with_archives(World::on_sqlite(|settings| {
        pulls(settings);
        settings.cache_bytes = archive().len() as u64 * halves / 2;
    }))
}

fn path(id: i64) -> String {
    OLD.replace("5001", &id.to_string())
}

fn bytes_of_copies(world: &World) -> u64 {
    world.gateway.catalog(artigate::catalog::copies::total_bytes)
}

/// Whether a copy of the archive of a job is here: reading it asks for no other.
fn is_here(world: &World, id: i64) -> bool {
    world.gateway.catalog(move |db| artigate::catalog::copies::jobs_with_archive(db, &[id])).len() == 1
}

#[test]
fn room_is_made_before_an_archive_is_fetched() {
    let world = world(5);
    let size = archive().len() as u64;
    for id in [5001, 5002] {
        assert_eq!(get(&world, &path(id), DEVELOPER).status, 200);
        world.gateway.advance_clock(1);
    }
    world.gitlab.state().stalls_after = Some(1000);
    std::thread::scope(|scope| {
        let third = scope.spawn(|| get(&world, &path(5003), DEVELOPER));
        until(60_000, "the oldest has given way before the new one is here", || {
            bytes_of_copies(&world) == size
        });
        world.gitlab.state().stalls_after = None;
        assert!(third.join().unwrap().body == archive());
    });
    assert_eq!(bytes_of_copies(&world), 2 * size);
    assert_eq!([5001, 5002, 5003].map(|id| is_here(&world, id)), [false, true, true]);
    // Their bytes are deleted before the next sweep.
    world.gateway.block_on(world.gateway.app.pulls.evicted());
    world.gateway.block_on(world.gateway.app.retention.remove_bytes(false, |_| {})).unwrap();
    world.gateway.until_blobs(2);
}

#[test]
fn archives_on_their_way_count_and_one_that_finds_no_room_comes_back_later() {
    let world = world(3);
    world.gitlab.state().stalls_after = Some(1000);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get(&world, &path(5001), DEVELOPER));
        until(60_000, "the first has begun", || downloads_seen(&world) == 1);
        let rest = || get(&world, &format!("{}/a.txt", path(5002)), DEVELOPER);
        let second = scope.spawn(rest);
        until(60_000, "the second has begun", || downloads_seen(&world) == 2);
        let second = second.join().unwrap();
        assert_eq!((second.status, second.header("retry-after")), (503, Some("5")), "{second:?}");
        world.gitlab.state().stalls_after = None;
        assert!(first.join().unwrap().body == archive());
        assert_eq!(rest().text(), "old");
    });
    assert_eq!(bytes_of_copies(&world), archive().len() as u64);
}

#[test]
fn one_reader_has_half_of_the_turns_and_others_wait_for_none_of_his() {
    let world = with_archives(World::on_sqlite(pulls));
    let job = world.gitlab.state().jobs[&5001].clone();
    for id in 5010..5020 {
        world.gitlab.state().jobs.insert(id, job.clone());
    }
    world.gitlab.state().stalls_after = Some(1000);
    std::thread::scope(|scope| {
        let world = &world;
        let read = move |id: i64, token: &'static str| scope.spawn(move || get(world, &path(id), token));
        let mut all: Vec<_> = (5010..5018).map(|id| read(id, DEVELOPER)).collect();
        let heads = || world.gitlab.seen().iter().filter(|path| path.ends_with("artifacts HEAD")).count();
        until(60_000, "he may fetch all eight", || heads() == 8);
        until(60_000, "and fetches four", || downloads_seen(world) == 4);
        // Another one fetches what he waits for, too.
        let seen = world.gitlab.seen();
        let is_fetched = |id: &i64| seen.iter().any(|path| path.ends_with(&format!("/jobs/{id}/artifacts")));
        let waiting = (5010..5018).find(|id| !is_fetched(id)).unwrap();
        for id in [waiting, 5018] {
            all.push(read(id, MAINTAINER));
        }
        until(60_000, "two more are fetched", || downloads_seen(world) == 6);
        world.gitlab.state().stalls_after = None;
        for one in all {
            assert!(one.join().unwrap().body == archive());
        }
    });
    assert_eq!(downloads(&world), 9, "each once");
}

fn what_one_may_not_have_is_not_refused_to_another_who_waits_with_him(world: World) {
    let order = |token: &str| PullOrder {
        asker: Asker::with_token(Place::Personal, &token.to_owned().into()).unwrap(),
        client: None,
        archive: ArchiveAt { project_id: 7, job_id: 5001, as_dependency: false },
        pipeline_id: None,
        ahead: None,
    };
    let pulls = &world.gateway.app.pulls;
    // The guest is the first, and both wait for the same.
    let (guest, developer) = world.gateway.block_on(async {
        futures_util::future::join(pulls.store(order(GUEST)), pulls.store(order(DEVELOPER))).await
    });
    assert!(guest.is_err() && developer.is_ok(), "{guest:?} {developer:?}");
    assert_eq!(downloads(&world), 1);
}
