//! Downloads by ref: what a ref leads to is asked at the upstream, and stored.

use super::{APP, BUILD, DEVELOPER, GUEST, OUTSIDER, TEST, World, in_front_on_both};
use crate::support::gitlab::{StubJob, StubPipeline};

in_front_on_both!(
    the_newest_success_of_a_ref_is_asked_for_and_followed,
    a_merge_request_from_a_branch_of_that_name_is_not_the_ref,
    a_childs_job_is_found_below_its_parent,
    a_success_that_is_taken_back_leads_nowhere,
    a_pipeline_that_is_deleted_there_keeps_its_artifacts_here,
    a_ref_that_is_too_long_is_no_question,
    a_job_finds_what_its_project_made,
);

const BY_REF: &str = "/api/v4/projects/7/jobs/artifacts/main/download?job=build";

fn finish(world: &World, pipeline: i64, job: i64) {
    let mut state = world.gitlab.state();
    state.pipelines.get_mut(&pipeline).unwrap().status = "success";
    state.jobs.get_mut(&job).unwrap().status = "success";
}

fn add(world: &World, id: i64, ref_name: &'static str, parent: Option<i64>, job: &'static str) {
    let mut state = world.gitlab.state();
    let source = if parent.is_some() { "parent_pipeline" } else { "push" };
    state.pipelines.insert(id, StubPipeline { project: 7, ref_name, status: "success", source, parent });
    let job = StubJob::of(id, job, "success", Some(30));
    state.jobs.insert(id * 10 + 1, job);
}

fn the_newest_success_of_a_ref_is_asked_for_and_followed(world: World) {
    let world = world.with_archive("public");
    assert_eq!(world.status(BY_REF, DEVELOPER), 404, "it runs");
    finish(&world, 701, 7001);
    assert_eq!(world.status(BY_REF, DEVELOPER), 404, "for ten seconds it is remembered that there is none");
    world.gateway.advance_clock(10);
    world.gitlab.calls();
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
    let asked = [
        "/projects/7/pipelines?ref=main&status=success&order_by=id&sort=desc&per_page=20",
        "/projects/7/pipelines/701/jobs?per_page=100&page=1",
    ];
    assert_eq!(world.gitlab.asked(), asked);
    assert_eq!((world.status(BY_REF, DEVELOPER), world.gitlab.count()), (200, 0));
    assert_eq!([GUEST, OUTSIDER, "glpat-nobodys"].map(|token| world.status(BY_REF, token)), [403, 404, 401]);
    // A newer one without the job's artifacts is the newest.
    add(&world, 705, "main", None, "build");
    world.gateway.advance_clock(10);
    assert_eq!(world.status(BY_REF, DEVELOPER), 404);
    let odd = "/api/v4/projects/7/jobs/artifacts/a%26status=x%2F..%2Fb/download?job=build";
    world.gitlab.calls();
    assert_eq!(world.status(odd, DEVELOPER), 404);
    let asked = world.gitlab.asked();
    assert!(
        asked[0].starts_with("/projects/7/pipelines?ref=a%26status%3Dx%2F%2E%2E%2Fb&status=success&"),
        "{asked:?}"
    );
}

fn a_merge_request_from_a_branch_of_that_name_is_not_the_ref(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    add(&world, 709, "refs/merge-requests/1/head", None, "build");
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
}

fn a_childs_job_is_found_below_its_parent(world: World) {
    let world = world.with_archive("public");
    // The pipeline of the upload is a grandchild of the one that ran for the ref.
    add(&world, 690, "main", None, "other");
    add(&world, 695, "main", Some(690), "other");
    finish(&world, 701, 7001);
    {
        let mut state = world.gitlab.state();
        let pipeline = state.pipelines.get_mut(&701).unwrap();
        (pipeline.parent, pipeline.source) = (Some(695), "parent_pipeline");
    }
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
    let file = "/api/v4/projects/7/jobs/artifacts/main/raw/a.txt?job=build";
    assert_eq!(world.gateway.get(file).private_token(DEVELOPER).send().text(), "text");
}

fn a_success_that_is_taken_back_leads_nowhere(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
    world.gitlab.state().pipelines.get_mut(&701).unwrap().status = "running";
    world.gateway.advance_clock(10);
    assert_eq!(world.status(BY_REF, DEVELOPER), 404, "one of its jobs is tried again");
    assert_eq!(world.status(APP, DEVELOPER), 200, "by its number it is there");
}

fn a_pipeline_that_is_deleted_there_keeps_its_artifacts_here(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
    {
        let mut state = world.gitlab.state();
        state.pipelines.retain(|id, _| *id != 701);
        state.jobs.retain(|_, job| job.pipeline != 701);
    }
    world.gateway.advance_clock(10);
    assert_eq!(world.status(BY_REF, DEVELOPER), 404, "as there");
    let pipeline = world.gateway.get("/api/v4/projects/7/pipelines/701").private_token(DEVELOPER).send();
    assert!(pipeline.text().contains(r#""status":"success""#), "it keeps its artifacts: {}", pipeline.text());
    assert_eq!(world.status(APP, DEVELOPER), 200);
}

fn a_ref_that_is_too_long_is_no_question(world: World) {
    let world = world.with_archive("public");
    assert_eq!(world.status(APP, DEVELOPER), 200);
    world.gitlab.calls();
    let long = format!("/api/v4/projects/7/jobs/artifacts/{}/download?job=build", "-".repeat(4000));
    assert_eq!(world.status(&long, DEVELOPER), 404);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn a_job_finds_what_its_project_made(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    let read = |token| world.gateway.get(BY_REF).job_token(token).send().status;
    world.gitlab.calls();
    assert_eq!(read(TEST), 200);
    let asked = [
        "/job",
        "/job/allowed_agents",
        "/projects/7/jobs?scope[]=success&per_page=100&page=1",
        "/projects/7/pipelines/701/jobs?per_page=100&page=1",
    ];
    assert_eq!(world.gitlab.asked(), asked);
    world.gateway.advance_clock(30);
    assert_eq!(read(BUILD), 401, "it has ended");
}
