//! Projects: who sees which, how they are found, and what is told about one.

use serde_json::{Value, json};

use super::{get, ids, json, link, path_of};
use crate::support::gateway::Gateway;
use crate::support::world::{self, USERS};

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
        gateway.wait_seconds(1);
    }
}

fn listed(gateway: &Gateway, token: &str, query: &str) -> Vec<i64> {
    ids(&get(gateway, token, &format!("/projects?{query}")))
}

on_both_databases! {
    fn everybody_sees_what_they_may_see_newest_first(gateway) {
        load(&gateway);
        assert_eq!(listed(&gateway, "", ""), [6, 5, 1]);
        assert_eq!(listed(&gateway, world::OUTSIDER, ""), [6, 5, 2, 1]);
        assert_eq!(listed(&gateway, world::DEVELOPER, ""), [6, 5, 3, 2, 1]);
        assert_eq!(listed(&gateway, world::MAINTAINER, ""), [6, 5, 4, 2, 1]);
        let all = get(&gateway, world::ADMIN, "/projects?per_page=4");
        assert_eq!(ids(&all), [6, 5, 4, 3]);
        assert_eq!((all.header("x-total"), all.header("x-total-pages"), all.header("x-next-page")), (Some("6"), Some("2"), Some("2")));
        assert_eq!(get(&gateway, "wrong", "/projects").says(), (401, r#"{"message":"401 Unauthorized"}"#));
    }

    fn projects_are_found_by_what_clients_ask_for(gateway) {
        load(&gateway);
        for (token, query, expected) in [
            (world::ADMIN, "search=web", vec![3, 1]),
            (world::ADMIN, "search=WEB", vec![3, 1]),
            (world::ADMIN, "search=backend", vec![2]),
            (world::ADMIN, "search=alpha", vec![]),
            (world::ADMIN, "search=alpha&search_namespaces=true", vec![2, 1]),
            (world::ADMIN, "search=alpha/sub", vec![2]),
            (world::ADMIN, "search=sol", vec![6]),
            (world::ADMIN, "search=_", vec![5]),
            (world::ADMIN, "search=%25", vec![]),
            (world::ADMIN, "search=!", vec![]),
            (world::OUTSIDER, "search=web", vec![1]),
            (world::ADMIN, "visibility=internal", vec![2]),
            (world::OUTSIDER, "visibility=private", vec![]),
            (world::DEVELOPER, "membership=true", vec![3]),
            (world::DEVELOPER, "membership=True", vec![3]),
            (world::ADMIN, "membership=true", vec![]),
            ("", "membership=true", vec![]),
            (world::MAINTAINER, "owned=true", vec![4]),
            (world::DEVELOPER, "owned=true", vec![]),
            (world::DEVELOPER, "min_access_level=30", vec![3]),
            (world::GUEST, "min_access_level=20", vec![]),
            (world::GUEST, "min_access_level=10", vec![3]),
            (world::ADMIN, "archived=true", vec![]),
            (world::ADMIN, "archived=false&starred=false&per_page=1", vec![6]),
            (world::ADMIN, "id_after=4", vec![6, 5]),
            (world::ADMIN, "id_before=3", vec![2, 1]),
            (world::ADMIN, "order_by=id&sort=asc", vec![1, 2, 3, 4, 5, 6]),
            (world::ADMIN, "order_by=path&sort=asc&per_page=2", vec![2, 1]),
            (world::ADMIN, "order_by=name&sort=asc&per_page=2", vec![2, 5]),
            (world::ADMIN, "order_by=last_activity_at&per_page=1", vec![6]),
        ] {
            assert_eq!(listed(&gateway, token, query), expected, "{query}");
        }
    }

    fn projects_are_walked_page_by_page_and_from_one_to_the_next(gateway) {
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
        let keyset = get(&gateway, world::ADMIN, "/projects?order_by=id&pagination=keyset&per_page=4");
        assert_eq!(link(&keyset, "next").unwrap(), format!("{}/api/v4/projects?order_by=id&pagination=keyset&id_before=3&per_page=4", gateway.base_url()));
        assert_eq!(keyset.header("x-total"), None);
    }

    fn a_project_tells_what_it_is_and_what_one_may_do(gateway) {
        load(&gateway);
        let base = gateway.base_url();
        let project = json(&get(&gateway, world::DEVELOPER, "/projects/beta%2Fweb-tools"));
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
        let in_list = json(&get(&gateway, world::DEVELOPER, "/projects?search=web-tools"));
        assert_eq!(in_list, json!([project]));
        let stranger = json(&get(&gateway, "", "/projects/1"));
        assert_eq!((&stranger["default_branch"], stranger.get("permissions")), (&json!("main"), None));
        let simple = json(&get(&gateway, world::DEVELOPER, "/projects?simple=true&search=alpha/web"));
        assert_eq!(simple, json!([stranger]));
        assert_eq!(json(&get(&gateway, world::OUTSIDER, "/projects/1"))["permissions"]["project_access"], Value::Null);
        assert_eq!(json(&get(&gateway, "", "/projects/solo"))["path_with_namespace"], "solo");
    }

    fn who_may_not_see_a_project_is_told_that_there_is_none(gateway) {
        load(&gateway);
        let hidden = (404, r#"{"message":"404 Project Not Found"}"#);
        assert_eq!(get(&gateway, "", "/projects/2").says(), hidden);
        assert_eq!(get(&gateway, world::OUTSIDER, "/projects/3").says(), hidden);
        assert_eq!(get(&gateway, world::OUTSIDER, "/projects/beta/secret").says(), hidden);
        assert_eq!(get(&gateway, world::ADMIN, "/projects/77").says(), hidden);
        assert_eq!(get(&gateway, world::GUEST, "/projects/beta/web-tools").status, 200, "a bare path");
        assert_eq!(get(&gateway, "", "/projects/5").status, 200, "its jobs are hidden, it is not");
    }

    fn an_address_for_ssh_is_a_text_in_every_form_of_a_project(gateway) {
        load(&gateway);
        let host = gateway.address.ip();
        for path in ["/projects?simple=true", "/projects", "/projects/2"] {
            let shown = json(&get(&gateway, world::ADMIN, path));
            for project in shown.as_array().cloned().unwrap_or_else(|| vec![shown.clone()]) {
                let path = project["path_with_namespace"].as_str().unwrap();
                assert_eq!(project["ssh_url_to_repo"], format!("git@{host}:{path}.git"));
            }
        }
    }
}
