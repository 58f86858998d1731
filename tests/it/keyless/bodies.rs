//! Bodies of hooks: how many are held at once, how long each may take, and that a sender cannot have all turns.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use artigate::app::{App, HookBounds};
use artigate::shares::Shares;
use serde_json::{Value, json};

use super::hooks::{INSTANCE, pipeline};
use super::{CURRENT, World};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request, read_answer};
use crate::support::until;

const HOOK: &str = "/api/feeds/v1/gitlab";
const LONG: Duration = Duration::from_secs(60);

/// A world behind a proxy that names its clients, with these times for hooks.
fn world(patience: Duration, body_time: Duration) -> World {
    let parts = move |app: &mut App| app.hooks = HookBounds { patience, body_time, ..HookBounds::default() };
    let world = World::with_hooks(move |change| {
        let settings = |settings: &mut artigate::settings::Settings| {
            change(settings);
            settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        };
        Gateway::on_sqlite_with_parts(settings, parts)
    });
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    world
}

fn hook(world: &World, from: &str) -> Request {
    let request = world.gateway.post(HOOK).header("X-Gitlab-Event", "Pipeline Hook");
    request.header("X-Gitlab-Token", INSTANCE).header("X-Forwarded-For", from)
}

/// An event of so many bytes more than it needs.
fn event(more: usize) -> Vec<u8> {
    let filler: Value = "x".repeat(more).into();
    pipeline("running", 2, json!({ "filler": filler })).to_string().into_bytes()
}

fn send(world: &World, from: &str, more: usize) -> Answer {
    hook(world, from).body(event(more)).send()
}

/// Begins a delivery of which so many bytes come, and no more.
fn stall(world: &World, from: &str, bytes: usize) -> TcpStream {
    let mut stream = hook(world, from).header("Content-Length", "1000000").connect();
    stream.write_all(&vec![b' '; bytes]).unwrap();
    stream
}

fn left(world: &World) -> usize {
    world.gateway.app.hooks.turns.left()
}

#[test]
fn eight_large_bodies_are_held_at_once_and_the_next_one_is_told_to_come_back() {
    let world = world(Duration::ZERO, LONG);
    let held: Vec<TcpStream> =
        (0..8).map(|number| stall(&world, ["192.0.2.1", "192.0.2.2"][number % 2], 20_000)).collect();
    until(60_000, "all turns are taken", || left(&world) == 0);
    let answer = send(&world, "192.0.2.3", 100_000);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    assert_eq!(send(&world, "192.0.2.3", 0).status, 202, "a small one needs no turn");
    drop(held);
    until(60_000, "the turns come back", || left(&world) == 8);
    assert_eq!(send(&world, "192.0.2.3", 100_000).status, 202);
}

#[test]
fn one_sender_has_at_most_half_of_the_turns() {
    let world = world(Duration::ZERO, LONG);
    let _held: Vec<TcpStream> = (0..4).map(|_| stall(&world, "192.0.2.1", 20_000)).collect();
    until(60_000, "it has its part", || left(&world) == 4);
    assert_eq!(send(&world, "192.0.2.1", 100_000).status, 503);
    assert_eq!(left(&world), 4);
    assert_eq!(send(&world, "192.0.2.2", 100_000).status, 202);
}

#[test]
fn a_sender_that_has_sent_little_holds_no_turn() {
    let world = world(Duration::ZERO, LONG);
    let _held: Vec<TcpStream> =
        (0..20).map(|number| stall(&world, &format!("192.0.2.{number}"), 10_000)).collect();
    assert_eq!(send(&world, "192.0.2.99", 100_000).status, 202);
    assert_eq!(left(&world), 8);
}

#[test]
fn a_body_that_does_not_come_in_its_time_is_given_up() {
    for bytes in [10, 20_000] {
        let world = world(LONG, Duration::from_millis(50));
        let answer = read_answer(stall(&world, "192.0.2.1", bytes), false).unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        until(60_000, "the turn comes back", || left(&world) == 8);
    }
}

#[test]
fn a_body_waits_for_its_turn() {
    let parts = |app: &mut App| {
        app.hooks = HookBounds { turns: Shares::new(1, 1), patience: LONG, body_time: LONG };
    };
    let world = World::with_hooks(move |change| Gateway::on_sqlite_with_parts(change, parts));
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let held = stall(&world, "", 20_000);
    until(60_000, "the turn is taken", || left(&world) == 0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| send(&world, "", 100_000).status);
        drop(held);
        assert_eq!(waiting.join().unwrap(), 202);
    });
}
