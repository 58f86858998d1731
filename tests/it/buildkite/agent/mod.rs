//! The agent's artifact commands, imitated: the requests that `buildkite-agent artifact upload`, `search` and
//! `download` make, and what they make of the answers.

mod golden;
mod nodes;
mod refused;
mod search;
mod uploads;

use std::net::SocketAddr;

use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::support::fixtures::RUNNING;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};

/// The agent of a job.
pub(crate) struct Agent {
    address: SocketAddr,
    token: String,
    job: String,
    build: String,
    /// Whether it says that it can send files in parts.
    in_parts: bool,
}

/// What the agent sends for one part, and what it got.
type Tag = (u64, String);

impl Agent {
    /// The agent of job 20 of the small world.
    pub(crate) fn of_small(gateway: &Gateway) -> Self {
        super::small(gateway);
        Self::new(gateway.address, RUNNING, "20", "200")
    }

    pub(crate) fn new(address: SocketAddr, token: &str, job: &str, build: &str) -> Self {
        let (token, job, build) = (token.to_owned(), job.to_owned(), build.to_owned());
        Self { address, token, job, build, in_parts: true }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, &format!("/v3{path}"))
            .header("Authorization", &format!("Token {}", self.token))
            .header("User-Agent", "buildkite-agent/3.137.0.1 (linux; amd64)")
            .header("Accept-Encoding", "gzip")
    }

    fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.request(method, path)
            .header("Content-Type", "application/json")
            .header("Buildkite-Timeout-Milliseconds", "9999")
            .body(body.to_string().into_bytes())
            .send()
    }

    /// Declares files under the ID of a batch.
    pub(crate) fn declare(&self, batch: &str, files: &[(&str, &[u8])]) -> Answer {
        let artifacts: Vec<Value> = files.iter().map(|(path, bytes)| described(path, bytes)).collect();
        let mut request = json!({"id": batch, "artifacts": artifacts, "upload_destination": ""});
        if self.in_parts {
            request["multipart_supported"] = true.into();
        }
        self.send_json("POST", &format!("/jobs/{}/artifacts", self.job), &request)
    }

    /// Declares files, which must succeed.
    pub(crate) fn declared(&self, batch: &str, files: &[(&str, &[u8])]) -> Value {
        let created = json_of(&self.declare(batch, files));
        assert_eq!(created["id"], batch);
        // An agent panics if there are more or fewer.
        assert_eq!(created["artifact_ids"].as_array().unwrap().len(), files.len());
        created
    }

    /// Sends a file as the instructions say; returns the entity tags of its parts if there are several.
    pub(crate) fn send(
        &self,
        created: &Value,
        at: usize,
        path: &str,
        bytes: &[u8],
    ) -> Result<Vec<Tag>, Answer> {
        let id = created["artifact_ids"][at].as_str().unwrap();
        let own = &created["per_artifact_instructions"][id];
        let instructions = if own.is_null() { &created["upload_instructions"] } else { own };
        if let Some(actions) = instructions["actions"].as_array().filter(|actions| !actions.is_empty()) {
            return self.send_parts(actions, bytes);
        }
        let action = &instructions["action"];
        assert_eq!(action["method"], "POST");
        let url = self.path_of(&action["url"]);
        // The agent puts the action's path into the URL and keeps the query.
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let target = format!("{}?{query}", action["path"].as_str().unwrap());
        let mut form = Form::default();
        for (name, value) in instructions["data"].as_object().unwrap() {
            form = form.field(name, &value.as_str().unwrap().replace("${artifact:path}", path));
        }
        let field = action["file_input"].as_str().unwrap();
        let escaped = path.replace('"', "\\\"");
        form = form.part(&format!("name=\"{field}\"; filename=\"{escaped}\""), bytes);
        let answer = Request::new(self.address, "POST", &target).form(form).send();
        if answer.status / 100 == 2 { Ok(Vec::new()) } else { Err(answer) }
    }

    fn send_parts(&self, actions: &[Value], bytes: &[u8]) -> Result<Vec<Tag>, Answer> {
        let mut tags = Vec::new();
        for (at, action) in actions.iter().enumerate() {
            let answer = self.send_part(action, part_of(bytes, at, actions.len()));
            let tag = answer.header("etag").map(str::to_owned);
            match tag.filter(|tag| answer.status / 100 == 2 && !tag.is_empty()) {
                Some(tag) => tags.push((action["part_number"].as_u64().unwrap(), tag)),
                None => return Err(answer),
            }
        }
        Ok(tags)
    }

    fn send_part(&self, action: &Value, bytes: &[u8]) -> Answer {
        let (method, path) = (action["method"].as_str().unwrap(), self.path_of(&action["url"]));
        Request::new(self.address, method, &path)
            .header("User-Agent", "Go-http-client/1.1")
            .header("Content-Type", "text/plain")
            .body(bytes.to_vec())
            .send()
    }

    /// Reports the state of one artifact of a batch.
    pub(crate) fn report(&self, created: &Value, at: usize, state: &str, tags: &[Tag]) -> Answer {
        let mut item = json!({"id": created["artifact_ids"][at], "state": state});
        if !tags.is_empty() {
            let tags: Vec<Value> =
                tags.iter().map(|(part, etag)| json!({"part_number": part, "etag": etag})).collect();
            if tags.len() > 1 {
                item["multipart"] = true.into();
            }
            item["multipart_etags"] = tags.into();
        }
        self.send_json("PUT", &format!("/jobs/{}/artifacts", self.job), &json!({"artifacts": [item]}))
    }

    /// `artifact upload`: declares, sends and reports, and returns the IDs.
    pub(crate) fn upload(&self, batch: &str, files: &[(&str, &[u8])]) -> Vec<String> {
        let created = self.declared(batch, files);
        for (at, (path, bytes)) in files.iter().enumerate() {
            let sent = self.send(&created, at, path, bytes);
            let tags = sent.unwrap_or_else(|answer| panic!("{path}: {} {}", answer.status, answer.text()));
            let reported = self.report(&created, at, "finished", &tags);
            assert_eq!(reported.status, 200, "{path}: {}", reported.text());
        }
        let ids = created["artifact_ids"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn search(&self, query: &str, more: &str) -> Answer {
        let query = query.replace('%', "%25").replace('*', "%2A").replace('?', "%3F").replace(' ', "%20");
        let path = format!("/builds/{}/artifacts/search?query={query}&state=finished{more}", self.build);
        self.request("GET", &path).send()
    }

    /// A search that must succeed.
    pub(crate) fn found(&self, query: &str, more: &str) -> Vec<Value> {
        let answer = self.search(query, more);
        assert_eq!(answer.status, 200, "{query}{more}: {}", answer.text());
        let items: Value = serde_json::from_slice(&answer.body).unwrap();
        items.as_array().unwrap().clone()
    }

    /// The paths that a search finds.
    pub(crate) fn paths(&self, query: &str, more: &str) -> Vec<String> {
        self.found(query, more).iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
    }

    /// The bytes behind the link of a found artifact, which the agent asks for without a credential.
    pub(crate) fn download(&self, item: &Value) -> Answer {
        Request::new(self.address, "GET", &self.path_of(&item["url"])).send()
    }

    fn path_of(&self, url: &Value) -> String {
        let url = url.as_str().unwrap();
        let here = format!("http://{}", self.address);
        url.strip_prefix(&here).unwrap_or_else(|| panic!("{url} is not here")).to_owned()
    }
}

/// A file as the agent describes it.
fn described(path: &str, bytes: &[u8]) -> Value {
    json!({
        "id": "", "path": path, "absolute_path": format!("/work/{path}"), "glob_path": "",
        "file_size": bytes.len(), "sha1sum": sha1(bytes), "sha256sum": sha256(bytes), "job_id": "",
        "created_at": "0001-01-01T00:00:00Z", "content_type": "text/plain",
    })
}

fn sha1(bytes: &[u8]) -> String {
    hex::encode(Sha1::digest(bytes))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The piece of a file that the agent sends as one of several parts.
fn part_of(bytes: &[u8], at: usize, parts: usize) -> &[u8] {
    let (size, more) = (bytes.len() / parts, bytes.len() % parts);
    let start = at * size + at.min(more);
    &bytes[start..start + size + usize::from(at < more)]
}

fn json_of(answer: &Answer) -> Value {
    assert!(answer.status < 300, "{} {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Status and message of a refusal, which the agent prints in one line.
fn refusal(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()));
    let message = body["message"].as_str().unwrap().to_owned();
    assert!(!message.contains('\n'));
    (answer.status, message)
}

/// Bytes that no two files share.
fn bytes(seed: usize, count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 251 + seed * 97) as u8).collect()
}
