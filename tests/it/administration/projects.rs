//! The commands for projects, their members and their allowlist.

use serde_json::{Value, json};

use super::{done, parsed, private_world, refused, status};
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;

on_both_databases!(
    a_project_is_created_shown_and_changed,
    a_project_shows_how_much_it_holds,
    members_come_and_go,
    job_tokens_are_let_in_by_the_allowlist
);

fn a_project_is_created_shown_and_changed(gateway: Gateway) {
    let heading = "ID  PATH  VISIBILITY  PUBLIC_JOBS  KEEP_LATEST_ARTIFACT  MAX_ARTIFACT_SIZE\n";
    assert_eq!(done(&gateway, &["project", "list"]), heading);
    let plain = done(&gateway, &["project", "create", "group/plain"]);
    assert_eq!(plain, "created project group/plain with ID 1\n");
    done(
        &gateway,
        &[
            "project",
            "create",
            "Group/Own",
            "--id",
            "5",
            "--name",
            "Our own",
            "--visibility",
            "internal",
            "--public-jobs",
            "off",
            "--keep-latest",
            "off",
            "--max-artifact-size",
            "10 MiB",
            "--default-branch",
            "main",
        ],
    );
    let listed = parsed(&gateway, &["project", "list"]);
    let plain = json!({"id": 1, "path": "group/plain", "name": "plain", "visibility": "private",
        "public_jobs": true, "keep_latest_artifact": true, "max_artifact_size": null, "max_storage": null,
        "default_branch": null,
        "created_at": listed[0]["created_at"]});
    assert_eq!(listed[0], plain);
    let own = json!({"id": 5, "path": "Group/Own", "name": "Our own", "visibility": "internal",
        "public_jobs": false, "keep_latest_artifact": false, "max_artifact_size": 10 << 20, "max_storage": null,
        "default_branch": "main", "created_at": listed[1]["created_at"]});
    assert_eq!(listed[1], own);
    let line = "5   Group/Own    internal    no           no                    10 MiB\n";
    assert!(done(&gateway, &["project", "list"]).ends_with(line));
    done(&gateway, &["project", "set", "group/own", "--max-artifact-size", "none", "--default-branch", ""]);
    done(&gateway, &["project", "set", "group/own", "--public-jobs", "on"]);
    let shown = parsed(&gateway, &["project", "show", "group/own"]);
    assert_eq!(shown["path"], "Group/Own", "another case names the project and does not rename it");
    assert_eq!((&shown["max_artifact_size"], &shown["default_branch"]), (&Value::Null, &Value::Null));
    assert_eq!((&shown["public_jobs"], &shown["keep_latest_artifact"]), (&json!(true), &json!(false)));
    refused(&gateway, &["project", "create", "GROUP/OWN"], "project \"Group/Own\" already exists");
    let taken = "ID 1 already belongs to project \"group/plain\"";
    refused(&gateway, &["project", "create", "a", "--id", "1"], taken);
    for arguments in [
        &["set", "no/one", "--name", "x"][..],
        &["show", "no/one"],
        &["allow", "no/one", "a"],
        &["disallow", "no/one", "a"],
        &["member", "add", "no/one", "a", "guest"],
        &["member", "remove", "no/one", "a"],
    ] {
        refused(&gateway, &[&["project"], arguments].concat(), "there is no project \"no/one\"");
    }
}

fn a_project_shows_how_much_it_holds(gateway: Gateway) {
    fixtures::small(&gateway, &[0; 2048]);
    let shown = parsed(&gateway, &["project", "show", "group/project"]);
    assert_eq!((&shown["pipelines"], &shown["jobs"]), (&json!(2), &json!(3)));
    assert_eq!((&shown["artifacts"], &shown["artifact_bytes"]), (&json!(1), &json!(2048)));
    assert_eq!(shown["members"]["maintainer"], "maintainer");
    let text = done(&gateway, &["project", "show", "group/project"]);
    for line in [
        "path                  group/project\n",
        "members               developer developer\n",
        "                      guest guest\n",
        "artifact_bytes        2 KiB\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

fn members_come_and_go(gateway: Gateway) {
    private_world(&gateway);
    assert_eq!(status(&gateway, fixtures::OUTSIDER), 404);
    let member = |arguments: &[&str]| done(&gateway, &[&["project", "member"], arguments].concat());
    let added = member(&["add", "Group/Project", "outsider", "guest"]);
    assert_eq!(added, "outsider is guest of group/project\n");
    assert_eq!(status(&gateway, fixtures::OUTSIDER), 200);
    member(&["add", "group/project", "outsider", "owner"]);
    let shown = parsed(&gateway, &["project", "show", "group/project"]);
    assert_eq!(shown["members"]["outsider"], "owner");
    member(&["remove", "group/project", "outsider"]);
    assert_eq!(status(&gateway, fixtures::OUTSIDER), 404);
    let again = ["project", "member", "remove", "group/project", "outsider"];
    refused(&gateway, &again, "\"outsider\" is not a member of \"group/project\"");
    let unknown = ["project", "member", "add", "group/project", "carl", "guest"];
    refused(&gateway, &unknown, "there is no user \"carl\"");
}

fn job_tokens_are_let_in_by_the_allowlist(gateway: Gateway) {
    private_world(&gateway);
    gateway.load("projects: [{id: 2, path: other/sub/project, pipelines: [{id: 900, ref: main, sha: a,
            status: running, user: developer, jobs: [{id: 90, name: a, status: running, token: glcbt-other}]}]}]");
    let status = || gateway.get(ARCHIVE).job_token("glcbt-other").send().status;
    let outside = status();
    assert!(outside >= 400);
    done(&gateway, &["project", "allow", "group/project", "Other"]);
    done(&gateway, &["project", "allow", "group/project", "other"]);
    assert_eq!(status(), 200);
    let shown = parsed(&gateway, &["project", "show", "group/project"]);
    assert_eq!(shown["job_token_allowlist"], json!(["Other"]));
    done(&gateway, &["project", "disallow", "group/project", "OTHER"]);
    assert_eq!(status(), outside);
    let again = ["project", "disallow", "group/project", "other"];
    refused(&gateway, &again, "\"other\" is not on the allowlist of \"group/project\"");
}
