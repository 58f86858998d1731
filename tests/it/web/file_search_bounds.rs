//! Bounds of the search for files by name: by the share of an address, by entries and by time.

use std::net::IpAddr;
use std::time::Duration;

use artigate::app::{App, SearchBounds};
use artigate::shares::{Share, Shares};

use super::{ACCEPT, html, navigation};
use crate::support::disk::Disk;
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};
use crate::support::zips;

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(600);

/// A client's address.
const ONE: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

fn gateway(bounds: SearchBounds) -> Gateway {
    let trusting = |settings: &mut artigate::settings::Settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    };
    let gateway = Gateway::on_sqlite_with_parts(trusting, |app: &mut App| app.searches = bounds);
    let archive = zips::deflated(&[("a-wanted.txt", b"a"), ("b.txt", b"b"), ("c.txt", b"c")]);
    let mut fixture = Fixture::project("group/app").public().pipeline(100, "main");
    for id in 1..=6 {
        fixture = fixture.job(id, &format!("job {id}")).archive(&archive);
    }
    fixture.load(&gateway);
    gateway
}

fn search(gateway: &Gateway, from: &str) -> Answer {
    navigation(gateway, "GET", "/group/app/-/artifacts?file=wanted").header("X-Forwarded-For", from).send()
}

/// Takes turns of an address.
fn hold(gateway: &Gateway, address: &str, turns: usize) -> Vec<Share<IpAddr>> {
    let address: IpAddr = address.parse().unwrap();
    (0..turns).map(|_| gateway.block_on(gateway.app.searches.turns.take(address))).collect()
}

#[test]
fn one_address_that_has_its_share_waits_and_stops_no_other() {
    let gateway = gateway(SearchBounds { time: LONG, ..SearchBounds::default() });
    let held = hold(&gateway, ONE, 2);
    assert_eq!(gateway.app.searches.turns.left(), 1, "an address has two of three");
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..8).map(|_| scope.spawn(|| search(&gateway, ONE))).collect();
        let found = search(&gateway, OTHER);
        assert!(html(&found).contains("6 files found. 6 archives were looked into"), "{}", found.text());
        assert!(crowd.iter().all(|waiting| !waiting.is_finished()), "they wait behind their own");
        drop(held);
        for waiting in crowd {
            assert!(html(&waiting.join().unwrap()).contains("6 files found."));
        }
    });
    assert_eq!(gateway.app.searches.turns.left(), 3, "all turns come back");
}

#[test]
fn who_gets_no_turn_in_time_is_told_to_come_back() {
    let gateway = gateway(SearchBounds { time: Duration::from_millis(20), ..SearchBounds::default() });
    let held = hold(&gateway, ONE, 2);
    // Of the same IPv4 address, however it is written.
    for from in [ONE, "::ffff:192.0.2.1"] {
        let refused = search(&gateway, from);
        super::is_page(&refused);
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{from}");
        assert!(refused.text().contains("The server is busy"), "{}", refused.text());
    }
    let list = navigation(&gateway, "GET", "/group/app/-/artifacts").header("X-Forwarded-For", ONE).send();
    assert!(html(&list).contains("<h1>Artifacts</h1>"), "all else goes on");
    drop(held);
}

#[test]
fn a_search_of_all_entries_that_it_may_look_at_says_what_it_has_left_out() {
    let gateway = gateway(SearchBounds { time: LONG, entries: 5, ..SearchBounds::default() });
    let page = search(&gateway, ONE);
    let text = html(&page);
    assert!(text.contains("2 files found. 2 archives were looked into, of the newest 100."), "{text}");
    assert!(
        text.contains("The search ended before it grew too long, and has left out 4 older archives."),
        "{text}"
    );
    let whole = SearchBounds { time: LONG, entries: 18, ..SearchBounds::default() };
    let gateway = self::gateway(whole);
    let page = search(&gateway, ONE);
    assert!(html(&page).contains("6 files found.") && !page.text().contains("left out"), "{}", page.text());
}

#[test]
fn a_search_beside_a_disk_that_does_not_answer_ends_and_says_so() {
    let disk = Disk::under("artigate-data/blobs", &[]);
    disk.stops();
    let address = disk.serving.address();
    let search = |name: &str| {
        let path = format!("/group/project/-/artifacts?file={name}");
        let request = Request::new(address, "GET", &path).private_token(fixtures::ADMIN);
        request.header("Accept", ACCEPT).header("Sec-Fetch-Mode", "navigate").send()
    };
    let page = search("large");
    let text = html(&page);
    let says = "The search ended before it grew too long, and has left out 1 older archive.";
    assert!(text.contains(says) && text.contains("No file that could be looked at"), "{text}");
    disk.goes_on();
    crate::support::until(30_000, "the archive is searched", || {
        let found = search("large");
        found.status == 200 && found.text().contains("1 file found. 1 archive was looked into")
    });
    assert_eq!(disk.serving.stop(), Some(0));
}

#[test]
fn turns_of_all_addresses_are_bounded_together() {
    let one_turn = SearchBounds { turns: Shares::new(1, 1), ..SearchBounds::default() };
    let gateway = gateway(SearchBounds { time: Duration::from_millis(20), ..one_turn });
    let held = hold(&gateway, ONE, 1);
    assert_eq!(search(&gateway, OTHER).status, 503);
    drop(held);
}
