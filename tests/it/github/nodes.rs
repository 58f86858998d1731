//! Pieces of one upload on several nodes, which share PostgreSQL and a bucket, and of which each may be killed.

use artigate::auth::signed_links::{Link, Purpose};
use serde_json::{Value, json};

use super::{block_id, called, create, of_job, put_block, put_list, runtime_token, signed, with};
use crate::chaos::nodes::{Installation, Nodes};
use crate::support::fixtures::RUNNING;
use crate::support::http_client::Request;

/// How often two requests are sent at once.
const ROUNDS: usize = 12;

/// Finalizes on one node and returns what a node answers with.
fn finalize(nodes: &Nodes, node: usize, token: &str, name: &str, size: usize) -> Value {
    let request = with(of_job(name), json!({"size": size.to_string()}));
    called(&nodes.address(node), token, "FinalizeArtifact", &request)
}

/// Downloads by a link that the node gives.
fn download(nodes: &Nodes, node: usize, token: &str, name: &str) -> Vec<u8> {
    let address = nodes.address(node);
    Request::new(address, "GET", &signed(&address, token, name)).send().body
}

fn piece(number: usize) -> Vec<u8> {
    (0..40_000 + number).map(|n| (n * 7 + number * 13) as u8).collect()
}

#[test]
fn every_request_of_an_upload_may_go_to_another_node() {
    let installation = Installation::with_running_job();
    let nodes = Nodes::start(&installation, 2);
    let token = runtime_token(&nodes.address(0), "20", RUNNING);
    let link = create(&nodes.address(0), &token, "bin", json!({}));
    let ids: Vec<String> = (0..5).map(block_id).collect();
    for (number, id) in ids.iter().enumerate().rev() {
        assert_eq!(put_block(&nodes.address(number), &link, id, &piece(number)).status, 201);
    }
    // One of them once more, on the node that has not seen it.
    assert_eq!(put_block(&nodes.address(1), &link, &ids[0], &piece(9)).status, 201);
    assert_eq!(put_list(&nodes.address(1), &link, &ids).status, 201);
    let expected = [9, 1, 2, 3, 4].map(piece).concat();
    let done = finalize(&nodes, 0, &token, "bin", expected.len());
    assert_eq!(finalize(&nodes, 1, &token, "bin", expected.len()), done);
    assert!(download(&nodes, 1, &token, "bin") == expected);
    installation.assert_nothing_is_left(nodes, 1);
}

#[test]
fn a_node_that_is_killed_between_two_requests_forgets_nothing() {
    let installation = Installation::with_running_job();
    let nodes = Nodes::start(&installation, 2);
    let token = runtime_token(&nodes.address(0), "20", RUNNING);
    let link = create(&nodes.address(0), &token, "bin", json!({}));
    nodes.restart(0);
    let ids: Vec<String> = (0..3).map(block_id).collect();
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(put_block(&nodes.address(0), &link, id, &piece(number)).status, 201);
        nodes.restart(0);
        // Those who stored the pieces are dead, and their pieces are not.
        installation.silence_writers();
        installation.run(&["gc", "--grace", "0s", "--force"]);
    }
    assert_eq!(put_list(&nodes.address(0), &link, &ids).status, 201);
    nodes.restart(0);
    installation.silence_writers();
    installation.run(&["gc", "--grace", "0s", "--force"]);
    assert_eq!(put_list(&nodes.address(0), &link, &ids).status, 201, "again");
    let expected = [0, 1, 2].map(piece).concat();
    let done = finalize(&nodes, 0, &token, "bin", expected.len());
    nodes.restart(0);
    assert_eq!(finalize(&nodes, 0, &token, "bin", expected.len()), done);
    assert!(download(&nodes, 0, &token, "bin") == expected);
    assert!(download(&nodes, 1, &token, "bin") == expected);
    installation.assert_nothing_is_left(nodes, 1);
}

#[test]
fn a_link_is_valid_on_every_node_at_once_after_a_rotation() {
    let installation = Installation::with_running_job();
    let nodes = Nodes::start(&installation, 2);
    let token = runtime_token(&nodes.address(0), "20", RUNNING);
    let link = create(&nodes.address(0), &token, "bin", json!({}));
    assert_eq!(put_block(&nodes.address(0), &link, &block_id(0), b"content").status, 201);
    assert_eq!(put_list(&nodes.address(0), &link, [block_id(0)]).status, 201);
    finalize(&nodes, 0, &token, "bin", 7);
    let link = signed(&nodes.address(0), &token, "bin");
    let uuid = link.strip_prefix("/-/blobs/").and_then(|link| link.split('?').next()).unwrap();
    // A third node, which rotates the keys and signs.
    let url = installation.database.as_ref().unwrap().url.clone();
    let database = artigate::settings::DatabaseUrl::Postgres(url.into());
    let settings = artigate::settings::Settings { database, database_connections: 1, ..Default::default() };
    let catalog = artigate::catalog::Catalog::open(&settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let now = artigate::domain::Clock::System.now();
    let until = now.plus_seconds(600).unwrap();
    let get = |node: usize, link: &str| Request::new(nodes.address(node), "GET", link).send();
    for round in 0..5 {
        let rotate = catalog.write(move |db| artigate::catalog::keys::rotate(db, &[round; 32], now));
        runtime.block_on(rotate).unwrap();
        let keys = artigate::auth::keys::SigningKeys::new(catalog.clone());
        let link = Link { purpose: Purpose::Download, uuid: uuid.parse().unwrap(), path: None, until };
        let link = runtime.block_on(link.sign(&keys, now)).unwrap();
        let (before, after) = link.split_once("&key=").unwrap();
        let (key, signature) = after.split_once('&').unwrap();
        // Signatures of keys that do not exist make the nodes read; the next rotation is the moment after.
        let forged = |far: i64| format!("{before}&key={}&{signature}", key.parse::<i64>().unwrap() + far);
        for node in [0, 1] {
            let answer = get(node, &link);
            assert_eq!((answer.status, answer.text()), (200, "content"), "round {round}, node {node}");
            for far in [1, 2, 1_000_000] {
                assert_eq!(get(node, &forged(far)).status, 403, "round {round}, {far}");
            }
        }
    }
}

#[test]
fn a_block_that_both_nodes_receive_at_once_is_one_of_the_two() {
    let installation = Installation::with_running_job();
    let nodes = Nodes::start(&installation, 2);
    let token = runtime_token(&nodes.address(0), "20", RUNNING);
    for round in 0..ROUNDS {
        let name = format!("bin-{round}");
        let link = create(&nodes.address(round), &token, &name, json!({}));
        let sent = [piece(1), piece(2)];
        let answers =
            nodes.both_at_once(|node, address| put_block(&address, &link, &block_id(0), &sent[node]));
        assert_eq!(answers.map(|answer| answer.status), [201, 201], "round {round}");
        assert_eq!(put_block(&nodes.address(round), &link, &block_id(1), b"end").status, 201);
        let ids = [block_id(0), block_id(1)];
        assert_eq!(put_list(&nodes.address(round + 1), &link, &ids).status, 201);
        let sizes = sent.each_ref().map(|bytes| bytes.len() + 3);
        let request = |size: usize| with(of_job(&name), json!({"size": size.to_string()}));
        let kept = sizes.iter().position(|size| {
            super::call(&nodes.address(0), &token, "FinalizeArtifact", &request(*size)).status == 200
        });
        let kept = kept.unwrap_or_else(|| panic!("round {round}: it is neither"));
        assert!(download(&nodes, 1, &token, &name) == [&sent[kept][..], b"end"].concat());
    }
    installation.assert_nothing_is_left(nodes, ROUNDS);
}

#[test]
fn a_list_that_both_nodes_receive_at_once_is_carried_out_once() {
    let installation = Installation::with_running_job();
    let nodes = Nodes::start(&installation, 2);
    let token = runtime_token(&nodes.address(0), "20", RUNNING);
    for round in 0..ROUNDS {
        let name = format!("bin-{round}");
        // Of a single piece no copy is made; a file is read for its digests.
        let more = if round % 2 == 0 { json!({}) } else { json!({"version": 7, "mime_type": "text/plain"}) };
        let link = create(&nodes.address(round), &token, &name, more);
        let ids: Vec<String> = (0..1 + round % 4).map(block_id).collect();
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(put_block(&nodes.address(number), &link, id, &piece(number)).status, 201);
        }
        let list = |address| put_list(&address, &link, &ids);
        for (node, answer) in nodes.both_at_once(|_, address| list(address)).into_iter().enumerate() {
            // What the other one was faster with is asked for once more.
            let answer = if answer.status == 503 { list(nodes.address(node)) } else { answer };
            assert_eq!(answer.status, 201, "round {round}: {}", answer.text());
        }
        let expected: Vec<u8> = (0..ids.len()).flat_map(piece).collect();
        let answers = nodes.both_at_once(|_, address| {
            let request = with(of_job(&name), json!({"size": expected.len().to_string()}));
            super::call(&address, &token, "FinalizeArtifact", &request)
        });
        let [one, other] = answers.each_ref().map(|answer| (answer.status, answer.text()));
        assert_eq!((one.0, &one), (200, &other), "round {round}");
        assert!(download(&nodes, round, &token, &name) == expected);
    }
    installation.assert_nothing_is_left(nodes, ROUNDS);
}
