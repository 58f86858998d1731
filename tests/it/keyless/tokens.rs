//! Which ID tokens are accepted, and where.

use artigate::settings::{HookMode, HookSettings, UpstreamKind};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{CURRENT, World, changed, gitlab_claims, in_worlds, start};
use crate::support::fixtures::{self, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;
use crate::support::issuers::{Issuer, SigningPair};
use crate::support::zips;

fn world() -> World {
    World::new(Gateway::on_sqlite_with)
}

/// The status of an upload, and its reason in GitLab's words.
fn upload(world: &World, token: &str) -> (u16, String) {
    let answer = world.upload(CURRENT, token, b"x");
    (answer.status, answer.text().to_owned())
}

#[test]
fn a_token_that_is_not_as_it_should_be_is_refused_with_401() {
    let world = world();
    let claims = |change| changed(gitlab_claims(&world.gitlab.url()), change);
    let good = world.gitlab.pair.token(&claims(json!({})));
    let (pair, other) = (&world.gitlab.pair, SigningPair::rsa("gitlab-1"));
    let header = |header: Value| pair.token_with_header(&header, &claims(json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    let unsigned =
        |header: Value| format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(header.to_string()), parts[1]);
    let mut refused = vec![
        ("cut", good[..good.len() - 1].to_owned()),
        ("alone", "eyJ".to_owned()),
        ("another key", other.token(&claims(json!({})))),
        ("another issuer's key", world.github.pair.token(&claims(json!({})))),
        ("another kid", header(json!({"alg": "RS256", "kid": "another"}))),
        ("none", unsigned(json!({"alg": "none", "kid": "gitlab-1"}))),
        ("none, signed", header(json!({"alg": "none", "kid": "gitlab-1"}))),
        ("HMAC", header(json!({"alg": "HS256", "kid": "gitlab-1"}))),
        ("the other algorithm", header(json!({"alg": "ES256", "kid": "gitlab-1"}))),
        ("PSS", header(json!({"alg": "PS256", "kid": "gitlab-1"}))),
        ("no kid", header(json!({"alg": "RS256"}))),
        ("crit", header(json!({"alg": "RS256", "kid": "gitlab-1", "crit": ["exp"]}))),
        ("its own key", header(json!({"alg": "RS256", "kid": "x", "jwk": other.jwk()}))),
    ];
    for change in [
        json!({"iss": "https://gitlab.example.com"}),
        json!({"iss": format!("{}/", world.gitlab.url())}),
        json!({"aud": "https://elsewhere.example.com"}),
        json!({"aud": ["https://artifacts.example.com", "https://elsewhere.example.com"]}),
        json!({"exp": start() - 60}),
        json!({"exp": (start() + 60).to_string()}),
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"iat": start() + 61, "nbf": start()}),
        json!({"nbf": start() + 61}),
        json!({"exp": start() + 86_401}),
        json!({"namespace_path": "another", "ci_config_ref_uri": "x"}),
        json!({"job_id": null}),
        json!({"job_id": "-1"}),
        json!({"job_id": "99999999999999999999"}),
        json!({"job_id": "1e3"}),
        json!({"job_project_path": "../x"}),
        json!({"job_project_id": null, "job_project_path": null, "pipeline_source": "merge_request_event"}),
        json!({"sha": ["a"]}),
    ] {
        refused.push(("claims", pair.token(&claims(change))));
    }
    for (what, token) in &refused {
        assert_eq!(
            upload(&world, token),
            (401, r#"{"message":"401 Unauthorized"}"#.into()),
            "{what} {token}"
        );
    }
    assert_eq!(upload(&world, &good).0, 201);
    let skewed = claims(json!({"iat": start() + 59, "nbf": start() + 59, "job_id": "303"}));
    assert_eq!(upload(&world, &pair.token(&skewed)).0, 201, "clocks differ");
    assert_eq!(
        upload(&world, &pair.token(&claims(json!({"aud": ["https://artifacts.example.com"]})))).0,
        201
    );
}

#[test]
fn a_token_that_is_not_accepted_is_401_on_every_route_and_in_every_place() {
    let world = World::new(|change| {
        Gateway::on_sqlite_with(|settings| {
            change(settings);
            settings.failed_auth_per_minute = 0;
        })
    });
    fixtures::small(&world.gateway, &zips::deflated(&[("a.txt", b"x")]));
    let bad = world.gitlab_token(json!({"aud": "another"}));
    for path in [
        "/api/v4/projects/1",
        "/api/v4/projects/1/jobs/10/artifacts",
        "/api/v4/jobs/10/artifacts",
        "/api/v4/version",
        "/api/v4/nonsense",
        "/api/v3/repos/group/project",
        "/v2/organizations",
        "/v3/jobs/20",
        "/api/registry/v1/jobs/20",
        "/twirp/nonsense",
        "/group/project/-/jobs/artifacts/main/download?job=build",
    ] {
        for (name, value) in [
            ("JOB-TOKEN", bad.clone()),
            ("PRIVATE-TOKEN", bad.clone()),
            ("Authorization", format!("Bearer {bad}")),
            ("Authorization", format!("token {bad}")),
            ("Authorization", bad.clone()),
        ] {
            let answer = world.gateway.get(path).header(name, &value).send();
            assert_eq!(answer.status, 401, "{path} {name}");
            let both = world.gateway.get(path).private_token("glpat-admin").header("JOB-TOKEN", &bad).send();
            assert_eq!(both.status, 401, "{path}: another credential beside it does not help");
        }
        let query = if path.contains('?') { '&' } else { '?' };
        for name in ["private_token", "job_token", "token", "access_token"] {
            let answer = world.gateway.get(&format!("{path}{query}{name}={bad}")).send();
            assert_eq!(answer.status, 401, "{path} {name}");
        }
    }
    let form = Form::default().field("token", &bad).file("a", b"x");
    assert_eq!(world.gateway.post(CURRENT).form(form).send().status, 401);
}

#[test]
fn an_accepted_token_is_for_uploads_and_dependencies_alone() {
    let world = world();
    fixtures::small(&world.gateway, &zips::deflated(&[("a.txt", b"x")]));
    let token = world.gitlab_token(json!({}));
    assert_eq!(upload(&world, &token).0, 201);
    for (method, path) in [
        ("GET", "/api/v4/projects/20"),
        ("GET", "/api/v4/projects/20/jobs"),
        ("GET", "/api/v4/projects"),
        ("GET", "/api/v4/user"),
        ("GET", "/api/v4/job"),
        ("GET", "/api/v4/version"),
        ("DELETE", "/api/v4/projects/20/jobs/302/artifacts"),
        ("POST", "/api/v4/projects/20/jobs/302/artifacts/keep"),
        ("POST", "/api/v4/projects/20/jobs/302/erase"),
        ("GET", "/api/v3/repos/group/site"),
        ("GET", "/v2/organizations"),
        ("GET", "/v3/jobs/302"),
        ("POST", "/api/registry/v1/documents"),
        ("POST", "/api/registry/v1/jobs/302/environment"),
        // Another project, public as it is, and one that does not exist.
        ("GET", "/api/v4/projects/1/jobs/10/artifacts"),
        ("GET", "/api/v4/projects/1/jobs/artifacts/main/download?job=build"),
        ("GET", "/api/v4/projects/group%2Fnone/jobs/10/artifacts"),
        ("GET", "/api/v4/jobs/10/artifacts"),
        ("GET", "/api/v4/jobs/999/artifacts"),
    ] {
        let answer =
            world.gateway.request(method, path).header("Authorization", &format!("Bearer {token}")).send();
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    assert_eq!(world.upload("/api/v4/jobs/303/artifacts", &token, b"x").status, 403, "another job");
    assert_eq!(world.upload("/api/v4/jobs/20/artifacts", &token, b"x").status, 403, "a registered job");
    assert_eq!(world.upload("/api/v4/jobs/302/artifacts", &token, b"x").status, 201, "its own number");
}

#[test]
fn a_token_may_stand_wherever_a_jobs_token_may() {
    let world = world();
    let file = || Form::default().file("a.zip", &zips::deflated(&[("a.txt", b"x")]));
    let token = |job: i64| world.gitlab_token(json!({"job_id": job.to_string()}));
    let post = |path: &str| world.gateway.post(path);
    let bearer = format!("Bearer {}", token(1));
    let in_query = format!("{CURRENT}?token={}", token(3));
    let in_form =
        Form::default().field("token", &token(4)).file("a.zip", &zips::deflated(&[("a.txt", b"x")]));
    for (what, request) in [
        ("Authorization", post(CURRENT).header("Authorization", &bearer).form(file())),
        ("JOB-TOKEN", post(CURRENT).job_token(&token(2)).form(file())),
        ("query", post(&in_query).form(file())),
        ("form", post(CURRENT).form(in_form)),
    ] {
        assert_eq!(request.send().status, 201, "{what}");
    }
    let behind = Form::default().file("a.zip", b"x").field("token", &token(5));
    assert_eq!(post(CURRENT).form(behind).send().status, 403, "bytes are only taken from a known job");
    let both = post(CURRENT).job_token(&token(6)).header("Authorization", &format!("Bearer {}", token(7)));
    assert_eq!(both.form(file()).send().status, 401, "two tokens");
}

#[test]
fn current_is_the_job_of_a_jobs_token_too() {
    let world = world();
    fixtures::small(&world.gateway, &zips::deflated(&[("a.txt", b"x")]));
    assert_eq!(world.upload(CURRENT, RUNNING, b"y").status, 201);
    let answer = world.gateway.get(CURRENT).job_token(RUNNING).send();
    assert_eq!(answer.body, zips::deflated(&[("a.txt", b"y")]));
    assert_eq!(
        world.gateway.get(CURRENT).private_token("glpat-admin").send().status,
        403,
        "a user has no job"
    );
    assert_eq!(world.upload(CURRENT, "glcbt-unknown", b"y").status, 403);
    assert_eq!(world.gateway.get(CURRENT).send().status, 401);
}

#[test]
fn an_issuer_is_asked_once_a_minute_whatever_is_sent() {
    let world = world();
    assert_eq!(world.gitlab.calls(), 0, "nothing is fetched before it is needed");
    let unknown = |number: usize| {
        let header = json!({"alg": "RS256", "kid": format!("invented-{number}")});
        world.gitlab.pair.token_with_header(&header, &gitlab_claims(&world.gitlab.url()))
    };
    let good = world.gitlab_token(json!({}));
    for number in 0..50 {
        assert_eq!(upload(&world, &unknown(number)).0, 401);
        assert_eq!(upload(&world, &good).0, 201);
    }
    assert_eq!(world.gitlab.calls(), 2, "its description and its keys, once");
    let rotated = SigningPair::rsa("gitlab-2");
    world.gitlab.serve_keys(&[rotated.jwk(), world.gitlab.pair.jwk()]);
    let new = rotated.token(&gitlab_claims(&world.gitlab.url()));
    assert_eq!(upload(&world, &new).0, 401, "the last fetch was just now");
    world.gateway.advance_clock(60);
    assert_eq!(upload(&world, &new).0, 201);
    assert_eq!(upload(&world, &good).0, 201);
    assert_eq!(world.gitlab.calls(), 4);
}

#[test]
fn keys_outlive_their_issuer_for_a_day_and_then_nobody_knows() {
    let world = world();
    let at = |seconds: i64| {
        world.gitlab_token(
            json!({"iat": start() + seconds, "nbf": start() + seconds, "exp": start() + seconds + 60}),
        )
    };
    assert_eq!(upload(&world, &at(0)).0, 201);
    world.gitlab.break_down();
    world.gateway.advance_clock(3600);
    for _ in 0..5 {
        assert_eq!(upload(&world, &at(3600)).0, 201, "the keys are old, and all there is");
    }
    assert_eq!(world.gitlab.calls(), 3, "a failed fetch counts for a minute");
    for (status, headers, body) in [
        ("200 OK", "", "{\"keys\":[]}"),
        ("200 OK", "", "<html>"),
        ("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
    ] {
        world.gitlab.serve_discovery(&json!({
            "issuer": world.gitlab.url(), "jwks_uri": format!("{}/keys", world.gitlab.url()),
        }));
        world.gitlab.serve_instead_of_keys(status, headers, body);
        world.gateway.advance_clock(60);
        let now = world.gateway.now().as_millis() / 1000 - start();
        assert_eq!(upload(&world, &at(now)).0, 201, "{status} {body}");
    }
    world.gateway.advance_clock(2 * 86_400);
    let now = world.gateway.now().as_millis() / 1000 - start();
    let answer = world.upload(CURRENT, &at(now), b"x");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
}

#[test]
fn keys_of_another_host_are_not_the_issuers() {
    let issuer = Issuer::start(SigningPair::rsa("a"));
    let other = Issuer::start(SigningPair::rsa("a"));
    for description in [
        json!({"issuer": issuer.url(), "jwks_uri": format!("{}/keys", other.url())}),
        json!({"issuer": other.url(), "jwks_uri": format!("{}/keys", issuer.url())}),
        json!({"issuer": issuer.url()}),
        json!({"issuer": issuer.url(), "jwks_uri": "file:///etc/passwd"}),
        json!([]),
    ] {
        issuer.serve_discovery(&description);
        let upstream = issuer.upstream("gitlab", UpstreamKind::GitLab, json!([]));
        let gateway = Gateway::on_sqlite_with(|settings| settings.upstreams = vec![upstream]);
        let token = issuer.pair.token(&gitlab_claims(&issuer.url()));
        let form = Form::default().file("a", b"x");
        assert_eq!(gateway.post(CURRENT).job_token(&token).form(form).send().status, 503, "{description}");
    }
    assert_eq!(other.calls(), 0);
}

#[test]
fn many_requests_at_once_fetch_the_keys_once() {
    let world = world();
    let tokens: Vec<String> =
        (1..=40).map(|job| world.gitlab_token(json!({"job_id": job.to_string()}))).collect();
    std::thread::scope(|scope| {
        for token in &tokens {
            let world = &world;
            scope.spawn(move || assert_eq!(upload(world, token).0, 201));
        }
    });
    assert_eq!(world.gitlab.calls(), 2);
}

#[test]
fn a_job_asks_for_the_audience_before_it_has_a_token() {
    let world = world();
    let answer = world.gateway.get("/api/oidc/v1/audience").send();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["audience"], "https://artifacts.example.com");
    assert_eq!(body["issuers"][1]["issuer"], world.github.url());
    assert_eq!(Gateway::on_sqlite().get("/api/oidc/v1/audience").send().status, 404);
}

in_worlds!(nothing_of_a_token_is_in_a_table_a_log_or_an_answer);

fn nothing_of_a_token_is_in_a_table_a_log_or_an_answer(world: World) {
    let bad = world.gitlab_token(json!({"aud": "another"}));
    let good = world.github_token(json!({}));
    let mut texts = Vec::new();
    for token in [&bad, &good] {
        for answer in [
            world.upload(CURRENT, token, b"x"),
            world.upload("/api/v4/jobs/7/artifacts", token, b"x"),
            world.upload(&format!("{CURRENT}?expire_in=never-ever"), token, b"x"),
            world.gateway.get(&format!("/api/v4/projects/{token}/jobs")).send(),
            world.gateway.get(&format!("/api/v4/projects?search={token}")).send(),
        ] {
            texts.push(format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
        }
    }
    let rows = world.gateway.catalog(|db| {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let mut all = String::new();
        for (table, columns) in [
            ("projects", "path || name"),
            ("pipelines", "ref || sha || source"),
            ("jobs", "name || stage"),
            ("foreign_numbers", "upstream || foreign_id"),
            ("users", "username || name"),
        ] {
            let rows: Vec<Row> = diesel::RunQueryDsl::load(
                diesel::sql_query(format!("SELECT {columns} AS text FROM {table}")),
                db,
            )?;
            all.extend(rows.into_iter().map(|row| row.text));
        }
        Ok(all)
    });
    assert!(rows.contains("octo/site"));
    texts.push(rows);
    for text in texts {
        for token in [&bad, &good] {
            for part in token.split('.') {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
    let secret = HookSettings { scope: "*".into(), secret: "s3cret".into(), mode: HookMode::Hint };
    assert!(!format!("{secret:?}").contains("s3cret"));
}
