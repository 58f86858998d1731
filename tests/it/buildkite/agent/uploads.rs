//! Uploads of an agent: in one request, in parts and in forms, and what the other dialects make of them.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use zip::ZipArchive;

use super::{Agent, bytes, described, json_of, part_of, refusal, sha1, sha256};
use crate::buildkite::{FINISHED, RUNNING_BUILD, field, got};
use crate::support::bucket;
use crate::support::fixtures::{DEVELOPER, MAINTAINER, RUNNING, UPLOADED};
use crate::support::gateway::Gateway;

on_both_databases!(
    files_are_uploaded_in_one_request_each_and_found_everywhere,
    old_agents_and_empty_files_use_forms,
    a_batch_is_the_same_when_it_is_declared_again,
    everything_may_be_sent_and_reported_again,
    two_files_of_one_path_are_two_artifacts,
    what_an_agent_gives_up_is_an_error_and_leaves_no_bytes,
    a_file_that_is_given_up_hinders_no_other_of_its_batch,
    what_is_never_finished_is_an_error_after_a_day,
    files_expire_as_the_settings_say
);

on_both_databases!(
    with small_parts:
    large_files_are_sent_in_parts,
    what_an_erased_job_handed_over_is_assembled_no_more,
    a_file_whose_part_is_lost_is_an_error,
    a_file_that_is_not_what_was_declared_is_never_stored,
    parts_that_a_stopped_node_left_are_assembled_by_another
);

/// A part has ten thousand bytes.
fn small_parts(settings: &mut artigate::settings::Settings) {
    settings.part_bytes = 10_000;
}

#[test]
fn uploads_into_a_bucket_are_the_same() {
    let gateway = || Gateway::in_a_bucket(bucket::server(), small_parts);
    files_are_uploaded_in_one_request_each_and_found_everywhere(gateway());
    old_agents_and_empty_files_use_forms(gateway());
    a_batch_is_the_same_when_it_is_declared_again(gateway());
    a_file_that_is_not_what_was_declared_is_never_stored(gateway());
}

fn files_are_uploaded_in_one_request_each_and_found_everywhere(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let files: [(&str, &[u8]); 3] =
        [("pkg/ä b.txt", b"hello"), ("log/x.log", b"line\n"), ("site/index.html", b"<p>")];
    let ids = agent.upload("batch-1", &files);
    // Buildkite's REST API.
    let listed = got(&gateway, &format!("{RUNNING_BUILD}/artifacts"));
    assert_eq!(field(&listed, "id"), ids);
    assert_eq!(field(&listed, "path"), ["pkg/ä b.txt", "log/x.log", "site/index.html"]);
    assert_eq!(field(&listed, "state"), ["finished"; 3]);
    assert_eq!(field(&listed, "sha1sum")[1], sha1(b"line\n"));
    assert_eq!(field(&listed, "mime_type"), ["text/plain"; 3]);
    // GitLab's: an archive that is put together, its tree, and each file.
    let read = |path: &str| gateway.get(path).private_token(DEVELOPER).send();
    let mut archive = ZipArchive::new(Cursor::new(read(UPLOADED).body)).unwrap();
    let mut text = String::new();
    archive.by_name("log/x.log").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((archive.len(), text.as_str()), (3, "line\n"));
    assert_eq!(read(&format!("{UPLOADED}/site/index.html")).body, b"<p>");
    let tree: Value = serde_json::from_slice(&read(&format!("{UPLOADED}/tree?recursive=true")).body).unwrap();
    assert!(field(&tree, "path").contains(&"pkg/ä b.txt".to_owned()), "{tree}");
    // GitHub's.
    let path = "/api/v3/repos/group/project/actions/runs/200/artifacts";
    let run: Value = serde_json::from_slice(&read(path).body).unwrap();
    let mut names = field(&run["artifacts"], "name");
    names.sort();
    assert_eq!(names, ["log-x.log", "pkg-ä b.txt", "site-index.html"]);
}

fn old_agents_and_empty_files_use_forms(gateway: Gateway) {
    let mut agent = Agent::of_small(&gateway);
    let created = agent.declared("batch-1", &[("empty", b""), ("full", b"x")]);
    assert_eq!(created["per_artifact_instructions"].as_object().unwrap().len(), 1, "{created}");
    agent.upload("batch-2", &[("none", b"")]);
    agent.in_parts = false;
    let large = bytes(1, 300_000);
    let files: [(&str, &[u8]); 3] = [("a \"quoted\".txt", b"q"), ("b/c.bin", &large), ("d", b"")];
    let created = agent.declared("batch-3", &files);
    assert_eq!(created["per_artifact_instructions"], json!({}));
    agent.upload("batch-4", &files);
    for (path, content) in files {
        let found = agent.found(path, "");
        assert_eq!(found.len(), 1, "{path}");
        assert!(agent.download(&found[0]).body == content, "{path}");
    }
    assert_eq!(agent.paths("none", ""), ["none"]);
}

fn large_files_are_sent_in_parts(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let (large, small) = (bytes(1, 45_003), bytes(2, 19_999));
    let created = agent.declared("batch-1", &[("large", &large), ("small", &small)]);
    let instructions = &created["per_artifact_instructions"];
    let actions = |at: usize| {
        let id = created["artifact_ids"][at].as_str().unwrap();
        instructions[id]["actions"].as_array().unwrap().clone()
    };
    assert_eq!((actions(0).len(), actions(1).len()), (4, 1));
    // In any order, and each twice.
    let parts = actions(0);
    for at in [2, 0, 3, 1, 2] {
        let part = part_of(&large, at, 4);
        assert!(part.len() >= 10_000);
        assert_eq!(agent.send_part(&parts[at], part).status, 200);
    }
    assert_eq!(agent.paths("large", ""), [] as [&str; 0], "not before it is reported");
    assert_eq!(
        agent.report(&created, 0, "finished", &[(1, "\"x\"".into()), (2, "\"y\"".into())]).status,
        200
    );
    // A search waits until it is assembled.
    let found = agent.found("large", "");
    assert_eq!(found[0]["sha256sum"], sha256(&large));
    let downloaded = agent.download(&found[0]);
    assert!(downloaded.body == large);
    assert_eq!(downloaded.header("content-type"), Some("text/plain"));
    assert_eq!(
        field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts?state=finished")), "path"),
        ["large"]
    );
    gateway.until_blobs(2);
}

fn a_batch_is_the_same_when_it_is_declared_again(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let files: [(&str, &[u8]); 2] = [("a", b"1"), ("b", b"22")];
    let first = agent.declared("batch-1", &files);
    let again = agent.declared("batch-1", &files);
    assert_eq!(first["artifact_ids"], again["artifact_ids"]);
    // When it is complete too.
    let ids = agent.upload("batch-1", &files);
    assert_eq!(first["artifact_ids"], json!(ids));
    assert_eq!(agent.declared("batch-1", &files)["artifact_ids"], json!(ids));
    assert_eq!(agent.upload("batch-1", &files), ids);
    assert_eq!(field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts")), "id"), ids);
    for other in [[("a", &b"1"[..]), ("c", b"22")], [("a", b"1"), ("b", b"33")]] {
        let other = agent.declare("batch-1", &other);
        assert_eq!(refusal(&other), (422, "id: a batch of this ID was declared with other files".into()));
    }
    // Without an ID each is its own.
    let mut request = json!({"artifacts": [described("a", b"1")], "multipart_supported": true});
    let one = json_of(&agent.send_json("POST", "/jobs/20/artifacts", &request));
    request["id"] = Value::Null;
    let two = json_of(&agent.send_json("POST", "/jobs/20/artifacts", &request));
    assert_ne!(one["artifact_ids"], two["artifact_ids"]);
    let none = json_of(&agent.send_json("POST", "/jobs/20/artifacts", &json!({"id": "e", "artifacts": []})));
    assert_eq!((&none["artifact_ids"], &none["upload_instructions"]), (&json!([]), &Value::Null));
}

fn everything_may_be_sent_and_reported_again(gateway: Gateway) {
    let mut agent = Agent::of_small(&gateway);
    let created = agent.declared("batch-1", &[("a", b"one")]);
    for _ in 0..2 {
        agent.send(&created, 0, "a", b"one").unwrap();
    }
    for _ in 0..3 {
        assert_eq!(agent.report(&created, 0, "finished", &[]).status, 200);
        agent.send(&created, 0, "a", b"one").unwrap();
    }
    agent.in_parts = false;
    let created = agent.declared("batch-2", &[("b", b"two")]);
    for _ in 0..3 {
        agent.send(&created, 0, "b", b"two").unwrap();
        assert_eq!(agent.report(&created, 0, "finished", &[]).status, 200);
    }
    assert_eq!(agent.paths("*", ""), ["a", "b"]);
    gateway.until_blobs(3);
    // A day later the batch is forgotten, and its artifacts are still known by their IDs.
    gateway.advance_clock(25 * 3600);
    gateway.sweep();
    assert_eq!(agent.report(&created, 0, "finished", &[]).status, 200);
}

fn two_files_of_one_path_are_two_artifacts(gateway: Gateway) {
    let mut agent = Agent::of_small(&gateway);
    let first = agent.upload("batch-1", &[("a/x.txt", b"first"), ("b", b"b")]);
    let ids = agent.upload("batch-2", &[("a/x.txt", b"second"), ("a/x.txt", b"third!")]);
    agent.in_parts = false;
    // Of two of one path and size in a form, whichever arrives.
    let alike = agent.upload("batch-3", &[("c", b"same"), ("c", b"same")]);
    let listed = got(&gateway, &format!("{RUNNING_BUILD}/artifacts?path=a/x.txt"));
    assert_eq!(field(&listed, "id"), [first[0].as_str(), &ids[0], &ids[1]]);
    assert_eq!(field(&listed, "sha1sum"), [sha1(b"first"), sha1(b"second"), sha1(b"third!")]);
    let read = |path: &str| gateway.get(path).private_token(DEVELOPER).send();
    assert_eq!(read(&format!("{UPLOADED}/a/x.txt")).body, b"third!", "the one that was stored last");
    let archive = ZipArchive::new(Cursor::new(read(UPLOADED).body)).unwrap();
    assert_eq!(archive.len(), 3);
    assert_eq!(agent.found("a/*", "")[0]["id"], ids[1]);
    assert_eq!(agent.found("a/*", "&include_duplicates=true").len(), 3);
    assert_eq!(agent.found("c", "&include_duplicates=true").len(), alike.len());
    let refused = agent.search("a/x.txt", "");
    let text = "Multiple artifacts were found for query: `a/x.txt`. Try scoping by the job ID or name.";
    assert_eq!(refusal(&refused), (400, text.into()));
    // When the newest is deleted, the one before it is there.
    let path = format!("{RUNNING_BUILD}/jobs/{}/artifacts/{}", field(&listed, "job_id")[0], ids[1]);
    assert_eq!(crate::buildkite::delete(&gateway, &path).status, 204);
    assert_eq!(read(&format!("{UPLOADED}/a/x.txt")).body, b"second");
}

fn a_file_that_is_not_what_was_declared_is_never_stored(gateway: Gateway) {
    let mut agent = Agent::of_small(&gateway);
    let wrong = |what: &str| (422, format!("What was received differs from what was declared: {what}"));
    for in_parts in [true, false] {
        agent.in_parts = in_parts;
        let created = agent.declared(&format!("batch-{in_parts}"), &[("a", b"hello")]);
        let refused = agent.send(&created, 0, "a", b"HELLO").unwrap_err();
        assert_eq!(refusal(&refused), wrong("sha1sum"));
        for bytes in [&b"hell"[..], b"hello!"] {
            let refused = agent.send(&created, 0, "a", bytes).unwrap_err();
            assert_eq!(refused.status, 422, "{}", refused.text());
        }
        let text = refusal(&agent.report(&created, 0, "finished", &[])).1;
        assert!(
            text.starts_with("artifacts: the bytes of a (") && text.ends_with("did not all arrive"),
            "{text}"
        );
        agent.send(&created, 0, "a", b"hello").unwrap();
    }
    let mut request =
        json!({"id": "lies", "multipart_supported": true, "artifacts": [described("b", b"hello")]});
    request["artifacts"][0]["sha256sum"] = sha256(b"HELLO").into();
    let created = json_of(&agent.send_json("POST", "/jobs/20/artifacts", &request));
    agent.in_parts = true;
    assert_eq!(refusal(&agent.send(&created, 0, "b", b"hello").unwrap_err()), wrong("sha256sum"));
    // Of parts that is known only when they are together.
    let (honest, lie) = (bytes(1, 30_000), bytes(2, 30_000));
    let created = agent.declared("parts", &[("large", &honest)]);
    let tags = agent.send(&created, 0, "large", &lie).unwrap();
    assert_eq!(agent.report(&created, 0, "finished", &tags).status, 200);
    assert_eq!(agent.paths("large", ""), [] as [&str; 0]);
    assert_eq!(field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts?path=large")), "state"), ["error"]);
    let missing = agent.declared("missing", &[("large", &honest)]);
    let id = missing["artifact_ids"][0].as_str().unwrap();
    let actions = missing["per_artifact_instructions"][id]["actions"].as_array().unwrap().clone();
    assert_eq!(agent.send_part(&actions[1], part_of(&honest, 1, 3)).status, 200);
    assert_eq!(agent.send_part(&actions[0], &honest[..9_999]).status, 422);
    assert_eq!(agent.report(&missing, 0, "finished", &[]).status, 422);
}

fn what_an_agent_gives_up_is_an_error_and_leaves_no_bytes(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let created = agent.declared("batch-1", &[("sent", b"bytes"), ("unsent", b"bytes")]);
    agent.send(&created, 0, "sent", b"bytes").unwrap();
    for at in [0, 1, 0] {
        assert_eq!(agent.report(&created, at, "error", &[]).status, 200);
    }
    let listed = got(&gateway, &format!("{RUNNING_BUILD}/artifacts"));
    assert_eq!(field(&listed, "state"), ["error", "error"]);
    assert_eq!(
        field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts?state=finished")), "id"),
        [] as [&str; 0]
    );
    assert_eq!(agent.paths("*", ""), [] as [&str; 0]);
    assert_eq!(agent.send(&created, 0, "sent", b"bytes").unwrap_err().status, 404);
    assert_eq!(agent.report(&created, 0, "finished", &[]).status, 422);
    gateway.until_blobs(1);
    assert_eq!(gateway.get(UPLOADED).private_token(DEVELOPER).send().status, 404);
}

fn a_file_that_is_given_up_hinders_no_other_of_its_batch(gateway: Gateway) {
    let mut agent = Agent::of_small(&gateway);
    for in_parts in [true, false] {
        agent.in_parts = in_parts;
        let batch = format!("batch-{in_parts}");
        let names = ["first", "second", "empty"].map(|name| format!("{name}-{in_parts}"));
        let files: [(&str, &[u8]); 3] = [(&names[0], b"1"), (&names[1], b"2"), (&names[2], b"")];
        let created = agent.declared(&batch, &files);
        assert_eq!(agent.report(&created, 0, "error", &[]).status, 200);
        for at in [1, 2] {
            agent.send(&created, at, files[at].0, files[at].1).unwrap();
            assert_eq!(agent.report(&created, at, "finished", &[]).status, 200);
        }
        assert_eq!(agent.paths(&format!("*-{in_parts}"), ""), names[1..]);
    }
}

/// Leaves an upload as a node does that is killed after it answered its report.
fn leave_ordered(gateway: &Gateway) {
    let now = gateway.now().as_millis();
    gateway.write_catalog(move |db| {
        use diesel::RunQueryDsl;
        let ordered = format!("UPDATE uploads SET state = 'ordered', ordered_at = {now}");
        Ok(diesel::sql_query(ordered).execute(db).map(drop)?)
    });
    gateway.advance_clock(30);
}

fn assemble_left(gateway: &Gateway) {
    gateway.block_on(gateway.app.ingest.assemble_left(&gateway.app.clock)).unwrap();
}

fn what_an_erased_job_handed_over_is_assembled_no_more(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let large = bytes(1, 50_000);
    agent.upload("before", &[("small", b"small")]);
    let created = agent.declared("batch", &[("large", &large)]);
    agent.send(&created, 0, "large", &large).unwrap();
    leave_ordered(&gateway);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: success,
            jobs: [{id: 20, name: build, status: success}]}]}]",
    );
    let erased = gateway.post("/api/v4/projects/1/jobs/20/erase").private_token(MAINTAINER).send();
    assert_eq!(erased.status, 201);
    assemble_left(&gateway);
    gateway.sweep();
    assert_eq!(gateway.get(UPLOADED).private_token(DEVELOPER).send().status, 404);
    gateway.until_blobs(1);
}

fn a_file_whose_part_is_lost_is_an_error(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let (large, before) = (bytes(1, 50_000), gateway.blobs());
    let created = agent.declared("batch", &[("large", &large)]);
    agent.send(&created, 0, "large", &large).unwrap();
    let part = gateway.blobs().into_iter().find(|blob| !before.contains(blob)).unwrap();
    std::fs::remove_file(part).unwrap();
    leave_ordered(&gateway);
    assemble_left(&gateway);
    assert_eq!(agent.paths("*", ""), [] as [&str; 0], "it is not waited for");
    assert_eq!(field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts")), "state"), ["error"]);
    gateway.until_blobs(1);
}

fn what_is_never_finished_is_an_error_after_a_day(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let created = agent.declared("batch-1", &[("sent", b"bytes"), ("unsent", b"bytes")]);
    agent.send(&created, 0, "sent", b"bytes").unwrap();
    let states = || field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts")), "state");
    assert_eq!(states(), ["new", "new"]);
    gateway.sweep();
    assert_eq!(states(), ["new", "new"]);
    gateway.advance_clock(25 * 3600);
    gateway.sweep();
    assert_eq!(states(), ["error", "error"]);
    gateway.until_blobs(1);
    // As long as the tombstones of artifacts, and no longer.
    gateway.advance_clock(401 * 24 * 3600);
    gateway.sweep();
    assert_eq!(states(), [] as [&str; 0]);
}

fn parts_that_a_stopped_node_left_are_assembled_by_another(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let large = bytes(1, 50_000);
    let created = agent.declared("batch-1", &[("large", &large)]);
    agent.send(&created, 0, "large", &large).unwrap();
    leave_ordered(&gateway);
    gateway.advance_clock(-10);
    let states = || field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts")), "state");
    assemble_left(&gateway);
    assert_eq!(states(), ["new"], "the other node may still be at it");
    // The end of the job ends nothing that was reported.
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 200, ref: main, sha: bbbb, status: success,
            jobs: [{{id: 20, name: build, status: success, token: {RUNNING}}}]}}]}}]"
    ));
    gateway.advance_clock(2 * 3600);
    gateway.sweep();
    assert_eq!(states(), ["new"]);
    assemble_left(&gateway);
    assert_eq!(states(), ["finished"]);
    assert!(gateway.get(&format!("{UPLOADED}/large")).private_token(DEVELOPER).send().body == large);
    gateway.until_blobs(2);
}

fn files_expire_as_the_settings_say(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    agent.upload("batch-1", &[("a", b"a")]);
    gateway.advance_clock(31 * 24 * 3600);
    gateway.sweep();
    // The newest successful pipeline is another, so nothing of this one is locked.
    assert_eq!(agent.paths("*", ""), [] as [&str; 0]);
    assert_eq!(field(&got(&gateway, &format!("{RUNNING_BUILD}/artifacts")), "state"), ["expired"]);
    assert_eq!(field(&got(&gateway, &format!("{FINISHED}/artifacts")), "path"), ["a.txt", "log/b.log"]);
}
