//! Shapes of the agent's API, whole.

use serde_json::{Value, json};

use super::{Agent, json_of, sha1, sha256};
use crate::support::fixtures::RUNNING;
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

on_both_databases!(with behind_a_path: links_lead_to_where_the_gateway_is_mounted);

on_both_databases!(
    a_batch_is_answered_with_ids_and_instructions,
    a_search_answers_with_a_list_of_files,
    an_agent_polls_its_job_and_gets_its_environment
);

/// Replaces what differs at each run.
fn without_secrets(text: &str) -> String {
    let parts = text.split_inclusive("sig=").enumerate();
    parts
        .map(|(at, part)| match (at, part.split_once(['"', '&'])) {
            (1.., Some((secret, _))) => format!("SIG{}", &part[secret.len()..]),
            _ => part.to_owned(),
        })
        .collect()
}

fn a_batch_is_answered_with_ids_and_instructions(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let answer = agent.declare("batch-1", &[("a/b.txt", b"hello"), ("empty", b"")]);
    assert_eq!(answer.status, 201);
    let created = json_of(&answer);
    let (first, second) = (&created["artifact_ids"][0], &created["artifact_ids"][1]);
    let base = gateway.base_url();
    let (first, second) = (first.as_str().unwrap(), second.as_str().unwrap());
    let text = without_secrets(&created.to_string());
    let until = "1770033600";
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "id": "batch-1",
            "artifact_ids": [first, second],
            "upload_instructions": {
                "data": {"path": "${artifact:path}"},
                "action": {
                    "url": format!("{base}/-/blobs/{first}?for=form&until={until}&key=1&sig=SIG"),
                    "method": "POST", "path": format!("/-/blobs/{first}"), "file_input": "file",
                },
            },
            "per_artifact_instructions": {
                first: {"actions": [{
                    "url": format!("{base}/-/blobs/{first}?for=part&path=1&until={until}&key=1&sig=SIG"),
                    "method": "PUT", "part_number": 1,
                }]},
            },
        })
    );
}

fn behind_a_path(settings: &mut artigate::settings::Settings) {
    settings.external_url = Some("https://ci.example.com/artigate".parse().unwrap());
}

fn links_lead_to_where_the_gateway_is_mounted(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let created = agent.declared("batch-1", &[("a", b"hello")]);
    let id = created["artifact_ids"][0].as_str().unwrap();
    let action = &created["upload_instructions"]["action"];
    assert_eq!(action["path"], format!("/artigate/-/blobs/{id}"));
    let here = format!("https://ci.example.com/artigate/-/blobs/{id}?for=");
    for url in [&action["url"], &created["per_artifact_instructions"][id]["actions"][0]["url"]] {
        assert!(url.as_str().unwrap().starts_with(&here), "{url}");
    }
}

fn a_search_answers_with_a_list_of_files(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let ids = agent.upload("batch-1", &[("a/b.txt", b"hello")]);
    let found = agent.found("a/b.txt", "");
    let url = found[0]["url"].clone();
    assert_eq!(
        found,
        [json!({
            "id": ids[0], "job_id": found[0]["job_id"], "path": "a/b.txt", "absolute_path": "a/b.txt",
            "glob_path": "", "file_size": 5, "sha1sum": sha1(b"hello"), "sha256sum": sha256(b"hello"),
            "content_type": "text/plain", "created_at": "2026-02-01T12:00:00.000Z", "url": url,
            "upload_destination": "",
        })]
    );
    assert!(found[0]["job_id"].as_str().unwrap().parse::<artigate::domain::Uuid>().is_ok());
    assert_eq!(agent.found("nothing", ""), [] as [Value; 0]);
}

fn an_agent_polls_its_job_and_gets_its_environment(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let path = "/api/registry/v1/jobs/20/environment";
    let variables = json_of(&Request::new(gateway.address, "POST", path).job_token(RUNNING).send());
    let value = |name: &str| variables[name].as_str().unwrap_or_else(|| panic!("{name}")).to_owned();
    assert_eq!(value("BUILDKITE_AGENT_ENDPOINT"), format!("{}/v3", gateway.base_url()));
    assert_eq!(value("BUILDKITE_ORGANIZATION_SLUG"), "group");
    assert_eq!(value("BUILDKITE_PIPELINE_SLUG"), "project");
    assert_eq!(value("BUILDKITE_BUILD_NUMBER"), "2");
    let (job, build) = (value("BUILDKITE_JOB_ID"), value("BUILDKITE_BUILD_ID"));
    let polled = json_of(&agent.request("GET", "/jobs/20").send());
    assert_eq!(polled, json!({"id": job, "state": "running"}));
    // The same job under all its names and tokens; agents encode whatever is in a path.
    let named = Agent::new(gateway.address, &value("BUILDKITE_AGENT_ACCESS_TOKEN"), &job, &build);
    assert_eq!(json_of(&named.request("GET", &format!("/jobs/{job}")).send()), polled);
    assert_eq!(json_of(&named.request("GET", "/jobs/%32%30/").send()), polled);
    named.upload("batch-1", &[("x.txt", b"x")]);
    assert_eq!(named.paths("*", ""), ["x.txt"]);
    assert_eq!(agent.paths("*", ""), ["x.txt"]);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: canceling,
            jobs: [{id: 20, name: build, status: canceling}]}]}]",
    );
    assert_eq!(json_of(&agent.request("GET", "/jobs/20").send())["state"], "canceling");
    // What a job still has to hand over when it is canceled is taken.
    agent.upload("batch-2", &[("last.log", b"bye")]);
}
