//! Users whose tokens only the upstream knows, and readers without one.

use serde_json::json;

use super::{ADMIN, APP, DEVELOPER, GUEST, MAINTAINER, OPEN, OUTSIDER, REPORTER, World, in_front_on_both};
use crate::support::gitlab::StubToken;

in_front_on_both!(
    the_upstream_decides_who_reads_and_its_roles_what_is_not_for_all,
    keeping_and_deleting_take_the_role_and_the_scope,
    erasing_takes_the_maintainer_or_the_developer_who_owns_the_job,
    a_public_project_is_read_by_everybody,
    an_administrators_rights_are_believed_where_only_they_can_open,
    a_broken_membership_is_no_right,
    lists_show_what_the_reader_may_read,
);

/// The archive of job 8001 in the public project.
const PUBLIC: &str = "/api/v4/projects/8/jobs/8001/artifacts";

const EVERYBODY: [&str; 6] = [MAINTAINER, DEVELOPER, REPORTER, GUEST, OUTSIDER, "glpat-nobodys"];

fn statuses(world: &World, path: &str) -> [u16; 7] {
    let mut found = [0; 7];
    for (status, token) in found.iter_mut().zip(EVERYBODY) {
        *status = world.status(path, token);
    }
    found[6] = world.gateway.get(path).send().status;
    found
}

fn the_upstream_decides_who_reads_and_its_roles_what_is_not_for_all(world: World) {
    for (accessibility, expected) in [
        ("public", [200, 200, 200, 403, 404, 401, 404]),
        ("private", [200, 200, 403, 403, 404, 401, 404]),
        ("maintainer", [200, 403, 403, 403, 404, 401, 404]),
        ("none", [403, 403, 403, 403, 404, 401, 404]),
    ] {
        let id = world.gateway.write_catalog(|db| {
            use artigate::catalog::tombstones;
            tombstones::soft_delete_job(db, 7001, false, artigate::domain::Timestamp::from_millis(0))
        });
        assert!(id <= 1);
        let answer =
            world.upload(7001, super::BUILD, &format!("accessibility={accessibility}"), accessibility);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(statuses(&world, APP), expected, "{accessibility}");
        assert_eq!(statuses(&world, &format!("{APP}/a.txt")), expected, "{accessibility}");
    }
    // What decides is asked once for each of them.
    world.gitlab.calls();
    statuses(&world, APP);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn keeping_and_deleting_take_the_role_and_the_scope(world: World) {
    let reading = StubToken::Personal { user: 40, scopes: &["read_api"], expires_at: None };
    let nothing = StubToken::Personal { user: 40, scopes: &["read_user"], expires_at: None };
    let oauth = StubToken::OAuth { user: 40, scopes: &["api"] };
    for (text, token) in [("glpat-reads", reading), ("glpat-nothing", nothing), ("oauth-token", oauth)] {
        world.gitlab.state().tokens.insert(text.to_owned(), token);
    }
    let world = world.with_archive("public");
    let keep = |token| world.gateway.post(&format!("{APP}/keep")).private_token(token).send().status;
    let delete = |token| world.gateway.request("DELETE", APP).private_token(token).send().status;
    assert_eq!([REPORTER, GUEST, OUTSIDER, "glpat-nobodys"].map(keep), [403, 403, 404, 401]);
    world.gitlab.calls();
    assert_eq!(keep(DEVELOPER), 200);
    let asked =
        ["/personal_access_tokens/self", "/projects/7/pipelines?per_page=1", "/projects/7/members/all/30"];
    assert_eq!(world.gitlab.asked(), asked);
    assert_eq!((world.status(APP, "glpat-reads"), world.status(APP, "glpat-nothing")), (200, 403));
    assert_eq!((keep("glpat-reads"), keep("glpat-nothing"), keep("oauth-token")), (403, 403, 401));
    assert_eq!([DEVELOPER, REPORTER, "glpat-reads"].map(delete), [403; 3]);
    let bearer = |request: crate::support::http_client::Request| {
        request.header("Authorization", "Bearer oauth-token").send().status
    };
    assert_eq!(bearer(world.gateway.post(&format!("{APP}/keep"))), 200);
    assert_eq!(bearer(world.gateway.request("DELETE", APP)), 204);
    assert_eq!(world.status(APP, DEVELOPER), 404);
    // Jobs change nothing.
    assert_eq!(world.gateway.request("DELETE", APP).job_token(super::BUILD).send().status, 401);
}

fn erasing_takes_the_maintainer_or_the_developer_who_owns_the_job(world: World) {
    world.gitlab.state().projects.get_mut(&7).unwrap().members.insert(20, json!(30));
    let world = world.with_archive("public");
    world.gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        Ok(diesel::sql_query("UPDATE jobs SET status = 'success'").execute(db).map(drop)?)
    });
    let erase =
        |token| world.gateway.post("/api/v4/projects/7/jobs/7001/erase").private_token(token).send().status;
    assert_eq!([REPORTER, GUEST, OUTSIDER].map(erase), [403, 403, 404], "another developer's job");
    assert_eq!(erase(DEVELOPER), 201);
}

fn a_public_project_is_read_by_everybody(world: World) {
    assert_eq!(world.upload(8001, OPEN, "", "x").status, 201);
    world.gitlab.calls();
    assert_eq!(world.gateway.get(PUBLIC).send().status, 200);
    assert_eq!(world.gitlab.asked(), ["/projects/8/pipelines?per_page=1"]);
    world.gateway.advance_clock(299);
    assert_eq!(world.gateway.get(PUBLIC).send().status, 200);
    assert_eq!(world.gitlab.asked(), [""; 0], "for nobody in particular it is remembered for five minutes");
    assert_eq!(statuses(&world, PUBLIC), [200, 200, 200, 200, 200, 401, 200]);
    world.gitlab.state().projects.get_mut(&8).unwrap().visibility = "internal";
    world.forget();
    assert_eq!(statuses(&world, PUBLIC), [200, 200, 200, 200, 200, 401, 404]);
    world.gitlab.state().projects.get_mut(&8).unwrap().public_jobs = false;
    world.forget();
    assert_eq!(statuses(&world, PUBLIC), [403, 200, 403, 403, 403, 401, 404]);
}

fn an_administrators_rights_are_believed_where_only_they_can_open(world: World) {
    let world = world.with_archive("maintainer");
    assert_eq!(world.status(APP, ADMIN), 200, "nobody else sees a private project without a membership");
    assert_eq!(world.upload(8001, OPEN, "accessibility=private", "x").status, 201);
    assert_eq!(world.status(PUBLIC, ADMIN), 403, "a public project proves nothing");
}

fn a_broken_membership_is_no_right(world: World) {
    let world = world.with_archive("private");
    world.gitlab.state().projects.get_mut(&7).unwrap().members.insert(30, json!("30"));
    world.gitlab.state().projects.get_mut(&7).unwrap().visibility = "internal";
    world.gitlab.state().projects.get_mut(&7).unwrap().public_jobs = true;
    assert_eq!(world.status(APP, DEVELOPER), 403);
}

fn lists_show_what_the_reader_may_read(world: World) {
    let world = world.with_archive("private");
    let count = |token: &str| {
        let path = "/api/v3/repos/group/app/actions/artifacts";
        let answer = world.gateway.get(path).header("Authorization", &format!("token {token}")).send();
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status, json["total_count"].as_i64())
    };
    assert_eq!(count(DEVELOPER), (200, Some(1)));
    assert_eq!(count(REPORTER), (200, Some(0)));
    assert_eq!(count(OUTSIDER).0, 404);
    assert_eq!(world.status("/api/v4/projects/7/jobs", REPORTER), 200);
    assert_eq!(world.status("/api/v4/projects/7/pipelines", GUEST), 403);
    let projects = world.gateway.get("/api/v4/projects").private_token(DEVELOPER).send();
    assert_eq!((projects.status, projects.text()), (200, "[]"), "an upstream's projects are listed there");
}
