//! Reports in Chromium: those of real tools open and work, on the host of the pages and on one of their own, and a hostile
//! one gets at nothing.

use artigate::settings::Settings;
use serde_json::json;

use super::play;
use super::report_makers::{archive, front_page, shape};
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips;
use crate::web::report::{REPORT, address};

/// The hosts of pages and reports, which Chromium is told to find at the gateway.
pub const PAGES: &str = "http://ci.localhost";
const REPORTS: &str = "http://*.reports.localhost";
pub const HOSTS: [&str; 2] = ["ci.localhost", "*.reports.localhost"];

pub fn apart(settings: &mut Settings) {
    let variables = [("ARTIGATE_SERVER__EXTERNAL_URL", PAGES), ("ARTIGATE_SERVER__REPORTS_URL", REPORTS)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = Settings::load(Some(std::path::Path::new("/dev/null")), variables).unwrap();
    (settings.external_url, settings.reports_url) = (read.external_url, read.reports_url);
}

/// Opens a report of this kind in both ways, and uses it.
fn works(kind: &str) {
    works_with_complaints(kind, &[]);
}

fn works_with_complaints(kind: &str, expected: &[&str]) {
    let archive = archive(kind);
    let path = format!("{REPORT}{}", front_page(kind));
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, &archive);
    play("report", &gateway.base_url(), &json!({"kind": kind, "path": path, "expected": expected}));
    let gateway = Gateway::on_sqlite_with(apart);
    fixtures::small(&gateway, &archive);
    let plan = json!({
        "kind": kind, "path": path, "expected": expected, "hosts": HOSTS, "address": gateway.address.to_string(),
    });
    play("report", PAGES, &plan);
}

#[test]
fn coverage_of_python_is_filtered_and_sorted() {
    works("coverage");
}

#[test]
fn coverage_of_javascript_is_filtered_and_sorted() {
    works("istanbul");
}

#[test]
fn results_of_pytest_have_their_rows() {
    works("pytest");
}

#[test]
fn documentation_by_sphinx_is_searched_and_shows_what_it_found() {
    works("sphinx");
}

#[test]
fn documentation_by_rustdoc_is_searched() {
    // Fonts are loaded twice, because they are asked for with credentials first.
    works_with_complaints("rustdoc", &["A preload for "]);
}

#[test]
fn documentation_in_the_shape_of_javadoc_is_searched() {
    works("javadoc");
}

#[test]
fn results_by_allure_open_and_tell_nobody_that_they_were_opened() {
    // It would load a script that counts its readers, and asks for a file that is not always made.
    works_with_complaints("allure", &["https://www.googletagmanager.com/", "status of 404"]);
}

#[test]
fn results_of_playwright_are_searched_and_open() {
    works("playwright");
}

#[test]
fn a_story_in_the_shape_of_storybook_is_rendered_in_its_frame() {
    works("storybook");
}

#[test]
fn the_trace_viewer_works_on_a_host_of_its_own_and_says_elsewhere_why_not() {
    let (archive, path) = (archive("playwright"), format!("{REPORT}index.html"));
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, &archive);
    play("trace", &gateway.base_url(), &json!({"path": path}));
    let gateway = Gateway::on_sqlite_with(apart);
    fixtures::small(&gateway, &archive);
    play("trace", PAGES, &json!({"path": path, "hosts": HOSTS, "address": gateway.address.to_string()}));
}

#[test]
fn two_reports_with_hosts_of_their_own_share_nothing() {
    let gateway = Gateway::on_sqlite_with(apart);
    let page = zips::deflated(&[("index.html", b"<!DOCTYPE html><title>x</title><p>report</p>")]);
    Fixture::project("group/project")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&page)
        .job(11, "test")
        .archive(&page)
        .load(&gateway);
    let paths = [10, 11].map(|job| format!("/group/project/-/jobs/{job}/artifacts/report/"));
    let plan = json!({"paths": paths, "hosts": HOSTS, "address": gateway.address.to_string()});
    play("apart", PAGES, &plan);
}

#[test]
fn who_signs_in_to_see_a_report_is_led_to_it() {
    for apart in [false, true] {
        let gateway = if apart { Gateway::on_sqlite_with(self::apart) } else { Gateway::on_sqlite() };
        Fixture::project("group/project")
            .members()
            .pipeline(100, "main")
            .job(10, "build")
            .archive(&zips::deflated(&[("index.html", b"<!DOCTYPE html><title>x</title><p>report</p>")]))
            .load(&gateway);
        let mut plan =
            json!({"path": REPORT, "job": "/group/project/-/jobs/10", "token": fixtures::REPORTER});
        if apart {
            plan["hosts"] = json!(HOSTS);
            plan["address"] = json!(gateway.address.to_string());
        }
        let base_url = if apart { PAGES.to_owned() } else { gateway.base_url() };
        play("report_signed_in", &base_url, &plan);
    }
}

#[test]
fn a_hostile_report_gets_at_nothing_of_the_pages() {
    let gateway = Gateway::on_sqlite();
    Fixture::project("group/project")
        .public()
        .members()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&shape("hostile"))
        .expire_in("1 week")
        .job(11, "test")
        .archive(&zips::deflated(&[("secret.json", b"{}")]))
        .load(&gateway);
    let other = address(&gateway, "", "/group/project/-/jobs/11/artifacts/report/secret.json");
    let other = format!("{}{other}", gateway.base_url());
    play("hostile_report", &gateway.base_url(), &json!({"report": REPORT, "other": other}));
    let job = gateway.get("/api/v4/projects/1/jobs/10").private_token(fixtures::REPORTER).send();
    let job: serde_json::Value = serde_json::from_str(job.text()).unwrap();
    assert!(job["artifacts_expire_at"].is_string(), "nothing was kept: {job}");
}
