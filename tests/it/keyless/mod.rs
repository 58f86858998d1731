//! Jobs without a secret: ID tokens of GitLab, GitHub and Buildkite.

mod bodies;
mod early_hooks;
mod fetching;
mod hidden;
mod hooks;
mod names;
mod proofs;
mod replays;
mod settings;
mod tokens;
mod uploads;

use artigate::settings::{Settings, UpstreamKind};
use serde_json::{Value, json};

use crate::support::fixture::Fixture;
use crate::support::gateway::{Gateway, START};
use crate::support::gitlab::StubGitLab;
use crate::support::http_client::{Answer, Form};
use crate::support::issuers::{AUDIENCE, Issuer, SigningPair};
use crate::support::zips;

/// The route of a job's own artifacts.
const CURRENT: &str = "/api/v4/jobs/current/artifacts";

/// A gateway that trusts three CI systems.
struct World {
    gateway: Gateway,
    gitlab: Issuer,
    /// The GitLab itself, which knows nothing.
    stub: StubGitLab,
    github: Issuer,
    buildkite: Issuer,
}

/// Declares tests of a [`World`] that run once on each database.
macro_rules! in_worlds {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(crate::keyless::World::new(crate::support::gateway::Gateway::on_sqlite_with))
            }

            #[test]
            fn on_postgres() {
                super::$name(crate::keyless::World::new(crate::support::gateway::Gateway::on_postgres_with))
            }
        }
    )+};
}
use in_worlds;

impl World {
    fn new(start: impl FnOnce(Box<dyn FnOnce(&mut Settings)>) -> Gateway) -> Self {
        let gitlab = Issuer::start(SigningPair::rsa("gitlab-1"));
        let stub = StubGitLab::start();
        let github = Issuer::start(SigningPair::rsa("github-1"));
        let buildkite = Issuer::start(SigningPair::ec("buildkite-1"));
        let upstreams = vec![
            gitlab.upstream(
                "gitlab",
                UpstreamKind::GitLab,
                json!([{"namespace_path": "group"}, {
                    "ci_config_ref_uri": "gitlab.example.com/group/site//.gitlab-ci.yml@refs/heads/main",
                }]),
            ),
            github.upstream(
                "github",
                UpstreamKind::GitHub,
                json!([{"repository_owner_id": "99"}, {
                    "repository_owner_id": "99",
                    "workflow_ref": "octo/site/.github/workflows/build.yml@refs/heads/main",
                }]),
            ),
            buildkite.upstream(
                "buildkite",
                UpstreamKind::Buildkite,
                json!([{"organization_slug": "acme"}, {
                    "organization_slug": "acme",
                    "pipeline_slug": "web",
                }]),
            ),
        ];
        let url = stub.url.clone();
        let gateway = start(Box::new(move |settings| {
            settings.upstreams = upstreams;
            settings.upstreams[0].url = url;
        }));
        Fixture::users().load(&gateway);
        Self { gateway, gitlab, stub, github, buildkite }
    }

    fn gitlab_token(&self, change: Value) -> String {
        self.gitlab.pair.token(&changed(gitlab_claims(&self.gitlab.url()), change))
    }

    fn github_token(&self, change: Value) -> String {
        self.github.pair.token(&changed(github_claims(&self.github.url()), change))
    }

    fn buildkite_token(&self, change: Value) -> String {
        self.buildkite.pair.token(&changed(buildkite_claims(&self.buildkite.url()), change))
    }

    /// Uploads an archive with one file.
    fn upload(&self, path: &str, token: &str, content: &[u8]) -> Answer {
        let form = Form::default().file("artifacts.zip", &zips::deflated(&[("a.txt", content)]));
        self.gateway.post(path).job_token(token).form(form).send()
    }

    /// Reads the file `a.txt` by a ref and a job's name, as an administrator.
    fn by_ref(&self, project: &str, ref_name: &str, job: &str) -> Answer {
        let project = project.replace('/', "%2F");
        let path = format!("/api/v4/projects/{project}/jobs/artifacts/{ref_name}/raw/a.txt?job={job}");
        self.gateway.get(&path).private_token("glpat-admin").send()
    }
}

/// The second at which every test begins.
fn start() -> i64 {
    artigate::domain::Timestamp::parse(START).unwrap().as_millis() / 1000
}

/// Sets claims; null takes one away.
fn changed(mut claims: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Claims as GitLab's documentation has them.
fn gitlab_claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "project_path:group/site:ref_type:branch:ref:main",
        "iat": start(), "nbf": start() - 5, "exp": start() + 3600, "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "namespace_id": "72", "namespace_path": "group", "project_id": "20", "project_path": "group/site",
        "job_namespace_id": "72", "job_namespace_path": "group", "job_project_id": "20",
        "job_project_path": "group/site", "user_id": "1", "user_login": "sample-user",
        "user_email": "sample-user@example.com", "user_access_level": "developer", "user_identities": [],
        "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "public",
        "ci_config_ref_uri": "gitlab.example.com/group/site//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    })
}

/// Claims as GitHub's documentation has them.
fn github_claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "repo:octo@99/site@74:ref:refs/heads/main",
        "iat": start(), "nbf": start() - 600, "exp": start() + 300, "jti": "example-id",
        "ref": "refs/heads/main", "ref_type": "branch", "sha": "example-sha", "repository": "octo/site",
        "repository_id": "74", "repository_owner": "octo", "repository_owner_id": "99",
        "repository_visibility": "private", "run_id": "30433642", "run_number": "10", "run_attempt": "1",
        "check_run_id": "399444496", "runner_environment": "github-hosted", "actor": "octocat", "actor_id": "12",
        "workflow": "Build", "head_ref": "", "base_ref": "", "event_name": "push",
        "workflow_ref": "octo/site/.github/workflows/build.yml@refs/heads/main",
        "job_workflow_ref": "octo/site/.github/workflows/build.yml@refs/heads/main",
    })
}

/// Claims as Buildkite's documentation has them.
fn buildkite_claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "organization:acme:pipeline:web:ref:refs/heads/main:commit:abc:step:build",
        "iat": start(), "nbf": start(), "exp": start() + 300,
        "organization_slug": "acme", "pipeline_slug": "web", "build_number": 7, "build_branch": "main",
        "build_commit": "9f3182061f1e2cca4702c368cbc039b7dc9d4485", "step_key": "build",
        "job_id": "0184990a-477b-4fa8-9968-496074483cee", "agent_id": "0184990a-4782-42b5-afc1-16715b10b8ff",
        "build_source": "webhook", "runner_environment": "buildkite-hosted",
    })
}
