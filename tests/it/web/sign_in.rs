//! Sign-in with a personal token: what a session opens, and when it ends.

use super::browser::{Browser, name};
use super::{html, is_page, link, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{ADMIN, DEVELOPER, MAINTAINER, OUTSIDER, REPORTER};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    who_is_not_signed_in_is_asked_to_and_lands_where_they_were_going,
    nobody_learns_without_signing_in_whether_a_project_is_there,
    a_session_is_worth_no_more_than_its_token,
    artifacts_are_kept_and_deleted_with_a_session,
    files_of_a_private_project_are_shown_and_downloaded_with_a_session,
    a_session_ends_with_its_token,
    a_session_ends_for_want_of_use_and_with_its_age,
    sessions_are_listed_and_ended_one_by_one_and_all_at_once,
    signing_out_ends_the_session_and_takes_the_cookie_away,
    a_token_has_fifty_sessions_and_the_oldest_goes_first,
    sessions_are_counted_for_the_metrics,
);

pub const JOB: &str = "/group/secret/-/jobs/10";

/// A private project with an archive, and an expiry.
pub fn load(gateway: &Gateway) {
    Fixture::project("group/secret")
        .members()
        .keep_latest(false)
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&zips::deflated(&[("a.txt", b"hello"), ("d/b.png", b"\x89PNG")]))
        .expire_in("1 day")
        .load(gateway);
}

/// Where an answer leads to.
pub fn location(answer: &crate::support::http_client::Answer) -> &str {
    answer.header("location").unwrap_or_else(|| panic!("{answer:?}"))
}

fn who_is_not_signed_in_is_asked_to_and_lands_where_they_were_going(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::of(&gateway);
    let asked = browser.open(&format!("{JOB}?x=a%20b"));
    assert_eq!(asked.status, 302);
    assert_eq!(location(&asked), "/-/sign_in?to=%2Fgroup%2Fsecret%2F-%2Fjobs%2F10%3Fx%3Da%2520b");
    assert_eq!(asked.header("cache-control"), Some("private, no-store"));
    let form = browser.open(location(&asked));
    let text = html(&form);
    assert!(text.contains("type=\"password\" name=\"token\"") && text.contains("<label>"), "{text}");
    let to = text.split("name=\"to\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(to, "/group/secret/-/jobs/10?x=a%20b");
    assert!(!text.contains("GitLab"), "there is no upstream");
    let done = browser.sign_in(DEVELOPER, to);
    assert_eq!((done.status, location(&done)), (303, to));
    assert_eq!(done.header("cache-control"), Some("private, no-store"));
    let page = browser.open(to);
    assert!(html(&page).contains("artifacts.zip"));
    assert_eq!(name(&page), Some("developer"));
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    assert!(page.header("vary").unwrap().contains("Cookie"));
    // Links from elsewhere arrive signed in.
    assert_eq!(browser.open_from("cross-site", JOB).status, 200);
    assert!(html(&browser.open("/")).contains("group/secret"));
    assert!(html(&browser.open("/-/sign_in")).contains("developer"));
}

fn nobody_learns_without_signing_in_whether_a_project_is_there(gateway: Gateway) {
    load(&gateway);
    let (nobody, outsider) = (Browser::of(&gateway), Browser::signed_in(&gateway, OUTSIDER));
    for (there, absent) in [
        ("/group/secret", "/group/nothing"),
        ("/group", "/nothing"),
        ("/group/secret/-/pipelines", "/group/nothing/-/pipelines"),
        (JOB, "/group/nothing/-/jobs/10"),
        ("/group/secret/-/jobs/99", "/group/nothing/-/jobs/99"),
        ("/group/secret/-/artifacts", "/group/nothing/-/artifacts"),
        ("/group/secret/-/jobs/10/artifacts/browse/", "/group/nothing/-/jobs/10/artifacts/browse/"),
        ("/group/secret/-/jobs/10/artifacts/raw/a.txt", "/group/nothing/-/jobs/10/artifacts/raw/a.txt"),
        ("/group/secret/-/jobs/10/artifacts/download", "/group/nothing/-/jobs/10/artifacts/download"),
        (
            "/group/secret/-/jobs/artifacts/main/download?job=build",
            "/group/nothing/-/jobs/artifacts/main/download?job=build",
        ),
        (
            "/group/secret/-/jobs/artifacts/main/browse?job=build",
            "/group/nothing/-/jobs/artifacts/main/browse?job=build",
        ),
    ] {
        let [one, other] = [there, absent].map(|path| {
            let mut answer = nobody.open(path);
            assert_eq!(answer.status, 302, "{path}");
            assert!(location(&answer).starts_with("/-/sign_in?to="), "{path}");
            answer.headers.retain(|(name, _)| !matches!(name.as_str(), "location" | "x-request-id" | "date"));
            answer.headers.sort();
            (answer.headers, answer.body)
        });
        assert_eq!(one, other, "{there}");
        let [one, other] = [there, absent].map(|path| {
            let answer = outsider.open(path);
            assert_eq!(answer.status, 404, "{path}");
            is_page(&answer);
            let id = answer.header("x-request-id").unwrap().to_owned();
            answer.text().replace(&id, "ID")
        });
        assert_eq!(one, other, "{there}");
        let [one, other] = [there, absent].map(|path| {
            let answer = nobody.load("same-origin", path);
            assert_eq!(answer.status, 404, "{path}");
            answer.text().to_owned()
        });
        assert_eq!(one, other, "{there}");
    }
    for (path, back) in [
        (format!("{JOB}/artifacts/keep"), JOB.to_owned()),
        (format!("{JOB}/artifacts/delete"), format!("{JOB}/artifacts/delete")),
        ("/group/secret/-/artifacts/delete?id=1".into(), "/group/secret/-/artifacts/delete?id=1".into()),
    ] {
        let answer = nobody.submit(&path, &[]);
        let to: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
        assert_eq!((answer.status, location(&answer)), (303, format!("/-/sign_in?to={to}").as_str()));
    }
}

fn a_session_is_worth_no_more_than_its_token(gateway: Gateway) {
    load(&gateway);
    gateway.load(
        "users: [{id: 2, username: maintainer, tokens: [{value: glpat-reads, scopes: [read_api]}]}]\nprojects: []\n",
    );
    let reads = Browser::signed_in(&gateway, "glpat-reads");
    let page = reads.open(JOB);
    assert!(!html(&page).contains("Keep for ever") && !page.text().contains("Delete…"));
    assert!(!html(&reads.open("/group/secret/-/artifacts")).contains("checkbox"));
    for what in ["keep", "delete"] {
        let answer = reads.submit(&format!("{JOB}/artifacts/{what}"), &[]);
        assert_eq!(answer.status, 403, "{what}");
        is_page(&answer);
    }
    assert!(html(&reads.open(JOB)).contains("expires in 1 day"));
    let reporter = Browser::signed_in(&gateway, REPORTER);
    assert_eq!(reporter.submit(&format!("{JOB}/artifacts/keep"), &[]).status, 403);
    assert_eq!(Browser::signed_in(&gateway, ADMIN).open(JOB).status, 200);
}

fn artifacts_are_kept_and_deleted_with_a_session(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, MAINTAINER);
    let keep = format!("{JOB}/artifacts/keep");
    assert!(html(&browser.open(JOB)).contains(&format!("<form method=\"post\" action=\"{keep}\">")));
    let kept = browser.submit(&keep, &[]);
    assert_eq!((kept.status, location(&kept)), (303, &*format!("{JOB}?done=kept#status")));
    let page = browser.open(&format!("{JOB}?done=kept"));
    assert!(html(&page).contains("never expires") && !page.text().contains("Keep for ever"));
    let list = browser.open("/group/secret/-/artifacts");
    let id = html(&list).split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let confirm = browser.open(&format!("/group/secret/-/artifacts/delete?id={id}"));
    assert!(html(&confirm).contains("cannot be undone"));
    assert_eq!(browser.submit(&format!("/group/secret/-/artifacts/delete?id={id}"), &[]).status, 303);
    assert!(html(&browser.open("/group/secret/-/artifacts")).contains("no artifacts"));
    assert!(html(&browser.open(&format!("{JOB}/artifacts/delete"))).contains("nothing to delete"));
}

fn files_of_a_private_project_are_shown_and_downloaded_with_a_session(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, REPORTER);
    assert!(html(&browser.open(&format!("{JOB}/artifacts/view/a.txt"))).contains("hello"));
    for path in ["raw/a.txt", "download"] {
        let path = format!("{JOB}/artifacts/{path}");
        let answer = browser.open(&path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment"), "{path}");
        assert!(answer.header("cache-control").unwrap().starts_with("private"), "{path}");
        assert!(answer.header("vary").unwrap().contains("Cookie"), "{path}");
    }
    let of_ref = browser.open("/group/secret/-/jobs/artifacts/main/download?job=build");
    assert!(matches!(of_ref.status, 200 | 302), "{of_ref:?}");
    assert_eq!(browser.load("same-origin", &format!("{JOB}/artifacts/raw/d/b.png")).body, b"\x89PNG");
}

fn a_session_ends_with_its_token(gateway: Gateway) {
    load(&gateway);
    let tokens = |change: &str| {
        gateway.load(&format!(
            "users: [{{id: 3, username: developer, tokens: [{{value: glpat-mine, scopes: [api], {change}}}]}}]\nprojects: []\n"
        ));
    };
    for (change, later) in [("revoked: true", 0), ("expires_at: 2026-02-02", 86_400)] {
        tokens("revoked: false, expires_at: null");
        let browser = Browser::signed_in(&gateway, "glpat-mine");
        assert_eq!(browser.open(JOB).status, 200);
        tokens(change);
        if later > 0 {
            assert_eq!(browser.open(JOB).status, 200, "it is not over yet");
            gateway.advance_clock(4 * 3600);
            assert_eq!(browser.open(JOB).status, 200);
            gateway.advance_clock(9 * 3600);
        }
        let kept = browser.cookies();
        let asked = browser.open(JOB);
        assert_eq!(asked.status, 302, "{change}");
        assert_eq!(location(&asked), "/-/sign_in?to=%2Fgroup%2Fsecret%2F-%2Fjobs%2F10&ended=1");
        assert_eq!(browser.cookies(), "", "the cookie goes");
        assert!(html(&browser.open(location(&asked))).contains("session has ended"));
        // The token that is valid again does not bring the session back.
        tokens("revoked: false, expires_at: null");
        let (cookie, value) = kept.split_once('=').unwrap();
        browser.plant(cookie, value);
        assert_eq!(browser.open(JOB).status, 302, "{change}");
        let browser = Browser::of(&gateway);
        browser.plant(cookie, value);
        let answer = browser.submit(&format!("{JOB}/artifacts/keep"), &[]);
        assert_eq!((answer.status, browser.cookies()), (303, String::new()));
        browser.plant(cookie, value);
        assert_eq!(browser.load("same-origin", &format!("{JOB}/artifacts/raw/a.txt")).status, 404);
    }
    assert!(html(&open(&gateway, DEVELOPER, JOB)).contains("expires"), "nothing was kept");
}

fn a_session_ends_for_want_of_use_and_with_its_age(gateway: Gateway) {
    load(&gateway);
    let idle = Browser::signed_in(&gateway, DEVELOPER);
    gateway.advance_clock(12 * 3600 - 1);
    assert_eq!(idle.open("/").status, 200);
    gateway.advance_clock(12 * 3600 - 1);
    assert_eq!(name(&idle.open("/")), Some("developer"), "its use is noted");
    gateway.advance_clock(12 * 3600);
    assert_eq!(location(&idle.open("/")), "/-/sign_in?ended=1");
    let old = Browser::signed_in(&gateway, DEVELOPER);
    for _ in 0..27 {
        gateway.advance_clock(6 * 3600);
        assert_eq!(name(&old.open("/")), Some("developer"));
    }
    gateway.advance_clock(6 * 3600);
    assert_eq!(old.open("/").status, 302, "seven days are over");
}

fn sessions_are_listed_and_ended_one_by_one_and_all_at_once(gateway: Gateway) {
    load(&gateway);
    gateway.load(
        "users: [{id: 3, username: developer, tokens: [{value: glpat-phone, name: <phone>, scopes: [read_api]}]}]\nprojects: []\n",
    );
    assert_eq!(location(&Browser::of(&gateway).open("/-/sessions")), "/-/sign_in?to=%2F-%2Fsessions");
    let (laptop, phone) =
        (Browser::signed_in(&gateway, DEVELOPER), Browser::signed_in(&gateway, "glpat-phone"));
    let other = Browser::signed_in(&gateway, REPORTER);
    let page = laptop.open("/-/sessions");
    assert!(html(&page).contains("token &#60;phone&#62;") && page.text().contains("this browser"));
    let forms: Vec<&str> = page
        .text()
        .split("action=\"/-/sessions/end?")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!((forms.len(), forms[2]), (3, "all=1"), "{forms:?}");
    for id in ["id=1", "id=2", "id=999", "id=x", ""] {
        assert_eq!(other.submit(&format!("/-/sessions/end?{id}"), &[]).status, 404, "{id}");
    }
    assert!(name(&phone.open("/")).is_some(), "nobody ends another's");
    // The phone's was begun last.
    let done = laptop.submit(&format!("/-/sessions/end?{}", forms[0]), &[]);
    assert_eq!((done.status, location(&done)), (303, "/-/sessions?done=ended#status"));
    assert_eq!(phone.open("/").status, 302);
    assert!(html(&laptop.open("/-/sessions?done=ended")).contains("role=\"status\""));
    let phone = Browser::signed_in(&gateway, "glpat-phone");
    let all = laptop.submit("/-/sessions/end?all=1", &[]);
    assert_eq!((all.status, location(&all), laptop.cookies()), (303, "/", String::new()));
    assert_eq!(phone.open("/").status, 302);
    assert_eq!(name(&other.open("/")), Some("reporter"));
    let own = other.open("/-/sessions");
    let end = own.text().split("action=\"").nth(2).unwrap().split('"').next().unwrap();
    assert_eq!(location(&other.submit(end, &[])), "/");
    assert_eq!(name(&other.open("/")), None);
}

fn signing_out_ends_the_session_and_takes_the_cookie_away(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, DEVELOPER);
    let page = browser.open("/");
    assert!(html(&page).contains("<form method=\"post\" action=\"/-/sign_out\">"));
    let kept = browser.cookie();
    let out = browser.submit("/-/sign_out", &[]);
    assert_eq!((out.status, location(&out), browser.cookies()), (303, "/", String::new()));
    assert_eq!(out.header("clear-site-data"), Some("\"cache\""));
    let page = browser.open("/");
    assert!(html(&page).contains("href=\"/-/sign_in\">Sign in</a>") && name(&page).is_none());
    browser.plant("artigate_session", &kept);
    assert_eq!(browser.open(JOB).status, 302, "what was kept of it is worth nothing");
    browser.plant("artigate_session", &kept);
    assert_eq!(browser.submit("/-/sign_out", &[]).status, 303, "once more");
    assert_eq!(link(html(&browser.open("/?search=x")), "Sign in"), "/-/sign_in?to=%2F%3Fsearch%3Dx");
}

fn a_token_has_fifty_sessions_and_the_oldest_goes_first(gateway: Gateway) {
    load(&gateway);
    let first = Browser::signed_in(&gateway, DEVELOPER);
    let other = Browser::signed_in(&gateway, REPORTER);
    gateway.advance_clock(1);
    let second = Browser::signed_in(&gateway, DEVELOPER);
    gateway.advance_clock(1);
    for _ in 0..48 {
        Browser::signed_in(&gateway, DEVELOPER);
    }
    assert!(name(&first.open("/")).is_some());
    Browser::signed_in(&gateway, DEVELOPER);
    assert!(name(&first.open("/")).is_none() && name(&second.open("/")).is_some());
    assert!(name(&other.open("/")).is_some());
}

fn sessions_are_counted_for_the_metrics(gateway: Gateway) {
    load(&gateway);
    let count = || gateway.block_on(gateway.app.retention.show_totals()).unwrap().sessions;
    assert_eq!(count(), 0);
    let browser = Browser::signed_in(&gateway, DEVELOPER);
    Browser::signed_in(&gateway, REPORTER);
    assert_eq!(count(), 2);
    browser.submit("/-/sign_out", &[]);
    assert_eq!(count(), 1);
    gateway.advance_clock(12 * 3600);
    assert_eq!(count(), 0, "an ended one that nobody has looked for counts no more");
}
