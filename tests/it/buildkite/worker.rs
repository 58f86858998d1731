//! An agent that serves builds: an imitation that sends what `buildkite-agent start` sends, and its whole story.

use std::net::SocketAddr;

use artigate::archive::gzip::gzip;
use serde_json::{Value, json};

use super::{PIPELINE, get, got, json_of, put, send, small};
use crate::support::bucket;
use crate::support::fixtures::ADMIN;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

/// Tokens that register agents, of a developer and of an administrator.
pub(super) const AGENTS: &str = "agents-of-developer";
pub(super) const AGENTS_OF_ADMIN: &str = "agents-of-admin";

/// The build that a test creates first.
pub(super) const BUILD: &str = "/v2/organizations/group/pipelines/project/builds/3";

/// Gives the project of the small world steps, and its users tokens for agents.
pub(super) fn with_steps(gateway: &Gateway, steps: &Value) {
    small(gateway);
    gateway.load(&format!(
        "users:
  - {{id: 1, username: admin, tokens: [{{value: {AGENTS_OF_ADMIN}, scopes: [agent]}}]}}
  - {{id: 3, username: developer, tokens: [{{value: {AGENTS}, scopes: [agent]}}]}}
  - {{id: 4, username: reporter, tokens: [{{value: agents-of-reporter, scopes: [agent]}}]}}
projects: [{{id: 1, path: group/project, steps: {steps}}}]"
    ));
}

pub(super) fn create(gateway: &Gateway) -> Value {
    let body = json!({"commit": "HEAD", "branch": "main", "message": "Hello",
        "env": {"COLOR": "red", "BUILDKITE_REPO": "git@example.com:a.git", "BUILDKITE_BRANCH": "forged"},
        "meta_data": {"release": "7"}, "author": {"name": "Keith"}});
    json_of(&send(gateway, "POST", &format!("{PIPELINE}/builds"), &body))
}

/// Sends as agents do: `Token`, a body in JSON with a line's end, or no body and no type.
pub(super) fn call(
    address: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let request = Request::new(address, method, &format!("/v3/{path}"))
        .header("Authorization", &format!("Token {token}"))
        .header("User-Agent", "buildkite-agent/3.98.0.x (linux; amd64)")
        .header("Accept-Encoding", "gzip");
    match body {
        Some(body) => {
            request.header("Content-Type", "application/json").body(format!("{body}\n").into_bytes()).send()
        }
        None => request.body(Vec::new()).send(),
    }
}

pub(super) fn decoded(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The body of a registration, in the order of the agent's fields.
pub(super) fn registration(name: &str, tags: &[&str]) -> Value {
    json!({"name": name, "hostname": "machine", "os": "Linux", "arch": "amd64", "script_eval_enabled": true,
        "ignore_in_dispatches": false, "priority": "3", "version": "3.98.0", "build": "x", "meta_data": tags,
        "pid": 17, "machine_id": "abc", "features": ["pause-resume"]})
}

/// An agent with its session.
pub(super) struct Agent {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) id: String,
}

impl Agent {
    /// Registers and connects.
    pub(super) fn start(address: SocketAddr, token: &str, tags: &[&str]) -> Self {
        let registered = decoded(&call(address, token, "POST", "register", Some(&registration("one", tags))));
        let text = |name: &str| registered[name].as_str().unwrap().to_owned();
        let agent = Self { address, token: text("access_token"), id: text("id") };
        agent.call("POST", "connect", None);
        agent
    }

    pub(super) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        call(self.address, &self.token, method, path, body)
    }

    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        decoded(&self.send(method, path, body))
    }

    /// The job that it is given, if any.
    pub(super) fn ping(&self) -> Option<String> {
        let answer = self.call("GET", "ping", None);
        answer["job"]["id"].as_str().map(str::to_owned)
    }

    /// Takes a job: pings for it and accepts it.
    pub(super) fn take(&self) -> Job {
        let id = self.ping().unwrap();
        let accepted = self.call("PUT", &format!("jobs/{id}/accept"), None);
        Job { address: self.address, token: accepted["token"].as_str().unwrap().to_owned(), id, accepted }
    }

    /// Takes a job and starts it.
    pub(super) fn run(&self) -> Job {
        let job = self.take();
        job.call("PUT", "start", &json!({"started_at": "2026-02-01T12:00:00.123456789Z"}));
        job
    }
}

/// A job that an agent has, with the job's own token.
pub(super) struct Job {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) id: String,
    pub(super) accepted: Value,
}

impl Job {
    pub(super) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        call(self.address, &self.token, method, &format!("jobs/{}/{path}", self.id), Some(body))
    }

    pub(super) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        decoded(&self.send(method, path, body))
    }

    pub(super) fn state(&self) -> Value {
        decoded(&call(self.address, &self.token, "GET", &format!("jobs/{}", self.id), None))["state"].clone()
    }

    /// Sends a piece of the log.
    pub(super) fn chunk(&self, sequence: u64, offset: usize, text: &[u8]) -> Answer {
        self.raw_chunk(
            &format!("sequence={sequence}&offset={offset}&size={}", text.len()),
            gzip(text).unwrap(),
        )
    }

    pub(super) fn raw_chunk(&self, query: &str, body: Vec<u8>) -> Answer {
        Request::new(self.address, "POST", &format!("/v3/jobs/{}/chunks?{query}", self.id))
            .header("Authorization", &format!("Token {}", self.token))
            .header("Content-Type", "text/plain")
            .header("Content-Encoding", "gzip")
            .body(body)
            .send()
    }

    pub(super) fn finish(&self, exit_status: &str) -> Answer {
        self.send(
            "PUT",
            "finish",
            &json!({"exit_status": exit_status, "finished_at": "2026-02-01T12:00:00Z",
            "chunks_failed_count": 0}),
        )
    }
}

on_both_databases!(a_build_of_steps_is_served_by_an_agent, a_log_is_read_while_it_grows);

#[test]
fn logs_and_files_in_a_bucket_are_the_same() {
    let gateway = || Gateway::in_a_bucket(bucket::server(), |_| {});
    a_build_of_steps_is_served_by_an_agent(gateway());
    a_log_is_read_while_it_grows(gateway());
}

fn a_build_of_steps_is_served_by_an_agent(gateway: Gateway) {
    let steps = json!([{"key": "test", "label": "Test", "command": ["make", "make test"],
        "artifact_paths": ["pkg/*", "log/**"], "agents": {"queue": "default", "os": "linux"}}]);
    with_steps(&gateway, &steps);
    let build = create(&gateway);
    assert_eq!((&build["state"], &build["number"]), (&json!("scheduled"), &json!(3)));
    let job = &build["jobs"][0];
    assert_eq!(
        (&job["state"], &job["name"], &job["step_key"]),
        (&json!("scheduled"), &json!("Test"), &json!("test"))
    );
    assert_eq!(
        (&job["command"], &job["artifact_paths"]),
        (&json!("make\nmake test"), &json!("pkg/*;log/**"))
    );
    assert_eq!(
        (&job["agent_query_rules"], &job["agent"]),
        (&json!(["os=linux", "queue=default"]), &json!(null))
    );

    // What the agent decodes, name by name.
    let registered = call(
        gateway.address,
        AGENTS,
        "POST",
        "register",
        Some(&registration("box-1", &["queue=default", "os=linux"])),
    );
    let registered = decoded(&registered);
    let mut shown = registered.clone();
    (shown["id"], shown["access_token"]) = (json!("ID"), json!("TOKEN"));
    shown["endpoint"] = json!(shown["endpoint"].as_str().unwrap().replace(&gateway.base_url(), "BASE"));
    assert_eq!(
        shown,
        json!({"id": "ID", "name": "box-1", "access_token": "TOKEN", "endpoint": "BASE/v3",
        "request_headers": {}, "ping_interval": 2, "job_status_interval": 5, "heartbeat_interval": 60,
        "meta_data": ["queue=default", "os=linux"]})
    );
    let token = registered["access_token"].as_str().unwrap().to_owned();
    let id = registered["id"].as_str().unwrap().to_owned();
    let agent = Agent { address: gateway.address, token, id };
    agent.call("POST", "connect", None);
    let beat = agent.call("POST", "heartbeat", Some(&json!({"sent_at": "2026-02-01T12:00:00+01:00"})));
    assert_eq!(
        beat,
        json!({"sent_at": "2026-02-01T12:00:00+01:00", "received_at": "2026-02-01T12:00:00.000Z"})
    );

    // It is given the job until it accepts it, and is answered the same when it accepts again.
    let job_id = agent.ping().unwrap();
    assert_eq!(got(&gateway, BUILD)["jobs"][0]["state"], "assigned");
    assert_eq!(agent.ping().as_ref(), Some(&job_id));
    let first = agent.call("PUT", &format!("jobs/{job_id}/accept"), None);
    assert_eq!(got(&gateway, BUILD)["jobs"][0]["state"], "accepted");
    let accepted = agent.call("PUT", &format!("jobs/{job_id}/accept"), None);
    assert_eq!(first["env"], accepted["env"]);
    assert_eq!(agent.ping(), None);
    let token = accepted["token"].as_str().unwrap().to_owned();
    let job = Job { address: gateway.address, token, id: job_id.clone(), accepted };
    check_environment(&gateway, &agent, &job, &build);

    assert_eq!(job.state(), "accepted");
    gateway.advance_clock(2);
    job.call("PUT", "start", &json!({"started_at": "2026-02-01T12:00:01.5Z"}));
    assert_eq!(job.state(), "running");
    let build = got(&gateway, BUILD);
    assert_eq!((&build["state"], &build["jobs"][0]["state"]), (&json!("running"), &json!("running")));
    assert_eq!(build["jobs"][0]["started_at"], "2026-02-01T12:00:01.500Z");
    let shown = &build["jobs"][0]["agent"];
    assert_eq!((&shown["id"], &shown["name"]), (&json!(agent.id), &json!("box-1")));
    assert_eq!(shown["hostname"], "machine");

    // Pieces of the log come in any order and again; telemetry is taken.
    assert_eq!(job.chunk(2, 6, b"world\n").status, 200);
    assert_eq!(job.chunk(1, 0, b"hello ").status, 200);
    assert_eq!(job.chunk(1, 0, b"hello ").status, 200);
    job.call("POST", "header_times", &json!({"header_times": {"0": "2026-02-01T12:00:00Z"}}));
    job.call("POST", "annotations", &json!({"body": "x", "context": "c"}));
    check_meta_data(&gateway, &job);

    assert_eq!(job.finish("0").status, 200);
    let build = got(&gateway, BUILD);
    assert_eq!((&build["state"], &build["jobs"][0]["state"]), (&json!("passed"), &json!("passed")));
    assert_eq!((&build["jobs"][0]["exit_status"], &build["meta_data"]["k"]), (&json!(0), &json!("v")));
    let log = got(&gateway, &format!("{BUILD}/jobs/{job_id}/log"));
    assert_eq!((&log["content"], &log["size"]), (&json!("hello world\n"), &json!(12)));
    let gitlab =
        gateway.get(&format!("/api/v4/projects/1/jobs/{}/trace", 1i64 << 50)).private_token(ADMIN).send();
    assert_eq!((gitlab.status, gitlab.text()), (200, "hello world\n"));
    // The log never expires, and is one artifact.
    gateway.advance_clock(1000 * 86_400);
    gateway.sweep();
    assert_eq!(got(&gateway, &format!("{BUILD}/jobs/{job_id}/log"))["content"], "hello world\n");
}

fn check_environment(gateway: &Gateway, agent: &Agent, job: &Job, build: &Value) {
    let base = gateway.base_url();
    let accepted = &job.accepted;
    assert_eq!((&accepted["id"], &accepted["state"]), (&json!(job.id), &json!("accepted")));
    assert_eq!(accepted["endpoint"], format!("{base}/v3"));
    assert_eq!(accepted["step"], json!({"key": "test", "label": "Test", "command": "make\nmake test"}));
    assert!(accepted["chunks_max_size_bytes"].is_u64() && accepted["log_max_size_bytes"].is_u64());
    assert_eq!(accepted["runnable_at"], "2026-02-01T12:00:00.000Z");
    let env = &accepted["env"];
    assert!(env.as_object().unwrap().values().all(Value::is_string), "{env}");
    for (name, expected) in [
        ("CI", "true"),
        ("BUILDKITE", "true"),
        ("BUILDKITE_COMMAND", "make\nmake test"),
        ("BUILDKITE_ARTIFACT_PATHS", "pkg/*;log/**"),
        ("BUILDKITE_BRANCH", "main"),
        ("BUILDKITE_COMMIT", "HEAD"),
        ("BUILDKITE_MESSAGE", "Hello"),
        ("BUILDKITE_REPO", "git@example.com:a.git"),
        ("BUILDKITE_BUILD_NUMBER", "3"),
        ("BUILDKITE_BUILD_ID", build["id"].as_str().unwrap()),
        ("BUILDKITE_BUILD_URL", build["web_url"].as_str().unwrap()),
        ("BUILDKITE_BUILD_CREATOR", "developer"),
        ("BUILDKITE_BUILD_AUTHOR", "Keith"),
        ("BUILDKITE_JOB_ID", &job.id),
        ("BUILDKITE_LABEL", "Test"),
        ("BUILDKITE_STEP_KEY", "test"),
        ("BUILDKITE_ORGANIZATION_SLUG", "group"),
        ("BUILDKITE_PIPELINE_SLUG", "project"),
        ("BUILDKITE_PIPELINE_PROVIDER", "gitlab"),
        ("BUILDKITE_PROJECT_PROVIDER", "gitlab"),
        ("BUILDKITE_PULL_REQUEST", "false"),
        ("BUILDKITE_SOURCE", "api"),
        ("BUILDKITE_TIMEOUT", "false"),
        ("BUILDKITE_RETRY_COUNT", "0"),
        ("BUILDKITE_AGENT_ID", &agent.id),
        ("BUILDKITE_AGENT_NAME", "box-1"),
        ("BUILDKITE_AGENT_META_DATA_OS", "linux"),
        ("COLOR", "red"),
    ] {
        assert_eq!(env[name], expected, "{name}");
    }
    assert!(env.get("BUILDKITE_AGENT_ACCESS_TOKEN").is_none(), "the agent sets it");
}

fn check_meta_data(gateway: &Gateway, job: &Job) {
    let key = json!({"key": "k"});
    assert_eq!(job.call("POST", "data/exists", &key), json!({"exists": false}));
    let missing = job.send("POST", "data/get", &key);
    assert_eq!(super::refused(&missing), (404, "No key \"k\" found".into()));
    job.call("POST", "data/set", &json!({"key": "k", "value": "old"}));
    job.call("POST", "data/set", &json!({"key": "k", "value": "v"}));
    job.call("POST", "data/set", &json!({"key": "empty"}));
    assert_eq!(job.call("POST", "data/get", &key), json!({"key": "k", "value": "v"}));
    assert_eq!(job.call("POST", "data/exists", &key), json!({"exists": true}));
    assert_eq!(job.call("POST", "data/keys", &json!(null)), json!(["empty", "k", "release"]));
    // Of another build of the project, and of no build.
    let other = got(gateway, super::FINISHED)["id"].as_str().unwrap().to_owned();
    let of = |id: &str, name: &str| {
        call(gateway.address, &job.token, "POST", &format!("builds/{id}/data/{name}"), Some(&key))
    };
    assert_eq!(decoded(&of(&other, "keys")), json!([]));
    assert_eq!(super::refused(&of("3", "exists")), (404, "No build found".into()));
}

fn a_log_is_read_while_it_grows(gateway: Gateway) {
    with_steps(&gateway, &json!([{"command": "make"}]));
    create(&gateway);
    let job = Agent::start(gateway.address, AGENTS, &[]).run();
    assert_eq!(job.accepted["step"], json!({"label": "make", "command": "make"}), "no null");
    let (path, trace) =
        (format!("{BUILD}/jobs/{}/log", job.id), format!("/api/v4/projects/1/jobs/{}/trace", 1i64 << 50));
    assert_eq!(got(&gateway, &path)["content"], "");
    // More pieces than are read at a time.
    let lines: Vec<String> = (0..40).map(|n| format!("line {n}\n")).collect();
    let mut offset = 0;
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(job.chunk(n as u64 + 1, offset, line.as_bytes()).status, 200);
        offset += line.len();
    }
    let whole = lines.concat();
    let log = got(&gateway, &path);
    assert_eq!((&log["content"], &log["size"]), (&json!(whole), &json!(whole.len())));
    assert_eq!(get(&gateway, &format!("{path}.txt")).text(), whole);
    assert_eq!(gateway.get(&trace).private_token(ADMIN).send().text(), whole);
    assert_eq!(gateway.head(&trace).private_token(ADMIN).send().status, 200);
    // A log that its node did not make an artifact of is read all the same, and made one later.
    assert_eq!(put(&gateway, &format!("{BUILD}/cancel")).status, 200);
    gateway.advance_clock(600);
    gateway.sweep();
    assert_eq!(got(&gateway, BUILD)["state"], "canceled");
    assert_eq!(gateway.get(&trace).private_token(ADMIN).send().text(), whole);
    let now = gateway.now();
    assert_eq!(gateway.block_on(gateway.app.ingest.assemble_logs(now)).unwrap(), 1);
    assert_eq!(gateway.block_on(gateway.app.ingest.assemble_logs(now)).unwrap(), 0);
    assert_eq!(gateway.get(&trace).private_token(ADMIN).send().text(), whole);
}
