//! The order of locks: whoever changes a job locks its pipeline first, so that no two wait for each other.

use diesel::RunQueryDsl;
use serde_json::{Value, json};

use super::worker::{AGENTS, Agent, BUILD, create, with_steps};
use super::{got, put, request};
use crate::support::beside::{beside, until_another_waits};
use crate::support::fixtures::DEVELOPER;
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

/// Carries out a request while a transaction has the pipeline of the build; that one gets its jobs too.
fn beside_a_transaction(gateway: &Gateway, what: &str, request: Request) {
    let (answer, jobs) = gateway.write_catalog(move |db| {
        let pipeline = "UPDATE pipelines SET status = status WHERE id >= 1 << 20";
        assert_eq!(diesel::sql_query(pipeline).execute(db)?, 1);
        let answer = beside(move || request.send());
        until_another_waits(db)?;
        let jobs = diesel::sql_query("SELECT id FROM jobs WHERE pipeline_id >= 1 << 20 FOR UPDATE NOWAIT");
        Ok((answer, jobs.execute(db)?))
    });
    let answer = answer.join().unwrap();
    assert!(answer.status < 300, "{what}: {} {}", answer.status, answer.text());
    assert!(jobs > 0, "{what}");
}

fn agents_request(agent: &Agent, token: &str, path: &str, body: &Value) -> Request {
    Request::new(agent.address, "PUT", &format!("/v3/jobs/{path}"))
        .header("Authorization", &format!("Token {token}"))
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes())
}

#[test]
fn whoever_changes_a_job_has_its_pipeline() {
    let gateway = Gateway::on_postgres_with(|_| {});
    with_steps(&gateway, &json!([{"command": "a"}, {"command": "b"}, {"command": "c"}, {"command": "d"}]));
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: registrar, scopes: [registry]}]}]");
    create(&gateway);
    let agents: Vec<Agent> = (0..3).map(|_| Agent::start(gateway.address, AGENTS, &[])).collect();
    let (running, accepted, assigned) =
        (agents[0].run(), agents[1].take(), agents[2].ping().expect("the third job"));
    let accept = agents_request(&agents[2], &agents[2].token, &format!("{assigned}/accept"), &json!({}));
    beside_a_transaction(&gateway, "accept", accept);
    let start = agents_request(&agents[1], &accepted.token, &format!("{}/start", accepted.id), &json!({}));
    beside_a_transaction(&gateway, "start", start);
    let failed = json!({"exit_status": "1", "chunks_failed_count": 0});
    let finish = agents_request(&agents[0], &running.token, &format!("{}/finish", running.id), &failed);
    beside_a_transaction(&gateway, "finish", finish);
    let again = request(&gateway, "PUT", DEVELOPER, &format!("{BUILD}/jobs/{}/retry", running.id));
    beside_a_transaction(&gateway, "retry", again);
    let number = (1i64 << 50) + 3;
    let report = gateway
        .request("PATCH", &format!("/api/registry/v1/jobs/{number}"))
        .private_token("registrar")
        .header("Content-Type", "application/json")
        .body(br#"{"status": "running"}"#.to_vec());
    beside_a_transaction(&gateway, "report", report);
    let disconnect = Request::new(gateway.address, "POST", "/v3/disconnect")
        .header("Authorization", &format!("Token {}", agents[2].token))
        .body(Vec::new());
    beside_a_transaction(&gateway, "disconnect", disconnect);
    let cancel = request(&gateway, "PUT", DEVELOPER, &format!("{BUILD}/cancel"));
    beside_a_transaction(&gateway, "cancel", cancel);
    assert_eq!(got(&gateway, BUILD)["state"], "canceling");
}

#[test]
fn a_job_is_tried_again_before_a_cancellation_or_not_at_all() {
    let gateway = Gateway::on_postgres_with(|_| {});
    with_steps(&gateway, &json!([{"command": "a"}, {"command": "b"}]));
    create(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let job = agent.run();
    assert_eq!(job.finish("1").status, 200);
    let again = request(&gateway, "PUT", DEVELOPER, &format!("{BUILD}/jobs/{}/retry", job.id));
    let answer = gateway.write_catalog(move |db| {
        let pipeline = "UPDATE pipelines SET status = 'canceled' WHERE id >= 1 << 20";
        assert_eq!(diesel::sql_query(pipeline).execute(db)?, 1);
        let answer = beside(move || again.send());
        until_another_waits(db)?;
        Ok(answer)
    });
    let answer = answer.join().unwrap();
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(got(&gateway, BUILD)["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(put(&gateway, &format!("{BUILD}/jobs/{}/retry", job.id)).status, 422);
}
