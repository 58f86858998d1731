//! Uploads of an agent on several nodes, which share PostgreSQL and a bucket, and of which each may be killed.

use super::{Agent, bytes, part_of, sha256};
use crate::chaos::nodes::{Installation, Nodes};
use crate::support::fixtures::RUNNING;

/// The job of the tests, and small parts.
fn install() -> Installation {
    let installation = Installation::with_running_job();
    std::fs::write(installation.path().join("artigate.toml"), "[agents]\npart_size = '1 MiB'\n").unwrap();
    installation
}

fn agent(nodes: &Nodes, node: usize) -> Agent {
    Agent::new(nodes.address(node), RUNNING, "20", "200")
}

#[test]
fn every_request_of_a_batch_may_go_to_another_node() {
    let installation = install();
    let nodes = Nodes::start(&installation, 2);
    let (large, small) = (bytes(1, 3 << 20), bytes(2, 9000));
    let files: [(&str, &[u8]); 2] = [("large", &large), ("small", &small)];
    let created = agent(&nodes, 0).declared("batch", &files);
    assert_eq!(agent(&nodes, 1).declared("batch", &files)["artifact_ids"], created["artifact_ids"]);
    // Links name the node that gave them.
    let on = |node: usize| {
        let text = created.to_string();
        let (from, to) = (nodes.address(0).to_string(), nodes.address(node).to_string());
        serde_json::from_str::<serde_json::Value>(&text.replace(&from, &to)).unwrap()
    };
    let id = created["artifact_ids"][0].as_str().unwrap();
    for part in [2, 0, 1] {
        let node = part % 2;
        let action = &on(node)["per_artifact_instructions"][id]["actions"][part];
        assert_eq!(agent(&nodes, node).send_part(action, part_of(&large, part, 3)).status, 200);
    }
    agent(&nodes, 1).send(&on(1), 1, "small", &small).unwrap();
    for node in [0, 1] {
        assert_eq!(agent(&nodes, node).report(&created, 1, "finished", &[]).status, 200);
        assert_eq!(agent(&nodes, node).report(&created, 0, "finished", &[]).status, 200);
    }
    for node in [1, 0] {
        let found = agent(&nodes, node).found("large", "").remove(0);
        assert_eq!(found["sha256sum"], sha256(&large));
        assert!(agent(&nodes, node).download(&found).body == large);
        let found = agent(&nodes, node).found("small", "").remove(0);
        assert!(agent(&nodes, node).download(&found).body == small);
    }
    installation.assert_nothing_is_left(nodes, 2);
}

#[test]
fn a_node_that_is_killed_between_two_requests_forgets_nothing() {
    let installation = install();
    let nodes = Nodes::start(&installation, 1);
    let restart = || {
        nodes.restart(0);
        // Those who stored bytes are dead, and what they stored is not.
        installation.silence_writers();
        installation.run(&["gc", "--grace", "0s", "--force"]);
    };
    let small = bytes(2, 9000);
    let created = agent(&nodes, 0).declared("batch", &[("small", &small)]);
    let sent_to = |text: &str, address: std::net::SocketAddr| {
        let own = created["upload_instructions"]["action"]["url"].as_str().unwrap();
        let before = own.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&text.replace(&before, &address.to_string())).unwrap()
    };
    restart();
    let text = created.to_string();
    agent(&nodes, 0).send(&sent_to(&text, nodes.address(0)), 0, "small", &small).unwrap();
    restart();
    assert_eq!(agent(&nodes, 0).report(&created, 0, "finished", &[]).status, 200);
    restart();
    let found = agent(&nodes, 0).found("*", "");
    assert!(agent(&nodes, 0).download(&found[0]).body == small);
    assert_eq!(agent(&nodes, 0).report(&created, 0, "finished", &[]).status, 200);
    installation.assert_nothing_is_left(nodes, 1);
}

#[test]
fn a_batch_that_is_declared_on_two_nodes_at_once_is_one() {
    let installation = install();
    let nodes = Nodes::start(&installation, 2);
    let files: Vec<(String, Vec<u8>)> = (0..30).map(|n| (n.to_string(), bytes(n, 100))).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    for round in 0..8 {
        let batch = format!("batch-{round}");
        let ids = nodes
            .both_at_once(|node, _| agent(&nodes, node).declared(&batch, &files)["artifact_ids"].clone());
        assert_eq!(ids[0], ids[1], "round {round}");
    }
}

#[test]
fn what_a_killed_node_was_assembling_is_assembled_by_another() {
    let installation = install();
    let nodes = Nodes::start(&installation, 2);
    let large = bytes(1, 6 << 20);
    for round in 0..4 {
        let batch = format!("batch-{round}");
        let created = agent(&nodes, 0).declared(&batch, &[(batch.as_str(), &large)]);
        agent(&nodes, 0).send(&created, 0, &batch, &large).unwrap();
        assert_eq!(agent(&nodes, 0).report(&created, 0, "finished", &[]).status, 200);
        nodes.restart(0);
        // As if the node had been silent for long.
        let silence = "UPDATE uploads SET ordered_at = 0 WHERE ordered_at IS NOT NULL";
        installation.database.as_ref().unwrap().execute(silence);
        let found = agent(&nodes, 1).found(&batch, "").remove(0);
        assert!(agent(&nodes, 1).download(&found).body == large, "round {round}");
    }
    installation.assert_nothing_is_left(nodes, 4);
}
