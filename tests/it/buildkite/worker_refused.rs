//! Refusals of what agents call: forged and foreign tokens, bodies and numbers out of bounds.

use artigate::archive::gzip::gzip;
use serde_json::{Value, json};

use super::worker::{AGENTS, Agent, BUILD, Job, call, create, registration, with_steps};
use super::{got, refused};
use crate::support::fixtures::{ADMIN, DEVELOPER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

on_both_databases!(
    only_tokens_with_the_scope_register_agents,
    bodies_of_registrations_are_checked,
    foreign_and_forged_tokens_do_nothing_to_a_job,
    what_a_job_reports_is_checked,
    times_of_an_agent_whose_clock_is_wrong_stay_in_order,
    a_log_is_bounded,
    what_is_not_served_is_said
);

fn running_job(gateway: &Gateway) -> (Agent, Job) {
    with_steps(gateway, &json!([{"command": "make"}, {"command": "test"}]));
    create(gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    let job = agent.run();
    (agent, job)
}

fn only_tokens_with_the_scope_register_agents(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "make"}]));
    let body = registration("x", &[]);
    let register = |token: &str| refused(&call(gateway.address, token, "POST", "register", Some(&body)));
    let scope = (401, "The token does not have the scope agent, which registers agents".to_owned());
    assert_eq!((register(DEVELOPER), register(ADMIN)), (scope.clone(), scope));
    assert_eq!(register(RUNNING).0, 401, "the token of a job");
    assert_eq!(register("forged").0, 401);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    assert_eq!(register(&agent.token).0, 401, "the token of a session");
    let without =
        Request::new(gateway.address, "POST", "/v3/register").body(body.to_string().into_bytes()).send();
    assert_eq!(without.status, 401);
    let bearer = Request::new(gateway.address, "POST", "/v3/register")
        .header("Authorization", &format!("Bearer {AGENTS}"))
        .body(body.to_string().into_bytes())
        .send();
    assert_eq!(bearer.status, 401);
    // A token for agents opens nothing else.
    let read = Request::new(gateway.address, "GET", BUILD)
        .header("Authorization", &format!("Bearer {AGENTS}"))
        .send();
    assert_eq!(read.status, 403);
    let session = Request::new(gateway.address, "GET", BUILD)
        .header("Authorization", &format!("Bearer {}", agent.token))
        .send();
    assert_eq!(session.status, 401);
    for path in ["ping", "connect", "heartbeat", "disconnect"] {
        let method = if path == "ping" { "GET" } else { "POST" };
        for token in [AGENTS, "forged", RUNNING] {
            assert_eq!(
                call(gateway.address, token, method, path, Some(&json!({}))).status,
                401,
                "{path} {token}"
            );
        }
        let wrong = if path == "ping" { "POST" } else { "GET" };
        assert_eq!(call(gateway.address, &agent.token, wrong, path, None).status, 404, "{path}");
    }
}

fn bodies_of_registrations_are_checked(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "make"}]));
    let raw = |body: Vec<u8>| {
        Request::new(gateway.address, "POST", "/v3/register")
            .header("Authorization", &format!("Token {AGENTS}"))
            .body(body)
            .send()
    };
    assert_eq!(refused(&raw(b"not json".to_vec())).0, 400);
    assert_eq!(refused(&raw(b"[]".to_vec())), (400, "The body is not a JSON object".into()));
    assert_eq!(raw(vec![b' '; (256 << 10) + 1]).status, 413);
    let long = "x".repeat(600);
    for (body, why) in [
        (json!({"name": long}), "name: expected a text of at most 255 bytes without NUL"),
        (json!({"hostname": "a\0"}), "hostname: expected a text of at most 255 bytes without NUL"),
        (json!({"meta_data": "queue=default"}), "meta_data: expected a list of texts"),
        (json!({"meta_data": [long]}), "meta_data: expected tags of 1 to 512 bytes without NUL"),
        (json!({"meta_data": vec!["a"; 101]}), "meta_data: expected at most 100 tags"),
    ] {
        assert_eq!(refused(&raw(body.to_string().into_bytes())), (422, why.into()));
    }
}

#[test]
fn a_token_has_only_so_many_agents() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.agents_per_token = 2);
    with_steps(&gateway, &json!([{"command": "make"}]));
    let agents = [0, 1].map(|_| Agent::start(gateway.address, AGENTS, &[]));
    let body = registration("x", &[]);
    let register = || call(gateway.address, AGENTS, "POST", "register", Some(&body));
    assert_eq!(refused(&register()), (422, "The token has 2 agents already (agents.per_token)".into()));
    agents[0].call("POST", "disconnect", None);
    assert_eq!(register().status, 200);
    gateway.advance_clock(180);
    gateway.sweep();
    assert_eq!((register().status, register().status, register().status), (200, 200, 422));
}

fn foreign_and_forged_tokens_do_nothing_to_a_job(gateway: Gateway) {
    let (agent, job) = running_job(&gateway);
    let other = Agent::start(gateway.address, AGENTS, &[]);
    let theirs = other.run();
    let end = json!({"exit_status": "0"});
    let data = json!({"key": "k", "value": "v"});
    for (method, path, body) in [
        ("PUT", "start", &end),
        ("PUT", "finish", &end),
        ("POST", "chunks?sequence=1&offset=0&size=0", &end),
        ("POST", "data/set", &data),
        ("POST", "data/get", &data),
        ("POST", "data/keys", &data),
        ("POST", "header_times", &end),
        ("POST", "pipelines", &end),
        ("GET", "", &end),
    ] {
        let path = format!("jobs/{}/{path}", job.id);
        let path = path.trim_end_matches('/');
        let by = |token: &str| call(gateway.address, token, method, path, Some(body)).status;
        assert_eq!(by(&other.token), 422, "{path}: another agent's session");
        assert_eq!(by(&theirs.token), 403, "{path}: another job's token");
        assert_eq!(by(RUNNING), 403, "{path}: the token of a job of no agent");
        for token in ["forged", AGENTS, DEVELOPER, "eyJhbGciOiJIUzI1NiJ9.e30.x"] {
            assert_eq!(by(token), 401, "{path}: {token}");
        }
    }
    let accept = format!("jobs/{}/accept", job.id);
    assert_eq!(call(gateway.address, &job.token, "PUT", &accept, None).status, 401, "a job accepts nothing");
    assert_eq!(other.send("PUT", &accept, None).status, 422);
    assert_eq!(agent.send("PUT", &accept, None).status, 422, "it runs already");
    for id in ["1", "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e"] {
        assert_eq!(agent.send("PUT", &format!("jobs/{id}/accept"), None).status, 422);
        assert_eq!(agent.send("GET", &format!("jobs/{id}"), None).status, 422);
    }
    assert_eq!(agent.send("PUT", "jobs/x/accept", None).status, 404);
    // By number it is the same job, and the agent's own token is good for it.
    let number = 1i64 << 50;
    assert_eq!(agent.call("GET", &format!("jobs/{number}"), None)["state"], "running");
    assert_eq!(agent.send("PUT", &format!("jobs/{number}/finish"), Some(&end)).status, 200);
    assert_eq!(super::field(&got(&gateway, BUILD)["jobs"], "state"), ["passed", "running"]);
    // A job of no agent has no agent's calls, but its build's values.
    let own = |method: &str, path: &str| {
        call(gateway.address, RUNNING, method, &format!("jobs/20/{path}"), Some(&data))
    };
    assert_eq!((own("PUT", "finish").status, own("PUT", "start").status), (422, 422));
    assert_eq!((own("POST", "data/set").status, own("POST", "data/get").status), (200, 200));
}

fn what_a_job_reports_is_checked(gateway: Gateway) {
    let (_, job) = running_job(&gateway);
    let said = |method: &str, path: &str, body: Value| refused(&job.send(method, path, &body));
    assert_eq!(
        said("PUT", "finish", json!({"exit_status": "x"})),
        (422, "exit_status: expected a whole number".into())
    );
    assert_eq!(said("PUT", "finish", json!([])), (400, "The body is not a JSON object".into()));
    assert!(said("PUT", "finish", json!({"finished_at": "yesterday"})).1.starts_with("finished_at: "));
    assert_eq!(said("PUT", "finish", json!({"signal": 9})).0, 422);
    assert!(said("PUT", "start", json!({"started_at": "x"})).1.starts_with("started_at: "));
    let key = "key: expected a text of 1 to 255 bytes without NUL";
    for body in [json!({}), json!({"key": ""}), json!({"key": 1}), json!({"key": "k".repeat(256)})] {
        assert_eq!(said("POST", "data/set", body.clone()), (422, key.into()), "{body}");
        assert_eq!(said("POST", "data/get", body), (422, key.into()));
    }
    assert_eq!(said("POST", "data/set", json!({"key": "k", "value": "v".repeat((100 << 10) + 1)})).0, 422);
    assert_eq!(said("POST", "data/set", json!({"key": "k", "value": {}})).0, 422);
    assert_eq!(job.send("POST", "data/set", &json!({"key": "k", "x": "v".repeat(1 << 20)})).status, 413);
    // A build has only so many values, and so many bytes of them.
    let large = |n: usize| json!({"key": format!("large {n}"), "value": "v".repeat(100 << 10)});
    for n in (0..10).chain([3]) {
        assert_eq!(job.send("POST", "data/set", &large(n)).status, 200, "{n}");
    }
    let (status, why) = said("POST", "data/set", large(10));
    assert!(status == 422 && why.starts_with("The meta-data of the build is larger than 1"), "{why}");
    assert_eq!(job.send("POST", "data/set", &json!({"key": "small", "value": "v"})).status, 200);
    assert_eq!(job.call("POST", "data/keys", &json!(null)).as_array().unwrap().len(), 12);
    let values: String = (0..1000).map(|n| format!("v{n}: x, ")).collect();
    let id = 1i64 << 50;
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [
        {{id: {id}, ref: main, sha: HEAD, status: running, meta_data: {{{values}}}}}]}}]"
    ));
    assert_eq!(
        said("POST", "data/set", json!({"key": "one more", "value": "v"})),
        (422, "The build has 1000 values of meta-data already".into())
    );
    assert_eq!(job.send("POST", "data/set", &json!({"key": "v7", "value": "v"})).status, 200);
}

fn times_of_an_agent_whose_clock_is_wrong_stay_in_order(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "make"}, {"command": "test"}]));
    create(&gateway);
    let agent = Agent::start(gateway.address, AGENTS, &[]);
    for (begin, end) in
        [("2001-01-01T00:00:00Z", "1999-01-01T00:00:00Z"), ("2999-01-01T00:00:00Z", "2998-01-01T00:00:00Z")]
    {
        let job = agent.take();
        job.call("PUT", "start", &json!({"started_at": begin}));
        assert_eq!(job.send("PUT", "finish", &json!({"exit_status": "0", "finished_at": end})).status, 200);
    }
    let build = got(&gateway, BUILD);
    for job in build["jobs"].as_array().unwrap() {
        let time = |name: &str| job[name].as_str().unwrap().to_owned();
        let (created, started, finished) = (time("created_at"), time("started_at"), time("finished_at"));
        assert!(created <= started && started <= finished, "{created} {started} {finished}");
        assert!(finished <= gateway.now().to_string(), "{finished}");
    }
}

fn a_log_is_bounded(gateway: Gateway) {
    let (_, job) = running_job(&gateway);
    let piece = || gzip(b"hello").unwrap();
    for (query, why) in [
        ("offset=0&size=5x", "size: expected a whole number"),
        ("sequence=1&size=5", "offset: expected a whole number"),
        ("offset=-1&size=5", "offset: expected a whole number"),
        ("offset=0&size=6", "size: expected 6 bytes, received 5"),
    ] {
        assert_eq!(refused(&job.raw_chunk(query, piece())), (400, why.into()), "{query}");
    }
    assert!(
        refused(&job.raw_chunk("offset=0&size=4", piece())).1.starts_with("The piece cannot be decompressed")
    );
    assert_eq!(refused(&job.raw_chunk("offset=0&size=5", b"hello".to_vec())).0, 400);
    // Small when it is sent, large when it is read.
    let large = gzip(&vec![0; 64 << 20]).unwrap();
    assert_eq!(refused(&job.raw_chunk("offset=0&size=1048576", large)).0, 400);
    assert_eq!(job.raw_chunk("offset=0&size=1048577", piece()).status, 413);
    assert_eq!(job.raw_chunk("offset=0&size=5", vec![0; 1200 << 10]).status, 413);
    let end = 100 << 20;
    assert_eq!(job.chunk(9, end - 4, b"hello").status, 413);
    assert_eq!(job.chunk(9, end - 5, b"hello").status, 200);
    assert_eq!(job.chunk(9, 0, b"").status, 200);
    assert_eq!(job.finish("0").status, 200);
    assert_eq!(job.chunk(1, 0, b"late").status, 401);
    let log = got(&gateway, &format!("{BUILD}/jobs/{}/log", job.id));
    assert_eq!(log["content"], "hello", "what is missing is left out");
}

fn what_is_not_served_is_said(gateway: Gateway) {
    let (_, job) = running_job(&gateway);
    for (path, what) in [
        ("pipelines", "Uploading steps of a pipeline"),
        ("oidc/tokens", "Tokens of OpenID Connect"),
        ("secrets?key=x", "Secrets"),
    ] {
        let answer = refused(&job.send("POST", path, &json!({})));
        assert_eq!(answer, (422, format!("{what} is not supported by this server")), "{path}");
    }
    assert_eq!(job.send("DELETE", "annotations/context", &json!({})).status, 200);
    assert_eq!(job.send("POST", "nothing", &json!({})).status, 404);
    let stacks = call(gateway.address, AGENTS, "POST", "stacks/register", Some(&json!({})));
    assert_eq!(refused(&stacks), (404, "No route matches stacks/register".into()));
}
