//! Moving of projects: what old paths answer, and what names a project by its path.

use serde_json::{Value, json};

use crate::administration::{done, parsed, refused};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, DEVELOPER, MAINTAINER, OUTSIDER, REPORTER};
use crate::support::gateway::Gateway;

on_both_databases!(
    an_old_path_leads_to_the_number_of_a_project_that_was_moved,
    who_may_not_see_a_project_is_not_told_where_it_is,
    a_groups_projects_move_together,
    a_registry_file_moves_a_project_too,
    a_path_that_is_taken_is_refused
);

fn location(gateway: &Gateway, path: &str) -> (u16, Option<String>) {
    let answer = gateway.get(path).private_token(DEVELOPER).send();
    let base = gateway.base_url();
    (answer.status, answer.header("location").map(|url| url.strip_prefix(&base).unwrap().to_owned()))
}

fn an_old_path_leads_to_the_number_of_a_project_that_was_moved(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    assert_eq!(
        done(&gateway, &["project", "move", "Group/Project", "other/sub/new"]),
        "moved project group/project (ID 1) to other/sub/new\n"
    );
    let found = |path: &str| Some(path.to_owned());
    for (old, new) in [
        ("/api/v4/projects/group%2Fproject", "/api/v4/projects/1"),
        (
            "/api/v4/projects/GROUP%2fproject/jobs/10/artifacts?x=1",
            "/api/v4/projects/1/jobs/10/artifacts?x=1",
        ),
        (
            "/api/v4/projects/group%2Fproject/jobs/artifacts/main/download?job=build",
            "/api/v4/projects/1/jobs/artifacts/main/download?job=build",
        ),
    ] {
        assert_eq!(location(&gateway, old), (301, found(new)), "{old}");
        let answer = gateway.get(new).private_token(DEVELOPER).send();
        assert_eq!(answer.status, 200, "{new}: {}", answer.text());
    }
    let browser = "/group/project/-/jobs/10/artifacts/download";
    assert_eq!(location(&gateway, browser), (301, found("/other/sub/new/-/jobs/10/artifacts/download")));
    let delete = gateway.request("DELETE", "/api/v4/projects/group%2Fproject/artifacts");
    assert_eq!(
        delete.private_token(MAINTAINER).send().error(),
        (405, r#"{"message":"Non GET methods are not allowed for moved projects"}"#)
    );
    // Other dialects name a project by slugs, which it keeps, or answer that there is none.
    let bearer = |path: &str| gateway.get(path).header("Authorization", &format!("Bearer {REPORTER}")).send();
    assert_eq!(bearer("/v2/organizations/group/pipelines/project/builds/1").status, 200);
    assert_eq!(bearer("/api/v3/repos/group/project").status, 404);
    assert_eq!(bearer("/api/v3/repos/other%2Fsub/new").status, 200);
    // Whoever takes the path has it.
    done(&gateway, &["project", "create", "group/project", "--visibility", "public"]);
    let answer = gateway.get("/api/v4/projects/group%2Fproject").send();
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap()["id"], 2);
}

fn who_may_not_see_a_project_is_not_told_where_it_is(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    done(&gateway, &["project", "set", "group/project", "--visibility", "private"]);
    done(&gateway, &["project", "move", "group/project", "secret/name"]);
    let answer = gateway.get("/api/v4/projects/group%2Fproject").private_token(OUTSIDER).send();
    assert_eq!(answer.error(), (404, r#"{"message":"404 Project Not Found"}"#));
    assert_eq!(gateway.get("/api/v4/projects/group%2Fproject").send().status, 404);
}

fn a_groups_projects_move_together(gateway: Gateway) {
    let made = Fixture::project("old/a").public().and_project("old/sub/b").public();
    let made = made.and_project("older/c").allows("old/sub").and_project("x/y").allows("Old/A");
    made.load(&gateway);
    done(&gateway, &["group", "set", "old/sub", "--max-storage", "1 GiB"]);
    assert_eq!(
        done(&gateway, &["project", "move", "OLD", "new/old"]),
        "moved project old/a (ID 1) to new/old/a\nmoved project old/sub/b (ID 2) to new/old/sub/b\n"
    );
    let paths: Vec<Value> = parsed(&gateway, &["project", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|project| project["path"].clone())
        .collect();
    assert_eq!(paths, ["new/old/a", "new/old/sub/b", "older/c", "x/y"]);
    let allowed = |path: &str| parsed(&gateway, &["project", "show", path])["job_token_allowlist"].clone();
    assert_eq!((allowed("older/c"), allowed("x/y")), (json!(["new/old/sub"]), json!(["new/old/A"])));
    assert_eq!(parsed(&gateway, &["group", "list"])[0]["path"], "new/old/sub");
    assert_eq!(location(&gateway, "/api/v4/projects/old%2Fsub%2Fb").0, 301);
    // There and back again: where it is, it is not looked for elsewhere.
    done(&gateway, &["project", "move", "new/old", "old"]);
    assert_eq!(gateway.get("/api/v4/projects/old%2Fa").send().status, 200);
    assert_eq!(
        location(&gateway, "/api/v4/projects/new%2Fold%2Fa"),
        (301, Some("/api/v4/projects/1".into()))
    );
}

fn a_registry_file_moves_a_project_too(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    gateway.load("projects: [{id: 1, path: group/renamed}]");
    assert_eq!(
        location(&gateway, "/api/v4/projects/group%2Fproject"),
        (301, Some("/api/v4/projects/1".into()))
    );
    gateway.load("projects: [{id: 1, path: group/project}]");
    assert_eq!(location(&gateway, "/api/v4/projects/group%2Fproject"), (200, None));
    assert_eq!(location(&gateway, "/api/v4/projects/group%2Frenamed").0, 301);
}

fn a_path_that_is_taken_is_refused(gateway: Gateway) {
    Fixture::project("a/b").and_project("c/b").load(&gateway);
    let taken = "project \"c/b\" (ID 2) is in the way of project 1";
    refused(&gateway, &["project", "move", "a/b", "C/B"], taken);
    refused(&gateway, &["project", "move", "a", "c"], taken);
    refused(&gateway, &["project", "move", "no/one", "c"], "there is no project \"no/one\"");
    assert_eq!(done(&gateway, &["project", "move", "a/b", "A/B"]), "moved project a/b (ID 1) to A/B\n");
    assert_eq!(parsed(&gateway, &["project", "show", "a/b"])["path"], "A/B");
}
