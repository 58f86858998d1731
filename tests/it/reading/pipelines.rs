//! Pipelines: lists, the latest one, a single one, and the bridges to its children.

use artigate::catalog::Db;
use diesel::RunQueryDsl;
use serde_json::{Value, json};

use super::{get, ids, json, link, load, without_address};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

fn listed(gateway: &Gateway, query: &str) -> Vec<i64> {
    ids(&get(gateway, fixtures::REPORTER, &format!("/projects/1/pipelines?{query}")))
}

on_both_databases!(
    pipelines_are_listed_newest_first_without_children,
    every_filter_of_pipelines_filters,
    pipelines_are_found_by_the_time_of_their_last_change,
    pipelines_are_sorted_as_asked,
    a_pipeline_alone_tells_more_than_in_the_list,
    the_latest_pipeline_is_the_newest_of_its_ref_whatever_became_of_it,
    bridges_lead_to_the_children_and_no_further,
    pipelines_are_for_those_who_may_read_jobs,
    more_than_ten_thousand_pipelines_are_not_counted
);

fn pipelines_are_listed_newest_first_without_children(gateway: Gateway) {
    load(&gateway);
    let answer = get(&gateway, fixtures::REPORTER, "/projects/1/pipelines");
    assert_eq!(ids(&answer), [105, 104, 103, 100]);
    assert_eq!((answer.header("x-total"), answer.header("x-total-pages")), (Some("4"), Some("1")));
    let pipelines = json(&answer);
    assert_eq!(
        pipelines[2],
        json!({
            "id": 103, "iid": 4, "project_id": 1, "sha": "bbbb", "ref": "feature/x", "status": "failed",
            "source": "merge_request_event", "created_at": "2026-02-01T12:00:00.000Z", "updated_at": "2026-02-01T12:00:00.000Z",
            "web_url": format!("{}/group/sub/project/-/pipelines/103", gateway.base_url()), "name": null,
        })
    );
    let second = get(&gateway, fixtures::REPORTER, "/projects/1/pipelines?per_page=3&page=2&order_by=id");
    assert_eq!(ids(&second), [100]);
    let first = format!("{}/api/v4/projects/1/pipelines?order_by=id&page=1&per_page=3", gateway.base_url());
    assert_eq!((link(&second, "first"), link(&second, "next")), (Some(first), None));
}

fn every_filter_of_pipelines_filters(gateway: Gateway) {
    load(&gateway);
    for (query, expected) in [
        ("ref=main", vec![105, 100]),
        ("ref=feature%2Fx", vec![103]),
        ("ref=feature/x&status=success", vec![]),
        ("sha=aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000", vec![100]),
        ("status=failed", vec![103]),
        ("source=parent_pipeline", vec![102, 101]),
        ("source=parent_pipeline&status=failed", vec![102]),
        ("source=web", vec![104]),
        ("username=developer", vec![105, 100]),
        ("username=nobody", vec![]),
        ("scope=running", vec![105]),
        ("scope=pending", vec![]),
        ("scope=finished", vec![104, 103, 100]),
        ("scope=finished&status=canceled", vec![104]),
        ("scope=running&status=canceled", vec![]),
        ("scope=branches", vec![105, 103]),
        ("scope=tags", vec![104]),
        ("created_before=2026-01-31", vec![100]),
        ("created_after=2026-01-31T00:00:00%2B01:00", vec![105, 104, 103]),
        ("name=nightly", vec![]),
        ("yaml_errors=true", vec![]),
        ("yaml_errors=False&status=", vec![105, 104, 103, 100]),
        ("unknown=1", vec![105, 104, 103, 100]),
    ] {
        assert_eq!(listed(&gateway, query), expected, "{query}");
    }
}

fn pipelines_are_found_by_the_time_of_their_last_change(gateway: Gateway) {
    load(&gateway);
    gateway.advance_clock(3600);
    gateway.load("projects: [{id: 1, path: group/sub/project, pipelines: [{id: 103, ref: feature/x, sha: bbbb, status: success}]}]");
    for (query, expected) in [
        ("updated_after=2026-02-01T12:30:00Z", vec![103]),
        ("updated_before=2026-02-01T12:30:00.000Z", vec![105, 104, 100]),
        ("updated_after=2026-02-01T13:00:00Z", vec![103]),
        ("updated_after=2026-02-01T14:00:00+01:00&updated_before=2026-02-01T15:00:00+01:00", vec![103]),
        ("updated_after=2026-02-01T12:30:00", vec![103]),
        ("updated_after=2026-02-02", vec![]),
        ("order_by=updated_at", vec![103, 105, 104, 100]),
        ("order_by=updated_at&sort=asc", vec![100, 104, 105, 103]),
    ] {
        assert_eq!(listed(&gateway, query), expected, "{query}");
    }
}

fn pipelines_are_sorted_as_asked(gateway: Gateway) {
    load(&gateway);
    for (query, expected) in [
        ("sort=asc", vec![100, 103, 104, 105]),
        ("order_by=ref&sort=asc", vec![103, 100, 105, 104]),
        ("order_by=status&sort=desc", vec![100, 105, 103, 104]),
        ("order_by=id&sort=desc&per_page=2&page=2", vec![103, 100]),
    ] {
        assert_eq!(listed(&gateway, query), expected, "{query}");
    }
    assert_eq!(listed(&gateway, "order_by=user_id&sort=asc&username=developer"), [100, 105]);
}

fn a_pipeline_alone_tells_more_than_in_the_list(gateway: Gateway) {
    load(&gateway);
    let pipeline = json(&get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/100"));
    insta::assert_json_snapshot!(without_address(&gateway, &pipeline), @r#"
    {
      "before_sha": "0000000000000000000000000000000000000000",
      "committed_at": null,
      "coverage": "85.25",
      "created_at": "2026-01-11T10:00:00.000Z",
      "detailed_status": {
        "details_path": "/group/sub/project/-/pipelines/100",
        "favicon": "/assets/ci_favicons/favicon_status_success.png",
        "group": "success",
        "has_details": true,
        "icon": "status_success",
        "illustration": null,
        "label": "passed",
        "text": "Passed",
        "tooltip": "passed"
      },
      "duration": 63,
      "finished_at": "2026-01-11T10:01:05.500Z",
      "id": 100,
      "iid": 1,
      "name": null,
      "project_id": 1,
      "queued_duration": 2,
      "ref": "main",
      "sha": "aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000",
      "source": "push",
      "started_at": "2026-01-11T10:00:02.000Z",
      "status": "success",
      "tag": false,
      "updated_at": "2026-02-01T12:00:00.000Z",
      "user": {
        "avatar_url": null,
        "id": 3,
        "locked": false,
        "name": "developer",
        "public_email": null,
        "state": "active",
        "username": "developer",
        "web_url": "http://gateway/developer"
      },
      "web_url": "http://gateway/group/sub/project/-/pipelines/100",
      "yaml_errors": null
    }
    "#);
    let bare = json(&get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/104"));
    assert_eq!(
        (&bare["tag"], &bare["user"], &bare["duration"], &bare["coverage"]),
        (&json!(true), &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/99").error(),
        (404, r#"{"message":"404 Not found"}"#)
    );
    gateway.load("projects: [{id: 2, path: group/other, visibility: public}]");
    assert_eq!(
        get(&gateway, fixtures::ADMIN, "/projects/2/pipelines/100").error(),
        (404, r#"{"message":"404 Not found"}"#)
    );
}

fn the_latest_pipeline_is_the_newest_of_its_ref_whatever_became_of_it(gateway: Gateway) {
    load(&gateway);
    let latest =
        |query: &str| get(&gateway, fixtures::REPORTER, &format!("/projects/1/pipelines/latest{query}"));
    assert_eq!(json(&latest(""))["id"], 105, "of the default branch");
    assert_eq!(
        json(&latest("?ref=main")),
        json(&get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/105"))
    );
    assert_eq!(json(&latest("?ref=feature/x"))["id"], 103);
    assert_eq!(latest("?ref=none").error(), (404, r#"{"message":"404 Not Found"}"#));
    gateway.load("projects: [{id: 1, path: group/sub/project, pipelines: [{id: 106, ref: main, sha: e, status: success, source: parent_pipeline, parent: 105}]}]");
    assert_eq!(json(&latest(""))["id"], 105, "a child is not the latest of anything");
    gateway.load("projects: [{id: 2, path: group/bare, visibility: public}]");
    assert_eq!(
        get(&gateway, "", "/projects/2/pipelines/latest").error(),
        (404, r#"{"message":"404 Not Found"}"#)
    );
}

fn bridges_lead_to_the_children_and_no_further(gateway: Gateway) {
    load(&gateway);
    let answer = get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/100/bridges");
    assert_eq!(answer.header("x-total"), Some("1"));
    let bridges = json(&answer);
    let base = gateway.base_url();
    for (pointer, expected) in [
        ("/0/status", json!("success")),
        ("/0/ref", json!("main")),
        ("/0/duration", json!(8.0)),
        ("/0/queued_duration", json!(2.0)),
        ("/0/erased_at", Value::Null),
        ("/0/user/username", json!("developer")),
        ("/0/commit/title", json!("Test")),
        ("/0/pipeline/id", json!(100)),
        ("/0/downstream_pipeline/id", json!(101)),
        ("/0/downstream_pipeline/sha", json!("aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000")),
        ("/0/downstream_pipeline/status", json!("success")),
        ("/0/downstream_pipeline/web_url", json!(format!("{base}/group/sub/project/-/pipelines/101"))),
    ] {
        assert_eq!(bridges.pointer(pointer), Some(&expected), "{pointer} of {bridges:#}");
    }
    let of = |path: &str| json(&get(&gateway, fixtures::REPORTER, path));
    assert_eq!(of("/projects/1/pipelines/101/bridges")[0]["downstream_pipeline"]["id"], 102);
    assert_eq!(of("/projects/1/pipelines/102/bridges"), json!([]));
    assert_eq!(of("/projects/1/pipelines/101/bridges?scope[]=success"), json!([]));
    assert_eq!(of("/projects/1/pipelines/101/bridges?scope=failed").as_array().unwrap().len(), 1);
    assert_eq!(
        get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/99/bridges").error(),
        (404, r#"{"message":"404 Not found"}"#)
    );
}

fn pipelines_are_for_those_who_may_read_jobs(gateway: Gateway) {
    load(&gateway);
    gateway.load("projects:
  - {id: 2, path: group/open, visibility: public, default_branch: main, pipelines: [{id: 200, ref: main, sha: a, status: success}]}
  - {id: 3, path: group/shy, visibility: public, public_jobs: false, default_branch: main, pipelines: [{id: 300, ref: main, sha: a, status: success}]}
");
    for path in ["pipelines", "pipelines/latest", "pipelines/{}", "pipelines/{}/bridges"] {
        let ask = |token: &str, project: i64, pipeline: i64| {
            get(
                &gateway,
                token,
                &format!("/projects/{project}/{}", path.replace("{}", &pipeline.to_string())),
            )
        };
        assert_eq!(ask("", 2, 200).status, 200, "{path}");
        assert_eq!(ask("", 3, 300).error(), (403, r#"{"message":"403 Forbidden"}"#), "{path}");
        assert_eq!(ask("", 1, 100).error(), (404, r#"{"message":"404 Project Not Found"}"#), "{path}");
        assert_eq!(ask(fixtures::OUTSIDER, 1, 100).status, 404, "{path}");
        assert_eq!(ask(fixtures::GUEST, 1, 100).status, 200, "{path}");
        assert_eq!(ask("wrong", 2, 200).error(), (401, r#"{"message":"401 Unauthorized"}"#), "{path}");
        let url = format!("/api/v4/projects/1/{}", path.replace("{}", "100"));
        assert_eq!(
            gateway.get(&url).job_token(fixtures::RUNNING).send().status,
            404,
            "a job's token is none here"
        );
        assert_eq!(gateway.head(&url).private_token(fixtures::REPORTER).send().status, 200);
    }
}

fn more_than_ten_thousand_pipelines_are_not_counted(gateway: Gateway) {
    gateway.load("projects: [{id: 1, path: group/long, visibility: public}]");
    gateway.catalog(|db| {
        let uuid = match db {
            Db::Sqlite(_) => "randomblob(16)",
            Db::Postgres(_) => "uuid_send(gen_random_uuid())",
        };
        // One by one, as a document is loaded, this would take a minute.
        diesel::sql_query(format!(
            "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 10001) \
                 INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, root_id, depth, created_at, updated_at) \
                 SELECT n, {uuid}, 1, n, 'main', FALSE, 'a', 'success', 'push', n, 0, 1770000000000, 1770000000000 FROM s"
        ))
        .execute(db)?;
        Ok(())
    });
    let ask = |query: &str| get(&gateway, "", &format!("/projects/1/pipelines?{query}"));
    for query in [
        "",
        "&status=success",
        "&updated_after=2026-01-01",
        "&scope=finished",
        "&updated_before=2027-01-01&order_by=updated_at",
    ] {
        let second = ask(&format!("per_page=2&page=2{query}"));
        assert_eq!(ids(&second), [9_999, 9_998], "{query}");
        assert_eq!(
            (second.header("x-total"), second.header("x-total-pages"), link(&second, "last")),
            (None, None, None),
            "{query}"
        );
        assert_eq!(
            (second.header("x-next-page"), second.header("x-prev-page")),
            (Some("3"), Some("1")),
            "{query}"
        );
    }
    let last = ask("per_page=100&page=101");
    assert_eq!((ids(&last), last.header("x-next-page")), (vec![1], Some("")));
    gateway.load(
        "projects: [{id: 1, path: group/long, pipelines: [{id: 7, ref: main, sha: a, status: failed}]}]",
    );
    let counted = ask("status=success&per_page=100&page=100");
    assert_eq!((counted.header("x-total"), counted.header("x-total-pages")), (Some("10000"), Some("100")));
    assert_eq!(ids(&counted).last(), Some(&1));
    let branches = ask("scope=branches");
    assert_eq!((ids(&branches), branches.header("x-total")), (vec![10_001], Some("1")));
}
