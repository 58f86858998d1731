//! Many who ask at once, and what they cost.

use std::sync::Barrier;

use super::{APP, BUILD, DEVELOPER, OUTSIDER, World, in_front_on_both};
use crate::support::fixture::Fixture;
use crate::support::gateway::Gateway;
use crate::support::until;

in_front_on_both!(a_hundred_at_once_are_one_question, nobody_waits_with_a_connection_to_the_database,);

const MANY: usize = 100;

/// What an address that fails too often may ask besides about tokens of users, and as much about those of jobs.
const SPARE: usize = 10;

fn hold(world: &World, held: bool) {
    world.gitlab.state().held = held;
}

fn a_hundred_at_once_are_one_question(world: World) {
    let world = world.with_archive("public");
    let counts = || world.gateway.app.access.upstream().unwrap().counts();
    let before = counts();
    hold(&world, true);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..MANY).map(|_| scope.spawn(|| world.status(APP, DEVELOPER))).collect();
        until(60_000, "all but one wait for the one", || counts().joined - before.joined == MANY as u64 - 1);
        hold(&world, false);
        assert!(all.into_iter().all(|one| one.join().unwrap() == 200));
    });
    assert_eq!(world.gitlab.asked(), ["/projects/7/pipelines?per_page=1"]);
    assert_eq!(counts().calls - before.calls, 1);
    // The same with a job that nobody knows, whose rows are written.
    let uploads = Barrier::new(20);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                uploads.wait();
                assert_eq!(world.upload(7002, super::TEST, "", "same").status, 201);
            });
        }
    });
    assert_eq!(world.gitlab.asked(), ["/job"]);
}

fn nobody_waits_with_a_connection_to_the_database(world: World) {
    let world = world.with_archive("public");
    Fixture::project("local/project").public().load(&world.gateway);
    hold(&world, true);
    let ask = &|number: usize| world.status(APP, &format!("glpat-waits-{number}"));
    std::thread::scope(|scope| {
        // More than there are connections.
        let waiting: Vec<_> = (0..20).map(|number| scope.spawn(move || ask(number))).collect();
        until(60_000, "all wait for the upstream", || world.gitlab.count() == 20);
        assert_eq!(world.gateway.get("/api/v4/projects/1").send().status, 200);
        assert!(waiting.iter().all(|one| !one.is_finished()));
        hold(&world, false);
        assert!(waiting.into_iter().all(|one| one.join().unwrap() == 401));
    });
}

#[test]
fn an_address_that_fails_too_often_asks_no_more_about_tokens_that_nobody_knows() {
    let world = World::on_sqlite(|_| {}).with_archive("public");
    assert_eq!(world.status(APP, DEVELOPER), 200);
    world.gitlab.calls();
    let junk = |number: usize| world.status(APP, &format!("glpat-junk-{number}"));
    assert!((0..60).all(|number| junk(number) == 401));
    assert!((60..200).all(|number| junk(number) == 429));
    assert_eq!(world.gitlab.asked().len(), 60 + SPARE);
    assert_eq!(world.status(APP, DEVELOPER), 200, "what is remembered needs no question");
    assert_eq!(world.gitlab.asked().len(), 0);
    // Whoever is known to be valid may ask more.
    let other = "/api/v4/projects/9/jobs/1/artifacts";
    assert_eq!((world.status(other, DEVELOPER), world.gitlab.asked().len()), (404, 1));
    world.gateway.advance_clock(60);
    assert_eq!((world.status(APP, DEVELOPER), world.status(APP, OUTSIDER)), (200, 404));
}

#[test]
fn a_new_job_behind_an_address_that_fails_too_often_is_asked_about() {
    let world = World::on_sqlite(|_| {}).with_archive("public");
    let junk = |number: usize| world.status(APP, &format!("glpat-junk-{number}"));
    assert!((0..200).all(|number| matches!(junk(number), 401 | 429)));
    world.gitlab.calls();
    assert_eq!(
        world.upload(7002, super::TEST, "", "text").status,
        201,
        "its share is another than that of users"
    );
    assert_eq!(world.gitlab.asked(), ["/job"]);
    // A runner that shows the same bad token for ever asks nothing more.
    let bad = |token: &str| world.upload(7001, token, "", "x").status;
    assert!((0..100).all(|_| bad("glcbt-64_bad") == 429));
    assert_eq!(world.gitlab.asked(), ["/job"]);
    // Guessing is bounded, and leaves room for others after a while.
    assert!((0..100).all(|number| bad(&format!("glcbt-64_guess-{number}")) == 429));
    assert_eq!(world.gitlab.asked().len(), SPARE - 2);
    assert_eq!(world.upload(8001, super::OPEN, "", "x").status, 429);
    world.gateway.advance_clock(3);
    assert_eq!(world.upload(8001, super::OPEN, "", "x").status, 201);
}

#[test]
fn an_answer_is_as_old_as_its_question() {
    let world = World::on_sqlite(|_| {}).with_archive("public");
    hold(&world, true);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| world.status(APP, DEVELOPER));
        until(60_000, "it is asked", || world.gitlab.count() == 1);
        world.gateway.advance_clock(20);
        hold(&world, false);
        assert_eq!(reading.join().unwrap(), 200);
    });
    world.gitlab.calls();
    world.gateway.advance_clock(9);
    assert_eq!((world.status(APP, DEVELOPER), world.gitlab.asked().len()), (200, 0));
    world.gateway.advance_clock(1);
    assert_eq!((world.status(APP, DEVELOPER), world.gitlab.asked().len()), (200, 1));
}

#[test]
fn questions_beyond_the_bound_wait_for_a_second_and_no_longer() {
    let world = World::on_sqlite(|upstream| upstream.concurrency = 2).with_archive("public");
    hold(&world, true);
    std::thread::scope(|scope| {
        let held: Vec<_> = (0..2)
            .map(|number| {
                let world = &world;
                scope.spawn(move || world.status(APP, &format!("glpat-held-{number}")))
            })
            .collect();
        until(60_000, "both are asked about", || world.gitlab.count() == 2);
        let answer = world.gateway.get(APP).private_token("glpat-third").send();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(world.upload(7001, BUILD, "", "text").status, 201, "it is remembered");
        hold(&world, false);
        assert!(held.into_iter().all(|one| one.join().unwrap() == 401));
    });
    assert_eq!(world.gitlab.count(), 2);
}

#[test]
fn a_node_without_an_upstream_asks_nobody() {
    let gateway = Gateway::on_sqlite();
    assert!(gateway.app.access.upstream().is_none());
    assert_eq!(gateway.get(APP).private_token(DEVELOPER).send().status, 401);
}
