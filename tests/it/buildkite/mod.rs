//! Buildkite's dialect: builds, jobs and artifacts of the REST API.

pub(crate) mod agent;
mod artifacts;
mod bounds;
mod builds;
mod created;
mod lists;
mod locks;
mod many;
mod refused;
mod rewriting;
mod worker;
mod worker_jobs;
mod worker_logs;
mod worker_lost;
mod worker_refused;

use serde_json::Value;

use crate::support::fixtures::{self, DEVELOPER, MAINTAINER, REPORTER};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

/// The project of the tests.
const PIPELINE: &str = "/v2/organizations/group/pipelines/project";

/// The finished build of the small world, and the running one.
const FINISHED: &str = "/v2/organizations/group/pipelines/project/builds/1";
const RUNNING_BUILD: &str = "/v2/organizations/group/pipelines/project/builds/2";

fn small(gateway: &Gateway) {
    fixtures::small(
        gateway,
        &crate::support::zips::deflated(&[("a.txt", b"hello"), ("log/b.log", b"line\n")]),
    );
}

fn request(gateway: &Gateway, method: &str, token: &str, path: &str) -> Request {
    Request::new(gateway.address, method, path).header("Authorization", &format!("Bearer {token}"))
}

fn get(gateway: &Gateway, path: &str) -> Answer {
    request(gateway, "GET", REPORTER, path).send()
}

fn json_of(answer: &Answer) -> Value {
    assert!(answer.status < 300, "{} {}", answer.status, answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn got(gateway: &Gateway, path: &str) -> Value {
    json_of(&get(gateway, path))
}

/// Sends JSON as a developer.
fn send(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Answer {
    request(gateway, method, DEVELOPER, path)
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes())
        .send()
}

/// Sends no body as a developer.
fn put(gateway: &Gateway, path: &str) -> Answer {
    request(gateway, "PUT", DEVELOPER, path).send()
}

fn delete(gateway: &Gateway, path: &str) -> Answer {
    request(gateway, "DELETE", MAINTAINER, path).send()
}

/// Status and message of a refusal.
fn refused(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()));
    (answer.status, body["message"].as_str().unwrap().to_owned())
}

/// The path of a URL of the gateway.
fn path_of(gateway: &Gateway, url: &Value) -> String {
    let url = url.as_str().unwrap();
    url.strip_prefix(&gateway.base_url()).unwrap_or_else(|| panic!("{url} is not here")).to_owned()
}

/// The values of one field of the items of a list.
fn field(list: &Value, name: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list.as_array().unwrap().iter().map(|item| text(&item[name])).collect()
}
