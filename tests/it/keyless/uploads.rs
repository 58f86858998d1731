//! Uploads and downloads of jobs that show nothing but an ID token.

use serde_json::json;

use super::{CURRENT, World, in_worlds};
use crate::support::fixture::Fixture;
use crate::support::http_client::Form;
use crate::support::zips;

in_worlds!(
    a_job_of_each_vendor_uploads_with_no_secret_and_is_found_by_its_ref,
    a_job_that_has_ended_uploads_and_reads_no_more,
    only_a_job_of_a_named_workflow_may_say_that_it_has_finished,
    a_later_job_reads_what_an_earlier_one_of_its_project_uploaded,
    the_pipeline_of_a_merge_request_is_found_by_no_branch,
    what_is_registered_here_is_never_taken_over,
    a_name_stands_in_the_query_in_the_form_or_nowhere,
    a_project_follows_its_number_and_not_its_path,
    the_largest_numbers_in_a_document_leave_some_for_other_vendors,
);

fn the_largest_numbers_in_a_document_leave_some_for_other_vendors(world: World) {
    let largest = i64::MAX;
    world.gateway.load(&format!(
        "projects: [{{id: {largest}, path: a/b, pipelines: [{{id: {largest}, ref: x, sha: a, status: running, \
         jobs: [{{id: {largest}, name: x, status: running}}]}}]}}]"
    ));
    for token in [world.github_token(json!({})), world.buildkite_token(json!({}))] {
        assert_eq!(world.upload(CURRENT, &token, b"x").error(), (201, "201"));
    }
}

fn a_job_of_each_vendor_uploads_with_no_secret_and_is_found_by_its_ref(world: World) {
    for (token, project, job) in [
        (world.gitlab_token(json!({})), "group/site", "pages"),
        (world.github_token(json!({})), "github/octo/site", "build"),
        (world.buildkite_token(json!({})), "buildkite/acme/web", "build"),
    ] {
        let name = if job == "pages" { "?job=pages" } else { "" };
        let answer = world.upload(&format!("{CURRENT}{name}"), &token, project.as_bytes());
        assert_eq!(answer.error(), (201, "201"), "{project}");
        assert_eq!(
            world.by_ref(project, "main", job).status,
            404,
            "its pipeline is not known to be successful"
        );
        let own = world.gateway.get(CURRENT).job_token(&token).send();
        assert_eq!(own.status, 200, "{project}");
        let answer = world.upload(&format!("{CURRENT}?finished=true"), &token, project.as_bytes());
        assert_eq!(answer.error(), (201, "201"), "{project}");
        let found = world.by_ref(project, "main", job);
        assert_eq!((found.status, found.text()), (200, project));
        let anonymous =
            world.gateway.get(&format!("/api/v4/projects/{}", project.replace('/', "%2F"))).send();
        assert_eq!(anonymous.status, 404, "nobody sees it before somebody says so");
    }
}

fn a_job_that_has_ended_uploads_and_reads_no_more(world: World) {
    let token = world.gitlab_token(json!({}));
    assert_eq!(world.gateway.get(CURRENT).job_token(&token).send().status, 404, "nothing is there yet");
    assert_eq!(world.upload(&format!("{CURRENT}?finished=true"), &token, b"x").status, 201);
    assert_eq!(world.upload(CURRENT, &token, b"y").status, 403);
    assert_eq!(world.gateway.get(CURRENT).job_token(&token).send().status, 401);
    let other = world.gitlab_token(json!({"job_id": "303"}));
    assert_eq!(world.upload(CURRENT, &other, b"z").status, 201, "another job of the pipeline still runs");
}

fn only_a_job_of_a_named_workflow_may_say_that_it_has_finished(world: World) {
    let elsewhere = "octo/site/.github/workflows/build.yml@refs/heads/feature";
    for token in [
        world.github_token(json!({"workflow_ref": elsewhere})),
        world.buildkite_token(json!({"pipeline_slug": "other"})),
        world.gitlab_token(
            json!({"ci_config_ref_uri": "gitlab.example.com/group/other//.gitlab-ci.yml@refs/heads/x"}),
        ),
    ] {
        let finished = format!("{CURRENT}?finished=true");
        assert_eq!(world.upload(&finished, &token, b"x").status, 403);
        let file = zips::deflated(&[("a.txt", b"x")]);
        let behind = Form::default().file("a.zip", &file).field("finished", "true");
        assert_eq!(world.gateway.post(CURRENT).job_token(&token).form(behind).send().status, 403);
        assert_eq!(world.gateway.get(CURRENT).job_token(&token).send().status, 404, "nothing was stored");
        assert_eq!(world.upload(CURRENT, &token, b"x").status, 201, "it may still upload");
        assert_eq!(world.upload(&format!("{CURRENT}?finished=maybe"), &token, b"x").status, 400);
    }
}

fn a_later_job_reads_what_an_earlier_one_of_its_project_uploaded(world: World) {
    let build = world.github_token(json!({}));
    assert_eq!(world.upload(&format!("{CURRENT}?accessibility=maintainer"), &build, b"built").status, 201);
    assert_eq!(world.upload(&format!("{CURRENT}?finished=true"), &build, b"built").status, 201);
    let later = world.github_token(json!({"check_run_id": "399444497", "run_id": "30433643"}));
    let by_ref = "/api/v4/projects/github%2Focto%2Fsite/jobs/artifacts/main/raw/a.txt?job=build";
    let answer = world.gateway.get(by_ref).header("Authorization", &format!("Bearer {later}")).send();
    assert_eq!((answer.status, answer.text()), (200, "built"));
    let stranger = world.github_token(json!({"repository_id": "75", "repository": "octo/other"}));
    assert_eq!(world.gateway.get(by_ref).job_token(&stranger).send().status, 403);
    assert_eq!(world.upload(CURRENT, &stranger, b"x").status, 201);
    assert_eq!(
        world.gateway.get(by_ref).job_token(&stranger).send().status,
        403,
        "with rows of its own, too"
    );
}

fn the_pipeline_of_a_merge_request_is_found_by_no_branch(world: World) {
    // Of a fork whose branch is called main: the project that runs the job is the target.
    let fork = world.gitlab_token(json!({
        "pipeline_source": "merge_request_event", "project_id": "77", "project_path": "stranger/site",
    }));
    assert_eq!(world.upload(&format!("{CURRENT}?job=pages&finished=true"), &fork, b"forged").status, 201);
    for ref_name in ["main", "refs%2Funknown", "refs/unknown"] {
        assert_eq!(world.by_ref("group/site", ref_name, "pages").status, 404, "{ref_name}");
    }
    let recent = "/api/v4/projects/20/jobs/artifacts/refs%2Funknown/download?job=pages\
                  &search_recent_successful_pipelines=true";
    assert_eq!(world.gateway.get(recent).private_token("glpat-admin").send().status, 404);
    let target = world.github_token(json!({"event_name": "pull_request_target"}));
    assert_eq!(world.upload(&format!("{CURRENT}?finished=true"), &target, b"forged").status, 201);
    assert_eq!(world.by_ref("github/octo/site", "main", "build").status, 404);
    let owned = world.buildkite_token(json!({"build_branch": "stranger:main"}));
    assert_eq!(world.upload(&format!("{CURRENT}?finished=true"), &owned, b"forged").status, 201);
    assert_eq!(world.by_ref("buildkite/acme/web", "stranger:main", "build").status, 404);
}

fn what_is_registered_here_is_never_taken_over(world: World) {
    Fixture::project("group/site").pipeline(100, "main").load(&world.gateway);
    let by_path = world.upload(CURRENT, &world.gitlab_token(json!({})), b"x");
    assert_eq!(by_path.status, 403, "the path is that of project 1");
    let by_id = world
        .gitlab_token(json!({"job_project_id": "1", "project_id": "1", "job_project_path": "group/new"}));
    assert_eq!(world.upload(CURRENT, &by_id, b"x").status, 403, "the number is that of project 1");
    let pipeline = world.gitlab_token(json!({"job_project_path": "group/new", "pipeline_id": "100"}));
    assert_eq!(world.upload(CURRENT, &pipeline, b"x").status, 403, "the pipeline is that of project 1");
    let found = world.gateway.get("/api/v4/projects/1").private_token("glpat-admin").send();
    assert!(found.text().contains("\"path_with_namespace\":\"group/site\""), "{}", found.text());
}

fn a_name_stands_in_the_query_in_the_form_or_nowhere(world: World) {
    let file = zips::deflated(&[("a.txt", b"x")]);
    let name_of = |id: &str| {
        let path = format!("/api/v4/projects/20/jobs/{id}");
        let answer = world.gateway.get(&path).private_token("glpat-admin").send();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        body["name"].as_str().unwrap_or_default().to_owned()
    };
    for (id, query, before, behind, expected) in [
        ("1", "", None, None, "job"),
        ("2", "?job=a%20b", None, None, "a b"),
        ("3", "", Some("c"), None, "c"),
        ("4", "", None, Some("d"), "d"),
        ("5", "?job=e", Some("f"), None, "e"),
    ] {
        let token = world.gitlab_token(json!({"job_id": id}));
        let form = before.map_or_else(Form::default, |name| Form::default().field("job", name));
        let form = form.file("a.zip", &file);
        let form = match behind {
            Some(name) => form.field("job", name),
            None => form,
        };
        let answer = world.gateway.post(&format!("{CURRENT}{query}")).job_token(&token).form(form).send();
        assert_eq!(answer.status, 201, "{expected}: {}", answer.text());
        assert_eq!(name_of(id), expected);
    }
    let long = "x".repeat(256);
    for bad in ["a%0Ab", long.as_str()] {
        let token = world.gitlab_token(json!({"job_id": "6"}));
        assert_eq!(world.upload(&format!("{CURRENT}?job={bad}"), &token, b"x").status, 400, "{bad}");
    }
}

fn a_project_follows_its_number_and_not_its_path(world: World) {
    let finished = format!("{CURRENT}?job=pages&finished=true");
    assert_eq!(world.upload(&finished, &world.gitlab_token(json!({})), b"old").status, 201);
    // Another project has taken the path since.
    let taken = json!({"job_project_id": "21", "project_id": "21", "pipeline_id": "600", "job_id": "700"});
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(taken), b"new").status, 201);
    assert_eq!(world.by_ref("group/site", "main", "pages").status, 404, "never the old project's artifacts");
    let by_number = world.by_ref("20", "main", "pages");
    assert_eq!((by_number.status, by_number.text()), (200, "old"));
    // Numbers that are given here stay far from those of registered projects.
    let changes = artigate::catalog::projects::ProjectChanges {
        path: "ours".into(),
        path_lower: "ours".into(),
        name: None,
        visibility: None,
        public_jobs: None,
        default_branch: None,
        keep_latest_artifact: None,
        max_artifact_bytes: None,
        max_storage_bytes: None,
    };
    let now = world.gateway.now();
    assert_eq!(world.upload(CURRENT, &world.github_token(json!({"check_run_id": "1"})), b"x").status, 201);
    let ours =
        world.gateway.write_catalog(move |db| artigate::catalog::projects::create(db, None, &changes, now));
    assert!(ours < 1 << 50, "{ours}");
    // A repository that was renamed keeps its artifacts.
    let finished = format!("{CURRENT}?finished=true");
    assert_eq!(world.upload(&finished, &world.github_token(json!({})), b"kept").status, 201);
    let renamed = json!({"repository": "octo/renamed", "run_id": "9", "check_run_id": "9"});
    assert_eq!(world.upload(CURRENT, &world.github_token(renamed), b"x").status, 201);
    assert_eq!(world.by_ref("github/octo/renamed", "main", "build").text(), "kept");
    assert_eq!(world.by_ref("github/octo/site", "main", "build").status, 404);
    // A slug that changed hands leads to the pipeline whose ID came last.
    let first = json!({"pipeline_id": "0184990a-0000-4fa8-9968-496074483cee"});
    assert_eq!(world.upload(&finished, &world.buildkite_token(first), b"first").status, 201);
    let second =
        json!({"pipeline_id": "0184990a-1111-4fa8-9968-496074483cee", "build_number": 1, "job_id": "j"});
    assert_eq!(world.upload(CURRENT, &world.buildkite_token(second), b"second").status, 201);
    assert_eq!(world.by_ref("buildkite/acme/web", "main", "build").status, 404);
}
