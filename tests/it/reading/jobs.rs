//! Jobs: of a project, of a pipeline, a single one, and the job of the given token.

use serde_json::{Value, json};

use super::{get, ids, json, link, load, path_of, without_address};
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

const UNAUTHORIZED: (u16, &str) = (401, r#"{"message":"401 Unauthorized"}"#);

/// A public project with so many jobs, from number 1 on.
fn many(gateway: &Gateway, count: i64) {
    let job = |made: Fixture, id: i64| {
        let status = if id % 3 == 0 { "failed" } else { "success" };
        made.job(id, &format!("job {id}")).status(status)
    };
    let made = Fixture::project("group/project").public().pipeline(1, "main");
    (1..=count).fold(made, job).load(gateway);
}

fn walk(gateway: &Gateway, first: &str) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let answer = get(gateway, fixtures::OUTSIDER, &path);
        pages.push(ids(&answer));
        next = link(&answer, "next").map(|url| path_of(gateway, &url));
        assert!(pages.len() < 100, "the list has no end");
    }
    pages
}

on_both_databases!(
    a_projects_jobs_come_newest_first_and_are_not_counted,
    a_job_alone_is_what_it_is_in_the_list,
    artifacts_are_shown_while_they_can_be_read,
    scope_takes_one_status_or_several,
    every_page_is_reached_by_link_with_all_filters,
    keyset_pages_go_on_behind_the_last_job_whatever_is_added_meanwhile,
    jobs_of_a_pipeline_are_its_own_and_counted,
    who_may_read_jobs_is_asked_in_gitlabs_order,
    a_jobs_token_reads_where_gitlab_takes_it
);

fn a_projects_jobs_come_newest_first_and_are_not_counted(gateway: Gateway) {
    load(&gateway);
    let answer = get(&gateway, fixtures::REPORTER, "/projects/group%2Fsub%2Fproject/jobs?per_page=4&page=2");
    assert_eq!(ids(&answer), [14, 13, 12, 11]);
    let header = |name| answer.header(name);
    assert_eq!((header("x-page"), header("x-per-page")), (Some("2"), Some("4")));
    assert_eq!((header("x-next-page"), header("x-prev-page")), (Some("3"), Some("1")));
    assert_eq!((header("x-total"), header("x-total-pages"), link(&answer, "last")), (None, None, None));
    let url = |page: u8| {
        Some(format!(
            "{}/api/v4/projects/group%2Fsub%2Fproject/jobs?page={page}&per_page=4",
            gateway.base_url()
        ))
    };
    assert_eq!(
        (link(&answer, "prev"), link(&answer, "next"), link(&answer, "first")),
        (url(1), url(3), url(1))
    );
    let last = get(&gateway, fixtures::REPORTER, "/projects/1/jobs?per_page=4&page=3");
    assert_eq!((ids(&last), last.header("x-next-page"), link(&last, "next")), (vec![10], Some(""), None));
    let exactly = get(&gateway, fixtures::REPORTER, "/projects/1/jobs?per_page=9");
    assert_eq!(
        (ids(&exactly).len(), link(&exactly, "next")),
        (9, None),
        "a full page with nothing behind it"
    );
    let beyond = get(&gateway, fixtures::REPORTER, "/projects/1/jobs?page=7");
    assert_eq!((ids(&beyond), beyond.header("x-next-page")), (vec![], Some("")));
}

fn a_job_alone_is_what_it_is_in_the_list(gateway: Gateway) {
    load(&gateway);
    let list = json(&get(&gateway, fixtures::REPORTER, "/projects/1/jobs"));
    for job in list.as_array().unwrap() {
        let alone = json(&get(&gateway, fixtures::REPORTER, &format!("/projects/1/jobs/{}", job["id"])));
        assert_eq!(alone, *job);
    }
    let mut job = without_address(&gateway, &list[7]);
    let archive = std::fs::metadata(gateway.path().join("archive.zip")).unwrap().len();
    for pointer in ["/artifacts/0/size", "/artifacts_file/size"] {
        let size = std::mem::replace(job.pointer_mut(pointer).unwrap(), json!("[size]"));
        assert_eq!(size, archive, "{pointer}");
    }
    insta::assert_json_snapshot!(job, @r#"
    {
      "allow_failure": false,
      "archived": false,
      "artifacts": [
        {
          "file_format": "zip",
          "file_type": "archive",
          "filename": "artifacts.zip",
          "size": "[size]"
        },
        {
          "file_format": "gzip",
          "file_type": "junit",
          "filename": "junit.xml",
          "size": 6
        }
      ],
      "artifacts_expire_at": "2026-02-02T12:00:00.000Z",
      "artifacts_file": {
        "filename": "artifacts.zip",
        "size": "[size]"
      },
      "commit": {
        "author_email": "alice@example.com",
        "author_name": "Alice",
        "authored_date": "2026-01-11T09:00:00.000Z",
        "committed_date": "2026-01-11T09:00:00.000Z",
        "committer_email": "alice@example.com",
        "committer_name": "Alice",
        "created_at": "2026-01-11T09:00:00.000Z",
        "id": "aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000",
        "message": "Test it",
        "parent_ids": [],
        "short_id": "aaaa0000",
        "title": "Test",
        "web_url": "http://gateway/group/sub/project/-/commit/aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000"
      },
      "coverage": 90.0,
      "created_at": "2026-02-01T12:00:00.000Z",
      "duration": null,
      "erased_at": null,
      "finished_at": null,
      "id": 11,
      "name": "build",
      "pipeline": {
        "created_at": "2026-01-11T10:00:00.000Z",
        "id": 100,
        "iid": 1,
        "project_id": 1,
        "ref": "main",
        "sha": "aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000",
        "source": "push",
        "status": "success",
        "updated_at": "2026-02-01T12:00:00.000Z",
        "web_url": "http://gateway/group/sub/project/-/pipelines/100"
      },
      "project": {
        "ci_job_token_scope_enabled": false
      },
      "queued_duration": null,
      "ref": "main",
      "runner": null,
      "runner_manager": null,
      "stage": "test",
      "started_at": null,
      "status": "success",
      "tag": false,
      "tag_list": [],
      "user": {
        "avatar_url": null,
        "bio": "",
        "created_at": "2026-02-01T12:00:00.000Z",
        "id": 3,
        "location": "",
        "locked": false,
        "name": "developer",
        "public_email": null,
        "state": "active",
        "username": "developer",
        "web_url": "http://gateway/developer"
      },
      "web_url": "http://gateway/group/sub/project/-/jobs/11"
    }
    "#);
    assert_eq!(list[3]["commit"], Value::Null, "nobody told of that commit");
}

fn artifacts_are_shown_while_they_can_be_read(gateway: Gateway) {
    load(&gateway);
    gateway.advance_clock(2 * 86_400);
    let list = json(&get(&gateway, fixtures::REPORTER, "/projects/1/jobs"));
    let kinds = |id: i64| {
        let job = list.as_array().unwrap().iter().find(|job| job["id"] == id).unwrap();
        let all = job["artifacts"].as_array().unwrap().iter();
        (
            job.get("artifacts_file").is_some(),
            all.map(|artifact| artifact["file_type"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(kinds(11), (true, vec!["archive".into(), "junit".into()]), "expired, and locked");
    assert_eq!(kinds(15), (false, vec![]), "expired");
    assert_eq!(kinds(12), (true, vec!["archive".into()]), "never expires");
    let jobs = |path: &str| json(&get(&gateway, fixtures::REPORTER, path));
    assert!(jobs("/projects/1/jobs/15").get("artifacts_file").is_none());
    assert!(jobs("/projects/1/pipelines/103/jobs")[1].get("artifacts_file").is_none());
    gateway.load("projects: [{id: 1, path: group/sub/project, keep_latest_artifact: false}]");
    assert_eq!(jobs("/projects/1/jobs/11")["artifacts"], json!([]));
}

fn scope_takes_one_status_or_several(gateway: Gateway) {
    load(&gateway);
    let listed = |query: &str| ids(&get(&gateway, fixtures::REPORTER, &format!("/projects/1/jobs?{query}")));
    assert_eq!(listed("scope=failed"), [15, 14, 10]);
    assert_eq!(listed("scope%5B%5D=manual&scope%5B%5D=failed"), [16, 15, 14, 10]);
    assert_eq!(listed("scope[]=manual&scope[]=failed&scope[]=manual&per_page=2&page=2"), [14, 10]);
    assert_eq!(listed("scope[0]=running&scope[1]=canceled"), [18, 17]);
    assert_eq!(listed("scope[]=pending"), Vec::<i64>::new());
    assert_eq!(listed("scope="), listed(""));
    assert_eq!(listed("scope[]=failed&sort=asc"), [10, 14, 15]);
}

fn every_page_is_reached_by_link_with_all_filters(gateway: Gateway) {
    many(&gateway, 53);
    let pages = walk(
        &gateway,
        "/projects/1/jobs?scope%5B%5D=success&scope%5B%5D=failed&per_page=10&private_token=glpat-outsider",
    );
    assert_eq!(pages.len(), 6);
    assert_eq!(pages.concat(), (1..=53).rev().collect::<Vec<i64>>());
    let failed = walk(&gateway, "/projects/1/jobs?scope[]=failed&per_page=5");
    assert_eq!(failed.concat(), (1..=53).rev().filter(|id| id % 3 == 0).collect::<Vec<i64>>());
}

fn keyset_pages_go_on_behind_the_last_job_whatever_is_added_meanwhile(gateway: Gateway) {
    many(&gateway, 25);
    for (sort, expected) in [("desc", (1..=25).rev().collect::<Vec<i64>>()), ("asc", (1..=25).collect())] {
        let pages = walk(
            &gateway,
            &format!("/projects/1/jobs?pagination=keyset&order_by=id&sort={sort}&per_page=10"),
        );
        assert_eq!((pages.len(), pages.concat()), (3, expected));
    }
    let failed =
        walk(&gateway, "/projects/1/jobs?pagination=keyset&scope[]=failed&scope[]=manual&per_page=3");
    assert_eq!(failed, [vec![24, 21, 18], vec![15, 12, 9], vec![6, 3]]);
    let first = get(&gateway, fixtures::OUTSIDER, "/projects/1/jobs?pagination=keyset&per_page=20");
    assert_eq!(
        (first.header("x-page"), first.header("x-total"), first.header("x-per-page")),
        (None, None, None)
    );
    let next = path_of(&gateway, &link(&first, "next").unwrap());
    many(&gateway, 40);
    assert_eq!(ids(&get(&gateway, fixtures::OUTSIDER, &next)), [5, 4, 3, 2, 1]);
}

fn jobs_of_a_pipeline_are_its_own_and_counted(gateway: Gateway) {
    load(&gateway);
    let answer = get(&gateway, fixtures::REPORTER, "/projects/1/pipelines/100/jobs");
    assert_eq!(ids(&answer), [12, 11], "neither the retried one nor those of the child");
    assert_eq!((answer.header("x-total"), answer.header("x-total-pages")), (Some("2"), Some("1")));
    let listed = |query: &str| {
        ids(&get(&gateway, fixtures::REPORTER, &format!("/projects/1/pipelines/100/jobs?{query}")))
    };
    for yes in ["true", "True", "1"] {
        assert_eq!(listed(&format!("include_retried={yes}")), [12, 11, 10]);
    }
    assert_eq!(listed("include_retried=False"), [12, 11]);
    assert_eq!(listed("include_retried=true&scope[]=failed&scope[]=manual"), [10]);
    assert_eq!(listed("scope=failed"), Vec::<i64>::new());
    let second = get(
        &gateway,
        fixtures::REPORTER,
        "/projects/1/pipelines/100/jobs?include_retried=True&per_page=2&page=2",
    );
    assert_eq!(ids(&second), [10]);
    assert_eq!((second.header("x-total"), second.header("x-prev-page")), (Some("3"), Some("1")));
    let url = |page: u8| {
        Some(format!(
            "{}/api/v4/projects/1/pipelines/100/jobs?include_retried=True&page={page}&per_page=2",
            gateway.base_url()
        ))
    };
    assert_eq!((link(&second, "last"), link(&second, "prev")), (url(2), url(1)));
}

fn who_may_read_jobs_is_asked_in_gitlabs_order(gateway: Gateway) {
    load(&gateway);
    many_visibilities(&gateway);
    let list = |token: &str, project: i64| get(&gateway, token, &format!("/projects/{project}/jobs"));
    let says = |answer: Answer| (answer.status, answer.error().1.to_owned());
    for project in [1, 2, 99] {
        assert_eq!(list("", project).error(), UNAUTHORIZED, "whatever there is: {project}");
        assert_eq!(get(&gateway, "", &format!("/projects/{project}/jobs/x?page=x")).error(), UNAUTHORIZED);
    }
    assert_eq!(list("wrong", 2).error(), UNAUTHORIZED);
    assert_eq!(list(fixtures::OUTSIDER, 1).error(), (404, r#"{"message":"404 Project Not Found"}"#));
    assert_eq!(list(fixtures::OUTSIDER, 99).error(), (404, r#"{"message":"404 Project Not Found"}"#));
    assert_eq!(list(fixtures::OUTSIDER, 2).status, 200);
    assert_eq!(list(fixtures::OUTSIDER, 3).error(), (403, r#"{"message":"403 Forbidden"}"#));
    assert_eq!(list(fixtures::GUEST, 1).status, 200, "its jobs are public to those who see it");
    assert_eq!(
        says(get(&gateway, fixtures::OUTSIDER, "/projects/2/jobs/11")),
        (404, r#"{"message":"404 Not found"}"#.into()),
        "another project's"
    );
    // The jobs of one pipeline are there for everybody who may see them.
    assert_eq!(get(&gateway, "", "/projects/2/pipelines/200/jobs").status, 200);
    assert_eq!(
        get(&gateway, "", "/projects/3/pipelines/300/jobs").error(),
        (403, r#"{"message":"403 Forbidden"}"#)
    );
    assert_eq!(
        get(&gateway, "", "/projects/1/pipelines/100/jobs").error(),
        (404, r#"{"message":"404 Project Not Found"}"#)
    );
    assert_eq!(
        get(&gateway, "", "/projects/2/pipelines/100/jobs").error(),
        (404, r#"{"message":"404 Not found"}"#)
    );
}

fn a_jobs_token_reads_where_gitlab_takes_it(gateway: Gateway) {
    load(&gateway);
    many_visibilities(&gateway);
    let ask = |path: &str| gateway.get(&format!("/api/v4{path}")).job_token(fixtures::RUNNING).send();
    assert_eq!((ask("/projects/1/jobs").status, ask("/projects/1/pipelines/100/jobs").status), (200, 200));
    assert_eq!(ask("/projects/1/jobs/11").error(), UNAUTHORIZED);
    assert_eq!(ask("/projects/2/jobs").status, 200, "open to everybody");
    let closed = ask("/projects/4/jobs");
    assert_eq!(
        closed.error(),
        (
            403,
            r#"{"message":"403 Forbidden - Authentication by CI/CD job token not allowed from project to closed."}"#
        )
    );
    let current = json(&ask("/job"));
    assert_eq!(
        (&current["id"], &current["pipeline"]["project_id"], &current["status"]),
        (&json!(18), &json!(1), &json!("running"))
    );
    let bearer =
        gateway.get("/api/v4/job").header("Authorization", &format!("Bearer {}", fixtures::RUNNING)).send();
    assert_eq!(json(&bearer), current);
    assert_eq!(json(&get(&gateway, "", &format!("/job?job_token={}", fixtures::RUNNING))), current);
    assert_eq!(get(&gateway, "", "/job").error(), UNAUTHORIZED);
    assert_eq!(
        get(&gateway, fixtures::REPORTER, "/job").error(),
        (404, r#"{"message":"404 Job Not Found"}"#)
    );
    gateway.load("projects: [{id: 1, path: group/sub/project, pipelines: [{id: 105, ref: main, sha: dddd, status: success, jobs: [{id: 18, name: build, status: success}]}]}]");
    assert_eq!(
        (ask("/job").error(), ask("/projects/1/jobs").error()),
        (UNAUTHORIZED, UNAUTHORIZED),
        "it has ended"
    );
}

/// A public project (2), one whose jobs are not public (3), and a private one (4).
fn many_visibilities(gateway: &Gateway) {
    gateway.load(
        "projects:
  - {id: 2, path: group/open, visibility: public, pipelines: [{id: 200, ref: main, sha: a, status: success, jobs: [{id: 20, name: a, status: success}]}]}
  - {id: 3, path: group/shy, visibility: public, public_jobs: false, pipelines: [{id: 300, ref: main, sha: a, status: success, jobs: [{id: 30, name: a, status: success}]}]}
  - {id: 4, path: group/closed, members: {developer: developer}}
",
    );
}
