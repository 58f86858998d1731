//! Jobs of steps: which agent gets which, how their ends become the build's, and what a cancellation does.

use std::collections::HashSet;
use std::sync::Barrier;

use serde_json::{Value, json};

use super::worker::{AGENTS, AGENTS_OF_ADMIN, Agent, BUILD, create, with_steps};
use super::{PIPELINE, got, json_of, put, refused};
use crate::chaos::nodes::{Installation, Nodes};
use crate::support::fixtures::{DEVELOPER, small_document};
use crate::support::gateway::{Gateway, PostgresDatabase};
use crate::support::http_client::Request;

on_both_databases!(
    a_build_fails_with_a_step_and_is_tried_again,
    a_step_that_may_fail_fails_nothing,
    a_cancellation_reaches_the_agent,
    agents_get_what_their_tags_and_users_allow,
    agents_are_paused_and_stopped,
    jobs_of_a_build_that_was_ended_do_not_begin,
    a_long_queue_is_searched_in_parts,
    steps_are_registered_and_apply_to_new_builds,
    a_build_of_steps_that_no_agent_takes_expires,
    agents_that_ask_at_once_get_different_jobs
);

fn two_steps() -> Value {
    json!([{"label": "A", "command": "make a"}, {"label": "B", "command": "make b"}])
}

/// The states of a build and its jobs.
fn states(gateway: &Gateway) -> (String, Vec<String>) {
    let build = got(gateway, BUILD);
    (build["state"].as_str().unwrap().to_owned(), super::field(&build["jobs"], "state"))
}

fn are(build: &str, jobs: &[&str]) -> (String, Vec<String>) {
    (build.to_owned(), jobs.iter().map(|state| (*state).to_owned()).collect())
}

fn a_build_fails_with_a_step_and_is_tried_again(gateway: Gateway) {
    with_steps(&gateway, &two_steps());
    create(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &["queue=default"]);
    assert_eq!(agent.run().finish("2").status, 200);
    assert_eq!(states(&gateway), are("failing", &["failed", "scheduled"]));
    assert_eq!(agent.run().finish("0").status, 200);
    assert_eq!(states(&gateway), are("failed", &["failed", "passed"]));
    let build = got(&gateway, BUILD);
    assert_eq!(
        (&build["jobs"][0]["exit_status"], &build["jobs"][0]["soft_failed"]),
        (&json!(2), &json!(false))
    );
    assert!(build["finished_at"].is_string());
    let answer = put(&gateway, &format!("{BUILD}/retry_failed_jobs"));
    assert_eq!(json_of(&answer)["retried_jobs_count"], 1);
    assert_eq!(states(&gateway).0, "running");
    let job = agent.run();
    assert_eq!(
        (&job.accepted["env"]["BUILDKITE_LABEL"], &job.accepted["env"]["BUILDKITE_RETRY_COUNT"]),
        (&json!("A"), &json!("1"))
    );
    let signal = json!({"exit_status": "0", "signal": "", "signal_reason": "", "finished_at": "", "chunks_failed_count": 1});
    job.call("PUT", "finish", &signal);
    assert_eq!(states(&gateway).0, "passed");
    // A repetition has jobs of its own.
    let again = json_of(&put(&gateway, &format!("{BUILD}/rebuild")));
    assert_eq!((&again["number"], again["jobs"].as_array().unwrap().len()), (&json!(4), 2));
    let job = agent.run();
    assert_eq!(job.accepted["env"]["BUILDKITE_REBUILT_FROM_BUILD_NUMBER"], "3");
    let killed = json!({"exit_status": "-1", "signal": "SIGKILL", "signal_reason": "agent_stop",
        "finished_at": "2026-02-01T12:00:00Z", "chunks_failed_count": 0});
    job.call("PUT", "finish", &killed);
    let shown = &got(&gateway, &format!("{PIPELINE}/builds/4"))["jobs"][0];
    assert_eq!((&shown["signal"], &shown["signal_reason"]), (&json!("SIGKILL"), &json!("agent_stop")));
    assert_eq!((&shown["state"], &shown["exit_status"]), (&json!("failed"), &json!(-1)));
}

fn a_step_that_may_fail_fails_nothing(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "lint", "soft_fail": true}, {"command": "test"}]));
    create(&gateway);
    let agent = Agent::start(gateway.address, AGENTS_OF_ADMIN, &[]);
    assert_eq!(agent.run().finish("1").status, 200);
    assert_eq!(states(&gateway), are("running", &["failed", "scheduled"]));
    assert_eq!(agent.run().finish("0").status, 200);
    assert_eq!(states(&gateway), are("passed", &["failed", "passed"]));
    assert_eq!(got(&gateway, BUILD)["jobs"][0]["soft_failed"], true);
}

fn a_cancellation_reaches_the_agent(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "a"}, {"command": "b"}, {"command": "c"}, {"command": "d"}]));
    create(&gateway);
    let agents: Vec<Agent> = (0..3).map(|_| Agent::start(gateway.address, AGENTS, &[])).collect();
    let running = agents[0].run();
    let accepted = agents[1].take();
    let assigned = agents[2].ping().unwrap();
    assert_eq!(put(&gateway, &format!("{BUILD}/cancel")).status, 200);
    assert_eq!(states(&gateway), are("canceling", &["canceling", "canceled", "canceled", "canceled"]));
    // What had not begun is not begun any more.
    let refusal = accepted.send("PUT", "start", &json!({}));
    assert_eq!(refused(&refusal), (422, "The job is canceled, which does not allow that".into()));
    let refusal = agents[2].send("PUT", &format!("jobs/{assigned}/accept"), None);
    assert_eq!(refused(&refusal), (422, "The job is not assigned to this agent".into()));
    assert_eq!((agents[1].ping(), agents[2].ping()), (None, None));
    // What runs is told to stop, and reports its end, its log and its values until then.
    assert_eq!(running.state(), "canceling");
    let by_session = agents[0].call("GET", &format!("jobs/{}", running.id), None);
    assert_eq!(by_session["state"], "canceling");
    assert_eq!(running.chunk(1, 0, b"stopped\n").status, 200);
    let end =
        json!({"exit_status": "1", "signal": "SIGTERM", "signal_reason": "cancel", "chunks_failed_count": 0});
    running.call("PUT", "finish", &end);
    assert_eq!(states(&gateway), are("canceled", &["canceled", "canceled", "canceled", "canceled"]));
    assert_eq!(agents[0].call("GET", &format!("jobs/{}", running.id), None)["state"], "canceled");
    running.call("PUT", "finish", &end);
    assert_eq!(running.finish("0").status, 422, "it ended otherwise");
    assert_eq!(running.chunk(2, 8, b"late\n").status, 401, "its token ended with it");
}

fn agents_get_what_their_tags_and_users_allow(gateway: Gateway) {
    let steps = json!([{"label": "gpu", "command": "a", "agents": {"gpu": "*"}},
        {"label": "deploy", "command": "b", "agents": {"queue": "deploy"}}, {"label": "any", "command": "c"}]);
    with_steps(&gateway, &steps);
    create(&gateway);
    let label = |agent: &Agent| agent.take().accepted["env"]["BUILDKITE_LABEL"].clone();
    let reporter = Agent::start(gateway.address, "agents-of-reporter", &["gpu=1"]);
    assert_eq!(reporter.ping(), None, "whoever may not run pipelines serves none");
    assert_eq!(label(&Agent::start(gateway.address, AGENTS, &["queue=deploy", "gpu=a"])), "deploy");
    let plain = Agent::start(gateway.address, AGENTS, &["os=linux"]);
    assert_eq!(label(&plain), "any");
    assert_eq!(Agent::start(gateway.address, AGENTS, &[]).ping(), None);
    assert_eq!(label(&Agent::start(gateway.address, AGENTS_OF_ADMIN, &["gpu=a100"])), "gpu");
}

fn agents_are_paused_and_stopped(gateway: Gateway) {
    with_steps(&gateway, &two_steps());
    create(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    agent.call("POST", "pause", Some(&json!({"note": "x", "timeout_in_minutes": 5})));
    assert_eq!(agent.call("GET", "ping", None), json!({"action": "pause"}));
    agent.call("POST", "resume", None);
    let job = agent.run();
    // A job stops the agent that runs it, and this one wants no more.
    let stopped =
        super::worker::call(gateway.address, &job.token, "POST", "stop", Some(&json!({"force": true})));
    assert_eq!(stopped.status, 200, "{}", stopped.text());
    let last = json!({"exit_status": "0", "ignore_agent_in_dispatches": true, "chunks_failed_count": 0});
    job.call("PUT", "finish", &last);
    assert_eq!(agent.call("GET", "ping", None), json!({"action": "disconnect"}));
    agent.call("POST", "resume", None);
    assert_eq!(agent.call("GET", "ping", None), json!({}), "it takes no more jobs");
    agent.call("POST", "disconnect", None);
    assert_eq!(agent.send("GET", "ping", None).status, 401);
}

fn jobs_of_a_build_that_was_ended_do_not_begin(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "a"}, {"command": "b"}, {"command": "c"}]));
    create(&gateway);
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: registrar, scopes: [registry]}]}]");
    let id = 1i64 << 50;
    let report = |status: &str| {
        let answer = gateway
            .request("PATCH", &format!("/api/registry/v1/pipelines/{id}"))
            .private_token("registrar")
            .header("Content-Type", "application/json")
            .body(json!({ "status": status }).to_string().into_bytes())
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let agents: Vec<Agent> = (0..3).map(|_| Agent::start(gateway.address, AGENTS, &[])).collect();
    let accepted = agents[0].take();
    let assigned = format!("jobs/{}/accept", agents[1].ping().unwrap());
    report("manual");
    let why = (422, "The build is manual, in which no job begins".to_owned());
    assert_eq!(refused(&accepted.send("PUT", "start", &json!({}))), why);
    assert_eq!(refused(&agents[1].send("PUT", &assigned, None)), why);
    assert_eq!(agents[2].ping(), None);
    report("running");
    agents[1].call("PUT", &assigned, None);
    accepted.call("PUT", "start", &json!({}));
    report("success");
    assert_eq!(states(&gateway).1, ["running", "canceled", "canceled"]);
    assert_eq!((agents[1].ping(), agents[2].ping()), (None, None));
    assert_eq!(accepted.finish("0").status, 200);
    // A document ends a build as well.
    create(&gateway);
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [
        {{id: {}, ref: main, sha: HEAD, status: failed}}]}}]",
        id + 1
    ));
    let build = got(&gateway, &format!("{PIPELINE}/builds/4"));
    assert_eq!(super::field(&build["jobs"], "state"), ["canceled", "canceled", "canceled"]);
    assert_eq!(agents[2].ping(), None);
}

fn a_long_queue_is_searched_in_parts(gateway: Gateway) {
    let others = vec![json!({"command": "a", "agents": {"gpu": "*"}}); 100];
    let others: Vec<Value> = (0..).zip(others).map(|(n, step)| labeled(step, n)).collect();
    with_steps(&gateway, &json!(others));
    for _ in 0..6 {
        create(&gateway);
    }
    gateway.load("projects: [{id: 1, path: group/project, steps: [{command: mine}]}]");
    let mine = create(&gateway)["jobs"][0]["id"].as_str().unwrap().to_owned();
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    assert_eq!(agent.ping(), None, "it is the 601st");
    assert_eq!(agent.ping(), Some(mine));
    assert_eq!(agent.run().finish("0").status, 200);
    // Those that are for another agent are for it at once.
    assert!(Agent::start(gateway.address, AGENTS, &["gpu=1"]).ping().is_some());
}

fn labeled(mut step: Value, number: usize) -> Value {
    step["label"] = json!(format!("step {number}"));
    step
}

fn steps_are_registered_and_apply_to_new_builds(gateway: Gateway) {
    with_steps(&gateway, &two_steps());
    create(&gateway);
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: registrar, scopes: [registry]}]}]");
    let load = |project: Value| {
        let document = json!({"projects": [project]});
        gateway
            .request("PUT", "/api/registry/v1/documents")
            .private_token("registrar")
            .header("Content-Type", "application/json")
            .body(document.to_string().into_bytes())
            .send()
    };
    let project = |steps: Value| json!({"id": 1, "path": "group/project", "steps": steps});
    assert_eq!(load(project(json!([{"command": true}]))).status, 200);
    let build = create(&gateway);
    assert_eq!((super::field(&build["jobs"], "command"), &build["number"]), (vec!["true".into()], &json!(4)));
    assert_eq!(states(&gateway).1.len(), 2, "an older build keeps its jobs");
    // A document that does not name them leaves them, and null ends them.
    assert_eq!(load(json!({"id": 1, "path": "group/project"})).status, 200);
    assert_eq!(create(&gateway)["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(load(project(json!(null))).status, 200);
    assert_eq!(create(&gateway)["jobs"], json!([]));
    for (steps, why) in [
        (json!([{"command": "a", "plugins": []}]), "plugins"),
        (json!([{"label": "a"}]), "command"),
        (json!([{"command": "a"}, {"command": "a"}]), "appears twice"),
        (json!("make"), "steps"),
    ] {
        let answer = load(project(steps.clone()));
        assert!(matches!(answer.status, 400 | 422), "{steps} {}", answer.text());
        assert!(answer.text().contains(why), "{steps} {}", answer.text());
    }
    // A coordinator's word about such a job counts as well.
    let id = 1i64 << 50;
    let report = |id: i64, status: &str| {
        gateway
            .request("PATCH", &format!("/api/registry/v1/jobs/{id}"))
            .private_token("registrar")
            .header("Content-Type", "application/json")
            .body(json!({ "status": status }).to_string().into_bytes())
            .send()
            .status
    };
    assert_eq!((report(id, "success"), report(id + 1, "failed")), (200, 200));
    assert_eq!(states(&gateway).0, "failed");
    assert_eq!(Agent::start(gateway.address, AGENTS, &[]).ping(), Some(job_of(&gateway, 4)));
}

/// The first job of a build.
fn job_of(gateway: &Gateway, number: i64) -> String {
    got(gateway, &format!("{PIPELINE}/builds/{number}"))["jobs"][0]["id"].as_str().unwrap().to_owned()
}

fn a_build_of_steps_that_no_agent_takes_expires(gateway: Gateway) {
    with_steps(&gateway, &two_steps());
    create(&gateway);
    create(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let taken = agent.run();
    gateway.advance_clock(86_400);
    agent.call("POST", "heartbeat", Some(&json!({"sent_at": ""})));
    // One of the second build was just given to another agent, which never accepts it.
    let other = Agent::start(gateway.address, AGENTS, &[]);
    other.ping().unwrap();
    let last = Agent::start(gateway.address, AGENTS, &[]);
    last.ping().unwrap();
    gateway.sweep();
    assert_eq!(got(&gateway, &format!("{PIPELINE}/builds/4"))["state"], "scheduled");
    gateway.advance_clock(60);
    gateway.sweep();
    gateway.advance_clock(60);
    gateway.sweep();
    assert_eq!(states(&gateway), are("running", &["running", "scheduled"]));
    let build = got(&gateway, &format!("{PIPELINE}/builds/4"));
    assert_eq!((&build["state"], &build["cancel_reason"]), (&json!("canceled"), &json!("expired")));
    assert_eq!(taken.finish("0").status, 200);
    assert_eq!(agent.run().finish("0").status, 200);
    assert_eq!((states(&gateway).0.as_str(), agent.ping()), ("passed", None));
}

fn agents_that_ask_at_once_get_different_jobs(gateway: Gateway) {
    let steps: Vec<Value> = (0..4).map(|n| json!({ "command": format!("make {n}") })).collect();
    with_steps(&gateway, &json!(steps));
    create(&gateway);
    let agents: Vec<Agent> = (0..8).map(|_| Agent::start(gateway.address, AGENTS, &[])).collect();
    assert_eq!(ping_at_once(&agents), 4);
}

/// Lets all agents ping at once; how many jobs they got, each of which only one has.
fn ping_at_once(agents: &[Agent]) -> usize {
    let barrier = Barrier::new(agents.len());
    let given: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = agents
            .iter()
            .map(|agent| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    agent.ping()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: HashSet<&String> = given.iter().collect();
    assert_eq!(distinct.len(), given.len(), "{given:?}");
    given.len()
}

#[test]
fn agents_of_two_nodes_get_different_jobs() {
    let installation = Installation::new(Some(PostgresDatabase::create()), None);
    let steps: Vec<Value> = (0..5).map(|n| json!({ "command": format!("make {n}") })).collect();
    let document = small_document().replace("artifacts: [{file: archive.zip}]", "retried: false");
    std::fs::write(installation.path().join("world.yml"), document).unwrap();
    let steps = format!(
        "users: [{{id: 3, username: developer, tokens: [{{value: {AGENTS}, scopes: [agent]}}]}}]
projects: [{{id: 1, path: group/project, steps: {}}}]",
        json!(steps)
    );
    std::fs::write(installation.path().join("steps.yml"), steps).unwrap();
    installation.run(&["load", "world.yml"]);
    installation.run(&["load", "steps.yml"]);
    let nodes = Nodes::start(&installation, 2);
    for _ in 0..4 {
        let body = json!({"commit": "HEAD", "branch": "main"});
        let created = Request::new(nodes.address(0), "POST", &format!("{PIPELINE}/builds"))
            .header("Authorization", &format!("Bearer {DEVELOPER}"))
            .body(body.to_string().into_bytes())
            .send();
        assert_eq!(created.status, 201, "{}", created.text());
        let agents: Vec<Agent> = (0..10).map(|n| Agent::start(nodes.address(n % 2), AGENTS, &[])).collect();
        assert_eq!(ping_at_once(&agents), 5);
        for agent in &agents {
            if agent.ping().is_some() {
                assert_eq!(agent.run().finish("0").status, 200);
            }
        }
    }
}

#[test]
fn builds_that_two_nodes_create_at_once_have_different_numbers() {
    let installation = Installation::new(Some(PostgresDatabase::create()), None);
    let document = small_document().replace("artifacts: [{file: archive.zip}]", "retried: false");
    std::fs::write(installation.path().join("world.yml"), document).unwrap();
    installation.run(&["load", "world.yml"]);
    let nodes = Nodes::start(&installation, 2);
    let body = json!({"commit": "HEAD", "branch": "main"}).to_string();
    let created = |node: usize| {
        let created = Request::new(nodes.address(node), "POST", &format!("{PIPELINE}/builds"))
            .header("Authorization", &format!("Bearer {DEVELOPER}"))
            .body(body.clone().into_bytes())
            .send();
        assert_eq!(created.status, 201, "{}", created.text());
        json_of(&created)["number"].as_i64().unwrap()
    };
    let mut numbers: Vec<i64> = std::thread::scope(|scope| {
        let created = &created;
        let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || created(n % 2))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (3..19).collect::<Vec<_>>());
}
