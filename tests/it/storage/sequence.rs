//! Everything that adds, changes or deletes artifacts, in a random order: the counters are right after each step.

use std::collections::BTreeMap;
use std::time::Duration;

use artigate::catalog::projects;
use artigate::settings::{PullMode, UpstreamSettings};
use serde_json::{Value, json};

use super::{count, stored};
use crate::buildkite::agent::Agent;
use crate::github;
use crate::support::fixture::Fixture;
use crate::support::fixtures::{ARCHIVE, MAINTAINER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::gitlab::{StubJob, StubPipeline};
use crate::support::http_client::{Answer, Form, Request};
use crate::support::zips;
use crate::upstream::{self, World};

/// How many steps are made: enough that each kind occurs often.
const STEPS: usize = 160;

#[test]
fn on_sqlite() {
    counters_are_right_after_each_step(World::on_sqlite(pulls));
}

#[test]
fn on_postgres() {
    counters_are_right_after_each_step(World::on_postgres(pulls));
}

/// Copies are fetched, and the oldest ones given up: not all of them fit.
fn pulls(settings: &mut UpstreamSettings) {
    settings.pull = PullMode::Archives;
    settings.cache_bytes = 1500;
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn counters_are_right_after_each_step(world: World) {
    prepare(&world);
    let mut random = Random(16);
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for step in 0..STEPS {
        let (name, take) = STEPS_THERE_ARE[random.below(STEPS_THERE_ARE.len())];
        let number = random.below(1000);
        if take(&world, step, number) {
            *done.entry(name).or_default() += 1;
        }
        // Compares them with the artifacts.
        stored(&world.gateway);
    }
    let idle: Vec<&str> =
        STEPS_THERE_ARE.iter().map(|(name, _)| *name).filter(|name| !done.contains_key(name)).collect();
    assert_eq!(idle, [""; 0], "all of them have done something: {done:?}");
    count(&world.gateway);
    stored(&world.gateway);
    assert_eq!(world.gateway.block_on(world.gateway.app.retention.check_counters()).unwrap(), []);
}

fn prepare(world: &World) {
    register(&world.gateway);
    let mut state = world.gitlab.state();
    let (ref_name, status, source) = ("old", "success", "push");
    state.pipelines.insert(501, StubPipeline { project: 7, ref_name, status, source, parent: None });
    for id in 5001..5004 {
        let mut job = StubJob::of(501, "build", "success", Some(30));
        job.archive = Some(zips::deflated(&[("a.bin", &zips::noise(600))]));
        state.jobs.insert(id, job);
    }
}

/// Project 1 with job 10, which has an archive of two files, and job 20, which runs.
fn register(gateway: &Gateway) {
    let archive = zips::deflated(&[("x.txt", b"hello"), ("y.txt", b"world")]);
    let made = Fixture::project("group/project").public().members();
    let made = made.pipeline(100, "main").status("success").job(10, "build").archive(&archive);
    made.pipeline(200, "main")
        .status("running")
        .job(20, "build")
        .status("running")
        .token(RUNNING)
        .load(gateway);
}

/// A step, which returns whether it did something.
type Step = fn(&World, usize, usize) -> bool;

const STEPS_THERE_ARE: &[(&str, Step)] = &[
    ("a runner uploads", runner_uploads),
    ("a runner uploads", runner_uploads),
    ("a toolkit uploads", toolkit_uploads),
    ("a toolkit begins", toolkit_begins),
    ("an agent uploads", agent_uploads),
    ("an agent declares", agent_declares),
    ("a job of the upstream uploads", foreign_job_uploads),
    ("an archive of the upstream is fetched", archive_is_fetched),
    ("an archive of the upstream is fetched", archive_is_fetched),
    ("a copy is deleted", copy_is_deleted),
    ("artifacts of a job are deleted", artifacts_are_deleted),
    ("an artifact of a run is deleted", artifact_of_run_is_deleted),
    ("artifacts are kept", artifacts_are_kept),
    ("a job is erased", job_is_erased),
    ("a file is taken out of an archive", file_is_taken_out),
    ("a document replaces bytes", document_replaces_bytes),
    ("a project is purged", project_is_purged),
    ("a project is moved", project_is_moved),
    ("a project is deleted", project_is_deleted),
    ("a project of the upstream is deleted", foreign_project_is_deleted),
    ("a sweep", sweep),
    ("a sweep", sweep),
    ("a collection", collection),
    ("a count", storage_is_counted),
];

fn is_done(answer: &Answer) -> bool {
    assert!(answer.status < 500, "{} {}", answer.status, answer.text());
    answer.status < 300
}

fn change(gateway: &Gateway, method: &str, path: &str) -> bool {
    is_done(&Request::new(gateway.address, method, path).private_token(MAINTAINER).send())
}

fn runner_uploads(World { gateway, .. }: &World, _: usize, number: usize) -> bool {
    let path = super::upload_path(["archive", "junit", "sast"][number % 3]);
    let expiry = ["", "&expire_in=1+hour", "&expire_in=0"][number / 3 % 3];
    let form = Form::default().file("a", &zips::noise(number + 1));
    is_done(&gateway.post(&format!("{path}{expiry}")).job_token(RUNNING).form(form).send())
}

fn toolkit_uploads(World { gateway, .. }: &World, step: usize, number: usize) -> bool {
    let token = github::runtime_token(gateway, "20", RUNNING);
    let bytes = zips::deflated(&[("z.bin", &zips::noise(number + 1))]);
    github::upload(gateway, &token, &format!("bin-{step}"), &bytes, 400, json!({}));
    true
}

fn toolkit_begins(World { gateway, .. }: &World, step: usize, number: usize) -> bool {
    let token = github::runtime_token(gateway, "20", RUNNING);
    let link = github::create(gateway, &token, &format!("bin-{step}"), json!({}));
    is_done(&github::put_block(gateway, &link, &github::block_id(0), &zips::noise(number + 1)))
}

fn agent(gateway: &Gateway) -> Agent {
    Agent::new(gateway.address, RUNNING, "20", "200")
}

fn agent_uploads(World { gateway, .. }: &World, step: usize, number: usize) -> bool {
    let (log, same) = (zips::noise(number), zips::noise(3));
    agent(gateway).upload(&format!("batch-{step}"), &[("a.log", &log), ("b.log", &same), ("empty", b"")]);
    true
}

fn agent_declares(World { gateway, .. }: &World, step: usize, number: usize) -> bool {
    is_done(&agent(gateway).declare(&format!("batch-{step}"), &[("c.log", &zips::noise(number))]))
}

fn foreign_job_uploads(world: &World, _: usize, number: usize) -> bool {
    let expiry = ["", "expire_in=1+hour"][number % 2];
    is_done(&world.upload(7001, upstream::BUILD, expiry, &number.to_string()))
}

fn archive_of(number: usize) -> String {
    format!("/api/v4/projects/7/jobs/{}/artifacts", 5001 + number % 3)
}

fn archive_is_fetched(world: &World, _: usize, number: usize) -> bool {
    is_done(&world.gateway.get(&archive_of(number)).private_token(upstream::DEVELOPER).send())
}

fn copy_is_deleted(World { gateway, .. }: &World, _: usize, number: usize) -> bool {
    is_done(&gateway.request("DELETE", &archive_of(number)).private_token(upstream::MAINTAINER).send())
}

fn artifacts_are_deleted(World { gateway, .. }: &World, _: usize, number: usize) -> bool {
    change(gateway, "DELETE", [ARCHIVE, "/api/v4/projects/1/jobs/20/artifacts"][number % 2])
}

fn artifact_of_run_is_deleted(World { gateway, .. }: &World, step: usize, _: usize) -> bool {
    let token = github::runtime_token(gateway, "20", RUNNING);
    let name = format!("gone-{step}");
    github::upload(gateway, &token, &name, &zips::deflated(&[("a", b"b")]), 400, json!({}));
    stored(gateway);
    github::called(gateway, &token, "DeleteArtifact", &github::of_job(&name));
    true
}

fn artifacts_are_kept(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    change(gateway, "POST", "/api/v4/projects/1/jobs/20/artifacts/keep")
}

fn job_is_erased(World { gateway, .. }: &World, step: usize, _: usize) -> bool {
    let id = 1000 + step as i64;
    let made = Fixture::project("group/project").pipeline(id, "erased").status("failed");
    made.job(id, "a").status("failed").archive(b"is erased").artifact("trace", b"log").load(gateway);
    stored(gateway);
    change(gateway, "POST", &format!("/api/v4/projects/1/jobs/{id}/erase"))
}

fn file_is_taken_out(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    let list = "/v2/organizations/group/pipelines/project/builds/1/artifacts?per_page=100";
    let bearer = format!("Bearer {MAINTAINER}");
    let listed = gateway.get(list).header("Authorization", &bearer).send();
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    let Some(url) = listed[0]["url"].as_str() else { return false };
    let path = url.strip_prefix(&gateway.base_url()).unwrap();
    is_done(&gateway.request("DELETE", path).header("Authorization", &bearer).send())
}

fn document_replaces_bytes(World { gateway, .. }: &World, _: usize, number: usize) -> bool {
    let made = Fixture::project("group/project").pipeline(300, "old").status("failed");
    let made = made.job(30, "a").archive(&zips::noise(number + 1)).expire_in("2 hours");
    made.job(31, "b").archive(b"stays").load(gateway);
    true
}

fn project_is_purged(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    change(gateway, "DELETE", "/api/v4/projects/1/artifacts")
}

fn project_is_moved(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    for (from, to) in [("group/project", "other/place"), ("other", "group"), ("group/place", "group/project")]
    {
        gateway.write_catalog(move |db| projects::relocate(db, from, to).map(drop));
        stored(gateway);
    }
    true
}

fn delete_project(gateway: &Gateway, id: i64) -> bool {
    let before = gateway.catalog(super::to_be_removed);
    let now = gateway.now();
    let Ok(had) = gateway.try_write_catalog(move |db| projects::delete(db, id, now)) else { return false };
    // What it had waits, with the blobs of its uploads.
    assert!(gateway.catalog(super::to_be_removed).bytes >= before.bytes + had.bytes);
    had.artifacts > 0
}

fn project_is_deleted(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    let had_some = delete_project(gateway, 1);
    stored(gateway);
    register(gateway);
    had_some
}

fn foreign_project_is_deleted(world: &World, _: usize, _: usize) -> bool {
    let had_some = delete_project(&world.gateway, 7);
    world.forget();
    had_some
}

fn sweep(World { gateway, .. }: &World, _: usize, number: usize) -> bool {
    gateway.advance_clock([0, 20, 70, 2000][number % 4] * 60);
    let swept = gateway.sweep();
    swept.expired > 0 || swept.removed.blobs > 0
}

fn collection(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    gateway.collect(Duration::ZERO).is_ok()
}

fn storage_is_counted(World { gateway, .. }: &World, _: usize, _: usize) -> bool {
    count(gateway);
    true
}
