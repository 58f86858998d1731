//! Attacks on signing in: each is tried as a browser would carry it out, and does nothing.

use super::browser::{Browser, name};
use super::sign_in::{JOB, load, location};
use super::{ACCEPT, html, is_page};
use crate::support::fixtures::{DEVELOPER, MAINTAINER, OUTSIDER, REPORTER};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

on_both_databases!(
    no_api_takes_a_session,
    a_token_decides_whatever_the_cookie,
    a_form_of_another_site_does_nothing_with_a_session,
    nobody_is_signed_in_by_a_form_of_another_site,
    a_planted_session_ends_when_somebody_signs_in,
    of_two_cookies_none_counts_and_no_made_up_one_does,
    what_another_site_loads_is_not_for_who_is_signed_in,
    a_wrong_token_is_told_the_same_whatever_is_wrong_with_it,
    wrong_tokens_are_bounded_by_address_and_the_page_says_how_long,
);

fn no_api_takes_a_session(gateway: Gateway) {
    load(&gateway);
    let (nobody, browser) = (Browser::of(&gateway), Browser::signed_in(&gateway, MAINTAINER));
    for (method, path) in [
        ("GET", "/api/v4/user"),
        ("GET", "/api/v4/projects"),
        ("GET", "/api/v4/projects/group%2Fsecret"),
        ("GET", "/api/v4/projects/1/jobs/10/artifacts"),
        ("GET", "/api/v4/projects/1/jobs/10/artifacts/a.txt"),
        ("GET", "/api/v4/projects/1/jobs/artifacts/main/download?job=build"),
        ("POST", "/api/v4/projects/1/jobs/10/artifacts/keep"),
        ("DELETE", "/api/v4/projects/1/jobs/10/artifacts"),
        ("DELETE", "/api/v4/projects/1/artifacts"),
        ("POST", "/api/v4/projects/1/jobs/10/erase"),
        ("GET", "/api/registry/v1/projects/1"),
        ("GET", "/api/v3/repos/group/secret/actions/artifacts"),
        ("DELETE", "/api/v3/repos/group/secret/actions/artifacts/1"),
        ("GET", "/v2/organizations/group/pipelines/secret/builds"),
        ("GET", "/v2/access-token"),
        ("GET", "/v3/jobs/10"),
    ] {
        let ask = |browser: &Browser, accept: &str, mode: &str| {
            let request = browser.request(method, path).header("Accept", accept);
            let request = request.header("Sec-Fetch-Mode", mode).header("Sec-Fetch-Site", "same-origin");
            let answer = if method == "GET" { request.send() } else { request.body(Vec::new()).send() };
            (answer.status, answer.text().to_owned())
        };
        for (accept, mode) in [("*/*", "cors"), (ACCEPT, "navigate")] {
            let (status, text) = ask(&browser, accept, mode);
            assert_eq!(
                (status, &text),
                (ask(&nobody, accept, mode).0, &ask(&nobody, accept, mode).1),
                "{path}"
            );
            assert!(status >= 400 || !text.contains("secret"), "{method} {path}: {text}");
        }
    }
    assert!(html(&browser.open(JOB)).contains("expires in 1 day"), "nothing was changed");
}

fn a_token_decides_whatever_the_cookie(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, MAINTAINER);
    let open = |name: &str, value: &str| {
        let request = browser.request("GET", JOB).header("Accept", ACCEPT);
        request.header("Sec-Fetch-Mode", "navigate").header(name, value).send()
    };
    assert_eq!(open("PRIVATE-TOKEN", "glpat-wrong").status, 401);
    assert_eq!(open("Authorization", "Bearer glpat-wrong").status, 401);
    assert_eq!(open("JOB-TOKEN", "glcbt-64_wrong").status, 401);
    assert_eq!(open("PRIVATE-TOKEN", OUTSIDER).status, 404);
    assert_eq!(browser.open(&format!("{JOB}?private_token={OUTSIDER}")).status, 404);
    assert_eq!(browser.open(&format!("{JOB}?private_token=wrong")).status, 401);
    let reporter = open("PRIVATE-TOKEN", REPORTER);
    assert!(!html(&reporter).contains("Keep for ever") && name(&reporter).is_none());
    assert!(html(&open("PRIVATE-TOKEN", "")).contains("Keep for ever"), "an empty one is none");
    let raw = browser.request("GET", &format!("{JOB}/artifacts/raw/a.txt"));
    assert_eq!(raw.private_token("glpat-wrong").send().status, 401);
    let keep = browser.request("POST", &format!("{JOB}/artifacts/keep")).header("Accept", ACCEPT);
    let keep = keep.header("Sec-Fetch-Site", "same-origin").private_token(REPORTER).body(Vec::new()).send();
    assert_eq!(keep.status, 403);
}

/// What tells a browser's form of another site from one of our own, and forms that tell nothing.
const ELSEWHERE: &[&[(&str, &str)]] = &[
    &[],
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Sec-Fetch-Site", "none")],
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "SELF")],
    &[("Origin", "null")],
    &[("Origin", "https://evil.example")],
    &[("Origin", "http://127.0.0.1")],
    &[("Referer", "SELF/")],
];

fn submit_elsewhere(
    browser: &Browser,
    gateway: &Gateway,
    headers: &[(&str, &str)],
    path: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let own = gateway.base_url();
    let headers: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (*name, value.replace("SELF", &own))).collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.submit_from(&headers, path, fields)
}

fn a_form_of_another_site_does_nothing_with_a_session(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, MAINTAINER);
    for headers in ELSEWHERE {
        for path in [
            &*format!("{JOB}/artifacts/keep"),
            &*format!("{JOB}/artifacts/delete"),
            "/group/secret/-/artifacts/delete?id=1",
            "/-/sign_out",
            "/-/sessions/end?all=1",
        ] {
            let answer = submit_elsewhere(&browser, &gateway, headers, path, &[]);
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            is_page(&answer);
        }
    }
    assert!(html(&browser.open(JOB)).contains("expires in 1 day"));
    // A look, whoever makes it, changes nothing.
    for path in ["/-/sign_out", "/-/sessions/end?all=1", &format!("{JOB}/artifacts/keep")] {
        assert_eq!(browser.open_from("cross-site", path).status, 404, "{path}");
    }
    assert_eq!(name(&browser.open("/")), Some("maintainer"));
    let origin = gateway.base_url();
    let own = browser.submit_from(&[("Origin", &origin)], "/-/sign_out", &[]);
    assert_eq!(own.status, 303, "a browser that tells no more than that");
}

fn nobody_is_signed_in_by_a_form_of_another_site(gateway: Gateway) {
    load(&gateway);
    for headers in ELSEWHERE {
        let browser = Browser::of(&gateway);
        let answer =
            submit_elsewhere(&browser, &gateway, headers, "/-/sign_in", &[("token", OUTSIDER), ("to", "/")]);
        assert_eq!((answer.status, browser.cookies()), (403, String::new()), "{headers:?}");
    }
    let browser = Browser::of(&gateway);
    let page = browser.open(&format!("/-/sign_in?token={OUTSIDER}"));
    assert_eq!((page.status, name(&page)), (200, None), "a token in a link is none");
    assert_eq!(browser.cookies(), "");
}

fn a_planted_session_ends_when_somebody_signs_in(gateway: Gateway) {
    load(&gateway);
    let attacker = Browser::signed_in(&gateway, OUTSIDER);
    let victim = Browser::of(&gateway);
    victim.plant("artigate_session", &attacker.cookie());
    assert_eq!(victim.sign_in(MAINTAINER, "/").status, 303);
    assert_ne!(victim.cookie(), attacker.cookie(), "every sign-in has a secret of its own");
    assert_eq!(name(&victim.open("/")), Some("maintainer"));
    assert_eq!(attacker.open("/").status, 302, "what was planted is of no use to anybody");
}

fn of_two_cookies_none_counts_and_no_made_up_one_does(gateway: Gateway) {
    load(&gateway);
    let (one, other) = (Browser::signed_in(&gateway, MAINTAINER), Browser::signed_in(&gateway, OUTSIDER));
    let open = |cookies: &str| {
        let request = gateway.get(JOB).header("Accept", ACCEPT).header("Sec-Fetch-Mode", "navigate");
        request.header("Cookie", cookies).send()
    };
    let (own, tossed) = (one.cookie(), other.cookie());
    for cookies in [
        format!("artigate_session={own}; artigate_session={tossed}"),
        format!("artigate_session={tossed}; artigate_session={own}"),
        format!("__Host-artigate={own}"),
        format!("Artigate_Session={own}"),
        format!("artigate_session={}", own.to_uppercase()),
        format!("artigate_session={}", &own[..own.len() - 1]),
        format!("artigate_session={own}x"),
        format!("artigate_session={MAINTAINER}"),
        "artigate_session=".into(),
        "artigate_session".into(),
    ] {
        assert_eq!(open(&cookies).status, 302, "{cookies}");
    }
    assert_eq!(open(&format!("other=x; artigate_session={own}")).status, 200);
}

fn what_another_site_loads_is_not_for_who_is_signed_in(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::signed_in(&gateway, MAINTAINER);
    let raw = format!("{JOB}/artifacts/raw/d/b.png");
    assert_eq!(browser.load("same-origin", &raw).status, 200);
    for site in ["cross-site", "same-site"] {
        assert_eq!(browser.load(site, &raw).status, 404, "{site}");
        assert_eq!(browser.load(site, JOB).status, 404, "{site}");
    }
    // A script of our own host that fetches a page gets what an API's client without a token gets.
    let fetched = browser.request("GET", JOB).header("Sec-Fetch-Mode", "cors").header("Accept", "*/*");
    assert_eq!(fetched.header("Sec-Fetch-Site", "same-origin").send().status, 404);
}

fn a_wrong_token_is_told_the_same_whatever_is_wrong_with_it(gateway: Gateway) {
    load(&gateway);
    gateway.load(
        "users:\n  - {id: 3, username: developer, tokens: [\n    \
         {value: glpat-revoked, scopes: [api], revoked: true},\n    \
         {value: glpat-expired, scopes: [api], expires_at: 2026-01-01},\n    \
         {value: glpat-user, scopes: [read_user]}, {value: glpat-registry, scopes: [registry]}]}\nprojects: []\n",
    );
    let browser = Browser::of(&gateway);
    let mut seen: Option<String> = None;
    for token in [
        "glpat-nobodys",
        "glpat-revoked",
        "glpat-expired",
        "glpat-user",
        "glpat-registry",
        "glcbt-64_running",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x",
        "with space",
        "caf\u{e9}",
        "<script>alert(1)</script>",
        "x\0y",
    ] {
        let answer = browser.submit("/-/sign_in", &[("token", token), ("to", JOB)]);
        assert_eq!(answer.status, 422, "{token}");
        is_page(&answer);
        let text = answer.text();
        assert!(text.contains("This token is not valid here.") && !text.contains(token), "{token}: {text}");
        assert!(text.contains("aria-invalid=\"true\"") && text.contains("role=\"alert\""));
        assert_eq!(browser.cookies(), "");
        assert_eq!(seen.get_or_insert_with(|| text.to_owned()), text, "{token}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    for nothing in ["", "  ", "\n"] {
        let answer = browser.sign_in(nothing, JOB);
        assert!(answer.status == 422 && answer.text().contains("Paste a personal token."), "{answer:?}");
    }
    assert_eq!(browser.sign_in(&"x".repeat(20_000), "/").status, 413);
    let spaced = browser.sign_in(&format!("  {DEVELOPER}\n"), JOB);
    assert_eq!((spaced.status, location(&spaced)), (303, JOB), "what is pasted may have a line break");
}

fn wrong_tokens_are_bounded_by_address_and_the_page_says_how_long(gateway: Gateway) {
    load(&gateway);
    let browser = Browser::of(&gateway);
    let limit = gateway.app.settings.failed_auth_per_minute;
    for number in 0..limit {
        assert_eq!(browser.sign_in(&format!("glpat-guess-{number}"), "/").status, 422);
    }
    gateway.advance_clock(10);
    let limited = browser.sign_in("glpat-guess", "/");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("50")));
    is_page(&limited);
    assert!(limited.text().contains("Try again in 50 seconds."), "{}", limited.text());
    assert_eq!(browser.sign_in(DEVELOPER, "/").status, 303, "a valid one is never limited");
    gateway.advance_clock(51);
    assert_eq!(browser.sign_in("glpat-guess", "/").status, 422);
}

#[test]
fn a_return_address_never_leaves_the_server() {
    let gateway = Gateway::on_sqlite();
    load(&gateway);
    for to in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\r\nSet-Cookie: x=y",
        " //evil.example",
        "",
        "evil",
        "/-/sign_out",
    ] {
        let browser = Browser::of(&gateway);
        let answer = browser.sign_in(DEVELOPER, to);
        assert_eq!((answer.status, location(&answer)), (303, "/"), "{to:?}");
        let shown = browser.open(&format!(
            "/-/sign_in?to={}",
            form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>()
        ));
        assert!(html(&shown).contains("name=\"to\" value=\"/\""), "{to:?}");
    }
}

#[test]
fn over_https_the_cookie_is_for_this_host_alone_and_holds_no_token() {
    let gateway = Gateway::on_sqlite_with(|settings| {
        settings.external_url = Some("https://ci.example.com/artifacts".into());
    });
    load(&gateway);
    let browser = Browser::of(&gateway);
    let done = browser.sign_in(DEVELOPER, "/artifacts/group/secret");
    assert_eq!(location(&done), "/artifacts/group/secret");
    let cookie = done.header("set-cookie").unwrap();
    let (pair, rest) = cookie.split_once("; ").unwrap();
    assert_eq!(rest, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure");
    let secret = pair.strip_prefix("__Host-artigate=").unwrap();
    assert!(secret.len() > 43 && !secret.contains(DEVELOPER));
    assert_eq!(name(&browser.open("/")), Some("developer"));
    assert_eq!(
        location(&Browser::of(&gateway).open(JOB)),
        format!("/artifacts/-/sign_in?to={}", "%2Fartifacts%2Fgroup%2Fsecret%2F-%2Fjobs%2F10")
    );
    // What a sibling host or plain HTTP can set does not count.
    let tossed = Browser::of(&gateway);
    tossed.plant("artigate_session", secret);
    assert_eq!(tossed.open(JOB).status, 302);
    // The digest is all that is kept.
    let kept = secret.to_owned();
    let bytes = std::fs::read(gateway.folder.path().join("artigate.db")).unwrap();
    let log = std::fs::read(gateway.folder.path().join("artigate.db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(kept.len()).any(|part| part == kept.as_bytes());
    assert!(!holds(&bytes) && !holds(&log));
    let out = browser.submit("/-/sign_out", &[]);
    assert_eq!(location(&out), "/artifacts/");
    assert!(out.header("set-cookie").unwrap().ends_with("Max-Age=0; HttpOnly; SameSite=Lax; Secure"));
}
