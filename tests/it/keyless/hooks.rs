//! Hooks: what they prove, what they teach, and in which order.

use artigate::settings::{HookMode, HookSettings, Settings};
use ring::hmac;
use serde_json::{Value, json};

use super::{CURRENT, World, changed};
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

pub(super) const INSTANCE: &str = "secret-of-the-instance";
pub(super) const GROUP: &str = "secret-of-the-group-x";
pub(super) const HINT: &str = "secret-of-a-maintainer";
pub(super) const SIGNED: &str = "whsec_c2VjcmV0LXRoYXQtb25seS1zaWducy0wMDAwMDA=";

impl World {
    /// Like [`World::new`], with hooks: of the instance and of a group, which are believed, of somebody, which is not,
    /// and one that signs.
    pub(super) fn with_hooks(start: impl FnOnce(Box<dyn FnOnce(&mut Settings)>) -> Gateway) -> Self {
        Self::new(|change| {
            start(Box::new(move |settings| {
                change(settings);
                for upstream in &mut settings.upstreams {
                    let hook = |scope: &str, secret: &str, mode| HookSettings {
                        scope: scope.into(),
                        secret: secret.into(),
                        mode,
                    };
                    upstream.hooks = vec![
                        hook("*", INSTANCE, HookMode::Trust),
                        hook("group", GROUP, HookMode::Trust),
                        hook("group", HINT, HookMode::Hint),
                        hook("*", SIGNED, HookMode::Trust),
                    ];
                }
            }))
        })
    }

    pub(super) fn gitlab_hook(&self, secret: &str, event: &Value) -> Answer {
        let name = match (event["object_kind"].as_str(), event["event_name"].as_str()) {
            (Some("pipeline"), _) => "Pipeline Hook",
            (Some("build"), _) => "Job Hook",
            (_, Some(_)) => "System Hook",
            _ => "Push Hook",
        };
        let request = self.gateway.post("/api/feeds/v1/gitlab").header("X-Gitlab-Event", name);
        request.header("X-Gitlab-Token", secret).body(event.to_string().into_bytes()).send()
    }

    pub(super) fn github_hook(&self, event: &str, body: &Value) -> Answer {
        let signature = hex::encode(mac(INSTANCE.as_bytes(), &[body.to_string().as_bytes()]));
        let request = self.gateway.post("/api/feeds/v1/github").header("X-GitHub-Event", event);
        let request = request.header("X-Hub-Signature-256", &format!("sha256={signature}"));
        request.body(body.to_string().into_bytes()).send()
    }

    pub(super) fn buildkite_hook(&self, event: &str, body: &Value) -> Answer {
        let request = self.gateway.post("/api/feeds/v1/buildkite").header("X-Buildkite-Event", event);
        let (time, body) = (self.gateway.now().as_millis() / 1000, body.to_string());
        let signature =
            hex::encode(mac(INSTANCE.as_bytes(), &[time.to_string().as_bytes(), b".", body.as_bytes()]));
        let signature = format!("timestamp={time},signature={signature}");
        request.header("X-Buildkite-Signature", &signature).body(body.into_bytes()).send()
    }

    /// The status of a pipeline, and those of its jobs by name.
    pub(super) fn states(&self, project: &str, pipeline: i64) -> (String, Vec<(String, String)>) {
        let path = format!("/api/v4/projects/{project}/pipelines/{pipeline}");
        let get = |path: &str| -> Value {
            let answer = self.gateway.get(path).private_token("glpat-admin").send();
            serde_json::from_slice(&answer.body).unwrap()
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let jobs = get(&format!("{path}/jobs"));
        let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut jobs: Vec<_> = jobs.iter().map(|job| (text(&job["name"]), text(&job["status"]))).collect();
        jobs.sort();
        (text(&get(&path)["status"]), jobs)
    }
}

pub(super) fn mac(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &message.concat()).as_ref().to_vec()
}

/// A time some seconds after the beginning of the test.
fn at(seconds: i64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("2026-02-01T12:{minutes:02}:{seconds:02}Z")
}

pub(super) fn pipeline(status: &str, clock: i64, change: Value) -> Value {
    let finished = ["success", "failed", "canceled"].contains(&status).then(|| at(clock));
    let attributes = json!({
        "id": 574, "iid": 12, "ref": "main", "tag": false, "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "source": "push", "status": status, "created_at": at(0), "finished_at": finished,
        "variables": [{"key": "TOKEN", "value": "s3cret"}],
    });
    let job = json!({
        "id": 302, "stage": "deploy", "name": "pages", "status": status, "allow_failure": false,
        "created_at": at(0), "started_at": at(clock.min(1)), "finished_at": finished,
    });
    changed(
        json!({
            "object_kind": "pipeline", "object_attributes": attributes, "merge_request": null,
            "project": {"id": 20, "path_with_namespace": "group/site", "visibility_level": 0},
            "builds": [job],
        }),
        change,
    )
}

pub(super) fn run(status: &str, conclusion: Value, clock: i64) -> Value {
    json!({
        "action": "completed",
        "workflow_run": {
            "id": 30433642, "run_number": 10, "run_attempt": 1, "head_branch": "main", "head_sha": "example-sha",
            "event": "push", "status": status, "conclusion": conclusion, "created_at": at(0),
            "run_started_at": at(1), "updated_at": at(clock),
        },
        "repository": {"id": 74, "full_name": "octo/site"},
    })
}

pub(super) fn build(state: &str, clock: i64, change: Value) -> Value {
    let finished = ["passed", "failed"].contains(&state).then(|| at(clock));
    let build = json!({
        "id": "0184990a-2222-4fa8-9968-496074483cee", "number": 7, "state": state, "blocked": false,
        "branch": "main", "tag": null, "commit": "9f3182061f1e2cca4702c368cbc039b7dc9d4485", "source": "webhook",
        "pull_request": null, "created_at": at(0), "started_at": at(clock.min(1)), "finished_at": finished,
    });
    json!({
        "event": "build.finished", "build": changed(build, change),
        "pipeline": {
            "id": "0184990a-3333-4fa8-9968-496074483cee", "slug": "web", "repository": "git@example.com:acme/web.git",
            "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web",
        },
    })
}

/// Declares tests of a [`World`] with hooks that run once on each database.
macro_rules! in_hooked_worlds {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(crate::keyless::World::with_hooks(crate::support::gateway::Gateway::on_sqlite_with))
            }

            #[test]
            fn on_postgres() {
                super::$name(crate::keyless::World::with_hooks(crate::support::gateway::Gateway::on_postgres_with))
            }
        }
    )+};
}

pub(super) use in_hooked_worlds;

in_hooked_worlds!(
    jobs_of_each_vendor_are_found_once_a_hook_tells_of_their_success,
    an_older_event_never_undoes_a_newer_one,
    a_secret_speaks_only_about_its_scope,
    a_hint_is_noted_and_believed_in_nothing,
    hooks_tell_no_ref_of_a_merge_request_or_a_fork,
    a_renamed_or_deleted_project_leaves_its_path
);

fn jobs_of_each_vendor_are_found_once_a_hook_tells_of_their_success(world: World) {
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"gitlab").status, 201);
    assert_eq!(world.upload(CURRENT, &world.github_token(json!({})), b"github").status, 201);
    assert_eq!(world.upload(CURRENT, &world.buildkite_token(json!({})), b"buildkite").status, 201);
    assert_eq!(world.gitlab_hook(GROUP, &pipeline("running", 2, json!({}))).status, 202);
    assert_eq!(world.github_hook("workflow_run", &run("in_progress", json!(null), 2)).status, 202);
    assert_eq!(world.buildkite_hook("build.running", &build("running", 2, json!({}))).status, 202);
    let projects = [("group/site", "pages"), ("github/octo/site", "build"), ("buildkite/acme/web", "build")];
    for (project, job) in projects {
        assert_eq!(world.by_ref(project, "main", job).status, 404, "{project}");
    }
    assert_eq!(world.gitlab_hook(GROUP, &pipeline("success", 9, json!({}))).status, 202);
    assert_eq!(world.github_hook("workflow_run", &run("completed", json!("success"), 9)).status, 202);
    assert_eq!(world.buildkite_hook("build.finished", &build("passed", 9, json!({}))).status, 202);
    for (project, job) in projects {
        let answer = world.by_ref(project, "main", job);
        assert_eq!(answer.status, 200, "{project}: {}", answer.text());
    }
    assert_eq!(world.states("20", 574), ("success".into(), vec![("pages".into(), "success".into())]));
    for token in
        [world.gitlab_token(json!({})), world.github_token(json!({})), world.buildkite_token(json!({}))]
    {
        assert_eq!(world.upload(CURRENT, &token, b"late").status, 403, "it is known to have ended");
    }
}

fn an_older_event_never_undoes_a_newer_one(world: World) {
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let events: Vec<(Value, &str, &str)> = vec![
        (pipeline("running", 3, json!({})), "running", "running"),
        (pipeline("success", 9, json!({})), "success", "success"),
        // Late, at the same time, and again.
        (pipeline("running", 4, json!({})), "success", "success"),
        (pipeline("pending", 0, json!({})), "success", "success"),
        (pipeline("success", 9, json!({})), "success", "success"),
    ];
    for (event, of_pipeline, of_job) in events {
        assert_eq!(world.gitlab_hook(INSTANCE, &event).status, 202);
        let expected = (of_pipeline.to_owned(), vec![("pages".to_owned(), of_job.to_owned())]);
        assert_eq!(world.states("20", 574), expected, "{event}");
    }
    // A retried job opens its pipeline again; the job that has ended stays as it ended.
    let retried = json!({"id": 303, "stage": "deploy", "name": "again", "status": "running",
        "created_at": at(20), "started_at": at(21), "finished_at": null});
    let ended = json!({"id": 302, "stage": "deploy", "name": "pages", "status": "failed",
        "created_at": at(0), "started_at": at(1), "finished_at": at(30)});
    let reopened = pipeline("running", 0, json!({"builds": [ended, retried]}));
    assert_eq!(world.gitlab_hook(INSTANCE, &reopened).status, 202);
    let jobs = vec![("again".to_owned(), "running".to_owned()), ("pages".to_owned(), "success".to_owned())];
    assert_eq!(world.states("20", 574), ("running".into(), jobs.clone()));
    let job = json!({
        "object_kind": "build", "build_id": 303, "build_name": "again", "build_stage": "deploy",
        "build_status": "success", "build_created_at": "2026-02-01 12:00:20 UTC",
        "build_started_at": "2026-02-01 12:00:21 UTC", "build_finished_at": "2026-02-01 12:00:40 UTC",
        "pipeline_id": 574, "project_id": 20, "project_name": "Group / Site",
        "repository": {"homepage": "https://gitlab.example.com/group/site"},
    });
    assert_eq!(world.gitlab_hook(INSTANCE, &job).status, 202);
    assert_eq!(world.states("20", 574).1[0], ("again".to_owned(), "success".to_owned()));
    let late = changed(job, json!({"build_status": "running", "build_finished_at": null}));
    assert_eq!(world.gitlab_hook(INSTANCE, &late).status, 202);
    assert_eq!(world.states("20", 574).1[0], ("again".to_owned(), "success".to_owned()));
}

fn a_secret_speaks_only_about_its_scope(world: World) {
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let other = json!({"ci_config_ref_uri": "x", "namespace_path": "group", "job_project_path": "other/site",
        "job_project_id": "30", "project_id": "30", "pipeline_id": "600", "job_id": "700"});
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(other), b"x").status, 201);
    let event = |project: Value| {
        let mut event = pipeline("success", 9, json!({"project": project}));
        event["object_attributes"]["id"] = 600.into();
        event["builds"] = json!([]);
        event
    };
    // Its own path, and the number of another project with a path of the scope.
    for path in ["other/site", "group/site"] {
        let forged = event(json!({"id": 30, "path_with_namespace": path}));
        assert_eq!(
            world.gitlab_hook(GROUP, &forged).status,
            202,
            "it is ignored, and not an error of the sender"
        );
        assert_eq!(world.states("30", 600).0, "running", "{path}");
    }
    // Another project's pipeline, and another's job, below a number of its own.
    let forged = event(json!({"id": 20, "path_with_namespace": "group/site"}));
    assert_eq!(world.gitlab_hook(GROUP, &forged).status, 202);
    let mut forged = pipeline("success", 9, json!({}));
    forged["builds"][0]["id"] = 700.into();
    assert_eq!(world.gitlab_hook(GROUP, &forged).status, 202);
    assert_eq!(world.states("30", 600), ("running".into(), vec![("job".into(), "running".into())]));
    let told = event(json!({"id": 30, "path_with_namespace": "other/site"}));
    assert_eq!(world.gitlab_hook(INSTANCE, &told).status, 202);
    assert_eq!(world.states("30", 600).0, "success");
    let unknown = event(json!({"id": 31, "path_with_namespace": "group/unknown"}));
    assert_eq!(world.gitlab_hook(INSTANCE, &unknown).status, 202);
    assert_eq!(world.gateway.get("/api/v4/projects/31").private_token("glpat-admin").send().status, 404);
}

fn a_hint_is_noted_and_believed_in_nothing(world: World) {
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let success = pipeline("success", 9, json!({}));
    for _ in 0..2 {
        assert_eq!(world.gitlab_hook(HINT, &success).status, 202);
    }
    assert_eq!(world.states("20", 574), ("running".into(), vec![("job".into(), "running".into())]));
    let since = world.gateway.now();
    let pending =
        world.gateway.catalog(move |db| artigate::catalog::foreign::pending(db, "gitlab", since, since));
    let pending: Vec<_> = pending.iter().map(|hint| (hint.project_id, hint.pipeline_id)).collect();
    assert_eq!(pending, [(20, 574)], "once");
    // It is forgotten after a week.
    world.gateway.advance_clock(8 * 86_400);
    assert_eq!(world.gitlab_hook(INSTANCE, &pipeline("failed", 50, json!({}))).status, 202);
    let later = world.gateway.now();
    let pending =
        world.gateway.catalog(move |db| artigate::catalog::foreign::pending(db, "gitlab", since, later));
    assert!(pending.is_empty());
}

fn hooks_tell_no_ref_of_a_merge_request_or_a_fork(world: World) {
    let request = json!({"pipeline_source": "merge_request_event"});
    assert_eq!(world.upload(&format!("{CURRENT}?job=pages"), &world.gitlab_token(request), b"x").status, 201);
    let event = pipeline("success", 9, json!({"merge_request": {"iid": 1, "source_branch": "main"}}));
    assert_eq!(world.gitlab_hook(INSTANCE, &event).status, 202);
    assert_eq!(world.states("20", 574).0, "success");
    assert_eq!(world.by_ref("group/site", "main", "pages").status, 404);
    // The claims of a build of a fork do not say so; its event does.
    assert_eq!(world.upload(CURRENT, &world.buildkite_token(json!({})), b"x").status, 201);
    let fork = json!({"pull_request": {"id": "1", "base": "main", "repository": "git@example.com:stranger/web.git"}});
    assert_eq!(world.buildkite_hook("build.finished", &build("passed", 9, fork)).status, 202);
    assert_eq!(world.by_ref("buildkite/acme/web", "main", "build").status, 404);
    let other = world.buildkite_token(json!({"job_id": "another"}));
    assert_eq!(world.upload(CURRENT, &other, b"x").status, 201);
    assert_eq!(world.by_ref("buildkite/acme/web", "main", "build").status, 404);
}

fn a_renamed_or_deleted_project_leaves_its_path(world: World) {
    assert_eq!(
        world.upload(&format!("{CURRENT}?finished=true"), &world.gitlab_token(json!({})), b"x").status,
        201
    );
    let moved = |name: &str, to: &str| {
        json!({"event_name": name, "project_id": 20, "path_with_namespace": to,
            "old_path_with_namespace": "group/site"})
    };
    assert_eq!(world.gitlab_hook(HINT, &moved("project_rename", "group/new")).status, 202);
    assert_eq!(world.by_ref("group/site", "main", "job").status, 200, "a hint moves nothing");
    assert_eq!(world.gitlab_hook(INSTANCE, &moved("project_rename", "group/new")).status, 202);
    assert_eq!(world.by_ref("group/new", "main", "job").status, 200);
    assert_eq!(world.by_ref("group/site", "main", "job").status, 404);
    let gone = json!({"event_name": "project_destroy", "project_id": 20, "path_with_namespace": "group/new"});
    assert_eq!(world.gitlab_hook(INSTANCE, &gone).status, 202);
    assert_eq!(world.by_ref("group/new", "main", "job").status, 404);
}
