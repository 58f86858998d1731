//! Changes on pages: kept and deleted by who may, and only from a page of our own.

use super::{ACCEPT, html, link, navigation, open, submit};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{DEVELOPER, GUEST, MAINTAINER, OUTSIDER, REPORTER};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    artifacts_are_kept_for_ever_by_a_developer,
    artifacts_are_deleted_after_a_page_that_says_what_goes,
    some_artifacts_of_a_project_are_deleted_together,
    a_form_of_another_site_changes_nothing,
    a_token_that_only_reads_shows_no_buttons,
);

const JOB: &str = "/group/app/-/jobs/10";

fn load(gateway: &Gateway) {
    Fixture::project("group/app")
        .public()
        .members()
        .keep_latest(false)
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&zips::deflated(&[("a.txt", b"hello")]))
        .expire_in("1 day")
        .job(11, "pack")
        .archive(&zips::deflated(&[("b.txt", b"hello")]))
        .filename("pack.zip")
        .load(gateway);
}

fn artifacts_are_kept_for_ever_by_a_developer(gateway: Gateway) {
    load(&gateway);
    for token in ["", OUTSIDER, GUEST, REPORTER] {
        assert!(!html(&open(&gateway, token, JOB)).contains("Keep for ever"), "{token}");
    }
    let keep = format!("{JOB}/artifacts/keep");
    assert_eq!(
        submit(&gateway, "", &keep).header("location"),
        Some("/-/sign_in?to=%2Fgroup%2Fapp%2F-%2Fjobs%2F10")
    );
    assert_eq!(submit(&gateway, OUTSIDER, &keep).status, 403);
    let page = open(&gateway, DEVELOPER, JOB);
    assert!(html(&page).contains(&format!("<form method=\"post\" action=\"{keep}\">")), "{}", page.text());
    let done = submit(&gateway, DEVELOPER, &keep);
    assert_eq!((done.status, done.header("location")), (303, Some(&*format!("{JOB}?done=kept#status"))));
    let after = open(&gateway, DEVELOPER, &format!("{JOB}?done=kept"));
    assert!(html(&after).contains("role=\"status\"") && after.text().contains("never expires"));
    assert!(!after.text().contains("Keep for ever"));
    let api = gateway.get("/api/v4/projects/1/jobs/10").private_token(DEVELOPER).send();
    assert!(api.text().contains("\"artifacts_expire_at\":null"));
    assert_eq!(open(&gateway, DEVELOPER, &keep).status, 404, "there is nothing to read");
    assert!(!html(&open(&gateway, DEVELOPER, &format!("{JOB}?done=%3Cb%3E"))).contains("role=\"status\""));
}

fn artifacts_are_deleted_after_a_page_that_says_what_goes(gateway: Gateway) {
    load(&gateway);
    let delete = format!("{JOB}/artifacts/delete");
    assert!(!html(&open(&gateway, DEVELOPER, JOB)).contains("Delete…"));
    assert!(html(&open(&gateway, DEVELOPER, &delete)).contains("Only maintainers"));
    assert_eq!(submit(&gateway, DEVELOPER, &delete).status, 403);
    let confirm = open(&gateway, MAINTAINER, &link(html(&open(&gateway, MAINTAINER, JOB)), "Delete…"));
    assert!(html(&confirm).contains("artifacts.zip") && confirm.text().contains("cannot be undone"));
    assert_eq!(open(&gateway, "", &format!("{JOB}/artifacts/browse/")).status, 200, "a look changes nothing");
    let done = submit(&gateway, MAINTAINER, &delete);
    assert_eq!((done.status, done.header("location")), (303, Some(&*format!("{JOB}?done=deleted#status"))));
    assert_eq!(open(&gateway, MAINTAINER, &format!("{JOB}/artifacts/browse/")).status, 404);
    assert!(html(&open(&gateway, MAINTAINER, &delete)).contains("There is nothing to delete"));
}

fn some_artifacts_of_a_project_are_deleted_together(gateway: Gateway) {
    load(&gateway);
    let list = open(&gateway, MAINTAINER, "/group/app/-/artifacts");
    let ids: Vec<&str> =
        html(&list).split("name=\"id\" value=\"").skip(1).map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let query = format!("/group/app/-/artifacts/delete?id={}&id={}&id=999&id=x", ids[0], ids[1]);
    assert!(html(&open(&gateway, DEVELOPER, &query)).contains("Only maintainers"));
    assert_eq!(submit(&gateway, DEVELOPER, &query).status, 403);
    let confirm = open(&gateway, MAINTAINER, &query);
    assert!(html(&confirm).contains("pack.zip") && confirm.text().contains("artifacts.zip"));
    let action =
        confirm.text().split("<form method=\"post\" action=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = action.replace("&#38;", "&").replace("&amp;", "&");
    assert_eq!(submit(&gateway, MAINTAINER, &action).status, 303);
    assert!(html(&open(&gateway, MAINTAINER, "/group/app/-/artifacts")).contains("no artifacts"));
}

fn a_form_of_another_site_changes_nothing(gateway: Gateway) {
    load(&gateway);
    let origin = gateway.base_url();
    for path in [
        format!("{JOB}/artifacts/keep"),
        format!("{JOB}/artifacts/delete"),
        "/group/app/-/artifacts/delete?id=1".into(),
    ] {
        let form = || navigation(&gateway, "POST", &path).private_token(MAINTAINER).body(Vec::new());
        for refused in [
            form(),
            form().header("Sec-Fetch-Site", "cross-site"),
            form().header("Sec-Fetch-Site", "same-site"),
            form().header("Sec-Fetch-Site", "none"),
            form().header("Sec-Fetch-Site", "cross-site").header("Origin", &origin),
            form().header("Origin", "null"),
            form().header("Origin", "https://evil.example"),
        ] {
            let answer = refused.send();
            assert_eq!(answer.status, 403, "{path}");
            super::is_page(&answer);
        }
    }
    assert!(html(&open(&gateway, "", JOB)).contains("expires in 1 day"));
    assert_eq!(open(&gateway, "", "/group/app/-/jobs/11/artifacts/browse/").status, 200);
    let keep =
        gateway.post(&format!("{JOB}/artifacts/keep")).header("Accept", ACCEPT).private_token(MAINTAINER);
    assert_eq!(
        keep.header("Origin", &origin).body(Vec::new()).send().status,
        303,
        "a browser over plain HTTP"
    );
}

fn a_token_that_only_reads_shows_no_buttons(gateway: Gateway) {
    load(&gateway);
    gateway.load(
        "users: [{id: 2, username: maintainer, tokens: [{value: glpat-reads, scopes: [read_api]}]}]\nprojects: []\n",
    );
    let page = open(&gateway, "glpat-reads", JOB);
    assert!(!html(&page).contains("Keep for ever") && !page.text().contains("Delete…"));
    assert!(!html(&open(&gateway, "glpat-reads", "/group/app/-/artifacts")).contains("checkbox"));
    for what in ["keep", "delete"] {
        assert_eq!(submit(&gateway, "glpat-reads", &format!("{JOB}/artifacts/{what}")).status, 403, "{what}");
    }
    assert!(html(&open(&gateway, MAINTAINER, JOB)).contains("Keep for ever"));
}
