//! Names of artifacts in a run: which may be, who takes one, and which upload it stands for.

use serde_json::json;

use super::{
    archive, begin, block_id, call, called, create, of_job, put_block, put_list, refused, runtime_token,
    signed, upload, with,
};
use crate::support::fixtures::{MAINTAINER, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;
use crate::support::zips;

on_both_databases!(
    names_that_could_not_be_directories_are_refused,
    a_name_is_taken_once_in_a_run_except_by_a_later_attempt,
    a_name_that_another_running_job_uploads_is_taken,
    a_name_that_another_job_took_meanwhile_is_refused_at_the_end,
    the_newest_upload_of_a_name_is_finished_whatever_its_form,
    a_named_archive_comes_before_the_archive_of_the_job,
    deleting_takes_effect_at_once
);

/// Registers a second job beside the first one, which is then in this state.
fn beside(gateway: &Gateway, first: &str) {
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 200, ref: main, sha: bbbb, status: running,
            jobs: [{{id: 20, name: build, status: {first}}},
                {{id: 23, name: other, status: running, token: other, user: developer}}]}}]}}]"
    ));
}

fn names_that_could_not_be_directories_are_refused(gateway: Gateway) {
    let token = begin(&gateway);
    let long = "x".repeat(256);
    for name in [
        "", ".", "..", "a/b", "a\\b", "a:b", "a\"b", "a<b", "a>b", "a|b", "a*b", "a?b", "a\rb", "a\nb",
        "a\tb", &long,
    ] {
        let answer = call(&gateway, &token, "CreateArtifact", &with(of_job(name), json!({"version": 4})));
        let (status, code, message) = refused(&answer);
        assert_eq!((status, code.as_str()), (400, "invalid_argument"), "{name:?}");
        assert!(message.starts_with("name: "), "{message}");
    }
    for name in ["größe + & # %", &"x".repeat(255)] {
        assert_eq!(
            call(&gateway, &token, "CreateArtifact", &with(of_job(name), json!({"version": 4}))).status,
            200
        );
    }
}

fn a_name_is_taken_once_in_a_run_except_by_a_later_attempt(gateway: Gateway) {
    let token = begin(&gateway);
    upload(&gateway, &token, "bin", &archive(), 1000, json!({}));
    let again = call(&gateway, &token, "CreateArtifact", &with(of_job("bin"), json!({"version": 4})));
    let words = "an artifact with this name already exists on the workflow run";
    assert_eq!(refused(&again), (409, "already_exists".into(), words.into()));
    // The name of the job's own archive blocks nothing.
    assert_eq!(
        call(&gateway, &token, "CreateArtifact", &with(of_job("build"), json!({"version": 4}))).status,
        200
    );
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [
            {id: 20, name: build, status: failed, retried: true}, {id: 22, name: build, status: running, token: later, user: developer},
            {id: 23, name: other, status: running, token: other, user: developer}]}]}]",
    );
    let later = runtime_token(&gateway, "22", "later");
    let of = |job: &str| with(of_job("bin"), json!({"workflow_job_run_backend_id": job, "version": 4}));
    assert_eq!(call(&gateway, &later, "CreateArtifact", &of("22")).status, 200);
    let other = runtime_token(&gateway, "23", "other");
    assert_eq!(call(&gateway, &other, "CreateArtifact", &of("23")).status, 409);
}

fn a_name_that_another_running_job_uploads_is_taken(gateway: Gateway) {
    let token = begin(&gateway);
    create(&gateway, &token, "x", json!({}));
    beside(&gateway, "running");
    let other = runtime_token(&gateway, "23", "other");
    let of_other = with(of_job("x"), json!({"workflow_job_run_backend_id": "23", "version": 4}));
    assert_eq!(refused(&call(&gateway, &other, "CreateArtifact", &of_other)).0, 409);
    beside(&gateway, "failed");
    assert_eq!(call(&gateway, &other, "CreateArtifact", &of_other).status, 200, "it ended without it");
}

fn a_name_that_another_job_took_meanwhile_is_refused_at_the_end(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "x", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"1").status, 201);
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    beside(&gateway, "failed");
    let other = runtime_token(&gateway, "23", "other");
    let of_other = json!({"workflow_job_run_backend_id": "23"});
    let second = create(&gateway, &other, "x", of_other.clone());
    assert_eq!(put_block(&gateway, &second, &block_id(0), b"2").status, 201);
    assert_eq!(put_list(&gateway, &second, [block_id(0)]).status, 201);
    called(&gateway, &other, "FinalizeArtifact", &with(with(of_job("x"), of_other), json!({"size": "1"})));
    beside(&gateway, "running");
    let late = call(&gateway, &token, "FinalizeArtifact", &with(of_job("x"), json!({"size": "1"})));
    assert_eq!(refused(&late).0, 409, "{}", late.text());
}

fn the_newest_upload_of_a_name_is_finished_whatever_its_form(gateway: Gateway) {
    let token = begin(&gateway);
    let (zip, raw) = (json!({}), json!({"version": 7, "mime_type": "text/plain"}));
    for (name, first, second) in [("a", &zip, &raw), ("b", &raw, &zip)] {
        let before = create(&gateway, &token, name, first.clone());
        assert_eq!(put_block(&gateway, &before, &block_id(0), b"before").status, 201);
        let id = upload(&gateway, &token, name, b"content", 1000, second.clone());
        let listed =
            called(&gateway, &token, "ListArtifacts", &with(of_job(name), json!({"name_filter": name})));
        assert_eq!(listed["artifacts"][0]["database_id"], id.to_string());
        assert_eq!(listed["artifacts"][0]["size"], "7");
        assert_eq!(put_block(&gateway, &before, &block_id(1), b"late").status, 403);
    }
}

fn a_named_archive_comes_before_the_archive_of_the_job(gateway: Gateway) {
    let token = begin(&gateway);
    let own = archive();
    let named = upload(&gateway, &token, "build", &own, 1000, json!({}));
    let form = Form::default().file("other.zip", &zips::deflated(&[("runner", b"r")]));
    let uploaded = gateway.post(UPLOAD).job_token(RUNNING).form(form).send();
    assert_eq!(uploaded.status, 201, "{}", uploaded.text());
    let link = signed(&gateway, &token, "build");
    assert!(gateway.get(&link).send().body == own);
    let deleted = called(&gateway, &token, "DeleteArtifact", &of_job("build"));
    assert_eq!(deleted["artifact_id"], named.to_string());
}

fn deleting_takes_effect_at_once(gateway: Gateway) {
    let token = begin(&gateway);
    let first = upload(&gateway, &token, "bin", &archive(), 1000, json!({}));
    let deleted = called(&gateway, &token, "DeleteArtifact", &of_job("bin"));
    assert_eq!(deleted, json!({"ok": true, "artifact_id": first.to_string()}));
    assert_eq!(refused(&call(&gateway, &token, "DeleteArtifact", &of_job("bin"))).1, "not_found");
    let second = upload(&gateway, &token, "bin", &archive(), 1000, json!({}));
    assert!(second > first);
    let gone = gateway.get(&format!("/api/v3/repos/group/project/actions/artifacts/{first}"));
    assert_eq!(gone.private_token(MAINTAINER).send().status, 404);
}
