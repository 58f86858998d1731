//! Branches, tags and commits, derived from registered pipelines.

use serde_json::{Value, json};

use crate::support::fixtures::{self, MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

const TOLD: &str = "0ff3ae198f8601a285adcf5c0fff204ee6fba5fd";

/// Branches `main`, `feature/x` and `v1.0`, tags `v1.0` and `Älter`, a merge request's ref, a child; in a
/// private project.
fn load(gateway: &Gateway) {
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    default_branch: main
    members: {MEMBERS}
    pipelines:
      - id: 100
        ref: main
        sha: {TOLD}
        status: success
        created_at: 2026-01-11T10:00:00Z
        commit: {{title: Test, message: \"Test\\n\\nit\\n\", author_name: Alice, author_email: alice@example.com, created_at: 2026-01-11T09:00:00Z}}
      - {{id: 101, ref: feature/x, sha: bbbb1111, status: failed, created_at: 2026-01-12T10:00:00Z}}
      - {{id: 102, ref: v1.0, tag: true, sha: {TOLD}, status: success, created_at: 2026-01-13T10:00:00Z}}
      - {{id: 103, ref: v1.0, sha: cccc2222, status: success, created_at: 2026-01-14T10:00:00Z}}
      - {{id: 104, ref: main, sha: dddd3333, status: running, created_at: 2026-01-15T10:00:00Z}}
      - {{id: 105, ref: main, sha: eeee4444, status: success, source: parent_pipeline, parent: 104}}
      - {{id: 106, ref: refs/merge-requests/7/head, sha: ffff5555, status: success, source: merge_request_event}}
      - {{id: 107, ref: Älter, tag: true, sha: bbbb9999, status: canceled, created_at: 2026-01-16T10:00:00Z}}
      - {{id: 108, ref: main, sha: dddd3333, status: success, created_at: 2026-01-17T10:00:00Z}}
"
    ));
}

fn get(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(&format!("/api/v4/projects/1/repository/{path}")).private_token(fixtures::GUEST).send()
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn each(answer: &Answer, field: &str) -> Vec<String> {
    let all = json_of(answer);
    all.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

on_both_databases!(
    a_branch_and_a_tag_are_where_their_newest_pipeline_is,
    a_commit_has_no_field_empty_that_gitlab_fills,
    a_commit_is_named_by_its_id_its_beginning_or_a_ref,
    the_commits_of_a_ref_come_by_their_last_run_and_each_once,
    without_a_default_branch_a_ref_has_to_be_named,
    pipelines_are_found_by_a_commit_in_either_case,
    lists_of_refs_have_pages_a_search_and_an_order,
    whoever_may_read_pipelines_may_read_this_and_nobody_else
);

fn a_branch_and_a_tag_are_where_their_newest_pipeline_is(gateway: Gateway) {
    load(&gateway);
    let branches = get(&gateway, "branches");
    assert_eq!(each(&branches, "name"), ["feature/x", "main", "v1.0"]);
    assert_eq!(branches.header("x-total"), Some("3"));
    let main = json_of(&get(&gateway, "branches/main"));
    assert_eq!(main, json_of(&branches)[1]);
    assert_eq!((&main["commit"]["id"], &main["default"]), (&json!("dddd3333"), &json!(true)));
    assert_eq!(main["web_url"], format!("{}/group/project/-/tree/main", gateway.base_url()));
    let tags = get(&gateway, "tags");
    assert_eq!(each(&tags, "name"), ["Älter", "v1.0"], "the newest first");
    assert_eq!(each(&get(&gateway, "tags?order_by=name&sort=asc"), "name"), ["v1.0", "Älter"], "by bytes");
    let tag = json_of(&get(&gateway, "tags/v1.0"));
    assert_eq!((&tag["target"], &tag["commit"]["title"]), (&json!(TOLD), &json!("Test")));
    assert_eq!(
        json_of(&get(&gateway, "branches/v1.0"))["commit"]["id"],
        "cccc2222",
        "a branch of a tag's name"
    );
    for path in ["branches/feature/x", "branches/feature%2Fx"] {
        assert_eq!(json_of(&get(&gateway, path))["commit"]["short_id"], "bbbb1111", "{path}");
    }
    let bare = gateway
        .get("/api/v4/projects/group/project/repository/branches/feature/x")
        .private_token(fixtures::GUEST)
        .send();
    assert_eq!(json_of(&bare)["name"], "feature/x");
    for (path, text) in [
        ("branches/none", "404 Branch Not Found"),
        ("branches/%C3%84lter", "404 Branch Not Found"),
        ("tags/main", "404 Tag Not Found"),
        ("branches/refs/merge-requests/7/head", "404 Branch Not Found"),
        ("branches/%00%ff", "404 Branch Not Found"),
        ("commits/none", "404 Commit Not Found"),
        ("commits/ddd", "404 Commit Not Found"),
    ] {
        let answer = get(&gateway, path);
        assert_eq!(
            (answer.status, &serde_json::from_slice::<Value>(&answer.body).unwrap()["message"]),
            (404, &json!(text)),
            "{path}"
        );
    }
}

fn a_commit_has_no_field_empty_that_gitlab_fills(gateway: Gateway) {
    load(&gateway);
    let told = json_of(&get(&gateway, &format!("commits/{TOLD}")));
    for (pointer, expected) in [
        ("/id", json!(TOLD)),
        ("/short_id", json!("0ff3ae19")),
        ("/title", json!("Test")),
        ("/message", json!("Test\n\nit\n")),
        ("/author_name", json!("Alice")),
        ("/committer_email", json!("alice@example.com")),
        ("/parent_ids", json!([])),
        ("/created_at", json!("2026-01-11T09:00:00.000Z")),
        ("/status", json!("success")),
        ("/project_id", json!(1)),
        ("/last_pipeline/id", json!(102)),
        ("/trailers", json!({})),
    ] {
        assert_eq!(told.pointer(pointer), Some(&expected), "{pointer} of {told:#}");
    }
    let untold = json_of(&get(&gateway, "commits/dddd3333"));
    assert_eq!(untold["committed_date"], "2026-01-17T10:00:00.000Z", "as old as its pipeline");
    assert_eq!(untold["title"], "");
    for commit in [told, untold] {
        assert!(commit.as_object().unwrap().values().all(|value| !value.is_null()), "{commit:#}");
    }
}

fn a_commit_is_named_by_its_id_its_beginning_or_a_ref(gateway: Gateway) {
    load(&gateway);
    for (name, expected) in [
        ("dddd3333", "dddd3333"),
        ("dddd", "dddd3333"),
        ("0ff3ae1", TOLD),
        ("main", "dddd3333"),
        ("feature/x", "bbbb1111"),
        ("feature%2Fx", "bbbb1111"),
        ("HEAD", "dddd3333"),
        ("refs/merge-requests/7/head", "ffff5555"),
        ("DDDD3333", "dddd3333"),
        ("Dddd", "dddd3333"),
        ("0FF3AE1", TOLD),
        (&TOLD.to_uppercase(), TOLD),
    ] {
        assert_eq!(json_of(&get(&gateway, &format!("commits/{name}")))["id"], expected, "{name}");
    }
    assert_eq!(get(&gateway, "commits/bbbb").status, 404, "two begin so");
    assert_eq!(get(&gateway, "commits/BBBB").status, 404, "in either case");
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 109, ref: DDDD3333, sha: abcd1234, status: success}]}]");
    assert_eq!(
        json_of(&get(&gateway, "commits/DDDD3333"))["id"],
        "abcd1234",
        "a ref before an id of another case"
    );
    assert_eq!(get(&gateway, "commits/eeee4444").status, 404, "a child tells nothing");
}

fn the_commits_of_a_ref_come_by_their_last_run_and_each_once(gateway: Gateway) {
    load(&gateway);
    assert_eq!(each(&get(&gateway, "commits"), "id"), ["dddd3333", TOLD], "of the default branch");
    assert_eq!(each(&get(&gateway, "commits?ref_name=feature/x"), "id"), ["bbbb1111"]);
    assert_eq!(
        each(&get(&gateway, "commits?all=true"), "id"),
        ["dddd3333", "bbbb9999", "ffff5555", "cccc2222", TOLD, "bbbb1111"]
    );
    assert_eq!(each(&get(&gateway, "commits?ref_name=none"), "id"), Vec::<String>::new());
    assert_eq!(each(&get(&gateway, "commits?until=2026-01-12"), "id"), [TOLD]);
    assert_eq!(each(&get(&gateway, "commits?since=2026-01-12T00:00:00Z"), "id"), ["dddd3333"]);
    let first = get(&gateway, "commits?all=true&per_page=4");
    assert_eq!(
        (first.header("x-next-page"), first.header("x-total")),
        (Some("2"), None),
        "nobody counts them"
    );
    let second = get(&gateway, "commits?all=true&per_page=4&page=2");
    assert_eq!(
        (each(&second, "id"), second.header("x-next-page")),
        (vec![TOLD.to_owned(), "bbbb1111".to_owned()], Some(""))
    );
}

fn without_a_default_branch_a_ref_has_to_be_named(gateway: Gateway) {
    load(&gateway);
    gateway.load("projects:
  - {id: 2, path: group/untold, visibility: public, pipelines: [{id: 200, ref: main, sha: abcd1234, status: success}]}
  - {id: 3, path: group/empty, visibility: public}
");
    let ask = |path: &str| gateway.get(&format!("/api/v4/projects/{path}")).send();
    let why = Some("project has no default branch, so a ref is required");
    for path in [
        "2/repository/commits",
        "2/repository/commits?ref_name=",
        "2/repository/commits/HEAD",
        "3/repository/commits/HEAD",
    ] {
        let answer = ask(path);
        assert_eq!(
            (answer.error(), answer.reason()),
            ((404, r#"{"message":"404 Commit Not Found"}"#), why),
            "{path}"
        );
    }
    for path in ["2/repository/commits?ref_name=main", "2/repository/commits?all=true"] {
        assert_eq!(each(&ask(path), "id"), ["abcd1234"], "{path}");
    }
    assert_eq!(each(&ask("3/repository/commits"), "id"), Vec::<String>::new(), "nothing is there");
    gateway.load("projects: [{id: 2, path: group/untold, default_branch: main}]");
    assert_eq!(each(&ask("2/repository/commits"), "id"), ["abcd1234"]);
}

fn pipelines_are_found_by_a_commit_in_either_case(gateway: Gateway) {
    load(&gateway);
    for (sha, count) in [
        (TOLD.to_owned(), 2),
        (TOLD.to_uppercase(), 2),
        ("DDDD3333".into(), 2),
        ("dddd".into(), 0),
        ("none".into(), 0),
    ] {
        let list = gateway
            .get(&format!("/api/v4/projects/1/pipelines?sha={sha}"))
            .private_token(fixtures::GUEST)
            .send();
        assert_eq!(json_of(&list).as_array().unwrap().len(), count, "{sha}");
    }
}

fn lists_of_refs_have_pages_a_search_and_an_order(gateway: Gateway) {
    load(&gateway);
    let page = get(&gateway, "branches?per_page=2&page=2&private_token=glpat-guest");
    assert_eq!((each(&page, "name"), page.header("x-total-pages")), (vec!["v1.0".to_owned()], Some("2")));
    assert!(!page.header("link").unwrap().contains("glpat"));
    assert_eq!(each(&get(&gateway, "branches?sort=updated_desc"), "name"), ["main", "v1.0", "feature/x"]);
    assert_eq!(each(&get(&gateway, "branches?sort=name_desc"), "name"), ["v1.0", "main", "feature/x"]);
    for (search, found) in [
        ("A", vec!["feature/x", "main"]),
        ("^m", vec!["main"]),
        ("x$", vec!["feature/x"]),
        ("^main$", vec!["main"]),
        ("none", vec![]),
    ] {
        assert_eq!(each(&get(&gateway, &format!("branches?search={search}")), "name"), found, "{search}");
    }
    for (path, name) in [
        ("branches?sort=up", "sort"),
        ("tags?order_by=size", "order_by"),
        ("tags?sort=up", "sort"),
        ("commits?since=soon", "since"),
        ("tags?page=0", "page"),
    ] {
        let answer = get(&gateway, path);
        assert!(answer.status == 400 && answer.text().contains(name), "{path}: {}", answer.text());
    }
    assert_eq!(get(&gateway, "commits?page=99999999").status, 405);
}

fn whoever_may_read_pipelines_may_read_this_and_nobody_else(gateway: Gateway) {
    load(&gateway);
    gateway.load("projects:
  - {id: 2, path: group/open, visibility: public, default_branch: main, pipelines: [{id: 200, ref: main, sha: abcd, status: success}]}
  - {id: 3, path: group/shy, visibility: public, public_jobs: false, pipelines: [{id: 300, ref: main, sha: abcd, status: success}]}
");
    for path in ["branches", "branches/main", "tags", "commits", "commits/abcd"] {
        let ask = |project: i64| gateway.get(&format!("/api/v4/projects/{project}/repository/{path}"));
        assert_eq!(ask(2).send().status, 200, "{path}");
        assert_eq!(ask(3).send().error(), (403, r#"{"message":"403 Forbidden"}"#), "{path}");
        assert_eq!(ask(1).send().error(), (404, r#"{"message":"404 Project Not Found"}"#), "{path}");
        assert_eq!(ask(1).private_token(fixtures::OUTSIDER).send().status, 404, "{path}");
        assert_eq!(ask(2).private_token("wrong").send().status, 401, "{path}");
        assert_eq!(ask(2).job_token("wrong").send().status, 200, "a job's token is none here");
        let post = gateway
            .post(&format!("/api/v4/projects/2/repository/{path}"))
            .private_token(fixtures::ADMIN)
            .send();
        assert_eq!(post.status, 404, "{path}");
    }
    assert_eq!(
        gateway.get("/api/v4/projects/3/repository/branches").private_token(fixtures::ADMIN).send().status,
        200
    );
}
