//! Buildkite's client library for Python, unmodified from its registry, and what an agent uploaded in the hands of every
//! vendor's clients.

use std::process::Command;

use super::github_rest::api as gh_api;
use super::{python, run, script};
use crate::buildkite::agent::Agent;
use crate::support::fixtures::{self, MAINTAINER, RUNNING, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    pybuildkite_tells_a_story,
    an_agents_files_come_out_of_the_clients_of_every_vendor,
    curl_uploads_as_an_agent_and_finds_it_again
);

fn pybuildkite_tells_a_story(gateway: Gateway) {
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello"), ("log/b.log", b"line\n")]));
    let script = python("pybuildkite_story.py");
    let printed = run({ script }.args([&gateway.base_url(), MAINTAINER, "group", "project"]));
    let expected = "builds: [2, 1]\npassed: [1]\nbuild: passed ['build']\nartifacts: ['a.txt', 'log/b.log']\n\
        page: 2 None\none: aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d 5\nbytes: b'hello'\nleft: ['log/b.log']\n\
        created: 3 scheduled {'a': 'true'}\npages: 3 None\ncanceled: canceled\nagain: 4 3\neverywhere: 4 4\n";
    assert_eq!(printed, expected);
}

/// What the agent of job 20 uploads.
const FILES: [(&str, &[u8]); 3] =
    [("log/test.log", b"line\n"), ("dist/app.bin", b"\0\x01\x02"), ("empty", b"")];

fn an_agents_files_come_out_of_the_clients_of_every_vendor(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    agent.upload("batch", &FILES);
    let arguments = [&gateway.base_url(), MAINTAINER, "group", "project", "2", "20"];
    let printed = run(python("agent_files.py").args(arguments));
    let expected = "buildkite: log/test.log finished True True\nbuildkite: dist/app.bin finished True True\n\
        buildkite: empty finished True True\ngitlab: dist/app.bin 3 True\ngitlab: empty 0 True\n\
        gitlab: log/test.log 5 True\n";
    assert_eq!(printed, expected);
    let ids = gh_api(&gateway, &["?name=dist-app.bin", "--jq", ".artifacts[].id"]).unwrap();
    let bytes = gh_api(&gateway, &[&format!("/{}/zip", ids.trim())]).unwrap();
    assert_eq!(bytes.as_bytes(), FILES[1].1, "it is served as it is");
}

fn curl_uploads_as_an_agent_and_finds_it_again(gateway: Gateway) {
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let file = gateway.write_file("file", b"sent by curl");
    let script = script("shell/agent.sh");
    let printed = run(Command::new("sh").arg(script).args([&gateway.base_url(), RUNNING, "20"]).arg(file));
    assert_eq!(printed, "{}sent by curl");
    let answer = gateway.get(&format!("{UPLOADED}/by/curl.txt")).private_token(MAINTAINER).send();
    assert_eq!(answer.body, b"sent by curl");
}
