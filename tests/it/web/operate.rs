//! The page for operators: to whom it is shown, that its numbers are those of the catalog, and the sweep that it begins.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use super::browser::Browser;
use super::{html, navigation, open, submit};
use crate::program::Serving;
use crate::storage::{count, expiring, view};
use crate::support::fixtures::{ADMIN, MAINTAINER};
use crate::support::gateway::Gateway;
use crate::support::until;

on_both_databases!(
    the_page_for_operators_is_there_for_administrators_alone,
    the_page_for_operators_has_the_numbers_of_the_catalog,
    a_sweep_that_is_asked_for_deletes_what_the_page_has_said,
    nobody_else_begins_a_sweep,
    what_needs_attention_is_a_warning,
);

const PAGE: &str = "/-/operate";
const SWEEP: &str = "/-/operate/sweep";

/// The text of a page without its request's ID.
fn without_id(text: &str) -> String {
    text.split("<code>").next().unwrap().to_owned()
}

fn the_page_for_operators_is_there_for_administrators_alone(gateway: Gateway) {
    expiring(&gateway);
    let missing = open(&gateway, MAINTAINER, "/nothing/like/it");
    let hidden = open(&gateway, MAINTAINER, PAGE);
    super::is_page(&hidden);
    assert_eq!((hidden.status, missing.status), (404, 404));
    assert_eq!(without_id(hidden.text()), without_id(missing.text()));
    assert_eq!(open(&gateway, "", PAGE).header("location"), Some("/-/sign_in?to=%2F-%2Foperate"));
    assert_eq!(open(&gateway, "wrong", PAGE).status, 401);
    assert_eq!(open(&gateway, ADMIN, SWEEP).status, 404, "there is nothing to read");
    html(&open(&gateway, ADMIN, PAGE));
    let browser = Browser::signed_in(&gateway, ADMIN);
    assert!(html(&browser.open("/")).contains(&format!("<a href=\"{PAGE}\">")));
    html(&browser.open(PAGE));
    let other = Browser::signed_in(&gateway, MAINTAINER);
    assert!(!html(&other.open("/")).contains(PAGE));
    assert_eq!(other.open(PAGE).status, 404);
    assert_eq!(gateway.get(PAGE).private_token(ADMIN).send().status, 404, "a client is no browser");
}

fn the_page_for_operators_has_the_numbers_of_the_catalog(gateway: Gateway) {
    expiring(&gateway);
    gateway.advance_clock(3600);
    let page = open(&gateway, ADMIN, PAGE);
    assert!(html(&page).contains("was not counted yet") && page.text().contains("not counted yet</dd>"));
    count(&gateway);
    let (page, view) = (open(&gateway, ADMIN, PAGE), view(&gateway));
    let text = html(&page);
    let stored = |it: artigate::catalog::usage::Stored| {
        format!("{} artifact{}, {} B", it.artifacts, if it.artifacts == 1 { "" } else { "s" }, it.bytes)
    };
    let counts = &view.counts;
    for (name, value) in [
        ("Stored", view.stored),
        ("Expires in 24 hours", counts.expiring_in_a_day),
        ("Expires in 7 days", counts.expiring_in_a_week),
        ("Locked, whatever its date", counts.locked),
        ("Pending deletions", view.pending_deletions),
    ] {
        let fact = format!("<dt>{name}</dt><dd>{}</dd>", stored(value));
        assert!(text.contains(&fact), "{fact} is not in {text}");
    }
    assert!(text.contains(&format!("It deletes {}.", stored(counts.next_sweep))), "{text}");
    for project in &view.projects {
        let row = format!(
            ">{}</a></th><td data-label=\"Artifacts\" class=\"number\">{}</td><td data-label=\"Size\" class=\"number\">{} B<",
            project.path, project.stored.artifacts, project.stored.bytes
        );
        assert!(text.contains(&row), "{row} is not in {text}");
    }
    for job in counts.next_sweep_first.iter().map(|it| it.job_id) {
        assert!(text.contains(&format!("/-/jobs/{job}\">")), "job {job} is not in {text}");
    }
    assert_eq!(text.matches("data-label=\"Why\"").count() as i64, counts.next_sweep.artifacts);
    assert!(text.contains("SQLite") != text.contains("PostgreSQL"));
    let directory = gateway.path().to_str().unwrap();
    assert!(!text.contains(directory) && !text.contains("postgres://"), "a place or a secret is told");
}

fn a_sweep_that_is_asked_for_deletes_what_the_page_has_said(gateway: Gateway) {
    expiring(&gateway);
    gateway.advance_clock(3600);
    count(&gateway);
    let (before, next) = (view(&gateway).stored, view(&gateway).counts.next_sweep);
    assert!(next.artifacts > 0);
    let page = open(&gateway, ADMIN, PAGE);
    assert!(html(&page).contains(&format!("<form class=\"actions\" method=\"post\" action=\"{SWEEP}\">")));
    let done = submit(&gateway, ADMIN, SWEEP);
    let to = done.header("location").unwrap();
    assert!(
        done.status == 303 && to.starts_with("/-/operate?done=sw") && to.ends_with("#status"),
        "{done:?}"
    );
    until(30_000, "the sweep is done and counted", || {
        html(&open(&gateway, ADMIN, PAGE)).contains("It deletes 0 artifacts, 0 B.")
    });
    let after = view(&gateway);
    let gone = (before.artifacts - after.stored.artifacts, before.bytes - after.stored.bytes);
    assert_eq!(gone, (next.artifacts, next.bytes));
    assert_eq!(after.pending_deletions.artifacts, 0);
    let page = open(&gateway, ADMIN, "/-/operate?done=swept");
    let says = format!(
        "{} artifacts expired or deleted, {} blobs removed, 0 failed",
        next.artifacts, next.artifacts
    );
    assert!(html(&page).contains(&says) && page.text().contains("role=\"status\""), "{}", page.text());
    assert!(!html(&open(&gateway, ADMIN, "/-/operate?done=%3Cb%3E")).contains("role=\"status\""));
}

fn nobody_else_begins_a_sweep(gateway: Gateway) {
    expiring(&gateway);
    gateway.load(
        "users: [{id: 1, username: admin, admin: true, tokens: [{value: glpat-reads, scopes: [read_api]}]}]",
    );
    gateway.advance_clock(3600);
    let before = view(&gateway);
    let hidden = submit(&gateway, MAINTAINER, SWEEP);
    assert_eq!(hidden.status, 404);
    assert_eq!(submit(&gateway, "", SWEEP).status, 303, "asked to sign in");
    let page = open(&gateway, "glpat-reads", PAGE);
    assert!(!html(&page).contains("Run a sweep now"), "the token only reads");
    assert_eq!(submit(&gateway, "glpat-reads", SWEEP).status, 403);
    let form = || navigation(&gateway, "POST", SWEEP).private_token(ADMIN).body(Vec::new());
    for refused in [
        form(),
        form().header("Sec-Fetch-Site", "cross-site"),
        form().header("Sec-Fetch-Site", "same-site"),
        form().header("Origin", "null"),
        form().header("Origin", "https://evil.example"),
    ] {
        assert_eq!(refused.send().status, 403);
    }
    assert_eq!(view(&gateway), before);
    assert_eq!(gateway.app.retention.last_sweep(), None);
}

fn what_needs_attention_is_a_warning(gateway: Gateway) {
    expiring(&gateway);
    gateway.load("projects: [{id: 1, path: group/project, max_storage: 60 B}]\ngroups: [{path: group, max_storage: 1 MiB}]");
    count(&gateway);
    let quiet = open(&gateway, ADMIN, PAGE);
    assert!(html(&quiet).contains("Four fifths or more of what the project group/project may store"));
    assert!(quiet.text().contains("nearly full") && quiet.text().contains("Groups with a quota"));
    assert!(!quiet.text().contains("Sweeps are late") && !quiet.text().contains("No node has counted"));
    gateway.advance_clock(86_400);
    let late = open(&gateway, ADMIN, PAGE);
    assert!(html(&late).contains("No node has counted what is stored since 2026-02-01"), "{}", late.text());
    count(&gateway);
    let late = open(&gateway, ADMIN, PAGE);
    assert!(html(&late).contains("Sweeps are late: ") && !late.text().contains("No node has counted"));
    gateway.sweep();
    count(&gateway);
    assert!(!html(&open(&gateway, ADMIN, PAGE)).contains("Sweeps are late"));
}

#[test]
fn a_sweep_that_is_asked_for_has_one_audit_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    let browser = Browser::at(serving.address());
    assert_eq!(browser.sign_in("glpat-demo-root", "/").status, 303);
    assert_eq!(browser.open(PAGE).status, 200);
    assert_eq!(browser.submit(SWEEP, &[]).status, 303);
    assert_eq!(browser.submit_from(&[("Sec-Fetch-Site", "cross-site")], SWEEP, &[]).status, 403);
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let lines = lines.filter(|line| line["target"] == "audit" && line["action"] != "session.create");
    let said: Vec<(String, String, Value)> = lines
        .map(|line| (line["action"].to_string(), line["outcome"].to_string(), line["subject"].clone()))
        .collect();
    let text = |word: &str| format!("\"{word}\"");
    let expected = [
        (text("sweep.create"), text("done"), Value::from("sweep of this node")),
        (text("sweep.create"), text("refused"), Value::Null),
    ];
    assert_eq!(said, expected, "{log}");
}
