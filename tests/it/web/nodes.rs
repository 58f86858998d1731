//! Nodes on the page for operators: which processes serve, and which have ended without telling.

use artigate::catalog::nodes::{self, Node};

use super::{ACCEPT, html, open};
use crate::chaos::nodes::Installation;
use crate::program::Serving;
use crate::support::fixtures::{self, ADMIN};
use crate::support::gateway::{Gateway, PostgresDatabase};
use crate::support::http_client::Request;
use crate::support::{until, zips};

const PAGE: &str = "/-/operate";

on_both_databases!(
    a_node_is_seen_until_it_stops,
    a_node_that_died_is_silent_and_forgotten_after_a_day,
    nodes_of_several_releases_are_a_warning,
    a_crowd_of_nodes_makes_no_long_page,
);

/// The rows of the list, as a browser shows their cells.
fn rows(page: &str) -> Vec<String> {
    let list = page.split("<caption class=\"hidden\">Nodes by their start</caption>").nth(1);
    let body = list.and_then(|list| list.split("<tbody>").nth(1)?.split("</tbody>").next());
    let rows = body.unwrap_or_default().split("<tr>").skip(1);
    let cells = |row: &str| row.split('<').filter_map(|part| part.split_once('>')).map(|it| it.1).collect();
    rows.map(|row| cells(row.trim_end())).collect()
}

fn rows_of(gateway: &Gateway) -> Vec<String> {
    rows(html(&open(gateway, ADMIN, PAGE)))
}

fn gateway_of_operators(gateway: &Gateway) {
    fixtures::small(gateway, &zips::deflated(&[("a.txt", b"a")]));
}

fn show(gateway: &Gateway) {
    gateway.block_on(gateway.app.node.show()).unwrap();
}

fn a_node_is_seen_until_it_stops(gateway: Gateway) {
    gateway_of_operators(&gateway);
    let none = open(&gateway, ADMIN, PAGE);
    assert!(html(&none).contains("No node has shown itself yet"));
    show(&gateway);
    gateway.advance_clock(120);
    let (name, release) = (gateway.app.node.name(), env!("CARGO_PKG_VERSION"));
    assert_eq!(rows_of(&gateway), [format!("{name} this node{release}2 minutes ago2 minutes ago")]);
    show(&gateway);
    assert_eq!(rows_of(&gateway), [format!("{name} this node{release}2 minutes agonow")]);
    gateway.block_on(gateway.app.node.leave());
    assert_eq!(rows_of(&gateway), Vec::<String>::new());
}

fn a_node_that_died_is_silent_and_forgotten_after_a_day(gateway: Gateway) {
    gateway_of_operators(&gateway);
    let now = gateway.now();
    gateway.write_catalog(move |db| nodes::see(db, 0xabcd_ef01_2345, "0.0.1", now));
    gateway.advance_clock(4 * 60);
    show(&gateway);
    let rows = rows_of(&gateway);
    assert_eq!(rows[0], "abcdef010.0.14 minutes ago4 minutes ago silent");
    assert!(rows.len() == 2 && rows[1].contains("this node") && !rows[1].contains("silent"), "{rows:?}");
    // What does not run does not make several releases.
    assert!(!html(&open(&gateway, ADMIN, PAGE)).contains("Nodes of several releases"));
    gateway.sweep();
    assert_eq!(rows_of(&gateway).len(), 2);
    gateway.advance_clock(86_400 - 3 * 60);
    gateway.sweep();
    let left: Vec<Node> = gateway.catalog(|db| nodes::list(db, 10));
    assert_eq!(left.iter().map(Node::name).collect::<Vec<_>>(), [gateway.app.node.name()]);
}

fn nodes_of_several_releases_are_a_warning(gateway: Gateway) {
    gateway_of_operators(&gateway);
    show(&gateway);
    assert!(!html(&open(&gateway, ADMIN, PAGE)).contains("Nodes of several releases"));
    let now = gateway.now();
    gateway.write_catalog(move |db| nodes::see(db, 1, "99.0.0", now));
    let told = format!("Nodes of several releases serve: {}, 99.0.0.", env!("CARGO_PKG_VERSION"));
    let page = open(&gateway, ADMIN, PAGE);
    assert!(html(&page).contains(&told), "{}", page.text());
}

fn a_crowd_of_nodes_makes_no_long_page(gateway: Gateway) {
    gateway_of_operators(&gateway);
    let now = gateway.now();
    gateway.write_catalog(move |db| (0..60).try_for_each(|number| nodes::see(db, number, "<b>", now)));
    let page = open(&gateway, ADMIN, PAGE);
    assert_eq!(rows(html(&page)).len(), 50);
    assert!(page.text().contains("These 50 were seen last.") && !page.text().contains("<b>"));
}

/// Asks a program for the page.
fn page_of(serving: &Serving) -> String {
    let request = Request::new(serving.address(), "GET", PAGE).private_token(ADMIN);
    let answer = request.header("Accept", ACCEPT).header("Sec-Fetch-Mode", "navigate").send();
    html(&answer).to_owned()
}

#[test]
fn two_nodes_over_one_postgresql_show_each_other() {
    let installation = Installation::new(Some(PostgresDatabase::create()), None);
    std::fs::write(installation.path().join("archive.zip"), zips::deflated(&[("a.txt", b"a")])).unwrap();
    std::fs::write(installation.path().join("registry.yml"), fixtures::small_document()).unwrap();
    installation.run(&["load", "registry.yml"]);
    let start = || Serving::run(installation.command(&["serve"]));
    let (one, other) = (start(), start());
    let shows = |serving: &Serving, count: usize| {
        let rows = rows(&page_of(serving));
        rows.len() == count && rows.iter().filter(|row| row.contains("this node")).count() == 1
    };
    until(30_000, "each shows both", || shows(&one, 2) && shows(&other, 2));
    let own = |serving: &Serving| rows(&page_of(serving)).into_iter().find(|row| row.contains("this node"));
    assert_ne!(own(&one), own(&other));
    assert_eq!(other.stop(), Some(0));
    assert!(shows(&one, 1), "the one that has stopped has told it: {:?}", rows(&page_of(&one)));
    // One that is killed tells nothing.
    let killed = start();
    until(30_000, "it is shown", || shows(&one, 2));
    drop(killed);
    assert!(shows(&one, 2));
}

#[test]
fn one_node_alone_shows_itself() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("archive.zip"), zips::deflated(&[("a.txt", b"a")])).unwrap();
    std::fs::write(folder.path().join("registry.yml"), fixtures::small_document()).unwrap();
    let loaded = crate::program::artigate(folder.path(), &["load", "registry.yml"]).output().unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let serving = Serving::plain(folder.path());
    until(30_000, "it shows itself", || rows(&page_of(&serving)).len() == 1);
    let row = rows(&page_of(&serving)).remove(0);
    assert!(row[8..].starts_with(&format!(" this node{}", env!("CARGO_PKG_VERSION"))), "{row}");
    assert_eq!(serving.stop(), Some(0));
}
