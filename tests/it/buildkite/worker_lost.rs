//! Lost agents: what becomes of jobs whose agents are not heard of, disconnect, or do not begin.

use serde_json::json;

use super::worker::{AGENTS, Agent, BUILD, create, with_steps};
use super::{got, put, refused};
use crate::support::fixtures::ADMIN;
use crate::support::gateway::Gateway;

on_both_databases!(
    a_job_of_a_lost_agent_has_failed,
    a_job_that_is_not_accepted_waits_again,
    a_job_that_is_not_started_has_failed,
    an_agent_that_disconnects_leaves_its_job,
    agents_end_with_their_token
);

fn one_step(gateway: &Gateway) {
    with_steps(gateway, &json!([{"command": "make"}]));
    create(gateway);
}

fn job_state(gateway: &Gateway) -> String {
    got(gateway, BUILD)["jobs"][0]["state"].as_str().unwrap().to_owned()
}

fn beat(agent: &Agent) {
    agent.call("POST", "heartbeat", Some(&json!({"sent_at": "2026-02-01T12:00:00Z"})));
}

fn a_job_of_a_lost_agent_has_failed(gateway: Gateway) {
    one_step(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let job = agent.run();
    assert_eq!(job.chunk(1, 0, b"began\n").status, 200);
    gateway.advance_clock(179);
    gateway.sweep();
    beat(&agent);
    gateway.advance_clock(179);
    gateway.sweep();
    assert_eq!(job_state(&gateway), "running");
    gateway.advance_clock(1);
    gateway.sweep();
    let build = got(&gateway, BUILD);
    let shown = &build["jobs"][0];
    assert_eq!((&build["state"], &shown["state"]), (&json!("failed"), &json!("failed")));
    assert_eq!((&shown["exit_status"], &shown["agent"]["id"]), (&json!(-1), &json!(agent.id)));
    let in_gitlab =
        gateway.get(&format!("/api/v4/projects/1/jobs/{}", 1i64 << 50)).private_token(ADMIN).send();
    let in_gitlab: serde_json::Value = serde_json::from_slice(&in_gitlab.body).unwrap();
    assert_eq!(
        (&in_gitlab["status"], &in_gitlab["failure_reason"]),
        (&json!("failed"), &json!("runner_system_failure"))
    );
    assert_eq!(got(&gateway, &format!("{BUILD}/jobs/{}/log", job.id))["content"], "began\n");
    // Neither the agent nor its job come back.
    assert_eq!(agent.send("GET", "ping", None).status, 401);
    assert_eq!(agent.send("POST", "heartbeat", Some(&json!({}))).status, 401);
    assert_eq!(job.finish("0").status, 422, "agents do not repeat that");
    assert_eq!(job.finish("-1").status, 200);
    assert_eq!(job_state(&gateway), "failed");
    // The job is tried again by another.
    assert_eq!(put(&gateway, &format!("{BUILD}/retry_failed_jobs")).status, 202);
    assert_eq!(Agent::start(gateway.address, AGENTS, &[]).run().finish("0").status, 200);
    assert_eq!(got(&gateway, BUILD)["state"], "passed");
}

fn a_job_that_is_not_accepted_waits_again(gateway: Gateway) {
    one_step(&gateway);
    let (first, second) =
        (Agent::start(gateway.address, AGENTS, &[]), Agent::start(gateway.address, AGENTS, &[]));
    let id = first.ping().unwrap();
    gateway.advance_clock(59);
    assert_eq!(second.ping(), None);
    gateway.advance_clock(1);
    assert_eq!(second.ping().as_ref(), Some(&id), "nobody needs to sweep for that");
    assert_eq!(first.send("PUT", &format!("jobs/{id}/accept"), None).status, 422);
    assert_eq!(first.ping(), None);
    gateway.advance_clock(60);
    gateway.sweep();
    assert_eq!(job_state(&gateway), "scheduled");
    assert_eq!(got(&gateway, BUILD)["jobs"][0]["agent"], json!(null));
    assert_eq!(second.send("PUT", &format!("jobs/{id}/accept"), None).status, 422);
    assert_eq!(first.run().finish("0").status, 200);
}

fn a_job_that_is_not_started_has_failed(gateway: Gateway) {
    one_step(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let job = agent.take();
    gateway.advance_clock(170);
    beat(&agent);
    gateway.advance_clock(129);
    gateway.sweep();
    assert_eq!(job_state(&gateway), "accepted");
    gateway.advance_clock(1);
    gateway.sweep();
    assert_eq!(
        (job_state(&gateway).as_str(), got(&gateway, BUILD)["state"].as_str()),
        ("failed", Some("failed"))
    );
    let refusal = refused(&job.send("PUT", "start", &json!({})));
    assert_eq!(refusal, (422, "The job is failed, which does not allow that".into()));
}

fn an_agent_that_disconnects_leaves_its_job(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "a"}, {"command": "b"}]));
    create(&gateway);
    let (first, second) =
        (Agent::start(gateway.address, AGENTS, &[]), Agent::start(gateway.address, AGENTS, &[]));
    first.run();
    second.ping().unwrap();
    first.call("POST", "disconnect", None);
    second.call("POST", "disconnect", None);
    assert_eq!(super::field(&got(&gateway, BUILD)["jobs"], "state"), ["failed", "scheduled"]);
    assert_eq!(Agent::start(gateway.address, AGENTS, &[]).run().finish("0").status, 200);
    assert_eq!(got(&gateway, BUILD)["state"], "failed");
}

fn agents_end_with_their_token(gateway: Gateway) {
    one_step(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let token = |rest: &str| {
        gateway.load(&format!(
            "users: [{{id: 3, username: developer, tokens: [{{value: {AGENTS}, scopes: [agent], {rest}}}]}}]"
        ));
    };
    token("revoked: true");
    for (method, path) in [("GET", "ping"), ("POST", "heartbeat"), ("POST", "connect")] {
        assert_eq!(agent.send(method, path, Some(&json!({}))).status, 401, "{path}");
    }
    token("revoked: false, expires_at: 2026-02-01T12:01:00Z");
    assert!(agent.ping().is_some());
    gateway.advance_clock(60);
    assert_eq!(agent.send("GET", "ping", None).status, 401);
    gateway.load(
        "users: [{id: 3, username: developer, tokens: [{value: agents-of-developer, scopes: [api], expires_at: null}]}]",
    );
    assert_eq!(agent.send("GET", "ping", None).status, 401, "its token lost the scope");
}

#[test]
fn an_end_that_is_reported_again_is_no_failed_authentication() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 3);
    one_step(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let job = agent.run();
    for _ in 0..5 {
        assert_eq!(job.finish("1").status, 200, "the answer was lost");
        assert_eq!(job_state(&gateway), "failed");
    }
    for _ in 0..5 {
        assert_eq!(super::refused(&job.finish("0")).0, 422, "it ended otherwise");
    }
    let by_session = |status: &str| {
        let path = format!("jobs/{}/finish", job.id);
        agent.send("PUT", &path, Some(&json!({ "exit_status": status }))).status
    };
    assert_eq!((by_session("1"), by_session("0")), (200, 422));
    // Nothing else is open to the token.
    assert_eq!(job.send("POST", "data/keys", &json!(null)).status, 401);
    assert_eq!(job_state(&gateway), "failed");
}
