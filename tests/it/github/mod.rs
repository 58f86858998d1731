//! GitHub's dialect: the toolkit's uploads, links that carry their permission, and the REST API.

mod at_once;
mod elsewhere;
mod environment;
mod links;
mod names;
mod nodes;
mod orders;
mod pieces;
mod rest;
mod shown_names;
mod single_files;
mod twirp;

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::fixtures::{self, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};
use crate::support::zips;

/// The run and the job of the tests, as the toolkit's requests name them.
const RUN: &str = "200";
const JOB: &str = "20";

/// Where requests are sent.
pub(crate) trait Node {
    fn address(&self) -> SocketAddr;
}

impl Node for Gateway {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Node for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

/// The small world, and the runtime token of its running job.
fn begin(gateway: &Gateway) -> String {
    fixtures::small(gateway, &zips::deflated(&[("a.txt", b"hello")]));
    runtime_token(gateway, "20", RUNNING)
}

fn archive() -> Vec<u8> {
    zips::deflated(&[("dir/b.txt", b"world"), ("a.txt", b"hello")])
}

pub(crate) fn runtime_token(node: &impl Node, job: &str, token: &str) -> String {
    let path = format!("/api/registry/v1/jobs/{job}/environment");
    let answer = Request::new(node.address(), "POST", &path).job_token(token).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let variables: Value = serde_json::from_slice(&answer.body).unwrap();
    variables["ACTIONS_RUNTIME_TOKEN"].as_str().unwrap().to_owned()
}

/// Calls a method of the toolkit's service.
fn call(node: &impl Node, token: &str, method: &str, request: &Value) -> Answer {
    let path = format!("/twirp/github.actions.results.api.v1.ArtifactService/{method}");
    Request::new(node.address(), "POST", &path)
        .header("Authorization", &format!("Bearer {token}"))
        .header("Content-Type", "application/json")
        .body(request.to_string().into_bytes())
        .send()
}

/// Calls a method that must succeed.
pub(crate) fn called(node: &impl Node, token: &str, method: &str, request: &Value) -> Value {
    let answer = call(node, token, method, request);
    assert_eq!(answer.status, 200, "{method} {request}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Code and message of a call that must fail.
fn refused(answer: &Answer) -> (u16, String, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status, body["code"].as_str().unwrap().to_owned(), body["msg"].as_str().unwrap().to_owned())
}

/// The fields that every request has.
pub(crate) fn of_job(name: &str) -> Value {
    json!({"workflow_run_backend_id": RUN, "workflow_job_run_backend_id": JOB, "name": name})
}

pub(crate) fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// Creates an upload and returns the path of its link.
pub(crate) fn create(node: &impl Node, token: &str, name: &str, more: Value) -> String {
    let created =
        called(node, token, "CreateArtifact", &with(with(of_job(name), json!({"version": 4})), more));
    assert_eq!(created["ok"], true);
    path_of(node, created["signed_upload_url"].as_str().unwrap())
}

/// The path of a link to an artifact.
pub(crate) fn signed(node: &impl Node, token: &str, name: &str) -> String {
    let link = called(node, token, "GetSignedArtifactURL", &of_job(name));
    path_of(node, link["signed_url"].as_str().unwrap())
}

/// The path of a URL of the gateway.
pub(crate) fn path_of(node: &impl Node, url: &str) -> String {
    url.strip_prefix(&format!("http://{}", node.address()))
        .unwrap_or_else(|| panic!("{url} is not here"))
        .to_owned()
}

/// The ID of a block as the SDK writes it.
pub(crate) fn block_id(number: usize) -> String {
    BASE64_STANDARD.encode(format!("0d5f6c1e-2a3b-4c5d-8e9f-a0b1c2d3e4f5{number:012}"))
}

fn put(node: &impl Node, path: &str, body: &[u8]) -> Answer {
    Request::new(node.address(), "PUT", path).header("x-ms-version", "2026-04-06").body(body.to_vec()).send()
}

pub(crate) fn put_block(node: &impl Node, link: &str, id: &str, bytes: &[u8]) -> Answer {
    let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    put(node, &format!("{link}&comp=block&blockid={id}"), bytes)
}

pub(crate) fn put_list(
    node: &impl Node,
    link: &str,
    ids: impl IntoIterator<Item = impl AsRef<str>>,
) -> Answer {
    let blocks: String = ids.into_iter().map(|id| format!("<Latest>{}</Latest>", id.as_ref())).collect();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><BlockList>{blocks}</BlockList>"
    );
    put(node, &format!("{link}&comp=blocklist"), xml.as_bytes())
}

/// Code of a refusal of the blob protocol.
fn blob_error(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.header("content-type"), Some("application/xml"), "{answer:?}");
    let code = answer.header("x-ms-error-code").unwrap();
    assert!(answer.text().contains(&format!("<Code>{code}</Code>")), "{}", answer.text());
    (answer.status, code)
}

/// Uploads an artifact in blocks of `size` bytes and returns its ID.
pub(crate) fn upload(
    gateway: &Gateway,
    token: &str,
    name: &str,
    content: &[u8],
    size: usize,
    more: Value,
) -> i64 {
    let link = create(gateway, token, name, more);
    let blocks: Vec<(String, &[u8])> =
        content.chunks(size).enumerate().map(|(number, block)| (block_id(number), block)).collect();
    // The last block first: only the list orders them.
    for (id, block) in blocks.iter().rev() {
        assert_eq!(put_block(gateway, &link, id, block).status, 201);
    }
    assert_eq!(put_list(gateway, &link, blocks.iter().map(|(id, _)| id.as_str())).status, 201);
    let digest = artigate::domain::Sha256Digest::of(content);
    let finalize =
        with(of_job(name), json!({"size": content.len().to_string(), "hash": format!("sha256:{digest}")}));
    let done = called(gateway, token, "FinalizeArtifact", &finalize);
    done["artifact_id"].as_str().unwrap().parse().unwrap()
}
