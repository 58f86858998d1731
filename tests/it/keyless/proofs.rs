//! Proofs of hooks: what a delivery shows before it is read, and events that are of no use.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::hooks::{GROUP, INSTANCE, SIGNED, mac, pipeline};
use super::{CURRENT, World, start};
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

fn hooked() -> World {
    World::with_hooks(Gateway::on_sqlite_with)
}

#[test]
fn a_delivery_without_a_proof_is_refused_before_its_body_is_read() {
    let world = hooked();
    let body = pipeline("success", 9, json!({})).to_string();
    let post = |path: &str| Request::new(world.gateway.address, "POST", &format!("/api/feeds/v1/{path}"));
    for request in [
        post("gitlab"),
        post("gitlab").header("X-Gitlab-Token", "another-secret-of-it"),
        post("gitlab").header("X-Gitlab-Token", SIGNED),
        post("gitlab").header("X-Gitlab-Token", INSTANCE).header("X-Gitlab-Token", GROUP),
        post("gitlab").private_token("glpat-admin"),
        post("github").header("X-Gitlab-Token", INSTANCE),
        post("buildkite").header("X-Buildkite-Token", "another-secret-of-it"),
    ] {
        // The body never comes.
        let announced = request.header("X-Gitlab-Event", "Pipeline Hook").header("Content-Length", "1000000");
        let answer = crate::support::http_client::read_answer(announced.connect(), false).unwrap();
        assert_eq!(answer.error(), (401, r#"{"message":"401 Unauthorized"}"#));
    }
    let time = (start() - 301).to_string();
    let old = hex::encode(mac(INSTANCE.as_bytes(), &[time.as_bytes(), b".", body.as_bytes()]));
    let other = hex::encode(mac(b"another-secret-of-it", &[body.as_bytes()]));
    for request in [
        post("github").header("X-Hub-Signature-256", &format!("sha256={other}")),
        post("github").header("X-Hub-Signature-256", "sha256="),
        post("buildkite").header("X-Buildkite-Signature", &format!("timestamp={time},signature={old}")),
        post("gitlab")
            .header("webhook-signature", "v1,AAAA")
            .header("webhook-id", "1")
            .header("webhook-timestamp", &time),
        // A signature that is there is not passed over for a token.
        post("gitlab")
            .header("webhook-signature", "v1,AAAA")
            .header("webhook-id", "1")
            .header("webhook-timestamp", &start().to_string())
            .header("X-Gitlab-Token", INSTANCE),
    ] {
        assert_eq!(request.body(body.clone().into_bytes()).send().status, 401);
    }
    assert_eq!(post("nobody").header("X-Gitlab-Token", INSTANCE).send().status, 404);
    assert_eq!(world.gateway.get("/api/feeds/v1/gitlab").send().status, 405);
    let huge = post("gitlab").header("X-Gitlab-Token", INSTANCE).header("Content-Length", "26214401");
    assert_eq!(crate::support::http_client::read_answer(huge.connect(), false).unwrap().status, 413);
}

#[test]
fn gitlabs_signature_counts_as_well_as_its_token() {
    let world = hooked();
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let (body, time) = (pipeline("success", 9, json!({})).to_string(), start().to_string());
    let key = BASE64_STANDARD.decode(&SIGNED["whsec_".len()..]).unwrap();
    let signature =
        BASE64_STANDARD.encode(mac(&key, &[b"delivery.", time.as_bytes(), b".", body.as_bytes()]));
    let request = world.gateway.post("/api/feeds/v1/gitlab").header("X-Gitlab-Event", "Pipeline Hook");
    let request = request.header("webhook-id", "delivery").header("webhook-timestamp", &time);
    let answer =
        request.header("webhook-signature", &format!("v1,{signature}")).body(body.into_bytes()).send();
    assert_eq!(answer.status, 202);
    assert_eq!(world.states("20", 574).0, "success");
}

#[test]
fn an_event_that_nobody_needs_is_harmless_and_a_broken_one_says_so() {
    let world = hooked();
    assert_eq!(world.gitlab_hook(INSTANCE, &json!({"object_kind": "push"})).status, 204);
    assert_eq!(world.gitlab_hook(INSTANCE, &json!({"event_name": "user_create"})).status, 204);
    assert_eq!(world.github_hook("ping", &json!({"zen": "x"})).status, 204);
    assert_eq!(world.buildkite_hook("ping", &json!({})).status, 204);
    assert_eq!(world.gitlab_hook(INSTANCE, &pipeline("astonished", 9, json!({}))).status, 204);
    let broken = json!({"object_kind": "pipeline", "object_attributes": {"id": "s3cret"}});
    let answer = world.gitlab_hook(INSTANCE, &broken);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("line 1") && !answer.text().contains("s3cret"), "{}", answer.text());
    assert_eq!(world.github_hook("workflow_run", &json!({})).status, 400);
    assert_eq!(world.buildkite_hook("build.finished", &json!([])).status, 400);
}
