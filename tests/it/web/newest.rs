//! Addresses by ref and badges, which follow the newest success, and addresses by job, which stay.

use super::{html, link, open, submit};
use crate::support::fixture::Fixture;
use crate::support::fixtures::ADMIN;
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    addresses_by_ref_and_badges_follow_the_newest_success_and_the_old_pages_stay,
    an_old_job_stays_when_the_newest_one_is_deleted,
);

const JOBS: &str = "/group/app/-/jobs";
const BY_REF: &str = "/group/app/-/jobs/artifacts/main";

/// A pipeline of `main` with one job, which tells in `who.txt` which one it is.
fn pipeline(gateway: &Gateway, id: i64, status: &str, coverage: &str) {
    let archive =
        zips::deflated(&[("who.txt", format!("job {id}").as_bytes()), ("d/index.html", b"<p>x</p>")]);
    gateway.write_file(&format!("{id}.zip"), &archive);
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/app, visibility: public, pipelines: [{{id: {id}, ref: main, sha: a, \
         status: {status}, jobs: [{{id: {id}, name: build, status: {status}, coverage: {coverage}, \
         artifacts: [{{file: {id}.zip}}]}}]}}]}}]"
    ));
}

/// What a badge says.
fn badge(gateway: &Gateway, path: &str) -> String {
    let answer = gateway.get(path).send();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")), "{path}");
    answer.text().split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned()
}

fn badges(gateway: &Gateway) -> [String; 3] {
    ["badges/main/pipeline.svg", "badges/main/coverage.svg", "-/jobs/artifacts/main/badge.svg?job=build"]
        .map(|path| badge(gateway, &format!("/group/app/{path}")))
}

/// Opens every address by ref; each has to lead to the page of this job that a person would go to.
fn all_lead_to(gateway: &Gateway, job: i64) {
    for (by_ref, own) in [
        ("browse", "browse/"),
        ("browse/d/", "browse/d/"),
        ("view/who.txt", "view/who.txt"),
        ("file/who.txt", "view/who.txt"),
        ("report/d/index.html", "report/d/index.html"),
        ("download", "download"),
        ("raw/who.txt", "raw/who.txt"),
    ] {
        let lead = open(gateway, "", &format!("{BY_REF}/{by_ref}?job=build"));
        let to = format!("{JOBS}/{job}/artifacts/{own}");
        assert_eq!((lead.status, lead.header("location")), (302, Some(&*to)), "{by_ref}");
        assert_eq!(open(gateway, "", &to).status, 200, "{to}");
    }
    let raw = format!("{JOBS}/{job}/artifacts/raw/who.txt");
    assert_eq!(open(gateway, "", &raw).text(), format!("job {job}"));
}

/// The pages of a job show what they showed when it was the newest.
fn stays(gateway: &Gateway, job: i64) {
    let page = open(gateway, "", &format!("{JOBS}/{job}"));
    let browse = open(gateway, "", &link(html(&page), "Browse"));
    let file = open(gateway, "", &link(html(&browse), "who.txt"));
    assert!(html(&file).contains(&format!("job {job}</span>")), "{}", file.text());
    let raw = open(gateway, "", &format!("{JOBS}/{job}/artifacts/raw/who.txt"));
    assert_eq!(raw.text(), format!("job {job}"));
}

fn addresses_by_ref_and_badges_follow_the_newest_success_and_the_old_pages_stay(gateway: Gateway) {
    pipeline(&gateway, 100, "success", "51.5");
    all_lead_to(&gateway, 100);
    assert_eq!(badges(&gateway), ["pipeline: passed", "coverage: 51.5%", "coverage: 51.5%"]);
    // A newer pipeline that failed is what ran last, and no success.
    pipeline(&gateway, 200, "failed", "12.0");
    all_lead_to(&gateway, 100);
    assert_eq!(badges(&gateway), ["pipeline: failed", "coverage: 12.0%", "coverage: 51.5%"]);
    pipeline(&gateway, 300, "success", "87.0");
    all_lead_to(&gateway, 300);
    assert_eq!(badges(&gateway), ["pipeline: passed", "coverage: 87.0%", "coverage: 87.0%"]);
    for job in [100, 200, 300] {
        stays(&gateway, job);
    }
    let project = open(&gateway, "", "/group/app");
    assert!(html(&project).contains("Newest success: <a href=\"/group/app/-/pipelines/300\">"));
}

fn an_old_job_stays_when_the_newest_one_is_deleted(gateway: Gateway) {
    pipeline(&gateway, 100, "success", "51.5");
    pipeline(&gateway, 300, "success", "87.0");
    Fixture::users().load(&gateway);
    let delete = format!("{JOBS}/300/artifacts/delete");
    assert_eq!(submit(&gateway, ADMIN, &delete).status, 303);
    let lead = open(&gateway, "", &format!("{BY_REF}/browse?job=build"));
    assert_eq!(lead.status, 404, "an older success takes nobody's place");
    stays(&gateway, 100);
}
