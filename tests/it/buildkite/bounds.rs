//! Bounds: builds with very many jobs, numbers that are used up, and builds of other projects.

use diesel::RunQueryDsl;
use serde_json::json;

use super::{FINISHED, PIPELINE, RUNNING_BUILD, get, got, json_of, put, refused, request, send, small};
use crate::support::fixtures::{ADMIN, GUEST};
use crate::support::gateway::Gateway;

on_both_databases!(
    a_build_with_many_jobs_is_whole,
    jobs_are_listed_a_page_at_a_time,
    a_number_that_is_the_last_one_stops_no_other_project,
    a_build_of_another_project_is_no_original,
    a_pipeline_counts_what_waits_and_runs,
    the_scopes_of_a_token_are_told,
    a_change_is_answered_whatever_its_client_has
);

/// Adds jobs to the running build.
fn add_jobs(gateway: &Gateway, count: usize) {
    gateway.write_catalog(move |db| {
        let uuid = match db {
            artigate::catalog::Db::Sqlite(_) => "randomblob(16)",
            artigate::catalog::Db::Postgres(_) => "uuid_send(gen_random_uuid())",
        };
        let text = format!(
            "INSERT INTO jobs (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, created_at) \
             WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) \
             SELECT 1000 + n, {uuid}, 1, 200, 'job ' || n, 'test', 'success', FALSE, FALSE, 0 FROM s"
        );
        diesel::sql_query(text).execute(db).map_err(artigate::domain::Error::from)
    });
}

fn a_build_with_many_jobs_is_whole(gateway: Gateway) {
    small(&gateway);
    add_jobs(&gateway, 1_500);
    let build = got(&gateway, RUNNING_BUILD);
    assert_eq!(build["jobs"].as_array().unwrap().len(), 1_502);
    let expected = json!({"total": 1_502, "states": {"passed": 1_501, "running": 1}});
    assert_eq!(build["job_state_counts"], expected);
    let bare = got(&gateway, &format!("{RUNNING_BUILD}?exclude_jobs=true"));
    assert_eq!(bare["job_state_counts"], expected, "counted without being read");
    assert!(bare.get("jobs").is_none());
    let list = got(&gateway, &format!("{PIPELINE}/builds"));
    assert_eq!(list[0]["jobs"].as_array().unwrap().len(), 1_502);
    gateway.write_catalog(|db| {
        let delete = diesel::sql_query("DELETE FROM jobs WHERE id > 1000");
        delete.execute(db).map_err(artigate::domain::Error::from)
    });
    add_jobs(&gateway, 19_999);
    for path in [RUNNING_BUILD.to_owned(), format!("{PIPELINE}/builds")] {
        let (status, why) = refused(&get(&gateway, &path));
        assert!(status == 422 && why.contains("exclude_jobs=true"), "{path}: {status} {why}");
        assert_eq!(get(&gateway, &format!("{path}?exclude_jobs=true")).status, 200);
    }
    assert_eq!(got(&gateway, FINISHED)["jobs"].as_array().unwrap().len(), 1);
    // What changes all jobs reads them, and is refused before; a cancellation does not, and is done.
    assert_eq!(refused(&put(&gateway, &format!("{RUNNING_BUILD}/retry_failed_jobs"))).0, 422);
    let canceled = json_of(&put(&gateway, &format!("{RUNNING_BUILD}/cancel")));
    assert_eq!((canceled["state"].as_str(), canceled.get("jobs")), (Some("canceling"), None));
    let state = |query: &str| got(&gateway, &format!("{RUNNING_BUILD}?{query}"))["job_state_counts"].clone();
    assert_eq!(
        state("exclude_jobs=true"),
        json!({"total": 20_001, "states": {"passed": 20_000, "canceling": 1}})
    );
}

fn jobs_are_listed_a_page_at_a_time(gateway: Gateway) {
    small(&gateway);
    add_jobs(&gateway, 68);
    let names = |page: &serde_json::Value| super::field(&page["items"], "name");
    let first = got(&gateway, &format!("{RUNNING_BUILD}/jobs"));
    assert_eq!((names(&first).len(), names(&first)[1].as_str()), (30, "lint"));
    let second = got(&gateway, &super::path_of(&gateway, &first["links"]["next"]));
    let third = got(&gateway, &super::path_of(&gateway, &second["links"]["next"]));
    assert_eq!((names(&third).len(), &third["links"]["next"]), (10, &json!(null)));
    assert_eq!(got(&gateway, &super::path_of(&gateway, &second["links"]["self"])), second);
    let all: Vec<String> = [&first, &second, &third].into_iter().flat_map(names).collect();
    let at_once = got(&gateway, &format!("{RUNNING_BUILD}/jobs?per_page=100&page=0"));
    assert_eq!(names(&at_once), all);
    let after = first["links"]["next"].as_str().unwrap().split("after=").nth(1).unwrap();
    let cursor = after.split('&').next().unwrap();
    let before = got(&gateway, &format!("{RUNNING_BUILD}/jobs?before={cursor}&per_page=5"));
    assert_eq!(names(&before), all[24..29]);
    let passed = got(&gateway, &format!("{RUNNING_BUILD}/jobs?job_states[]=running"));
    assert_eq!(names(&passed), ["build"]);
    for (query, words) in [
        ("after=nonsense", "after is not a valid cursor".to_owned()),
        ("before=am9iOng", "before is not a valid cursor".to_owned()),
        ("per_page=0", "per_page must be a number from 1 to 100".to_owned()),
        ("per_page=101", "per_page must be a number from 1 to 100".to_owned()),
        ("per_page=x", "per_page must be a number from 1 to 100".to_owned()),
        (&format!("after={cursor}&before={cursor}"), "expected after or before, not both".to_owned()),
    ] {
        assert_eq!(
            refused(&get(&gateway, &format!("{RUNNING_BUILD}/jobs?{query}"))),
            (400, words),
            "{query}"
        );
    }
}

fn a_number_that_is_the_last_one_stops_no_other_project(gateway: Gateway) {
    small(&gateway);
    let largest = i64::MAX;
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [
            {{id: 300, iid: {largest}, ref: main, sha: a, status: success}}]}},
         {{id: 2, path: group/other, visibility: public, members: {{developer: developer}}, pipelines: [
            {{id: {largest}, ref: main, sha: a, status: failed, jobs: [
                {{id: {largest}, name: a, status: failed}}]}}]}}]"
    ));
    let body = json!({"commit": "HEAD", "branch": "main"});
    let full = send(&gateway, "POST", &format!("{PIPELINE}/builds"), &body);
    assert_eq!(refused(&full), (422, "No number is left: the largest possible one is taken".into()));
    let rebuild = put(&gateway, &format!("{FINISHED}/rebuild"));
    assert_eq!(refused(&rebuild).0, 422);
    let other = "/v2/organizations/group/pipelines/other/builds";
    let created = json_of(&send(&gateway, "POST", other, &body));
    assert_eq!(created["number"], 2);
    let job = got(&gateway, &format!("{other}/1"))["jobs"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(put(&gateway, &format!("{other}/1/jobs/{job}/retry")).status, 200);
}

fn a_build_of_another_project_is_no_original(gateway: Gateway) {
    small(&gateway);
    let document = |original: i64| {
        format!(
            "projects: [{{id: 2, path: hidden/web, visibility: private, pipelines: [
                {{id: 500, ref: main, sha: s, status: success}}]}},
             {{id: 1, path: group/project, pipelines: [
                {{id: 300, ref: main, sha: s, status: success, rebuilt_from: {original}}}]}}]"
        )
    };
    let why = gateway.try_load(&document(500)).unwrap_err().to_string();
    assert!(why.contains("projects[1].pipelines[0]"), "{why}");
    assert!(why.contains("rebuilt_from: pipeline 500 belongs to another project"), "{why}");
    gateway.load(&document(100));
    let third = format!("{PIPELINE}/builds/3");
    assert_eq!(got(&gateway, &third)["rebuilt_from"]["number"], 1);
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: coordinator, scopes: [registry]}]}]");
    let patch = |original: i64| {
        request(&gateway, "PATCH", "coordinator", "/api/registry/v1/pipelines/300")
            .header("Content-Type", "application/json")
            .body(json!({"rebuilt_from": original}).to_string().into_bytes())
            .send()
    };
    let refusal = refused(&patch(500));
    assert_eq!(refusal, (400, "rebuilt_from: pipeline 500 belongs to another project".into()));
    // One that is not there yet may become one of another project.
    assert_eq!(patch(501).status, 200);
    gateway.load(
        "projects: [{id: 2, path: hidden/web, pipelines: [{id: 501, ref: main, sha: s, status: success}]}]",
    );
    let shown = json_of(&request(&gateway, "GET", ADMIN, &third).send());
    assert_eq!(shown["rebuilt_from"], json!(null));
}

fn a_pipeline_counts_what_waits_and_runs(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [
            {id: 300, ref: main, sha: s, status: running, jobs: [
                {id: 30, name: a, status: running}, {id: 31, name: b, status: pending}, {id: 32, name: c, status: created}]},
            {id: 301, ref: main, sha: s, status: pending}]}]",
    );
    let counts = |pipeline: &serde_json::Value| {
        ["scheduled_builds", "running_builds", "scheduled_jobs", "running_jobs", "waiting_jobs"]
            .map(|name| pipeline[format!("{name}_count")].as_i64().unwrap())
    };
    let expected = [1, 2, 1, 2, 1];
    assert_eq!(counts(&got(&gateway, PIPELINE)), expected);
    assert_eq!(counts(&got(&gateway, "/v2/organizations/group/pipelines")[0]), expected);
    assert_eq!(counts(&got(&gateway, FINISHED)["pipeline"]), expected);
}

fn the_scopes_of_a_token_are_told(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "users: [{id: 2, username: maintainer, tokens: [{value: narrow, scopes: [read_artifacts, read_builds]}]}]",
    );
    let read = request(&gateway, "GET", "narrow", FINISHED).send();
    assert_eq!(read.header("x-oauth-scopes"), Some("read_artifacts,read_builds"));
    assert_eq!(read.header("x-accepted-oauth-scopes"), Some("read_builds"));
    assert!(read.header("access-control-expose-headers").unwrap().contains("X-OAuth-Scopes"));
    let refused = request(&gateway, "PUT", "narrow", &format!("{FINISHED}/cancel")).send();
    assert_eq!((refused.status, refused.header("x-oauth-scopes")), (403, Some("read_artifacts,read_builds")));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "a page may read why");
    assert_eq!(request(&gateway, "GET", "nobody", FINISHED).send().header("x-oauth-scopes"), None);
    assert_eq!(request(&gateway, "GET", GUEST, FINISHED).send().header("x-oauth-scopes"), Some("read_api"));
}

fn a_change_is_answered_whatever_its_client_has(gateway: Gateway) {
    small(&gateway);
    let etag = get(&gateway, FINISHED).header("etag").unwrap().to_owned();
    let known = request(&gateway, "GET", ADMIN, FINISHED).header("If-None-Match", &etag).send();
    assert_eq!(known.status, 304);
    let path = format!("{FINISHED}/rebuild");
    let rebuilt = request(&gateway, "PUT", ADMIN, &path).header("If-None-Match", "*").send();
    let again = request(&gateway, "PUT", ADMIN, &path)
        .header("If-None-Match", rebuilt.header("etag").unwrap())
        .send();
    assert_eq!((rebuilt.status, again.status), (200, 200));
}
