//! Projects: which ones a user sees, how they are found, and the fields of one.

use serde_json::{Value, json};

use super::{get, ids, json, link, path_of};
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
    let base = gateway.base_url();
    let project = json(&get(&gateway, fixtures::DEVELOPER, "/projects/beta%2Fweb-tools"));
    for (pointer, expected) in [
        ("/id", json!(3)),
        ("/name", json!("web-tools")),
        ("/path", json!("web-tools")),
        ("/path_with_namespace", json!("beta/web-tools")),
        ("/name_with_namespace", json!("beta / web-tools")),
        ("/default_branch", Value::Null),
        ("/created_at", json!("2026-02-01T12:00:02.000Z")),
        ("/visibility", json!("private")),
        ("/web_url", json!(format!("{base}/beta/web-tools"))),
        ("/namespace/full_path", json!("beta")),
        ("/public_jobs", json!(true)),
        ("/archived", json!(false)),
        ("/keep_latest_artifact", json!(true)),
        ("/permissions/project_access/access_level", json!(30)),
        ("/permissions/group_access", Value::Null),
        ("/_links/self", json!(format!("{base}/api/v4/projects/3"))),
    ] {
        assert_eq!(project.pointer(pointer), Some(&expected), "{pointer} of {project:#}");
    }
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
