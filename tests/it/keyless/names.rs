//! The name of a GitLab job, which its ID token does not tell: it is asked of the GitLab.

use artigate::settings::Settings;
use serde_json::json;

use super::{CURRENT, World};
use crate::support::gateway::Gateway;
use crate::support::gitlab::{Failure, StubJob, StubPipeline, StubProject, StubToken, StubUser};

#[test]
fn a_job_whose_token_tells_no_name_has_the_one_that_the_gitlab_tells_on_sqlite() {
    has_the_one_that_the_gitlab_tells(World::asked(Gateway::on_sqlite_with));
}

#[test]
fn a_job_whose_token_tells_no_name_has_the_one_that_the_gitlab_tells_on_postgres() {
    has_the_one_that_the_gitlab_tells(World::asked(Gateway::on_postgres_with));
}

#[test]
fn a_job_that_uploads_while_the_gitlab_is_silent_gets_its_name_later_on_sqlite() {
    gets_its_name_later(World::asked(Gateway::on_sqlite_with));
}

#[test]
fn a_job_that_uploads_while_the_gitlab_is_silent_gets_its_name_later_on_postgres() {
    gets_its_name_later(World::asked(Gateway::on_postgres_with));
}

impl World {
    /// Like [`World::new`], with a GitLab that tells about pipeline 574 of project 20.
    fn asked(start: impl FnOnce(Box<dyn FnOnce(&mut Settings)>) -> Gateway) -> Self {
        let world = Self::new(|change| {
            start(Box::new(move |settings| {
                change(settings);
                settings.upstreams[0].service_token = Some("glpat-service".to_owned().into());
            }))
        });
        {
            let mut state = world.stub.state();
            state.users.insert(40, StubUser { username: "maintainer", admin: false });
            let project = StubProject {
                path: "group/site".into(),
                visibility: "private",
                public_jobs: false,
                members: [(40, json!(40))].into(),
                allows: Default::default(),
            };
            state.projects.insert(20, project);
            let (ref_name, status, source) = ("main", "running", "push");
            state.pipelines.insert(574, StubPipeline { project: 20, ref_name, status, source, parent: None });
            for (id, name, status) in [(302, "pages", "running"), (303, "lint", "success")] {
                state.jobs.insert(id, StubJob::of(574, name, status, None));
            }
            let token = StubToken::Personal { user: 40, scopes: &["read_api"], expires_at: None };
            state.tokens.insert("glpat-service".into(), token);
        }
        world
    }
}

fn has_the_one_that_the_gitlab_tells(world: World) {
    let token = |job: &str| world.gitlab_token(json!({"job_id": job}));
    let running = |name: &str| (name.to_owned(), "running".to_owned());
    for _ in 0..2 {
        assert_eq!(world.upload(CURRENT, &token("302"), b"x").error(), (201, "201"));
    }
    assert_eq!(world.stub.asked(), ["/projects/20/jobs/302"], "once");
    assert_eq!(world.states("20", 574).1, [running("pages")]);
    // What the GitLab tells stays, whatever the job says.
    assert_eq!(world.upload(&format!("{CURRENT}?job=other"), &token("302"), b"x").status, 201);
    assert_eq!(world.states("20", 574).1, [running("pages")]);
    assert_eq!(world.upload(CURRENT, &token("303"), b"x").status, 403, "it has ended there");
    world.stub.asked();
    assert_eq!(world.upload(&format!("{CURRENT}?job=said"), &token("304"), b"x").status, 201);
    assert_eq!(world.stub.asked(), [""; 0], "it says its name");
    // Without an answer it goes by the name that such jobs have.
    assert_eq!(world.upload(CURRENT, &token("305"), b"x").status, 201);
    world.stub.state().failure = Some(Failure::Status(502));
    assert_eq!(world.upload(CURRENT, &token("306"), b"x").status, 201);
    let names: Vec<String> = world.states("20", 574).1.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["job", "job", "lint", "pages", "said"]);
}

fn gets_its_name_later(world: World) {
    let token = |job: &str| world.gitlab_token(json!({"job_id": job}));
    world.stub.state().jobs.insert(307, StubJob::of(574, "docs", "running", None));
    world.stub.state().failure = Some(Failure::Status(502));
    assert_eq!(world.upload(CURRENT, &token("302"), b"x").status, 201);
    for job in ["303", "307"] {
        // Whatever the GitLab says of its end.
        assert_eq!(world.upload(&format!("{CURRENT}?finished=true"), &token(job), b"x").status, 201);
    }
    assert_eq!(world.upload(&format!("{CURRENT}?job=said"), &token("304"), b"x").status, 201);
    let states = || world.states("20", 574).1;
    let named = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    assert_eq!(states()[..3], [named("job", "running"), named("job", "success"), named("job", "success")]);
    let follow = || world.gateway.block_on(world.gateway.app.access.follow_hints());
    assert!(follow().is_err(), "it is silent still");
    world.stub.state().failure = None;
    world.gateway.advance_clock(30);
    assert_eq!(follow().unwrap(), 1, "all of its pipeline at once");
    let expected = [
        named("docs", "success"),
        named("lint", "success"),
        named("pages", "running"),
        named("said", "running"),
    ];
    assert_eq!(states(), expected);
}
