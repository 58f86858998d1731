//! Archives without one of their files: odd ones, in a bucket, on two nodes at once, killed in the middle, and while
//! somebody reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::artifacts::{ARTIFACTS, names_of};
use super::{MAINTAINER, delete, field, got, path_of, refused};
use crate::chaos::clients;
use crate::chaos::nodes::{Installation, Nodes};
use crate::support::bucket::{self, Fault, Proxy};
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::{Gateway, PostgresDatabase};
use crate::support::http_client::{Request, read_answer};
use crate::support::zips::{self, Entry};

on_both_databases!(
    odd_entries_hinder_no_removal_and_stay_as_they_are,
    a_replaced_archive_stays_for_its_readers_from_collections_too,
    a_reader_of_the_former_archive_gets_all_of_it
);

fn whole(gateway: &Gateway) -> Vec<u8> {
    let answer = gateway.get(ARCHIVE).private_token(MAINTAINER).send();
    assert!(answer.status == 200 && answer.complete);
    answer.body
}

/// The artifact of a path.
fn url_of(gateway: &Gateway, path: &str) -> String {
    let list = got(gateway, &format!("{ARTIFACTS}?per_page=100"));
    let paths = field(&list, "path");
    let number = paths.iter().position(|own| own == path).unwrap_or_else(|| panic!("{path}: {paths:?}"));
    path_of(gateway, &list[number]["url"])
}

fn odd_entries_hinder_no_removal_and_stay_as_they_are(gateway: Gateway) {
    let odd = |name: &str, flags, method| Entry { flags, method, ..Entry::stored(name, b"odd content") };
    let entries = [
        odd("encrypted", 1, 0),
        Entry::stored("secret.txt", b"this goes away"),
        odd("strange", 0, 99),
        Entry { packed: b"cut".to_vec(), uncompressed_size: 1 << 30, ..Entry::stored("lies", b"x") },
        Entry::stored("kept.txt", b"this stays"),
    ];
    let archive = [&b"#!/bin/sh\n"[..], &zips::by_hand(&entries)].concat();
    fixtures::small(&gateway, &archive);
    assert_eq!(delete(&gateway, &url_of(&gateway, "secret.txt")).status, 204);
    let left: Vec<Entry> = entries.into_iter().filter(|entry| entry.name != b"secret.txt").collect();
    assert!(whole(&gateway) == [&b"#!/bin/sh\n"[..], &zips::by_hand(&left)].concat());
    // An entry that cannot be read is one that can be removed.
    for path in ["encrypted", "strange", "lies"] {
        assert_eq!(delete(&gateway, &url_of(&gateway, path)).status, 204, "{path}");
    }
    assert!(whole(&gateway) == [&b"#!/bin/sh\n"[..], &zips::by_hand(&left[3..])].concat());
}

fn a_replaced_archive_stays_for_its_readers_from_collections_too(gateway: Gateway) {
    fixtures::small(&gateway, &zips::deflated(&[("a", b"a"), ("b", b"b")]));
    assert_eq!(delete(&gateway, &url_of(&gateway, "a")).status, 204);
    let collect = |removed: usize| {
        let collected = gateway.collect(Duration::ZERO).unwrap();
        assert_eq!((collected.removed.blobs, collected.orphans), (removed, 0));
    };
    collect(0);
    gateway.advance_clock(15 * 60 - 1);
    assert_eq!(gateway.sweep().removed.blobs, 0);
    collect(0);
    gateway.until_blobs(2);
    // Whatever the clock of a node says, the time that all share decides.
    let (ahead, shared) = (gateway.now().plus_seconds(86_400).unwrap(), gateway.now());
    let leased =
        gateway.write_catalog(move |db| artigate::catalog::tombstones::lease(db, 100, true, ahead, shared));
    assert_eq!(leased.len(), 0, "a clock that is ahead");
    gateway.advance_clock(1);
    collect(1);
    gateway.until_blobs(1);
}

fn a_reader_of_the_former_archive_gets_all_of_it(gateway: Gateway) {
    let big = zips::noise(20 << 20);
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("a", b"a"), ("big", &big)]);
    fixtures::small(&gateway, &archive);
    let stream = gateway.get(ARCHIVE).private_token(MAINTAINER).connect();
    stream.peek(&mut [0; 1]).unwrap();
    let file = url_of(&gateway, "big");
    let link = got(&gateway, &file);
    assert_eq!(delete(&gateway, &url_of(&gateway, "a")).status, 204);
    gateway.sweep();
    assert_eq!(got(&gateway, &file)["id"], link["id"]);
    let answer = read_answer(stream, false).unwrap();
    assert!(answer.complete && answer.body == archive);
    assert_eq!(names_of(&whole(&gateway)), ["big"]);
}

#[test]
fn a_bucket_that_fails_in_the_middle_leaves_the_archive_as_it_was() {
    let proxy = Proxy::start();
    let gateway =
        Gateway::in_a_bucket(proxy.address, |settings| settings.storage_timeout = Duration::from_secs(1));
    let big = zips::noise(9 << 20);
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("a", b"a"), ("big", &big), ("z", b"z")]);
    fixtures::small(&gateway, &archive);
    let url = url_of(&gateway, "a");
    proxy.fail(Fault::Status(500));
    assert!(refused(&delete(&gateway, &url)).0 >= 500);
    proxy.fail(Fault::None);
    assert!(whole(&gateway) == archive);
    assert_eq!(delete(&gateway, &url).status, 204);
    assert_eq!(names_of(&whole(&gateway)), ["big", "z"]);
    let left = gateway.get(&format!("{ARCHIVE}/big")).private_token(MAINTAINER).send();
    assert!(left.body == big);
}

/// How many files an archive has of which each is deleted once.
const FILES: usize = 24;

/// Deletes all files but the last of an archive through two nodes, of which one is killed over and over.
fn deleted_through_two_nodes(installation: &Installation) {
    let names: Vec<String> = (0..FILES).map(|n| format!("{n:02}")).collect();
    let content = zips::noise(200_000);
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), content.as_slice())).collect();
    let archive = zips::packed(zip::CompressionMethod::Stored, &files);
    std::fs::write(installation.path().join("archive.zip"), archive).unwrap();
    std::fs::write(installation.path().join("registry.yml"), fixtures::small_document()).unwrap();
    installation.run(&["load", "registry.yml"]);
    let nodes = Nodes::start(installation, 2);
    let ask = |number: usize, method: &str, path: &str| {
        let head = format!("Authorization: Bearer {MAINTAINER}\r\n");
        clients::ask(nodes.address(number), method, path, &head, b"")
    };
    let list = ask(0, "GET", &format!("{ARTIFACTS}?per_page=100")).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    let paths: Vec<String> = (0..FILES - 1)
        .map(|n| {
            let url = list[n]["url"].as_str().unwrap();
            url[url.find("/v2/").unwrap()..].to_owned()
        })
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (ask, paths, done, nodes) = (&ask, &paths, &done, &nodes);
        let deleting: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn(move || {
                    for path in paths.iter().skip(client).step_by(4) {
                        // A deletion whose answer was lost is made again: then the file is gone.
                        while !ask(client, "DELETE", path).is_some_and(|it| matches!(it.status, 204 | 404)) {}
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                nodes.kill_and_restart(1);
            }
        });
        let ended: Vec<_> = deleting.into_iter().map(|client| client.join()).collect();
        done.store(true, Ordering::SeqCst);
        ended.into_iter().for_each(|client| client.unwrap());
    });
    let whole = Request::new(nodes.address(0), "GET", ARCHIVE).private_token(MAINTAINER).send();
    assert_eq!(names_of(&whole.body), [names[FILES - 1].as_str()]);
    drop(nodes);
    installation.run(&["fsck"]);
    installation.silence_writers();
    installation.run(&["gc", "--grace", "0s"]);
    // The former archives wait for their readers, each with its row.
    assert_eq!(installation.rows(), installation.blobs());
}

#[test]
fn files_go_once_each_through_two_nodes_on_postgresql_and_a_bucket_of_which_one_is_killed() {
    let database = PostgresDatabase::create();
    deleted_through_two_nodes(&Installation::new(Some(database), Some(bucket::fresh(bucket::server()))));
}

#[test]
fn files_go_once_each_through_two_nodes_on_sqlite_and_a_directory_of_which_one_is_killed() {
    deleted_through_two_nodes(&Installation::new(None, None));
}
