//! Quotas of projects and groups: what does not fit is refused in every dialect, and uploads at once do not add up to more.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::{count, stored, upload, upload_path, view};
use crate::administration::{done, parsed, refused, run};
use crate::buildkite::agent::Agent;
use crate::github;
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};
use crate::support::zips;

on_both_databases!(
    a_quota_is_set_and_removed_by_command_and_document,
    a_runners_upload_past_a_quota_is_refused_with_what_is_used_and_allowed,
    the_toolkit_is_told_of_a_quota_in_the_words_that_it_knows,
    an_agents_files_are_refused_together_before_they_are_sent,
    what_is_promised_to_one_upload_is_not_given_to_another,
    a_groups_quota_holds_for_all_projects_below_it,
    four_fifths_are_warned_of_once,
    uploads_at_once_do_not_add_up_to_more_than_a_quota
);

fn set(gateway: &Gateway, size: &str) {
    done(gateway, &["project", "set", "group/project", "--max-storage", size]);
}

fn a_quota_is_set_and_removed_by_command_and_document(gateway: Gateway) {
    fixtures::small(&gateway, &[0; 100]);
    let quota =
        |gateway: &Gateway| parsed(gateway, &["project", "show", "group/project"])["max_storage"].clone();
    assert_eq!(quota(&gateway), Value::Null);
    set(&gateway, "10 MiB");
    assert_eq!(quota(&gateway), 10 << 20);
    gateway.load("projects: [{id: 1, path: group/project}]");
    assert_eq!(quota(&gateway), 10 << 20, "a document that does not name it leaves it");
    gateway.load("projects: [{id: 1, path: group/project, max_storage: 5 MiB}]\ngroups: [{path: Group, max_storage: 200}]");
    assert_eq!(quota(&gateway), 5 << 20);
    let groups = json!([{"path": "Group", "artifacts": 1, "artifact_bytes": 100, "max_storage": 200,
        "nearly_full": false}]);
    assert_eq!(parsed(&gateway, &["group", "list"]), groups);
    done(&gateway, &["group", "set", "group", "--max-storage", "none"]);
    assert_eq!(parsed(&gateway, &["group", "list"]), json!([]));
    gateway.load(
        "projects: [{id: 1, path: group/project, max_storage: null}]\ngroups: [{path: a, max_storage: 1}]",
    );
    gateway.load("groups: [{path: a, max_storage: null}]");
    assert_eq!((quota(&gateway), parsed(&gateway, &["group", "list"])), (Value::Null, json!([])));
    for (document, why) in [
        ("projects: [{id: 1, path: a, max_storage: 0}]", "projects[0]: max_storage: expected a size above 0"),
        ("groups: [{path: a, max_storage: 0}]", "groups[0]: max_storage: expected a size above 0"),
        ("groups: [{path: a//b, max_storage: 1}]", "groups[0]: path: \"a//b\" is not a valid full path"),
        ("groups: [{path: a}, {path: A}]", "groups[1]: path: a appears twice"),
    ] {
        let error = gateway.try_load(document).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let (code, _, error) = run(&gateway, &["group", "set", "a//b", "--max-storage", "1"]);
    assert!(code == Some(2) && error.contains("expected a full path"), "{error}");
    refused(&gateway, &["project", "set", "no/one", "--max-storage", "1"], "there is no project \"no/one\"");
}

fn a_runners_upload_past_a_quota_is_refused_with_what_is_used_and_allowed(gateway: Gateway) {
    fixtures::small(&gateway, &[0; 1000]);
    set(&gateway, "3 KiB");
    // At the bound it fits; the same again adds nothing, though nothing more fits.
    let rest = zips::noise(3 * 1024 - 1000);
    assert_eq!(upload(&gateway, "junit", &rest).0, 201);
    assert_eq!(upload(&gateway, "junit", &rest).0, 201);
    let (status, text) = upload(&gateway, "sast", b"x");
    assert_eq!(
        (status, text.as_str()),
        (
            413,
            r#"{"message":"project group/project stores 3 KiB of the 3 KiB that it may store (max_storage); 1 B do not fit"}"#
        )
    );
    assert_eq!(stored(&gateway), (2, 3 * 1024, 0));
    gateway.until_blobs(2);
    // Declared, it is refused before a byte of it is read; else where nothing more fits.
    let head = gateway.post(&upload_path("sast")).job_token(RUNNING).form_type();
    let head = head.header("Content-Length", "10000000");
    let answer = head.send();
    assert!(answer.status == 413 && answer.text().contains("stores 3 KiB of the 3 KiB"), "{}", answer.text());
    let form = Form::default().file("a", &[1; 100_000]);
    let answer = gateway.post(&upload_path("sast")).job_token(RUNNING).chunked_form(form).send();
    assert!(answer.status == 413 && answer.text().contains("max_storage"), "{}", answer.text());
    gateway.until_blobs(2);
    // What is deleted makes room, before its bytes are removed.
    assert_eq!(super::delete(&gateway, fixtures::ARCHIVE), 204);
    assert_eq!(upload(&gateway, "sast", &[1; 1000]).0, 201);
    assert_eq!(upload(&gateway, "dast", b"x").0, 413);
}

fn the_toolkit_is_told_of_a_quota_in_the_words_that_it_knows(gateway: Gateway) {
    fixtures::small(&gateway, &[0; 1000]);
    set(&gateway, "2 KiB");
    let token = github::runtime_token(&gateway, "20", RUNNING);
    let link = github::create(&gateway, &token, "bin", json!({}));
    assert_eq!(github::put_block(&gateway, &link, &github::block_id(0), &[1; 900]).status, 201);
    let refused = github::put_block(&gateway, &link, &github::block_id(1), &[1; 149]);
    assert_eq!((refused.status, refused.header("x-ms-error-code")), (413, Some("RequestBodyTooLarge")));
    assert!(
        refused.text().contains("project group/project stores 1.8 KiB of the 2 KiB"),
        "{}",
        refused.text()
    );
    assert_eq!(
        github::put_block(&gateway, &link, &github::block_id(0), &[2; 1048]).status,
        201,
        "in its place"
    );
    gateway.until_blobs(2);
    assert_eq!(github::put_list(&gateway, &link, [github::block_id(0)]).status, 201);
    let call = |name: &str| {
        let request = github::with(github::of_job(name), json!({"version": 4}));
        let path = "/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact";
        let answer = Request::new(gateway.address, "POST", path)
            .header("Authorization", &format!("Bearer {token}"))
            .body(request.to_string().into_bytes())
            .send();
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    let (status, error) = call("more");
    assert_eq!((status, &error["code"]), (403, &json!("permission_denied")));
    assert_eq!(
        error["msg"],
        "insufficient usage: project group/project stores 2 KiB of the 2 KiB that it may store (max_storage); more do \
         not fit"
    );
    let finalize = github::with(github::of_job("bin"), json!({"size": "1048"}));
    github::called(&gateway, &token, "FinalizeArtifact", &finalize);
    assert_eq!(stored(&gateway), (2, 2048, 0));
}

fn an_agents_files_are_refused_together_before_they_are_sent(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let (_, used, _) = stored(&gateway);
    let max = used + 100;
    gateway.load(&format!("projects: [{{id: 1, path: group/project, max_storage: {max}}}]"));
    let answer = agent.declare("one", &[("a", &[0; 60]), ("b", &[0; 41])]);
    let message: Value = serde_json::from_slice(&answer.body).unwrap();
    let expected = format!(
        "project group/project stores {used} B of the {max} B that it may store (max_storage); 101 B do not fit"
    );
    assert_eq!((answer.status, message["message"].as_str()), (403, Some(expected.as_str())));
    agent.upload("two", &[("a", &[0; 60]), ("b", &[0; 40])]);
    assert_eq!(stored(&gateway), (3, max, 0));
    assert_eq!(agent.declare("three", &[("c", b"x")]).status, 403);
    assert_eq!(agent.declare("four", &[("c", b"")]).status, 201, "nothing always fits");
}

fn what_is_promised_to_one_upload_is_not_given_to_another(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    let (_, used, _) = stored(&gateway);
    gateway.load(&format!("projects: [{{id: 1, path: group/project, max_storage: {}}}]", used + 100));
    let declared = agent.declared("one", &[("a", &[7; 80])]);
    assert_eq!(upload(&gateway, "junit", &[1; 21]).0, 413);
    assert_eq!(upload(&gateway, "junit", &[1; 20]).0, 201);
    assert_eq!(agent.declare("two", &[("b", b"x")]).status, 403);
    let sent = agent.send(&declared, 0, "a", &[7; 80]).unwrap();
    assert_eq!(agent.report(&declared, 0, "finished", &sent).status, 200);
    assert_eq!(stored(&gateway), (3, used + 100, 0));
}

fn a_groups_quota_holds_for_all_projects_below_it(gateway: Gateway) {
    let made = Fixture::project("group/sub/one").pipeline(100, "main").job(10, "a").archive(&[0; 600]);
    let made = made.and_project("groupies/two").pipeline(101, "main").job(11, "a").archive(&[0; 5000]);
    let made = made.and_project("group/three").pipeline(200, "main").status("running");
    made.job(20, "a").status("running").token(RUNNING).load(&gateway);
    done(&gateway, &["group", "set", "Group", "--max-storage", "1 KiB"]);
    let (status, text) = upload(&gateway, "junit", &[1; 425]);
    assert!(status == 413 && text.contains("group Group stores 600 B of the 1 KiB"), "{text}");
    assert_eq!(upload(&gateway, "junit", &[1; 400]).0, 201);
    // The tighter one of both is told.
    done(&gateway, &["project", "set", "group/three", "--max-storage", "405"]);
    let (status, text) = upload(&gateway, "sast", &[1; 24]);
    assert!(status == 413 && text.contains("project group/three stores 400 B of the 405 B"), "{text}");
    let groups = view(&gateway).groups;
    assert_eq!((groups[0].stored.bytes, groups[0].nearly_full), (1000, true));
    let nearly: Vec<bool> = view(&gateway).projects.iter().map(|it| it.nearly_full).collect();
    assert_eq!(nearly, [false, false, true]);
}

fn four_fifths_are_warned_of_once(gateway: Gateway) {
    fixtures::small(&gateway, &[0; 700]);
    set(&gateway, "1000");
    assert_eq!(count(&gateway).nearly_full, Vec::<String>::new());
    assert_eq!(upload(&gateway, "junit", &[1; 100]).0, 201);
    assert!(view(&gateway).projects[0].nearly_full, "it is shown at once");
    assert_eq!(count(&gateway).nearly_full, ["project group/project"]);
    assert_eq!(count(&gateway).nearly_full, ["project group/project"]);
    assert_eq!(super::delete(&gateway, fixtures::ARCHIVE), 204);
    assert_eq!(count(&gateway).nearly_full, Vec::<String>::new());
}

fn uploads_at_once_do_not_add_up_to_more_than_a_quota(gateway: Gateway) {
    const JOBS: i64 = 12;
    let mut made = Fixture::project("group/project").pipeline(100, "main").status("running");
    for job in 1..=JOBS {
        made = made.job(job, &format!("j{job}")).status("running").token(&format!("glcbt-{job}"));
    }
    made.load(&gateway);
    set(&gateway, "5 KiB");
    let barrier = Barrier::new(JOBS as usize);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let upload = |job: i64| {
            let (barrier, gateway) = (&barrier, &gateway);
            scope.spawn(move || {
                let form = Form::default().file("a.zip", &[job as u8; 1024]);
                let request = gateway.post(&format!("/api/v4/jobs/{job}/artifacts"));
                barrier.wait();
                request.job_token(&format!("glcbt-{job}")).chunked_form(form).send().status
            })
        };
        let running: Vec<_> = (1..=JOBS).map(upload).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 413).count(), 7, "{statuses:?}");
    assert_eq!(stored(&gateway), (5, 5 * 1024, 0));
    gateway.until_blobs(5);
}
