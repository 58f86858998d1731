//! Refusals of the agent's API, each in one line that says what was wrong.

use serde_json::{Value, json};

use super::{Agent, bytes, described, json_of, part_of, refusal};
use crate::support::fixtures::{DEVELOPER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};

on_both_databases!(
    only_the_token_of_a_running_job_counts,
    a_job_acts_for_itself_alone,
    files_that_cannot_be_stored_are_refused_when_they_are_declared,
    requests_that_cannot_be_read_are_refused,
    links_that_are_bent_are_refused,
    forms_that_cannot_be_read_are_refused,
    a_job_that_has_ended_uploads_nothing
);

on_both_databases!(with without_a_limit: a_batch_has_a_bounded_number_of_parts);
on_both_databases!(with few_and_small: a_job_has_no_more_and_no_larger_artifacts_than_allowed);

fn few_and_small(settings: &mut artigate::settings::Settings) {
    settings.artifacts_per_job = 3;
    settings.max_artifact_bytes = Some(1000);
}

fn without_a_limit(settings: &mut artigate::settings::Settings) {
    settings.max_artifact_bytes = None;
}

const TOKEN: &str =
    "Authentication required. Expected 'Authorization: Token' with the token of a running job";

const OTHER: &str = "The token is that of another job";

/// With the token of job 21, which has ended.
const ENDED: &str = "Token glcbt-64_finished";

fn create(agent: &Agent, file: Value) -> Answer {
    agent.send_json("POST", "/jobs/20/artifacts", &json!({"id": "x", "artifacts": [file]}))
}

fn only_the_token_of_a_running_job_counts(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let routes = [
        ("GET", "/v3/jobs/20"),
        ("POST", "/v3/jobs/20/artifacts"),
        ("PUT", "/v3/jobs/20/artifacts"),
        ("GET", "/v3/builds/200/artifacts/search?query=*"),
    ];
    for (method, path) in routes {
        for credential in [
            None,
            Some(format!("Bearer {RUNNING}")),
            Some(format!("Token {DEVELOPER}")),
            Some(ENDED.to_owned()),
            Some("Token nothing".to_owned()),
            Some("Token eyJ.eyJ.x".to_owned()),
            Some(format!("Basic {RUNNING}")),
        ] {
            let mut request = Request::new(agent.address, method, path).body(b"{}".to_vec());
            if let Some(credential) = &credential {
                request = request.header("Authorization", credential);
            }
            // Of a job that has ended an agent may ask; of another one it may not.
            let is_of_other = path == "/v3/jobs/20" && credential.as_deref() == Some(ENDED);
            let expected = if is_of_other { (403, OTHER) } else { (401, TOKEN) };
            assert_eq!(
                refusal(&request.send()),
                (expected.0, expected.1.into()),
                "{method} {path} {credential:?}"
            );
        }
    }
    // The token of a job is none for the REST API.
    let request =
        Request::new(agent.address, "GET", "/v2/user").header("Authorization", &format!("Token {RUNNING}"));
    assert_eq!(request.send().status, 401);
}

fn a_job_acts_for_itself_alone(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let own = agent.upload("batch", &[("a", b"a")]);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running,
            jobs: [{id: 22, name: other, status: running, token: t22}]}]}]",
    );
    let other = Agent::new(gateway.address, "t22", "22", "200");
    let update = json!({"artifacts": [{"id": own[0], "state": "error"}]});
    assert_eq!(refusal(&other.send_json("POST", "/jobs/20/artifacts", &json!({}))), (403, OTHER.into()));
    assert_eq!(refusal(&other.send_json("PUT", "/jobs/20/artifacts", &update)), (403, OTHER.into()));
    assert_eq!(refusal(&other.request("GET", "/jobs/20").send()), (403, OTHER.into()));
    // The uploads of another job are none of its own.
    let answer = other.send_json("PUT", "/jobs/22/artifacts", &update);
    assert_eq!(refusal(&answer), (404, "No artifact found".into()));
    assert_eq!(other.paths("*", ""), ["a"]);
    let mixed =
        json!({"artifacts": [{"id": own[0], "state": "finished"}, {"id": "nothing", "state": "finished"}]});
    assert_eq!(agent.send_json("PUT", "/jobs/20/artifacts", &mixed).status, 200);
    assert_eq!(agent.send_json("PUT", "/jobs/20/artifacts", &json!({"artifacts": []})).status, 200);
}

fn files_that_cannot_be_stored_are_refused_when_they_are_declared(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let long = "x/".repeat(2500) + "x";
    for path in [
        "",
        "../x",
        "a/../b",
        "a/./b",
        "/etc/passwd",
        "a//b",
        "a/",
        "..\\x",
        "a\\..\\b",
        "a\nb",
        "a\0b",
        &long,
    ] {
        let (status, text) = refusal(&create(&agent, described(path, b"x")));
        assert_eq!(status, 422, "{path}");
        assert!(text.starts_with("artifacts[0].path: "), "{text}");
    }
    let with = |name: &str, value: Value| {
        let mut file = described("a", b"x");
        file[name] = value;
        refusal(&create(&agent, file))
    };
    for (name, value, text) in [
        ("file_size", json!(-1), "expected a number of bytes"),
        ("file_size", Value::Null, "expected a number of bytes"),
        ("sha1sum", json!("abc"), "expected 40 hex digits"),
        ("sha256sum", json!("z".repeat(64)), "expected 64 hex digits"),
    ] {
        assert_eq!(with(name, value), (422, format!("artifacts[0].{name}: {text}")));
    }
    for destination in
        ["s3://bucket/path", "gs://bucket", "rt://repository", "https://x.blob.core.windows.net/y"]
    {
        let request =
            json!({"id": "x", "artifacts": [described("a", b"x")], "upload_destination": destination});
        let (status, text) = refusal(&agent.send_json("POST", "/jobs/20/artifacts", &request));
        assert_eq!(status, 422);
        assert!(text.contains("BUILDKITE_ARTIFACT_UPLOAD_DESTINATION"), "{text}");
        assert_eq!(with("upload_destination", destination.into()).0, 422);
    }
    assert_eq!(with("file_size", json!(i64::MAX)).0, 413);
    // The longest path there is; one that repeats nothing, because databases compress what they index.
    let longest: String = (0..32).map(|n: u32| super::sha256(&n.to_be_bytes())).collect();
    assert_eq!(longest.len(), 2048);
    agent.upload("longest", &[(&longest, b"x"), (&longest, b"y")]);
    assert_eq!(create(&agent, described(&format!("{longest}x"), b"x")).status, 422);
    // Old agents leave much of it out.
    let sparse = json!({"path": "a", "file_size": 1, "sha1sum": null, "content_type": null});
    assert_eq!(create(&agent, sparse).status, 201);
}

fn requests_that_cannot_be_read_are_refused(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let many: Vec<Value> = (0..1001).map(|n| json!({"id": n.to_string(), "state": "error"})).collect();
    let answer = agent.send_json("PUT", "/jobs/20/artifacts", &json!({"artifacts": many}));
    assert_eq!(refusal(&answer), (422, "artifacts: expected at most 1000".into()));
    for size in ["1.5", "\"5\"", "9223372036854775808", "1e3", "{}"] {
        let body = format!("{{\"artifacts\":[{{\"path\":\"a\",\"file_size\":{size}}}]}}");
        let answer = agent.request("POST", "/jobs/20/artifacts").body(body.into_bytes()).send();
        assert!(refusal(&answer).1.starts_with("the request cannot be read: "), "{size}");
    }
    for method in ["POST", "PUT"] {
        for body in [&b""[..], b"{", b"[]", b"null", b"{\"artifacts\":{}}", b"{\"artifacts\":[1]}", b"\xff"] {
            let answer = agent.request(method, "/jobs/20/artifacts").body(body.to_vec()).send();
            assert!(refusal(&answer).1.starts_with("the request cannot be read: "), "{method} {body:?}");
            assert_eq!(answer.status, 422);
        }
        let large = vec![b' '; (4 << 20) + 1];
        assert_eq!(agent.request(method, "/jobs/20/artifacts").body(large).send().status, 413);
    }
    let many: Vec<Value> = (0..1001).map(|n| described(&n.to_string(), b"")).collect();
    let answer = agent.send_json("POST", "/jobs/20/artifacts", &json!({"id": "x", "artifacts": many}));
    assert_eq!(refusal(&answer), (422, "artifacts: expected at most 1000".into()));
    let answer = agent.declare(&"x".repeat(256), &[("a", b"a")]);
    assert_eq!(refusal(&answer), (422, "id: expected at most 255 bytes and no control characters".into()));
    let update = json!({"artifacts": [{"id": "x", "state": "done"}]});
    let answer = agent.send_json("PUT", "/jobs/20/artifacts", &update);
    assert_eq!(refusal(&answer), (422, "artifacts[0].state: expected finished or error".into()));
    for (method, path) in
        [("GET", "/v3"), ("DELETE", "/v3/jobs/20/artifacts"), ("POST", "/v3/jobs/20/nothing")]
    {
        let answer = Request::new(agent.address, method, path).send();
        assert!(refusal(&answer).1.starts_with("No route matches"), "{method} {path}");
    }
}

fn links_that_are_bent_are_refused(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let created = agent.declared("batch", &[("a", b"hello")]);
    let id = created["artifact_ids"][0].as_str().unwrap();
    let url = agent.path_of(&created["per_artifact_instructions"][id]["actions"][0]["url"]);
    let form_url = agent.path_of(&created["upload_instructions"]["action"]["url"]);
    let put = |path: &str| Request::new(agent.address, "PUT", path).body(b"hello".to_vec()).send().status;
    let answer = Request::new(agent.address, "PUT", &format!("{url}x")).body(b"hello".to_vec()).send();
    assert_eq!(refusal(&answer), (403, "The link is not valid or has expired.".into()));
    for bent in [
        url.replace("path=1", "path=2"),
        url.replace("for=part", "for=put"),
        url.replace("&path=1", ""),
        format!("{}x", url),
        url.replace(id, "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e"),
        form_url.replace("for=form", "for=part"),
    ] {
        assert_eq!(put(&bent), 403, "{bent}");
    }
    // Each link is for one method.
    assert_eq!(put(&form_url), 405);
    assert_eq!(Request::new(agent.address, "GET", &url).send().status, 405);
    assert_eq!(Request::new(agent.address, "POST", &url).body(b"hello".to_vec()).send().status, 405);
    assert_eq!(put(&url), 200);
    gateway.advance_clock(25 * 3600);
    assert_eq!(put(&url), 403, "it has ended");
}

fn forms_that_cannot_be_read_are_refused(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let created = agent.declared("batch", &[("a", b"hello")]);
    let url = agent.path_of(&created["upload_instructions"]["action"]["url"]);
    let post = |form: Form| Request::new(agent.address, "POST", &url).form(form).send();
    let expected = "expected a multipart form with the fields path and file";
    for form in [Form::default(), Form::default().field("path", "a")] {
        assert_eq!(refusal(&post(form)), (422, expected.into()));
    }
    let late = post(Form::default().file("a", b"hello").field("path", "a"));
    assert_eq!(refusal(&late), (422, "the field path must come before the file".into()));
    let raw = Request::new(agent.address, "POST", &url).body(b"hello".to_vec()).send();
    assert_eq!(refusal(&raw), (422, expected.into()));
    let other = post(Form::default().field("path", "b").file("b", b"hello"));
    assert_eq!(refusal(&other), (404, "There is no such upload, or it was given up".into()));
    let twice = Form::default().field("path", "a").file("a", b"hello").file("a", b"hello");
    assert_eq!(refusal(&post(twice)), (422, "the form has several files".into()));
    let cut = Form::default().field("path", "a").file("a", b"hello").unfinished();
    let request = Request::new(agent.address, "POST", &url).form_type().body(cut);
    assert_eq!(request.send().status, 400);
    // Other fields are whatever they are, in any order.
    let form = Form::default().field("x", "y").field("path", "a").field("z", "").file("a", b"hello");
    assert_eq!(post(form).status, 204);
}

fn a_job_that_has_ended_uploads_nothing(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let created = agent.declared("batch", &[("a", b"hello"), ("b", b"hello")]);
    agent.send(&created, 0, "a", b"hello").unwrap();
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: success,
            jobs: [{id: 20, name: build, status: success, finished_at: '2026-02-01T12:00:00Z'}]}]}]",
    );
    let ended = agent.send(&created, 1, "b", b"hello").unwrap_err();
    assert_eq!(refusal(&ended), (403, "The job does not run any more".into()));
    let form = Form::default().field("path", "b").file("b", b"hello");
    let url = agent.path_of(&created["upload_instructions"]["action"]["url"]);
    assert_eq!(Request::new(agent.address, "POST", &url).form(form).send().status, 403);
    assert_eq!(agent.report(&created, 0, "finished", &[]).status, 401);
    gateway.advance_clock(2 * 3600);
    gateway.sweep();
    gateway.until_blobs(1);
}

fn a_batch_has_a_bounded_number_of_parts(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let huge = json!({"path": "a", "file_size": i64::MAX});
    let declare = |count: usize| {
        let files: Vec<Value> = (0..count).map(|_| huge.clone()).collect();
        let request = json!({"id": count.to_string(), "artifacts": files, "multipart_supported": true});
        agent.send_json("POST", "/jobs/20/artifacts", &request)
    };
    // As many as an agent sends at a time, each of the largest size that there is.
    let created = json_of(&declare(30));
    let id = created["artifact_ids"][29].as_str().unwrap();
    assert_eq!(created["per_artifact_instructions"][id]["actions"].as_array().unwrap().len(), 1000);
    let text = "artifacts: expected at most 30000 parts in all, and not 31000";
    assert_eq!(refusal(&declare(31)), (422, text.into()));
}

fn a_job_has_no_more_and_no_larger_artifacts_than_allowed(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let large = bytes(1, 1001);
    let (status, text) = refusal(&agent.declare("large", &[("a", b"x"), ("dir/large", &large)]));
    assert_eq!((status, text.as_str()), (413, "dir/large is larger than 1000 B, the most that is accepted"));
    agent.upload("fits", &[("exact", part_of(&large, 0, 1)[..1000].as_ref())]);
    let created = json_of(&agent.declare("two", &[("b", b"b"), ("c", b"c")]));
    let text = "A job has at most 3 artifacts (limits.artifacts_per_job)";
    assert_eq!(refusal(&agent.declare("more", &[("d", b"d")])), (403, text.into()));
    // What is declared counts, and the batch that is known does not count again.
    assert_eq!(agent.declared("two", &[("b", b"b"), ("c", b"c")])["artifact_ids"], created["artifact_ids"]);
    // Nor is there room for more where some failed: their records stay.
    assert_eq!(agent.report(&created, 0, "error", &[]).status, 200);
    assert_eq!(refusal(&agent.declare("more", &[("d", b"d")])), (403, text.into()));
    agent.send(&created, 1, "c", b"c").unwrap();
    assert_eq!(agent.report(&created, 1, "finished", &[]).status, 200);
}
