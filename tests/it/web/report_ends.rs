//! Permissions of reports: what a token opens, and what ends it.

use super::report::{REPORT, address, archive, fetch, folder, with};
use super::{ACCEPT, is_page, navigation, open, submit};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, DEVELOPER, MAINTAINER, OUTSIDER, REPORTER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;
use crate::support::zips;

on_both_databases!(
    a_revoked_token_ends_the_reports_that_it_opened,
    a_report_ends_with_the_right_to_read_it,
    a_report_ends_with_its_artifact,
    an_expired_artifact_is_gone_from_its_report,
    another_archive_of_the_job_is_another_report,
);

const HOUR: i64 = 3600;

/// A request of a browser that opens the address in the window, or in a frame.
fn opened(gateway: &Gateway, path: &str, destination: &str) -> Answer {
    navigation(gateway, "GET", path).header("Sec-Fetch-Dest", destination).send()
}

/// The report is not sent any more, and a person is led to where it can be opened anew.
fn has_ended(gateway: &Gateway, address: &str) {
    let folder = folder(address);
    let again = format!("{}{REPORT}{}", gateway.base_url(), address.strip_prefix(&folder).unwrap());
    let page = opened(gateway, address, "document");
    assert_eq!((page.status, page.header("location")), (302, Some(&*again)));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let frame = opened(gateway, address, "iframe");
    assert_eq!((frame.status, frame.header("location")), (403, None));
    assert!(frame.text().contains("Open the report anew."), "{}", frame.text());
    assert_eq!(frame.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    let file = fetch(gateway, address);
    assert_eq!((file.status, file.body.len()), (403, 0));
    assert_eq!(file.header("access-control-allow-origin"), None);
}

#[test]
fn a_token_ends_within_eight_hours_and_is_the_same_for_one() {
    let gateway = with(&archive());
    let first = address(&gateway, "", &format!("{REPORT}index.html"));
    gateway.advance_clock(HOUR - 1);
    assert_eq!(address(&gateway, "", &format!("{REPORT}index.html")), first);
    gateway.advance_clock(1);
    let second = address(&gateway, "", &format!("{REPORT}index.html"));
    assert_ne!(second, first);
    gateway.advance_clock(7 * HOUR - 1);
    assert_eq!(open(&gateway, "", &first).status, 200);
    gateway.advance_clock(1);
    has_ended(&gateway, &first);
    assert_eq!(open(&gateway, "", &second).status, 200);
    let odd = format!("{}d/a%20b%23c.html", folder(&first));
    let again = opened(&gateway, &odd, "document");
    assert_eq!(again.header("location"), Some(&*format!("{}{REPORT}d/a%20b%23c.html", gateway.base_url())));
}

#[test]
fn a_token_that_was_bent_is_none() {
    let gateway = with(&archive());
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    let (before, after) = (address.trim_end_matches("/index.html"), "/index.html");
    let refused = |path: &str| {
        let answer = opened(&gateway, path, "document");
        assert_eq!((answer.status, answer.header("location")), (403, None), "{path}");
        assert!(answer.text().contains("This is not the address of a report."));
        let file = fetch(&gateway, path);
        assert_eq!((file.status, file.body.len()), (403, 0), "{path}");
    };
    for at in "/-/r/".len()..before.len() {
        let other = if before.as_bytes()[at] == b'A' { "B" } else { "A" };
        refused(&format!("{}{other}{}{after}", &before[..at], &before[at + 1..]));
    }
    for bent in [
        format!("{before}A"),
        before[..before.len() - 1].to_owned(),
        "/-/r/x".to_owned(),
        "/-/r/%41".to_owned(),
    ] {
        refused(&format!("{bent}{after}"));
    }
    assert_eq!(opened(&gateway, "/-/r/", "document").status, 403);
    assert_eq!(opened(&gateway, "/-/r", "document").status, 404);
}

#[test]
fn a_token_opens_its_own_archive_and_nothing_above_it() {
    let gateway = Gateway::on_sqlite();
    Fixture::project("group/project")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&archive())
        .job(11, "test")
        .archive(&zips::deflated(&[("secret.html", b"<p>other</p>")]))
        .load(&gateway);
    let folder = folder(&address(&gateway, "", REPORT));
    for path in [
        "secret.html",
        "../index.html",
        "%2e%2e/index.html",
        "d/..%2findex.html",
        "d/%2e%2e/index.html",
        "..%2f..%2fapi/v4/version",
        "%00",
        "/index.html",
        "%ff",
    ] {
        let answer = opened(&gateway, &format!("{folder}{path}"), "document");
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
}

#[test]
fn credentials_count_for_nothing_below_a_report() {
    let gateway = with(&archive());
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    for (name, value) in [
        ("PRIVATE-TOKEN", "glpat-wrong"),
        ("Authorization", "Basic x"),
        ("JOB-TOKEN", "glcbt-wrong"),
        ("Cookie", "a=b"),
    ] {
        let answer = gateway.get(&address).header(name, value).send();
        assert_eq!((answer.status, answer.header("vary")), (200, None), "{name}");
    }
    let bent = address.replace("/-/r/", "/-/r/A");
    assert_eq!(gateway.get(&bent).private_token(fixtures::ADMIN).send().status, 403);
}

#[test]
fn jobs_are_shown_no_reports() {
    let gateway = with(&archive());
    let request = navigation(&gateway, "GET", &format!("{REPORT}index.html")).job_token(RUNNING).send();
    assert_eq!(request.status, 401);
    is_page(&request);
}

#[test]
fn what_may_not_be_read_is_no_report_for_anybody_else() {
    let gateway = Gateway::on_sqlite();
    Fixture::project("group/project")
        .members()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&archive())
        .load(&gateway);
    // Nobody is asked to sign in, as where nothing is.
    for (token, opened, submitted) in [("", 302, 303), (OUTSIDER, 404, 404)] {
        assert_eq!(open(&gateway, token, &format!("{REPORT}index.html")).status, opened);
        assert_eq!(submit(&gateway, token, &format!("{REPORT}index.html")).status, submitted);
    }
    // The address is the permission, whoever has it.
    let address = address(&gateway, REPORTER, &format!("{REPORT}index.html"));
    assert_eq!(open(&gateway, "", &address).status, 200);
    assert_eq!(open(&gateway, OUTSIDER, &address).status, 200);
}

fn a_revoked_token_ends_the_reports_that_it_opened(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let of_developer = address(&gateway, DEVELOPER, &format!("{REPORT}index.html"));
    let of_reporter = address(&gateway, REPORTER, &format!("{REPORT}index.html"));
    let anonymous = address(&gateway, "", &format!("{REPORT}index.html"));
    gateway.write_catalog(|db| {
        let developer = artigate::catalog::tokens::all(db, Some(3))?;
        artigate::catalog::tokens::revoke(db, developer[0].0.id)
    });
    has_ended(&gateway, &of_developer);
    for address in [of_reporter, anonymous] {
        assert_eq!(open(&gateway, "", &address).status, 200);
    }
}

fn a_report_ends_with_the_right_to_read_it(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let member = address(&gateway, REPORTER, &format!("{REPORT}index.html"));
    let outsider = address(&gateway, OUTSIDER, &format!("{REPORT}index.html"));
    let anonymous = address(&gateway, "", &format!("{REPORT}index.html"));
    gateway.load("projects: [{id: 1, path: group/project, visibility: private}]");
    assert_eq!(open(&gateway, "", &member).status, 200);
    has_ended(&gateway, &outsider);
    has_ended(&gateway, &anonymous);
    gateway.load("projects: [{id: 1, path: group/renamed, visibility: public}]");
    assert_eq!(open(&gateway, "", &anonymous).status, 200, "the artifact is the same");
}

fn a_report_ends_with_its_artifact(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    let deleted = gateway.request("DELETE", fixtures::ARCHIVE).private_token(MAINTAINER).send();
    assert_eq!(deleted.status, 204);
    let page = opened(&gateway, &address, "document");
    assert_eq!((page.status, page.header("location")), (404, None));
    assert!(page.text().contains("This report is not there any more."), "{}", page.text());
    assert_eq!(fetch(&gateway, &address).body.len(), 0);
}

fn an_expired_artifact_is_gone_from_its_report(gateway: Gateway) {
    Fixture::project("group/project")
        .public()
        .keep_latest(false)
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&archive())
        .expire_in("1 hour")
        .load(&gateway);
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    gateway.advance_clock(HOUR);
    for swept in [false, true] {
        if swept {
            gateway.sweep();
        }
        let page = opened(&gateway, &address, "document");
        assert_eq!(page.status, 410);
        assert!(page.text().contains("This report expired at 2026-02-01T13:00:00"), "{}", page.text());
        let file = fetch(&gateway, &address);
        assert_eq!((file.status, file.body.len()), (410, 0));
        assert_eq!(open(&gateway, "", &format!("{REPORT}index.html")).status, 410);
    }
}

fn another_archive_of_the_job_is_another_report(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let before = address(&gateway, "", &format!("{REPORT}index.html"));
    gateway.request("DELETE", fixtures::ARCHIVE).private_token(MAINTAINER).send();
    gateway.sweep();
    fixtures::small(&gateway, &zips::deflated(&[("index.html", b"<p>another</p>")]));
    assert_eq!(fetch(&gateway, &before).status, 404);
    let after = address(&gateway, "", &format!("{REPORT}index.html"));
    assert_ne!(folder(&after), folder(&before));
    assert!(open(&gateway, "", &after).text().ends_with("<p>another</p>"));
}

#[test]
fn tokens_outlive_one_exchange_of_the_keys_and_not_two() {
    let gateway = with(&archive());
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    let exchange = || {
        gateway.write_catalog(|db| {
            artigate::catalog::keys::rotate(db, &[7; 32], artigate::domain::Timestamp::from_millis(0))
        });
    };
    exchange();
    assert_eq!(fetch(&gateway, &address).status, 200);
    exchange();
    // Another node, since this one asks for the keys from time to time only.
    let later = artigate::auth::keys::SigningKeys::new(gateway.app.catalog.clone());
    let text = folder(&address);
    let text = text.trim_start_matches("/-/r/").trim_end_matches('/');
    let verifying = artigate::auth::report_tokens::ReportToken::verify(&later, None, text);
    let read = gateway.block_on(verifying).unwrap();
    assert_eq!(read, None);
}

#[test]
fn a_browser_without_fetch_metadata_is_led_on_like_any_other() {
    let gateway = with(&archive());
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    gateway.advance_clock(8 * HOUR);
    assert_eq!(gateway.get(&address).header("Accept", ACCEPT).send().status, 302);
}

#[test]
fn no_token_of_a_report_reaches_the_log() {
    use std::fs::File;
    use std::process::Stdio;

    use crate::program::Serving;
    use crate::support::http_client::Request;
    let folder_of_server = tempfile::tempdir().unwrap();
    let log = folder_of_server.path().join("log");
    let serving = Serving::demo(folder_of_server.path(), Stdio::from(File::create(&log).unwrap()));
    let host = serving.base_url.trim_start_matches("http://").to_owned();
    let request = |method: &str, path: &str| {
        let request = Request::new(host.parse().unwrap(), method, path).header("Accept", ACCEPT);
        request.header("Sec-Fetch-Mode", "navigate").header("Sec-Fetch-Site", "same-origin")
    };
    let report = "/demo/site/-/jobs/1003/artifacts/report/index.html";
    let told = request("POST", report).body(Vec::new()).send();
    assert_eq!(told.status, 303, "{}", told.text());
    let cookie = told.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let lead = request("GET", report).header("Cookie", &cookie).send();
    let address = lead.header("location").unwrap().strip_prefix(&serving.base_url).unwrap().to_owned();
    let token = folder(&address).trim_start_matches("/-/r/").trim_end_matches('/').to_owned();
    assert_eq!(request("GET", &address).send().status, 200);
    for path in [
        folder(&address),
        format!("/-/r/{token}"),
        format!("/-/r/{token}/no/such/file?x=y"),
        format!("/-/r/{token}x/bent"),
        format!("/%2d/r/{token}/encoded"),
        format!("/-/blobs/x?to=%2F-%2Fr%2F{token}%2Fx"),
        format!("/demo/site?search=/-/r/{token}/"),
    ] {
        request("GET", &path).header("Referer", &format!("{}{address}", serving.base_url)).send();
    }
    request("OPTIONS", &address).send();
    request("DELETE", &address).send();
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("/-/r/[FILTERED]/index.html"), "{log}");
    assert!(!log.contains(&token[..12]), "{log}");
}
