//! A gateway in front of a GitLab that nobody has registered anything of.

mod at_once;
mod bulk;
mod by_ref;
mod check;
mod counted;
mod defaults;
mod dialects;
mod gone;
mod gone_everywhere;
mod hints;
mod jobs;
mod moved;
mod outages;
mod pages;
mod passing;
mod pulling;
mod readers;
mod registered;
mod remains;
mod returned;
mod room;
mod secrets;
mod settings;
mod slow;

use std::time::Duration;

use artigate::settings::{PullMode, Settings, UpstreamKind, UpstreamSettings};
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gitlab::{StubGitLab, StubJob, StubPipeline, StubProject, StubToken, StubUser};
use crate::support::http_client::{Answer, Form};
use crate::support::zips;

/// The private project of the job that runs.
pub const APP: &str = "/api/v4/projects/7/jobs/7001/artifacts";

/// Tokens of the members of project 7, one a role, and of others.
pub const MAINTAINER: &str = "glpat-up-maintainer";
pub const DEVELOPER: &str = "glpat-up-developer";
pub const REPORTER: &str = "glpat-up-reporter";
pub const GUEST: &str = "glpat-up-guest";
pub const OUTSIDER: &str = "glpat-up-outsider";
pub const ADMIN: &str = "glpat-up-admin";

/// The token of job 7001, which runs in project 7 for the developer.
pub const BUILD: &str = "glcbt-64_up-build";
/// The token of job 7002 of the same pipeline.
pub const TEST: &str = "glcbt-64_up-test";
/// The token of job 8001, which runs in the public project 8 for the developer.
pub const OPEN: &str = "glcbt-64_up-open";

/// A GitLab with a few projects, and a gateway in front of it.
pub struct World {
    pub gateway: Gateway,
    pub gitlab: StubGitLab,
}

/// Declares tests that run once on each database, with a world of their own.
macro_rules! in_front_on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name($crate::upstream::World::on_sqlite(|_| {}));
            }

            #[test]
            fn on_postgres() {
                super::$name($crate::upstream::World::on_postgres(|_| {}));
            }
        }
    )+};
}
use in_front_on_both;

/// An upstream of the stub's kind.
pub fn upstream(url: &str) -> UpstreamSettings {
    UpstreamSettings {
        name: "gitlab".into(),
        kind: UpstreamKind::GitLab,
        url: url.into(),
        ca_certificates: None,
        service_token: None,
        remember: Duration::from_secs(30),
        timeout: Duration::from_secs(60),
        concurrency: 32,
        hooks: Vec::new(),
        oidc: None,
        // What is not here is absent; `pulling` has the other case.
        pull: PullMode::Off,
        pull_hosts: Vec::new(),
        cache_bytes: 10 << 30,
        poll_timeout: Duration::from_secs(70),
        path: "gitlab".into(),
        application: None,
    }
}

impl World {
    pub fn on_sqlite(change: impl FnOnce(&mut UpstreamSettings)) -> Self {
        Self::start(Gateway::on_sqlite_with, change)
    }

    pub fn on_postgres(change: impl FnOnce(&mut UpstreamSettings)) -> Self {
        Self::start(Gateway::on_postgres_with, change)
    }

    fn start(
        gateway: impl FnOnce(Box<dyn FnOnce(&mut Settings)>) -> Gateway,
        change: impl FnOnce(&mut UpstreamSettings),
    ) -> Self {
        let gitlab = small();
        let mut upstream = upstream(&gitlab.url);
        change(&mut upstream);
        let gateway = gateway(Box::new(move |settings| settings.upstreams = vec![upstream]));
        Self { gateway, gitlab }
    }

    /// Uploads the archive of a job, which holds one file with this text.
    pub fn upload(&self, job: i64, token: &str, query: &str, text: &str) -> Answer {
        let archive = zips::deflated(&[("a.txt", text.as_bytes())]);
        let form = Form::default().file("artifacts.zip", &archive);
        self.gateway.post(&format!("/api/v4/jobs/{job}/artifacts?{query}")).job_token(token).form(form).send()
    }

    /// Uploads the archive of job 7001 with an accessibility, and forgets what was asked for it.
    pub fn with_archive(self, accessibility: &str) -> Self {
        let answer = self.upload(7001, BUILD, &format!("accessibility={accessibility}"), "text");
        assert_eq!(answer.status, 201, "{answer:?}");
        self.gitlab.calls();
        self
    }

    /// Lets everything be forgotten that is remembered.
    pub fn forget(&self) {
        self.gateway.advance_clock(301);
    }

    /// The status of a read by a user.
    pub fn status(&self, path: &str, token: &str) -> u16 {
        self.gateway.get(path).private_token(token).send().status
    }
}

/// A GitLab with a private project 7, a public one 8 and a private one 9, and users of every role in 7.
pub fn small() -> StubGitLab {
    let gitlab = StubGitLab::start();
    {
        let mut state = gitlab.state();
        let users = [
            (40, "up-maintainer"),
            (30, "up-developer"),
            (20, "up-reporter"),
            (10, "up-guest"),
            (5, "up-outsider"),
        ];
        for (id, username) in users {
            state.users.insert(id, StubUser { username, admin: false });
        }
        state.users.insert(60, StubUser { username: "root", admin: true });
        let project = |path: &str, visibility, members: &[(i64, i64)]| StubProject {
            path: path.to_owned(),
            visibility,
            public_jobs: visibility == "public",
            members: members.iter().map(|(user, level)| (*user, json!(level))).collect(),
            allows: Default::default(),
        };
        let all = [(40, 40), (30, 30), (20, 20), (10, 10)];
        state.projects.insert(7, project("group/app", "private", &all));
        state.projects.insert(8, project("group/open", "public", &[(30, 30)]));
        state.projects.insert(9, project("other/lib", "private", &[(30, 30)]));
        let pipeline = |project| StubPipeline {
            project,
            ref_name: "main",
            status: "running",
            source: "push",
            parent: None,
        };
        for (id, project) in [(701, 7), (801, 8), (901, 9)] {
            state.pipelines.insert(id, pipeline(project));
        }
        let job = |pipeline, name| StubJob::of(pipeline, name, "running", Some(30));
        state.jobs.insert(7001, job(701, "build"));
        state.jobs.insert(7002, job(701, "test"));
        state.jobs.insert(8001, job(801, "build"));
        let personal = |user| StubToken::Personal { user, scopes: &["api"], expires_at: None };
        for (token, user) in
            [(MAINTAINER, 40), (DEVELOPER, 30), (REPORTER, 20), (GUEST, 10), (OUTSIDER, 5), (ADMIN, 60)]
        {
            state.tokens.insert(token.to_owned(), personal(user));
        }
        for (token, job) in [(BUILD, 7001), (TEST, 7002), (OPEN, 8001)] {
            state.tokens.insert(token.to_owned(), StubToken::Job(job));
        }
    }
    gitlab
}
