//! Builds that are created here: they wait, are run by others, canceled, repeated and tried again.

use serde_json::json;

use super::{FINISHED, PIPELINE, RUNNING_BUILD, get, got, json_of, put, refused, send, small};
use crate::support::fixtures::{ADMIN, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;

on_both_databases!(
    a_created_build_waits_and_is_run_by_others,
    numbers_are_unique_when_many_create_at_once,
    a_build_that_nobody_takes_is_canceled,
    canceling_reaches_running_jobs_and_ends_with_them,
    a_cancellation_ends_though_jobs_do_not,
    a_cancellation_is_not_undone_by_late_reports,
    a_build_with_jobs_is_taken,
    a_build_is_repeated_without_meta_data,
    failed_jobs_are_tried_again
);

fn create(gateway: &Gateway) -> serde_json::Value {
    let body = json!({"commit": "HEAD", "branch": "main", "message": "Hello", "env": {"A": "b"},
        "meta_data": {"flag": true}, "author": {"name": "Keith"}});
    let answer = send(gateway, "POST", &format!("{PIPELINE}/builds"), &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    json_of(&answer)
}

/// The number of a build's pipeline.
fn pipeline_of(build: &serde_json::Value) -> i64 {
    build["web_url"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

fn a_created_build_waits_and_is_run_by_others(gateway: Gateway) {
    small(&gateway);
    let build = create(&gateway);
    assert_eq!((&build["state"], &build["source"]), (&json!("scheduled"), &json!("api")));
    assert_eq!((&build["number"], &build["commit"], &build["jobs"]), (&json!(3), &json!("HEAD"), &json!([])));
    assert_eq!(build["meta_data"], json!({"flag": "true"}));
    assert_eq!(build["creator"]["name"], "developer");
    let id = pipeline_of(&build);
    assert!(id >= 1 << 50, "{id}");
    let waiting = gateway.get("/api/v4/projects/1/pipelines?status=pending").private_token(ADMIN).send();
    let waiting: serde_json::Value = serde_json::from_slice(&waiting.body).unwrap();
    assert_eq!((&waiting[0]["id"], &waiting[0]["source"]), (&json!(id), &json!("api")));
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: {id}, ref: main, sha: cccc, status: running,
            jobs: [{{id: 30, name: build, status: running, token: taken}}]}}]}}]"
    ));
    let build = got(&gateway, &format!("{PIPELINE}/builds/3"));
    assert_eq!((&build["state"], &build["jobs"][0]["state"]), (&json!("running"), &json!("running")));
    gateway.advance_clock(2 * 86_400);
    gateway.sweep();
    assert_eq!(got(&gateway, &format!("{PIPELINE}/builds/3"))["state"], "running", "somebody runs it");
    // A document cannot take a number that is taken.
    let taken = gateway.try_load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 999, iid: 3, ref: main, sha: x, status: running}]}]",
    );
    assert!(taken.is_err());
}

fn numbers_are_unique_when_many_create_at_once(gateway: Gateway) {
    small(&gateway);
    let mut numbers: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| create(&gateway)["number"].as_i64().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (3..11).collect::<Vec<_>>());
}

fn a_build_that_nobody_takes_is_canceled(gateway: Gateway) {
    small(&gateway);
    create(&gateway);
    gateway.advance_clock(86_400 - 1);
    gateway.sweep();
    assert_eq!(got(&gateway, &format!("{PIPELINE}/builds/3"))["state"], "scheduled");
    gateway.advance_clock(1);
    gateway.sweep();
    let build = got(&gateway, &format!("{PIPELINE}/builds/3"));
    assert_eq!((&build["state"], &build["cancel_reason"]), (&json!("canceled"), &json!("expired")));
}

fn canceling_reaches_running_jobs_and_ends_with_them(gateway: Gateway) {
    small(&gateway);
    let build = json_of(&put(&gateway, &format!("{RUNNING_BUILD}/cancel")));
    assert_eq!((&build["state"], &build["finished_at"]), (&json!("canceling"), &json!(null)));
    assert_eq!(build["jobs"][0]["state"], "canceling");
    let again = refused(&put(&gateway, &format!("{RUNNING_BUILD}/cancel")));
    assert_eq!(again, (422, "Build can't be canceled because it's already being canceled.".into()));
    // A runner learns of it, and its uploads are still taken.
    let form = crate::support::http_client::Form::default()
        .file("artifacts.zip", &crate::support::zips::deflated(&[("late", b"x")]));
    let upload = gateway.post(UPLOAD).job_token(RUNNING).form(form).send();
    assert_eq!(upload.status, 201, "{}", upload.text());
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: canceling,
            jobs: [{id: 20, name: build, status: canceled}]}]}]",
    );
    let build = got(&gateway, RUNNING_BUILD);
    assert_eq!(build["state"], "canceled");
    assert!(build["finished_at"].is_string());
    let again = refused(&put(&gateway, &format!("{RUNNING_BUILD}/cancel")));
    assert_eq!(again, (422, "Build can't be canceled because it's already been canceled.".into()));
    let finished = refused(&put(&gateway, &format!("{FINISHED}/cancel")));
    assert_eq!(finished, (422, "Build can't be canceled because it's already finished.".into()));
    create(&gateway);
    let waiting = json_of(&put(&gateway, &format!("{PIPELINE}/builds/3/cancel")));
    assert_eq!(waiting["state"], "canceled", "nothing runs");
}

fn a_cancellation_ends_though_jobs_do_not(gateway: Gateway) {
    small(&gateway);
    assert_eq!(put(&gateway, &format!("{RUNNING_BUILD}/cancel")).status, 200);
    gateway.advance_clock(600);
    gateway.sweep();
    let build = got(&gateway, RUNNING_BUILD);
    assert_eq!((&build["state"], &build["jobs"][0]["state"]), (&json!("canceled"), &json!("canceled")));
}

/// Reports as a coordinator does; the status of the answer.
fn report(gateway: &Gateway, path: &str, status: &str) -> u16 {
    gateway
        .request("PATCH", &format!("/api/registry/v1/{path}"))
        .private_token("registrar")
        .header("Content-Type", "application/json")
        .body(json!({ "status": status }).to_string().into_bytes())
        .send()
        .status
}

fn registrar(gateway: &Gateway) {
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: registrar, scopes: [registry]}]}]");
}

fn a_cancellation_is_not_undone_by_late_reports(gateway: Gateway) {
    small(&gateway);
    registrar(&gateway);
    let state = |number: i64| got(&gateway, &format!("{PIPELINE}/builds/{number}"))["state"].clone();
    // Canceled before anybody ran it: whoever saw it waiting is told so.
    let id = pipeline_of(&create(&gateway));
    assert_eq!(put(&gateway, &format!("{PIPELINE}/builds/3/cancel")).status, 200);
    assert_eq!(report(&gateway, &format!("pipelines/{id}"), "running"), 409);
    let document = format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: {id}, ref: main, sha: c, status: running}}]}}]"
    );
    assert!(gateway.try_load(&document).is_err());
    assert_eq!(state(3), "canceled");
    // Canceled while it runs: it ends when its jobs have ended, or in ten minutes.
    assert_eq!(put(&gateway, &format!("{RUNNING_BUILD}/cancel")).status, 200);
    assert_eq!(report(&gateway, "jobs/20", "running"), 200);
    assert_eq!(report(&gateway, "pipelines/200", "running"), 200);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [
            {id: 20, name: build, status: running}, {id: 29, name: late, status: running}]}]}]",
    );
    let build = got(&gateway, RUNNING_BUILD);
    assert_eq!((&build["state"], &build["jobs"][0]["state"]), (&json!("canceling"), &json!("canceling")));
    gateway.advance_clock(600);
    gateway.sweep();
    let build = got(&gateway, RUNNING_BUILD);
    assert_eq!(build["state"], "canceled");
    let jobs = build["jobs"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["state"] != "running"), "{build}");
}

fn a_build_with_jobs_is_taken(gateway: Gateway) {
    small(&gateway);
    let id = pipeline_of(&create(&gateway));
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: {id}, ref: main, sha: c, status: pending,
            jobs: [{{id: 31, name: build, status: running}}]}}]}}]"
    ));
    gateway.advance_clock(2 * 86_400);
    gateway.sweep();
    let build = got(&gateway, &format!("{PIPELINE}/builds/3"));
    assert_eq!((&build["state"], &build["cancel_reason"]), (&json!("scheduled"), &json!(null)));
}

fn a_build_is_repeated_without_meta_data(gateway: Gateway) {
    small(&gateway);
    create(&gateway);
    let answer = put(&gateway, &format!("{PIPELINE}/builds/3/rebuild"));
    assert_eq!(answer.status, 200);
    let build = json_of(&answer);
    assert_eq!((&build["number"], &build["state"]), (&json!(4), &json!("scheduled")));
    assert_eq!((&build["message"], &build["env"]), (&json!("Hello"), &json!({"A": "b"})));
    assert_eq!((&build["meta_data"], &build["jobs"]), (&json!({}), &json!([])));
    assert_eq!(build["rebuilt_from"]["number"], 3);
}

fn failed_jobs_are_tried_again(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: failed, jobs: [
            {id: 20, name: build, status: failed, command: make},
            {id: 23, name: soft, status: failed, allow_failure: true}]}]}]",
    );
    let path = format!("{RUNNING_BUILD}/retry_failed_jobs");
    let answer = send(&gateway, "PUT", &path, &json!({"states": "failed"}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let build = json_of(&answer);
    assert_eq!((&build["retried_jobs_count"], &build["state"]), (&json!(1), &json!("running")));
    let job = build["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "build").unwrap().clone();
    assert_eq!((&job["state"], &job["command"]), (&json!("scheduled"), &json!("make")));
    let soft = build["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "soft").unwrap();
    let soft = format!("{RUNNING_BUILD}/jobs/{}/retry", soft["id"].as_str().unwrap());
    let retried = json_of(&put(&gateway, &soft));
    assert_eq!((&retried["state"], &retried["retries_count"]), (&json!("scheduled"), &json!(1)));
    assert_eq!(refused(&put(&gateway, &soft)), (400, "Jobs can only be retried once".into()));
    let passed = got(&gateway, FINISHED)["jobs"][0]["id"].as_str().unwrap().to_owned();
    let passed = put(&gateway, &format!("/v2/organizations/group/jobs/{passed}/retry"));
    assert_eq!(refused(&passed), (400, "Only failed, timed out or canceled jobs can be retried".into()));
    let invalid = send(&gateway, "PUT", &path, &json!({"states": "invalid"}));
    assert!(refused(&invalid).1.starts_with("Invalid states: invalid. Valid states are "));
    assert_eq!(get(&gateway, RUNNING_BUILD).status, 200);
}
