//! Builds as they are shown: every field with its type, states, retried jobs, and the things around them.

use serde_json::json;

use super::{FINISHED, PIPELINE, RUNNING_BUILD, get, got, json_of, path_of, request, small};
use crate::support::fixtures::{DEVELOPER, REPORTER};
use crate::support::gateway::Gateway;

on_both_databases!(
    a_build_has_buildkites_fields,
    what_the_registry_says_about_a_build_is_shown,
    states_are_those_of_the_table,
    retried_jobs_are_shown_on_request,
    a_job_is_found_by_build_and_by_organization,
    logs_are_what_was_traced,
    a_failure_that_is_soft_fails_nothing,
    organizations_pipelines_user_and_token_are_there,
    an_answer_that_has_not_changed_is_304
);

fn a_build_has_buildkites_fields(gateway: Gateway) {
    small(&gateway);
    let build = got(&gateway, FINISHED);
    assert_eq!(path_of(&gateway, &build["url"]), FINISHED);
    assert_eq!(path_of(&gateway, &build["web_url"]), "/group/project/-/pipelines/100");
    assert_eq!(path_of(&gateway, &build["pipeline"]["builds_url"]), format!("{PIPELINE}/builds"));
    for (field, value) in [
        ("number", json!(1)),
        ("state", json!("passed")),
        ("blocked", json!(false)),
        ("cancel_reason", json!(null)),
        ("message", json!(null)),
        ("commit", json!("aaaa")),
        ("branch", json!("main")),
        ("env", json!({})),
        ("meta_data", json!({})),
        ("source", json!("webhook")),
        ("pull_request", json!(null)),
        ("rebuilt_from", json!(null)),
        ("job_state_counts", json!({"total": 1, "states": {"passed": 1}})),
    ] {
        assert_eq!(build[field], value, "{field}");
    }
    assert_eq!(build["creator"]["name"], "developer");
    assert_eq!(build["pipeline"]["slug"], "project");
    let job = &build["jobs"][0];
    for (field, value) in [
        ("type", json!("script")),
        ("name", json!("build")),
        ("step_key", json!("build")),
        ("state", json!("passed")),
        ("exit_status", json!(0)),
        ("soft_failed", json!(false)),
        ("retried", json!(false)),
        ("retries_count", json!(null)),
        ("agent_query_rules", json!([])),
        ("artifact_paths", json!(null)),
        ("agent", json!(null)),
    ] {
        assert_eq!(job[field], value, "{field}");
    }
    let id = job["id"].as_str().unwrap();
    assert_eq!(path_of(&gateway, &job["log_url"]), format!("{FINISHED}/jobs/{id}/log"));
    assert_eq!(path_of(&gateway, &job["artifacts_url"]), format!("{FINISHED}/jobs/{id}/artifacts"));
    assert_eq!(job["web_url"], format!("{}#{id}", build["web_url"].as_str().unwrap()));
    let bare = got(&gateway, &format!("{FINISHED}?exclude_jobs=true&exclude_pipeline=True"));
    assert!(bare.get("jobs").is_none() && bare.get("pipeline").is_none());
}

fn what_the_registry_says_about_a_build_is_shown(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "projects: [{id: 1, path: group/project, buildkite: {organization: acme, pipeline: web}, pipelines: [{id: 200,
            ref: main, sha: bbbb, status: running, message: Hello, env: {A: 1, B: true}, meta_data: {k: v w},
            author: {name: Keith, email: k@example.com}, pull_request: {id: '42', base: main}, rebuilt_from: 100,
            jobs: [{id: 20, name: 'test 2/3', status: failed, allow_failure: true, command: make, exit_status: 3,
                step_key: tests, soft_failed: true, agent: {name: a1, hostname: h1}}]}]}]",
    );
    let path = "/v2/organizations/acme/pipelines/web/builds/2";
    let build = got(&gateway, path);
    assert_eq!(build["env"], json!({"A": "1", "B": "true"}));
    assert_eq!(build["meta_data"], json!({"k": "v w"}));
    assert_eq!(build["author"], json!({"name": "Keith", "email": "k@example.com"}));
    let pull_request = json!({"id": "42", "base": "main", "repository": null, "labels": []});
    assert_eq!((&build["message"], &build["pull_request"]), (&json!("Hello"), &pull_request));
    assert_eq!(build["rebuilt_from"]["number"], 1);
    assert_eq!(build["state"], "running", "a failure that is allowed fails nothing");
    let job = &build["jobs"][0];
    assert_eq!((&job["command"], &job["exit_status"]), (&json!("make"), &json!(3)));
    assert_eq!((&job["soft_failed"], &job["step_key"]), (&json!(true), &json!("tests")));
    assert_eq!((&job["parallel_group_index"], &job["parallel_group_total"]), (&json!(1), &json!(3)));
    assert_eq!((&job["agent"]["name"], &job["agent"]["hostname"]), (&json!("a1"), &json!("h1")));
    assert_eq!(get(&gateway, RUNNING_BUILD).status, 404, "the former names are no names");
    // A change by the coordinator.
    let patch = |path: &str, body: &str| {
        let answer = gateway
            .request("PATCH", path)
            .private_token(crate::support::fixtures::ADMIN)
            .header("Content-Type", "application/json")
            .body(body.as_bytes().to_vec())
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    gateway
        .load("users: [{id: 1, username: admin, tokens: [{value: glpat-admin, scopes: [api, registry]}]}]");
    patch("/api/registry/v1/pipelines/200", r#"{"message": null, "meta_data": {"x": 1}}"#);
    patch("/api/registry/v1/jobs/20", r#"{"exit_status": 7}"#);
    let build = got(&gateway, path);
    assert_eq!((&build["message"], &build["meta_data"]), (&json!(null), &json!({"x": "1"})));
    assert_eq!(build["jobs"][0]["exit_status"], 7);
}

fn states_are_those_of_the_table(gateway: Gateway) {
    small(&gateway);
    let skipped = "{id: 90, name: a, status: skipped}";
    let failed = "{id: 91, name: a, status: failed}";
    for (status, jobs, state, blocked) in [
        ("created", "", "creating", false),
        ("waiting_for_resource", "", "scheduled", false),
        ("preparing", "", "scheduled", false),
        ("pending", "", "scheduled", false),
        ("scheduled", "", "scheduled", false),
        ("running", "", "running", false),
        ("running", failed, "failing", false),
        ("success", "", "passed", false),
        ("failed", "", "failed", false),
        ("canceling", "", "canceling", false),
        ("canceled", "", "canceled", false),
        ("manual", failed, "failed", true),
        ("skipped", failed, "skipped", false),
    ] {
        gateway.load(&format!(
            "projects: [{{id: 2, path: group/states, visibility: public, pipelines: [{{id: 300, ref: main, sha: cc,
                status: {status}, jobs: [{jobs}]}}]}}]"
        ));
        let build = got(&gateway, "/v2/organizations/group/pipelines/states/builds/1");
        assert_eq!((&build["state"], &build["blocked"]), (&json!(state), &json!(blocked)), "{status}");
    }
    gateway.load(&format!(
        "projects: [{{id: 3, path: group/skipped, visibility: public, pipelines: [{{id: 301, ref: main, sha: cc,
            status: skipped, jobs: [{skipped}]}}]}}]"
    ));
    assert_eq!(got(&gateway, "/v2/organizations/group/pipelines/skipped/builds/1")["state"], "not_run");
    for (status, reason, state) in [
        ("created", "null", "pending"),
        ("pending", "null", "scheduled"),
        ("preparing", "null", "assigned"),
        ("failed", "job_execution_timeout", "timed_out"),
        ("failed", "stuck_or_timeout_failure", "expired"),
        ("failed", "script_failure", "failed"),
        ("manual", "null", "blocked"),
    ] {
        gateway.load(&format!(
            "projects: [{{id: 4, path: group/jobs, visibility: public, pipelines: [{{id: 302, ref: main, sha: cc,
                status: running, jobs: [{{id: 95, name: a, status: {status}, failure_reason: {reason}}}]}}]}}]"
        ));
        let build = got(&gateway, "/v2/organizations/group/pipelines/jobs/builds/1");
        assert_eq!(build["jobs"][0]["state"], state, "{status} {reason}");
    }
}

fn retried_jobs_are_shown_on_request(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [
            {id: 20, name: build, status: failed, retried: true}, {id: 22, name: build, status: running}]}]}]",
    );
    let jobs = got(&gateway, RUNNING_BUILD)["jobs"].as_array().unwrap().len();
    assert_eq!(jobs, 2, "the newest attempt, and lint");
    let build = got(&gateway, &format!("{RUNNING_BUILD}?include_retried_jobs=True"));
    let of = |at: usize| build["jobs"][at].clone();
    let (first, second) = (of(0), of(2));
    assert_eq!((&first["retried"], &first["retried_in_job_id"]), (&json!(true), &second["id"]));
    assert_eq!(second["retries_count"], 1);
    assert_eq!(second["retry_source"]["job_id"], first["id"]);
    assert_eq!(build["job_state_counts"]["total"], 3);
}

fn a_job_is_found_by_build_and_by_organization(gateway: Gateway) {
    small(&gateway);
    let list = got(&gateway, &format!("{FINISHED}/jobs"));
    assert_eq!(list["links"]["next"], json!(null));
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let one = got(&gateway, &format!("{FINISHED}/jobs/{id}/"));
    assert_eq!(got(&gateway, &format!("/v2/organizations/group/jobs/{id}")), one);
    assert_eq!(get(&gateway, &format!("{RUNNING_BUILD}/jobs/{id}")).status, 404, "of another build");
}

fn logs_are_what_was_traced(gateway: Gateway) {
    small(&gateway);
    gateway.write_file("job.log", b"a <b>\n");
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 100, ref: main, sha: aaaa, status: success, jobs: [
            {id: 10, name: build, status: success, artifacts: [{type: trace, file: job.log}]}]}]}]",
    );
    let job = got(&gateway, FINISHED)["jobs"][0].clone();
    let log = got(&gateway, &path_of(&gateway, &job["log_url"]));
    assert_eq!((&log["content"], &log["size"]), (&json!("a <b>\n"), &json!(6)));
    let raw = path_of(&gateway, &job["raw_log_url"]);
    let text = get(&gateway, &raw);
    assert_eq!((text.status, text.text()), (200, "a <b>\n"));
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    let tail = request(&gateway, "GET", REPORTER, &raw).header("Range", "bytes=-3").send();
    assert_eq!((tail.status, tail.text()), (206, "b>\n"));
    let page = get(&gateway, &raw.replace(".txt", ".html"));
    assert_eq!(page.text(), "<pre>a &lt;b&gt;\n</pre>\n");
    // Clients also choose the form by what they accept.
    let accepting = |kind: &str| {
        let answer =
            request(&gateway, "GET", REPORTER, &raw.replace(".txt", "")).header("Accept", kind).send();
        answer.text().to_owned()
    };
    assert_eq!(accepting("text/plain"), "a <b>\n");
    assert_eq!(accepting("text/html"), "<pre>a &lt;b&gt;\n</pre>\n");
    for kind in ["application/json", "*/*", "text/html+x", "image/png, text/plain"] {
        assert!(accepting(kind).starts_with('{'), "{kind}");
    }
    let none = got(&gateway, &path_of(&gateway, &got(&gateway, RUNNING_BUILD)["jobs"][0]["log_url"]));
    assert_eq!(none["content"], "");
}

fn a_failure_that_is_soft_fails_nothing(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [
            {id: 20, name: build, status: failed, soft_failed: true}]}]}]",
    );
    let build = got(&gateway, RUNNING_BUILD);
    assert_eq!((&build["state"], &build["failing_at"]), (&json!("running"), &json!(null)));
    let running = got(&gateway, &format!("{PIPELINE}/builds?state=running"));
    assert_eq!(super::field(&running, "number"), ["2"]);
}

fn organizations_pipelines_user_and_token_are_there(gateway: Gateway) {
    small(&gateway);
    let organizations = got(&gateway, "/v2/organizations");
    assert_eq!(organizations[0]["slug"], "group");
    assert_eq!(got(&gateway, "/v2/organizations/group")["id"], organizations[0]["id"]);
    let pipelines = got(&gateway, "/v2/organizations/group/pipelines");
    assert_eq!(pipelines[0]["slug"], "project");
    assert_eq!(got(&gateway, PIPELINE), pipelines[0]);
    let user = got(&gateway, "/v2/user");
    assert_eq!((&user["name"], user["id"].as_str().unwrap().len()), (&json!("reporter"), 36));
    let token = got(&gateway, "/v2/access-token");
    assert_eq!((&token["scopes"], &token["user"]["name"]), (&json!(["read_api"]), &json!("reporter")));
    assert!(token["created_at"].as_str().unwrap().ends_with(" UTC"), "{token}");
    let hello = got(&gateway, "/v2/");
    assert_eq!(hello["timestamp"], gateway.now().as_millis() / 1000);
    let options = gateway.request("OPTIONS", "/v2/builds").send();
    assert_eq!((options.status, options.header("access-control-allow-origin")), (204, Some("*")));
}

fn an_answer_that_has_not_changed_is_304(gateway: Gateway) {
    small(&gateway);
    let first = get(&gateway, FINISHED);
    let etag = first.header("etag").unwrap();
    assert_eq!(first.header("x-accepted-oauth-scopes"), Some("read_builds"));
    let second = request(&gateway, "GET", REPORTER, FINISHED).header("If-None-Match", etag).send();
    assert_eq!((second.status, second.body.len()), (304, 0));
    let others = request(&gateway, "GET", DEVELOPER, FINISHED).header("If-None-Match", "W/\"x\"").send();
    assert_eq!(json_of(&others)["number"], 1);
}
