//! What is registered here beside an upstream: neither overwrites the other, and neither's people are the other's.

use serde_json::json;

use super::{APP, BUILD, DEVELOPER, OUTSIDER, World, in_front_on_both};
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::http_client::Request;
use crate::support::zips;

in_front_on_both!(
    a_document_that_names_what_is_the_upstreams_is_refused,
    an_upstream_overwrites_nothing_that_is_registered,
    the_numbers_of_its_users_are_nobodys_here,
    a_build_of_an_upstreams_project_is_created_there,
);

fn a_document_that_names_what_is_the_upstreams_is_refused(world: World) {
    let world = world.with_archive("public");
    for (document, why) in [
        ("projects: [{id: 7, path: group/mine}]", "id: project 7 belongs to the upstream gitlab"),
        ("projects: [{id: 70, path: Group/App}]", "path: project Group/App belongs to the upstream gitlab"),
        ("users: [{id: 30, username: me}]", "id: user 30 belongs to the upstream gitlab"),
    ] {
        let error = world.gateway.try_load(document).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    Fixture::users().load(&world.gateway);
    let token = "tokens: [{value: registry, scopes: [registry]}]";
    world.gateway.load(&format!("users: [{{id: 1, username: admin, admin: true, {token}}}]"));
    for (method, path, body) in [
        ("PATCH", "jobs/7001", "{\"status\": \"success\"}"),
        ("PATCH", "pipelines/701", "{\"status\": \"success\"}"),
        ("POST", "jobs/7001/token", ""),
        ("POST", "jobs/7001/environment", ""),
    ] {
        let request = Request::new(world.gateway.address, method, &format!("/api/registry/v1/{path}"));
        let request = request.private_token("registry").header("Content-Type", "application/json");
        let answer = request.body(body.as_bytes().to_vec()).send();
        assert_eq!(answer.status, 422, "{path} {}", answer.text());
        assert!(answer.text().contains("belongs to the upstream gitlab"), "{}", answer.text());
    }
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn an_upstream_overwrites_nothing_that_is_registered(world: World) {
    for document in [
        "projects: [{id: 7, path: local/seven}]",
        "projects: [{id: 70, path: group/app}]",
        "projects: [{id: 71, path: a/b, pipelines: [{id: 701, ref: x, sha: a, status: running}]}]",
    ] {
        let gateway = crate::support::gateway::Gateway::on_sqlite_with(|settings| {
            settings.upstreams = vec![super::upstream(&world.gitlab.url)];
        });
        gateway.load(document);
        let form = crate::support::http_client::Form::default().file("a.zip", b"x");
        let answer = gateway.post("/api/v4/jobs/7001/artifacts").job_token(BUILD).form(form).send();
        assert_eq!(answer.status, 403, "{document}");
        assert_eq!(gateway.catalog(|db| artigate::catalog::jobs::find(db, 7001)).map(|job| job.id), None);
    }
    // A user of the same number or name keeps both, and the job is nobody's here.
    world.gateway.load("users: [{id: 30, username: local, admin: true}]");
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 201);
    let users = world.gateway.catalog(artigate::catalog::users::all);
    assert_eq!(users.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["local"]);
}

fn the_numbers_of_its_users_are_nobodys_here(world: World) {
    // The developer of the upstream has the number of an administrator here, and the outsider that of a member.
    world.gateway.load("users: [{id: 30, username: a, admin: true}]");
    let archive = zips::deflated(&[("a.txt", b"local")]);
    let project = |path| Fixture::project(path).member("guest", "maintainer").public_jobs(false);
    project("local/project")
        .visibility("private")
        .allows("group")
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&archive)
        .load(&world.gateway);
    let local = "/api/v4/projects/1/jobs/10/artifacts";
    assert_eq!([DEVELOPER, OUTSIDER].map(|token| world.status(local, token)), [404, 404]);
    assert_eq!(world.gateway.get(local).job_token(BUILD).send().status, 404);
    assert_eq!(world.status(local, "glpat-nobodys"), 401);
    let registry = world.gateway.request("PATCH", "/api/registry/v1/jobs/10").private_token(DEVELOPER);
    assert_eq!(registry.header("Content-Type", "application/json").body(b"{}".to_vec()).send().status, 401);
    // And the other way round: who is registered here is asked about nowhere.
    assert_eq!(world.upload(7001, BUILD, "", "x").status, 201);
    world.gitlab.calls();
    assert_eq!(world.status(APP, fixtures::OUTSIDER), 404);
    assert_eq!(world.status(APP, fixtures::ADMIN), 200, "the administrator of this instance");
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn a_build_of_an_upstreams_project_is_created_there(world: World) {
    let world = world.with_archive("public");
    Fixture::users().load(&world.gateway);
    let path = "/v2/organizations/group/pipelines/app/builds";
    let request = world.gateway.post(path).header("Authorization", &format!("Bearer {}", fixtures::ADMIN));
    let body = json!({"commit": "HEAD", "branch": "main", "message": "x"}).to_string();
    let answer = request.header("Content-Type", "application/json").body(body.into_bytes()).send();
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("belongs to the upstream gitlab"), "{}", answer.text());
}
