//! Any order of requests: an artifact has the bytes of the blocks that were acknowledged last, in the order of
//! its list. A model of an upload says how each request is answered.

use std::collections::BTreeMap;

use proptest::strategy::{Just, Strategy, Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use super::{begin, block_id, call, create, of_job, put_block, put_list, signed, with};
use crate::support::gateway::Gateway;

/// How many orders are tried, of at most so many requests.
const ORDERS: usize = 120;
const REQUESTS: usize = 14;

/// The two blocks.
const A: usize = 0;
const B: usize = 1;

#[derive(Debug, Clone, Copy)]
enum Operation {
    Put(usize, &'static [u8]),
    List(&'static [usize]),
    Finalize,
    Create,
}

use Operation::{Create, Finalize, List, Put};

/// How often each of them comes: most of what is created is to become an artifact.
const OPERATIONS: [(u32, Operation); 7] = [
    (4, Put(A, b"first")),
    (4, Put(A, b"again, longer")),
    (4, Put(B, b"b")),
    (3, List(&[A, B])),
    (2, List(&[A])),
    (4, Finalize),
    (1, Create),
];

/// What was acknowledged under one name.
#[derive(Default)]
struct Model {
    /// The blocks of the upload, if there is one that takes some.
    open: Option<BTreeMap<usize, &'static [u8]>>,
    /// The list that was carried out, and its bytes.
    received: Option<(&'static [usize], Vec<u8>)>,
    artifact: Option<Vec<u8>>,
}

impl Model {
    /// Does the same, and returns the status that it is answered with.
    fn carry_out(&mut self, operation: Operation) -> u16 {
        match operation {
            Create if self.artifact.is_some() => 409,
            Create => {
                (self.open, self.received) = (Some(BTreeMap::new()), None);
                200
            }
            Put(block, bytes) => {
                let Some(blocks) = &mut self.open else { return 403 };
                blocks.insert(block, bytes);
                201
            }
            List(list) => {
                if let Some((carried_out, _)) = &self.received {
                    return if *carried_out == list { 201 } else { 403 };
                }
                let Some(blocks) = &self.open else { return 403 };
                let named: Option<Vec<&[u8]>> = list.iter().map(|block| blocks.get(block).copied()).collect();
                let Some(named) = named else { return 400 };
                (self.open, self.received) = (None, Some((list, named.concat())));
                201
            }
            Finalize if self.open.is_some() => 412,
            Finalize => {
                self.artifact = self.received.take().map(|(_, bytes)| bytes).or(self.artifact.take());
                200
            }
        }
    }

    /// The bytes that the artifact has or would have.
    fn bytes(&self) -> &[u8] {
        self.received.as_ref().map(|(_, bytes)| bytes).or(self.artifact.as_ref()).map_or(&[], Vec::as_slice)
    }
}

/// Carries out an order under a name of its own; returns whether that made an artifact.
fn carry_out(gateway: &Gateway, token: &str, name: &str, order: &[Operation]) -> bool {
    let mut model = Model::default();
    let mut link = create(gateway, token, name, json!({}));
    model.carry_out(Create);
    for (step, operation) in order.iter().enumerate() {
        let status = match *operation {
            Put(block, bytes) => put_block(gateway, &link, &block_id(block), bytes).status,
            List(list) => {
                let ids: Vec<String> = list.iter().copied().map(block_id).collect();
                put_list(gateway, &link, &ids).status
            }
            Finalize => {
                let size = json!({"size": model.bytes().len().to_string()});
                call(gateway, token, "FinalizeArtifact", &with(of_job(name), size)).status
            }
            Create if model.artifact.is_none() => {
                link = create(gateway, token, name, json!({}));
                200
            }
            Create => {
                let request = with(of_job(name), json!({"version": 4}));
                call(gateway, token, "CreateArtifact", &request).status
            }
        };
        assert_eq!(status, model.carry_out(*operation), "{operation:?} at {step} of {order:?}");
    }
    let Some(expected) = model.artifact else { return false };
    let answer = gateway.get(&signed(gateway, token, name)).send();
    assert_eq!((answer.status, answer.text()), (200, str::from_utf8(&expected).unwrap()), "{order:?}");
    true
}

#[test]
fn an_artifact_has_the_bytes_that_were_acknowledged_last_in_the_order_of_the_list() {
    let gateway = Gateway::on_sqlite();
    let token = begin(&gateway);
    // The same ones at each run.
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let one = Union::new_weighted(OPERATIONS.map(|(weight, it)| (weight, Just(it))).to_vec());
    let some = proptest::collection::vec(one, 3..=REQUESTS);
    let orders = proptest::collection::vec(some, ORDERS).new_tree(&mut runner).unwrap().current();
    let made = orders
        .iter()
        .enumerate()
        .filter(|(number, order)| carry_out(&gateway, &token, &format!("bin-{number}"), order));
    let made = made.count();
    assert!(made > ORDERS / 5, "only {made} artifacts were made");
    gateway.advance_clock(86_400 + 1);
    gateway.sweep();
    gateway.until_blobs(1 + made);
}
