//! People whom only the upstream knows: with a token of theirs, or signed in there.

use std::cell::Cell;

use artigate::settings::{ApplicationScope, ApplicationSettings, UpstreamSettings};
use serde_json::{Value, json};

use super::browser::{Browser, name};
use super::sign_in::location;
use super::{html, is_page};
use crate::support::gateway::Gateway;
use crate::support::gitlab::application::{self, fields};
use crate::support::gitlab::{Failure, StubToken};
use crate::support::http_client::Answer;
use crate::support::issuers::SigningPair;
use crate::support::until;
use crate::upstream::{DEVELOPER, GUEST, MAINTAINER, OUTSIDER, World};

const JOB: &str = "/group/app/-/jobs/7001";

/// Declares tests that run once on each database, in front of a GitLab at which people sign in.
macro_rules! with_application_on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(super::started(crate::upstream::World::on_sqlite(super::named)));
            }

            #[test]
            fn on_postgres() {
                super::$name(super::started(crate::upstream::World::on_postgres(super::named)));
            }
        }
    )+};
}

with_application_on_both!(
    a_token_that_only_the_upstream_knows_opens_a_session,
    people_sign_in_at_the_upstream_and_have_the_rights_that_it_tells,
    the_way_back_is_of_use_once_and_in_the_browser_that_went,
    an_id_token_that_is_not_as_it_should_be_signs_nobody_in,
    what_the_upstream_refuses_is_told_on_a_page,
    made_up_codes_are_bounded,
    tokens_are_exchanged_before_they_end_and_the_session_goes_on,
    a_session_ends_when_the_upstream_takes_its_token_away,
    signing_out_gives_the_token_back,
    no_user_of_the_upstream_is_taken_for_one_of_the_same_number,
);

fn named(upstream: &mut UpstreamSettings) {
    upstream.application = Some(ApplicationSettings {
        id: application::ID.into(),
        secret: application::SECRET.to_owned().into(),
        scope: ApplicationScope::Api,
        issuer: upstream.url.clone(),
    });
}

/// A world whose clocks agree, and in which job 7001 has an archive.
fn started(world: World) -> World {
    let world = world.with_archive("public");
    set_clock(&world);
    world
}

fn set_clock(world: &World) {
    let now = world.gateway.now().as_millis() / 1000;
    world.gitlab.state().application.get_or_insert_default().now = now;
}

/// Goes to the upstream, where `user` agrees, and returns the address of the way back.
fn go(world: &World, browser: &Browser, user: i64, to: &str) -> String {
    let there = browser.open(&format!("/-/auth/oidc?to={to}"));
    assert_eq!((there.status, there.header("cache-control")), (302, Some("private, no-store")), "{there:?}");
    let back = world.gitlab.state().agree(user, location(&there));
    format!("/-/auth/oidc/callback?{back}")
}

/// Comes back, by a redirect of another site.
fn come_back(browser: &Browser, address: &str) -> Answer {
    browser.open_from("cross-site", address)
}

fn signed_in(world: &World, user: i64) -> Browser {
    let browser = Browser::of(&world.gateway);
    let back = go(world, &browser, user, "/");
    let done = come_back(&browser, &back);
    assert_eq!((done.status, location(&done)), (303, "/"), "{}", done.text());
    browser
}

/// Whether the database holds a text anywhere.
fn database_holds(gateway: &Gateway, text: &str) -> bool {
    ["artigate.db", "artigate.db-wal"].iter().any(|file| {
        let bytes = std::fs::read(gateway.folder.path().join(file)).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

fn a_token_that_only_the_upstream_knows_opens_a_session(world: World) {
    for (token, user, status) in
        [(MAINTAINER, "up-maintainer", 200), (DEVELOPER, "up-developer", 200), (OUTSIDER, "up-outsider", 404)]
    {
        let browser = Browser::of(&world.gateway);
        assert_eq!(browser.sign_in(token, JOB).status, 303, "{token}");
        assert_eq!(name(&browser.open("/")), Some(user));
        assert_eq!(browser.open(JOB).status, status, "{token}");
        assert!(!browser.cookies().contains(token));
        assert!(!database_holds(&world.gateway, token), "{token} is stored");
    }
    for wrong in ["glpat-up-nobodys", crate::upstream::BUILD] {
        let browser = Browser::of(&world.gateway);
        assert_eq!((browser.sign_in(wrong, "/").status, browser.cookies()), (422, String::new()), "{wrong}");
    }
    let reads = StubToken::Personal { user: 40, scopes: &["read_api"], expires_at: None };
    world.gitlab.state().tokens.insert("glpat-up-reads".into(), reads);
    let browser = Browser::signed_in(&world.gateway, "glpat-up-reads");
    assert!(!html(&browser.open(JOB)).contains("Keep for ever"));
    assert_eq!(browser.submit(&format!("{JOB}/artifacts/keep"), &[]).status, 403);
    // Taken away there, it is worth nothing here as soon as what is remembered is old.
    let browser = Browser::signed_in(&world.gateway, MAINTAINER);
    world.gitlab.state().tokens.remove(MAINTAINER);
    world.forget();
    assert!(location(&browser.open(JOB)).ends_with("&ended=1"));
    assert_eq!(browser.cookies(), "");
}

fn people_sign_in_at_the_upstream_and_have_the_rights_that_it_tells(world: World) {
    let browser = Browser::of(&world.gateway);
    let asked = browser.open(JOB);
    let form = browser.open(location(&asked));
    let start = super::link(html(&form), "Sign in with GitLab");
    assert_eq!(start, "/-/auth/oidc?to=%2Fgroup%2Fapp%2F-%2Fjobs%2F7001");
    let there = browser.open(&start);
    let cookie = there.header("set-cookie").unwrap();
    assert!(cookie.contains("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "{cookie}");
    let wanted = fields(location(&there).split_once('?').unwrap().1);
    assert_eq!(wanted["scope"], "openid api");
    assert_eq!(wanted["redirect_uri"], format!("{}/-/auth/oidc/callback", world.gateway.base_url()));
    let back = world.gitlab.state().agree(40, location(&there));
    let done = come_back(&browser, &format!("/-/auth/oidc/callback?{back}"));
    assert_eq!((done.status, location(&done)), (303, JOB), "{}", done.text());
    let cookies = browser.cookies();
    assert!(cookies.starts_with("artigate_session=session-"), "the other cookie goes: {cookies}");
    assert!(!database_holds(&world.gateway, "oauth-s3cret") && !cookies.contains("oauth-s3cret"));
    let page = browser.open(JOB);
    assert_eq!(name(&page), Some("up-maintainer"));
    assert!(html(&page).contains("Delete…"), "{}", page.text());
    assert!(html(&browser.open("/-/sessions")).contains("GitLab"));
    let raw = browser.load("same-origin", &format!("{JOB}/artifacts/raw/a.txt"));
    assert_eq!((raw.status, raw.text()), (200, "text"));
    assert_eq!(browser.submit(&format!("{JOB}/artifacts/delete"), &[]).status, 303);
    for (user, status) in [(30, 200), (10, 404), (5, 404)] {
        assert_eq!(signed_in(&world, user).open(JOB).status, status, "{user}");
    }
    let developer = signed_in(&world, 30);
    assert_eq!(developer.submit(&format!("{JOB}/artifacts/delete"), &[]).status, 403);
    assert_eq!(Browser::signed_in(&world.gateway, GUEST).open(JOB).status, 404);
}

/// What a way back ends with that signs nobody in.
fn refused(browser: &Browser, answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    is_page(answer);
    assert!(answer.text().contains("Try again") && name(answer).is_none());
    assert_eq!(browser.cookies(), "");
}

fn the_way_back_is_of_use_once_and_in_the_browser_that_went(world: World) {
    let (victim, attacker) = (Browser::of(&world.gateway), Browser::of(&world.gateway));
    // The attacker's own code, sent to somebody else.
    let back = go(&world, &attacker, 5, "/");
    refused(&victim, &come_back(&victim, &back));
    go(&world, &victim, 40, "/");
    refused(&victim, &come_back(&victim, &back));
    // The other's state with one's own code.
    let (own, other) = (go(&world, &victim, 40, "/"), go(&world, &attacker, 5, "/"));
    let state = own.split("state=").nth(1).unwrap();
    let mixed = format!("{}state={state}", other.split("state=").next().unwrap());
    refused(&victim, &come_back(&victim, &mixed));
    for without in ["/-/auth/oidc/callback", "/-/auth/oidc/callback?code=x", "/-/auth/oidc/callback?state="] {
        go(&world, &victim, 40, "/");
        refused(&victim, &come_back(&victim, without));
    }
    // Twice.
    let browser = Browser::of(&world.gateway);
    let back = go(&world, &browser, 40, "/");
    let way = browser.cookies();
    assert_eq!(come_back(&browser, &back).status, 303);
    let again = Browser::of(&world.gateway);
    let (cookie, value) = way.split_once('=').unwrap();
    again.plant(cookie, value);
    refused(&again, &come_back(&again, &back));
    // Too late.
    let late = go(&world, &victim, 40, "/");
    world.gateway.advance_clock(600);
    refused(&victim, &come_back(&victim, &late));
    // Where one comes back to is no other place, whatever the cookie says.
    let bent = Browser::of(&world.gateway);
    let back = go(&world, &bent, 40, "//evil.example");
    set_clock(&world);
    assert_eq!(location(&come_back(&bent, &back)), "/");
    let head = bent.request("HEAD", &back).header("Accept", super::ACCEPT);
    assert_eq!(head.header("Sec-Fetch-Mode", "navigate").send().status, 404, "a look uses nothing up");
}

fn an_id_token_that_is_not_as_it_should_be_signs_nobody_in(world: World) {
    let now = world.gateway.now().as_millis() / 1000;
    let failed = Cell::new(0);
    let try_with = |bent: Value| {
        world.gitlab.state().application.get_or_insert_default().bent = bent.clone();
        let browser = Browser::of(&world.gateway);
        let back = go(&world, &browser, 40, "/");
        let answer = come_back(&browser, &back);
        refused(&browser, &answer);
        failed.set(failed.get() + 1);
    };
    for bent in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "another"}),
        json!({"aud": [application::ID, "another"]}),
        json!({"iss": "https://evil.example"}),
        json!({"sub": "30"}),
        json!({"sub": "maintainer"}),
        json!({"sub": null}),
        json!({"exp": now - 120, "iat": now - 240}),
        json!({"iat": now + 3600, "exp": now + 7200}),
        json!({"exp": null}),
    ] {
        try_with(bent);
    }
    let bend = |pair: SigningPair| world.gitlab.state().application.get_or_insert_default().pair = pair;
    // The keys that are held are those of the pair before.
    bend(SigningPair::ec("application"));
    try_with(json!({}));
    assert!(failed.get() < 60, "not the bound of failures");
    assert_eq!(
        world.gateway.catalog(|db| artigate::catalog::sessions::count(
            db,
            artigate::domain::Timestamp::from_millis(0)
        )),
        0
    );
}

fn what_the_upstream_refuses_is_told_on_a_page(world: World) {
    let browser = Browser::of(&world.gateway);
    let back = go(&world, &browser, 40, "/");
    let state = back.split("state=").nth(1).unwrap();
    let text = "error_description=%3Cb%3Eyou+have+won%3C%2Fb%3E";
    let denied = format!("/-/auth/oidc/callback?error=access_denied&{text}&state={state}");
    let answer = come_back(&browser, &denied);
    refused(&browser, &answer);
    assert!(!answer.text().contains("you have won"), "nothing is repeated that anybody can make up");
    let back = go(&world, &browser, 40, "/");
    world.gitlab.state().failure = Some(Failure::Status(502));
    let down = come_back(&browser, &back);
    assert_eq!((down.status, browser.cookies()), (503, String::new()));
    is_page(&down);
    let plain = Gateway::on_sqlite();
    let nobody = Browser::of(&plain);
    assert_eq!(nobody.open("/-/auth/oidc").status, 404, "there is no upstream");
    assert_eq!(nobody.open("/-/auth/oidc/callback?code=x&state=y").status, 404);
}

fn made_up_codes_are_bounded(world: World) {
    let browser = Browser::of(&world.gateway);
    let limit = world.gateway.app.settings.failed_auth_per_minute;
    let guess = || {
        let back = go(&world, &browser, 40, "/");
        let state = back.split("state=").nth(1).unwrap();
        come_back(&browser, &format!("/-/auth/oidc/callback?code=guess&state={state}"))
    };
    for _ in 0..limit {
        assert_eq!(guess().status, 403);
    }
    world.gitlab.state().application.get_or_insert_default().forms.clear();
    let limited = guess();
    assert_eq!((limited.status, limited.header("retry-after").is_some()), (429, true));
    assert!(world.gitlab.state().application.get_or_insert_default().forms.is_empty(), "it is not asked");
}

fn tokens_are_exchanged_before_they_end_and_the_session_goes_on(world: World) {
    let browser = signed_in(&world, 40);
    let exchanged = || {
        let mut state = world.gitlab.state();
        let forms = std::mem::take(&mut state.application.get_or_insert_default().forms);
        forms.iter().filter(|form| form["grant_type"] == "refresh_token").count()
    };
    assert_eq!(exchanged(), 0);
    for _ in 0..3 {
        world.gateway.advance_clock(2 * 3600 - 299);
        assert_eq!(browser.open(JOB).status, 200);
        assert_eq!(browser.open(JOB).status, 200);
        assert_eq!(exchanged(), 1, "once in two hours");
    }
    assert!(!database_holds(&world.gateway, "oauth-s3cret"));
    // An upstream that is away is asked again later, as long as the token is valid.
    world.gateway.advance_clock(2 * 3600 - 200);
    world.gitlab.state().failure = Some(Failure::Status(502));
    assert_eq!(browser.open("/-/sessions").status, 200);
    world.gitlab.state().failure = None;
    world.gateway.advance_clock(60);
    assert_eq!((browser.open(JOB).status, exchanged()), (200, 1));
    world.gateway.advance_clock(2 * 3600 + 1);
    world.gitlab.state().failure = Some(Failure::Status(502));
    assert_eq!(browser.open("/-/sessions").status, 503, "it has ended, and there is no new one");
    assert_ne!(browser.cookies(), "", "the session has not");
    world.gitlab.state().failure = None;
    world.gateway.advance_clock(60);
    assert_eq!(browser.open(JOB).status, 200);
}

fn a_session_ends_when_the_upstream_takes_its_token_away(world: World) {
    let (one, other) = (signed_in(&world, 40), signed_in(&world, 40));
    world.gitlab.state().revoke_all();
    world.forget();
    // By a question about a project, and by the exchange.
    assert!(location(&one.open(JOB)).ends_with("&ended=1"));
    assert_eq!(one.cookies(), "");
    world.gateway.advance_clock(2 * 3600);
    assert_eq!(location(&other.open("/-/sessions")), "/-/sign_in?to=%2F-%2Fsessions&ended=1");
    let third = {
        set_clock(&world);
        signed_in(&world, 40)
    };
    world.gitlab.state().revoke_all();
    world.forget();
    let raw = third.open(&format!("{JOB}/artifacts/raw/a.txt"));
    assert_eq!(raw.status, 302, "{raw:?}");
    assert_eq!(third.load("same-origin", &format!("{JOB}/artifacts/raw/a.txt")).status, 404);
}

fn signing_out_gives_the_token_back(world: World) {
    let browser = signed_in(&world, 40);
    assert_eq!(browser.submit("/-/sign_out", &[]).status, 303);
    let revoked = || world.gitlab.state().application.get_or_insert_default().revoked.clone();
    until(10_000, "the token is given back", || revoked().len() == 1);
    assert!(revoked().iter().all(|token| token.starts_with("oauth-s3cret-refresh-")));
}

fn no_user_of_the_upstream_is_taken_for_one_of_the_same_number(world: World) {
    world.gateway.load(
        "users: [{id: 40, username: boss, admin: true, tokens: [{value: glpat-boss, scopes: [api]}]}]\n\
         projects: [{id: 70, path: own/secret, pipelines: [{id: 7000, ref: main, sha: aa, status: success, \
         jobs: [{id: 70000, name: build, status: success}]}]}]\n",
    );
    let browser = signed_in(&world, 40);
    assert_eq!(browser.open("/own/secret").status, 404);
    assert!(!html(&browser.open("/")).contains("own/secret"));
    let boss = Browser::signed_in(&world.gateway, "glpat-boss");
    assert_eq!(boss.open("/own/secret").status, 200);
    let own = |browser: &Browser| browser.open("/-/sessions").text().matches("/-/sessions/end?id=").count();
    assert_eq!((own(&browser), own(&boss)), (1, 1));
    assert_eq!(browser.submit("/-/sessions/end?all=1", &[]).status, 303);
    assert_eq!(name(&boss.open("/")), Some("boss"));
}
