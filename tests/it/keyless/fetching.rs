//! The fetch of an issuer's keys: it belongs to nobody's request.

use serde_json::json;

use super::{CURRENT, World};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};
use crate::support::until;

/// A world that shows its metrics.
fn world() -> World {
    World::new(|change| {
        Gateway::on_sqlite_with(|settings| {
            change(settings);
            settings.metrics_listen = Some("127.0.0.1:0".into());
        })
    })
}

fn uploads_in_progress(world: &World) -> bool {
    let answer = Request::new(world.gateway.metrics.unwrap(), "GET", "/metrics").send();
    !answer.text().contains("artigate_http_requests_in_flight{kind=\"upload\"} 0\n")
        || !answer.text().contains("artigate_http_requests_in_flight{kind=\"api\"} 0\n")
}

#[test]
fn a_fetch_goes_on_when_the_request_that_began_it_is_given_up() {
    let world = world();
    world.gitlab.hold(true);
    let token = world.gitlab_token(json!({}));
    let upload = world.gateway.post(CURRENT).job_token(&token).form(Form::default().file("a", b"x"));
    let stream = upload.connect();
    until(60_000, "the keys are asked for", || world.gitlab.calls() == 1);
    drop(stream);
    until(60_000, "nobody waits for them", || !uploads_in_progress(&world));
    world.gitlab.hold(false);
    assert_eq!(world.upload(CURRENT, &token, b"x").status, 201, "the same fetch, or its keys");
    assert_eq!(world.gitlab.calls(), 2, "its description and its keys, once");
}

#[test]
fn only_a_fetch_that_has_failed_is_not_tried_again_for_a_minute() {
    let world = world();
    world.gitlab.break_down();
    let token = world.gitlab_token(json!({}));
    for _ in 0..3 {
        assert_eq!(world.upload(CURRENT, &token, b"x").status, 503);
    }
    assert_eq!(world.gitlab.calls(), 1);
    world.gitlab.serve_discovery(&json!({
        "issuer": world.gitlab.url(), "jwks_uri": format!("{}/keys", world.gitlab.url()),
    }));
    world.gitlab.serve_keys(&[world.gitlab.pair.jwk()]);
    assert_eq!(world.upload(CURRENT, &token, b"x").status, 503);
    world.gateway.advance_clock(60);
    assert_eq!(world.upload(CURRENT, &token, b"x").status, 201);
}
