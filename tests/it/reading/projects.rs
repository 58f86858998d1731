//! Projects: which ones a user sees, how they are found, and the fields of one.

use serde_json::{Value, json};

use super::{get, ids, json, link, path_of, without_address};
use crate::support::fixtures::{self, USERS};
use crate::support::gateway::Gateway;

/// Six projects, made one after the other.
fn load(gateway: &Gateway) {
    gateway.load(USERS);
    for (id, path, more) in [
        (1, "alpha/web", "visibility: public, default_branch: main"),
        (2, "alpha/sub/api", "visibility: internal, name: Backend"),
        (3, "beta/web-tools", "visibility: private, members: {developer: developer, guest: guest}"),
        (4, "beta/secret", "visibility: private, members: {maintainer: owner}"),
        (5, "gamma/100%_done", "visibility: public, public_jobs: false"),
        (6, "solo", "visibility: public"),
    ] {
        let path = path.replace("100%_done", "done_100");
        gateway.load(&format!("projects: [{{id: {id}, path: {path}, {more}}}]"));
        gateway.advance_clock(1);
    }
}

fn listed(gateway: &Gateway, token: &str, query: &str) -> Vec<i64> {
    ids(&get(gateway, token, &format!("/projects?{query}")))
}

on_both_databases!(
    everybody_sees_what_they_may_see_newest_first,
    projects_are_found_by_what_clients_ask_for,
    projects_are_walked_page_by_page_and_from_one_to_the_next,
    a_project_tells_what_it_is_and_what_one_may_do,
    who_may_not_see_a_project_is_told_that_there_is_none,
    an_address_for_ssh_is_a_text_in_every_form_of_a_project
);

fn everybody_sees_what_they_may_see_newest_first(gateway: Gateway) {
    load(&gateway);
    assert_eq!(listed(&gateway, "", ""), [6, 5, 1]);
    assert_eq!(listed(&gateway, fixtures::OUTSIDER, ""), [6, 5, 2, 1]);
    assert_eq!(listed(&gateway, fixtures::DEVELOPER, ""), [6, 5, 3, 2, 1]);
    assert_eq!(listed(&gateway, fixtures::MAINTAINER, ""), [6, 5, 4, 2, 1]);
    let all = get(&gateway, fixtures::ADMIN, "/projects?per_page=4");
    assert_eq!(ids(&all), [6, 5, 4, 3]);
    assert_eq!(
        (all.header("x-total"), all.header("x-total-pages"), all.header("x-next-page")),
        (Some("6"), Some("2"), Some("2"))
    );
    assert_eq!(get(&gateway, "wrong", "/projects").error(), (401, r#"{"message":"401 Unauthorized"}"#));
}

fn projects_are_found_by_what_clients_ask_for(gateway: Gateway) {
    load(&gateway);
    for (token, query, expected) in [
        (fixtures::ADMIN, "search=web", vec![3, 1]),
        (fixtures::ADMIN, "search=WEB", vec![3, 1]),
        (fixtures::ADMIN, "search=backend", vec![2]),
        (fixtures::ADMIN, "search=alpha", vec![]),
        (fixtures::ADMIN, "search=alpha&search_namespaces=true", vec![2, 1]),
        (fixtures::ADMIN, "search=alpha/sub", vec![2]),
        (fixtures::ADMIN, "search=sol", vec![6]),
        (fixtures::ADMIN, "search=_", vec![5]),
        (fixtures::ADMIN, "search=%25", vec![]),
        (fixtures::ADMIN, "search=!", vec![]),
        (fixtures::OUTSIDER, "search=web", vec![1]),
        (fixtures::ADMIN, "visibility=internal", vec![2]),
        (fixtures::OUTSIDER, "visibility=private", vec![]),
        (fixtures::DEVELOPER, "membership=true", vec![3]),
        (fixtures::DEVELOPER, "membership=True", vec![3]),
        (fixtures::ADMIN, "membership=true", vec![]),
        ("", "membership=true", vec![]),
        (fixtures::MAINTAINER, "owned=true", vec![4]),
        (fixtures::DEVELOPER, "owned=true", vec![]),
        (fixtures::DEVELOPER, "min_access_level=30", vec![3]),
        (fixtures::GUEST, "min_access_level=20", vec![]),
        (fixtures::GUEST, "min_access_level=10", vec![3]),
        (fixtures::ADMIN, "archived=true", vec![]),
        (fixtures::ADMIN, "archived=false&starred=false&per_page=1", vec![6]),
        (fixtures::ADMIN, "id_after=4", vec![6, 5]),
        (fixtures::ADMIN, "id_before=3", vec![2, 1]),
        (fixtures::ADMIN, "order_by=id&sort=asc", vec![1, 2, 3, 4, 5, 6]),
        (fixtures::ADMIN, "order_by=path&sort=asc&per_page=2", vec![2, 1]),
        (fixtures::ADMIN, "order_by=name&sort=asc&per_page=2", vec![2, 5]),
        (fixtures::ADMIN, "order_by=last_activity_at&per_page=1", vec![6]),
    ] {
        assert_eq!(listed(&gateway, token, query), expected, "{query}");
    }
}

fn projects_are_walked_page_by_page_and_from_one_to_the_next(gateway: Gateway) {
    load(&gateway);
    for first in [
        "/projects?order_by=id&sort=asc&per_page=2&visibility=public",
        "/projects?order_by=id&sort=asc&per_page=2&visibility=public&pagination=keyset",
    ] {
        let mut found = Vec::new();
        let mut next = Some(first.to_owned());
        while let Some(path) = next {
            let answer = get(&gateway, "", &path);
            found.extend(ids(&answer));
            next = link(&answer, "next").map(|url| path_of(&gateway, &url));
        }
        assert_eq!(found, [1, 5, 6], "{first}");
    }
    let keyset = get(&gateway, fixtures::ADMIN, "/projects?order_by=id&pagination=keyset&per_page=4");
    assert_eq!(
        link(&keyset, "next").unwrap(),
        format!(
            "{}/api/v4/projects?order_by=id&pagination=keyset&id_before=3&per_page=4",
            gateway.base_url()
        )
    );
    assert_eq!(keyset.header("x-total"), None);
}

fn a_project_tells_what_it_is_and_what_one_may_do(gateway: Gateway) {
    load(&gateway);
    let project = json(&get(&gateway, fixtures::DEVELOPER, "/projects/beta%2Fweb-tools"));
    insta::assert_json_snapshot!(without_address(&gateway, &project), @r#"
    {
      "_links": {
        "self": "http://gateway/api/v4/projects/3"
      },
      "archived": false,
      "avatar_url": null,
      "builds_access_level": "enabled",
      "ci_job_token_scope_enabled": false,
      "container_registry_enabled": false,
      "created_at": "2026-02-01T12:00:02.000Z",
      "default_branch": null,
      "description": null,
      "empty_repo": true,
      "forks_count": 0,
      "http_url_to_repo": "http://gateway/beta/web-tools.git",
      "id": 3,
      "issues_enabled": false,
      "jobs_enabled": true,
      "keep_latest_artifact": true,
      "last_activity_at": "2026-02-01T12:00:02.000Z",
      "lfs_enabled": false,
      "merge_requests_enabled": false,
      "name": "web-tools",
      "name_with_namespace": "beta / web-tools",
      "namespace": {
        "avatar_url": null,
        "full_path": "beta",
        "id": 0,
        "kind": "group",
        "name": "beta",
        "parent_id": null,
        "path": "beta",
        "web_url": "http://gateway/groups/beta"
      },
      "packages_enabled": false,
      "path": "web-tools",
      "path_with_namespace": "beta/web-tools",
      "permissions": {
        "group_access": null,
        "project_access": {
          "access_level": 30,
          "notification_level": 3
        }
      },
      "public_jobs": true,
      "readme_url": null,
      "shared_runners_enabled": false,
      "snippets_enabled": false,
      "ssh_url_to_repo": "git@127.0.0.1:beta/web-tools.git",
      "star_count": 0,
      "tag_list": [],
      "topics": [],
      "visibility": "private",
      "web_url": "http://gateway/beta/web-tools",
      "wiki_enabled": false
    }
    "#);
    let in_list = json(&get(&gateway, fixtures::DEVELOPER, "/projects?search=web-tools"));
    assert_eq!(in_list, json!([project]));
    let stranger = json(&get(&gateway, "", "/projects/1"));
    assert_eq!((&stranger["default_branch"], stranger.get("permissions")), (&json!("main"), None));
    let simple = json(&get(&gateway, fixtures::DEVELOPER, "/projects?simple=true&search=alpha/web"));
    assert_eq!(simple, json!([stranger]));
    assert_eq!(
        json(&get(&gateway, fixtures::OUTSIDER, "/projects/1"))["permissions"]["project_access"],
        Value::Null
    );
    assert_eq!(json(&get(&gateway, "", "/projects/solo"))["path_with_namespace"], "solo");
}

fn who_may_not_see_a_project_is_told_that_there_is_none(gateway: Gateway) {
    load(&gateway);
    let hidden = (404, r#"{"message":"404 Project Not Found"}"#);
    assert_eq!(get(&gateway, "", "/projects/2").error(), hidden);
    assert_eq!(get(&gateway, fixtures::OUTSIDER, "/projects/3").error(), hidden);
    assert_eq!(get(&gateway, fixtures::OUTSIDER, "/projects/beta/secret").error(), hidden);
    assert_eq!(get(&gateway, fixtures::ADMIN, "/projects/77").error(), hidden);
    assert_eq!(get(&gateway, fixtures::GUEST, "/projects/beta/web-tools").status, 200, "a bare path");
    assert_eq!(get(&gateway, "", "/projects/5").status, 200, "its jobs are hidden, it is not");
}

fn an_address_for_ssh_is_a_text_in_every_form_of_a_project(gateway: Gateway) {
    load(&gateway);
    let host = gateway.address.ip();
    for path in ["/projects?simple=true", "/projects", "/projects/2"] {
        let shown = json(&get(&gateway, fixtures::ADMIN, path));
        for project in shown.as_array().cloned().unwrap_or_else(|| vec![shown.clone()]) {
            let path = project["path_with_namespace"].as_str().unwrap();
            assert_eq!(project["ssh_url_to_repo"], format!("git@{host}:{path}.git"));
        }
    }
}
