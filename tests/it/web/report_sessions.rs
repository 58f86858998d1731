//! Reports that people open who are signed in: each is worth what the session is worth.

use super::browser::Browser;
use super::report::{archive, fetch};
use super::sign_in::location;
use super::{navigation, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{DEVELOPER, OUTSIDER};
use crate::support::gateway::Gateway;

on_both_databases!(
    who_is_signed_in_opens_a_report_of_a_private_project,
    a_report_ends_with_the_session_that_opened_it,
    a_report_ends_with_the_token_of_the_session,
);

const REPORT: &str = "/group/secret/-/jobs/10/artifacts/report/";

fn load(gateway: &Gateway) {
    Fixture::project("group/secret")
        .members()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&archive())
        .load(gateway);
}

/// Opens a report like somebody who was told who wrote it; returns the path to which that leads.
pub fn opened(browser: &Browser, gateway: &Gateway, path: &str) -> String {
    let told = browser.submit(path, &[]);
    assert_eq!(told.status, 303, "{}", told.text());
    let lead = browser.open(location(&told));
    assert_eq!(lead.status, 303, "{}", lead.text());
    let address = location(&lead).strip_prefix(&gateway.base_url());
    address.unwrap_or_else(|| panic!("{lead:?}")).to_owned()
}

/// The report is not sent any more, and a person is led to where it can be opened anew.
pub fn has_ended(gateway: &Gateway, address: &str) {
    assert_eq!(fetch(gateway, address).status, 403);
    let page = navigation(gateway, "GET", address).header("Sec-Fetch-Dest", "document").send();
    assert_eq!(page.status, 302);
    assert!(location(&page).contains("/artifacts/report/"), "{page:?}");
}

fn who_is_signed_in_opens_a_report_of_a_private_project(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, DEVELOPER);
    let address = opened(&browser, &gateway, &format!("{REPORT}index.html"));
    // A report has no cookies.
    let page = open(&gateway, "", &address);
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("report"));
    let style = address.replace("index.html", "style.css");
    assert_eq!(fetch(&gateway, &style).status, 200);
    assert_eq!(opened(&browser, &gateway, &format!("{REPORT}index.html")), address, "the same for an hour");
    let outsider = Browser::signed_in(&gateway, OUTSIDER);
    assert_eq!(outsider.submit(&format!("{REPORT}index.html"), &[]).status, 404);
}

fn a_report_ends_with_the_session_that_opened_it(gateway: Gateway) {
    load(&gateway);
    let (one, other) = (Browser::signed_in(&gateway, DEVELOPER), Browser::signed_in(&gateway, DEVELOPER));
    let [ended, lasting] = [&one, &other].map(|browser| opened(browser, &gateway, REPORT));
    assert_eq!(one.submit("/-/sign_out", &[]).status, 303);
    has_ended(&gateway, &ended);
    assert_eq!(fetch(&gateway, &lasting).status, 200);
}

fn a_report_ends_with_the_token_of_the_session(gateway: Gateway) {
    load(&gateway);
    let address = opened(&Browser::signed_in(&gateway, DEVELOPER), &gateway, REPORT);
    gateway.write_catalog(|db| {
        let developer = artigate::catalog::tokens::all(db, Some(3))?;
        artigate::catalog::tokens::revoke(db, developer[0].0.id)
    });
    has_ended(&gateway, &address);
}
