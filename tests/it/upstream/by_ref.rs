//! Downloads by ref: what a ref leads to is asked at the upstream, and stored.

use super::{APP, BUILD, DEVELOPER, GUEST, OUTSIDER, REPORTER, TEST, World, in_front_on_both};
use crate::support::gateway::Gateway;
use crate::support::gitlab::{StubJob, StubPipeline, StubToken};

in_front_on_both!(
    the_newest_success_of_a_ref_is_asked_for_and_followed,
    a_merge_request_from_a_branch_of_that_name_is_not_the_ref,
    a_childs_job_is_found_below_its_parent,
    a_success_that_is_taken_back_leads_nowhere,
    a_pipeline_that_is_deleted_there_keeps_its_artifacts_here,
    a_ref_that_is_too_long_is_no_question,
    a_job_finds_what_its_project_made,
    one_asker_is_refused_for_himself_alone,
    a_job_that_may_list_nothing_finds_the_success_among_the_newest_five_that_are_known,
    what_may_not_be_listed_takes_nothing_back,
    three_pages_of_jobs_are_read_and_what_is_behind_them_is_not_taken_back,
    three_levels_are_read_below_the_newest_pipeline,
    twenty_pipelines_are_read_below_the_newest_one,
    with_a_token_of_its_own_it_asks_once_for_all_readers,
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

fn one_asker_is_refused_for_himself_alone(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    assert_eq!(world.status(APP, REPORTER), 200, "that he may read is remembered");
    world.gitlab.state().projects.get_mut(&7).unwrap().members.remove(&20);
    assert_eq!(world.status(BY_REF, REPORTER), 404, "and he is no member any more");
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
    assert_eq!(world.status(BY_REF, REPORTER), 404);
}

/// Where a job's token lists the jobs of a pipeline.
fn jobs_of(pipeline: i64) -> String {
    format!("/projects/7/pipelines/{pipeline}/jobs?per_page=100&page=1")
}

fn a_job_that_may_list_nothing_finds_the_success_among_the_newest_five_that_are_known(world: World) {
    let world = world.with_archive("public");
    assert_eq!(world.upload(7002, TEST, "", "text").status, 201);
    let known: Vec<i64> = (0..7).map(|number| 710 + number).collect();
    // Each is known because a job of it has uploaded.
    for id in &known {
        let token = format!("glcbt-64_up-{id}");
        {
            let mut state = world.gitlab.state();
            let (ref_name, status, source) = ("main", "running", "push");
            state.pipelines.insert(*id, StubPipeline { project: 7, ref_name, status, source, parent: None });
            state.jobs.insert(id * 10, StubJob::of(*id, "build", "running", Some(30)));
            state.tokens.insert(token.clone(), StubToken::Job(id * 10));
        }
        assert_eq!(world.upload(id * 10, &token, "accessibility=public", &id.to_string()).status, 201);
    }
    world.gitlab.state().lists_no_successes_for_jobs = true;
    let raw = BY_REF.replace("download", "raw/a.txt");
    let read = || {
        let answer = world.gateway.get(&raw).job_token(TEST).send();
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    };
    world.gitlab.calls();
    assert_eq!(read().0, 404, "none of them has succeeded");
    let refused = "/projects/7/jobs?scope[]=success&per_page=100&page=1".to_owned();
    let asked: Vec<String> =
        world.gitlab.asked().into_iter().filter(|path| !path.starts_with("/job")).collect();
    let expected: Vec<String> =
        std::iter::once(refused.clone()).chain(known.iter().rev().take(5).map(|id| jobs_of(*id))).collect();
    assert_eq!(asked, expected);
    finish(&world, 713, 7130);
    world.gateway.advance_clock(10);
    assert_eq!(read(), (200, "713".into()));
    assert_eq!(world.gitlab.asked(), [refused, jobs_of(716), jobs_of(715), jobs_of(714), jobs_of(713)]);
    // The sixth is not asked about.
    {
        let mut state = world.gitlab.state();
        state.pipelines.get_mut(&713).unwrap().status = "running";
        state.pipelines.get_mut(&711).unwrap().status = "success";
    }
    finish(&world, 711, 7110);
    world.gateway.advance_clock(10);
    world.gitlab.calls();
    read();
    assert_eq!(world.gitlab.asked().len(), 6);
}

fn what_may_not_be_listed_takes_nothing_back(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    assert_eq!(world.status(BY_REF, DEVELOPER), 200, "it is known that it has succeeded");
    let job = StubJob::of(701, "later", "running", Some(10));
    {
        // The job of a guest, who may list nothing.
        let mut state = world.gitlab.state();
        state.jobs.insert(7009, job);
        state.tokens.insert("glcbt-64_up-guest".into(), StubToken::Job(7009));
    }
    world.gateway.advance_clock(10);
    let answer = world.gateway.get(BY_REF).job_token("glcbt-64_up-guest").send();
    assert!(matches!(answer.status, 403 | 404), "{answer:?}");
    world.gateway.advance_clock(10);
    world.gitlab.state().lists_no_successes_for_jobs = true;
    assert_eq!(world.gateway.get(BY_REF).job_token(TEST).send().status, 200);
}

fn three_pages_of_jobs_are_read_and_what_is_behind_them_is_not_taken_back(world: World) {
    let world = world.with_archive("public");
    finish(&world, 701, 7001);
    let add = |from: i64, to: i64| {
        let mut state = world.gitlab.state();
        for id in from..to {
            state.jobs.insert(id, StubJob::of(701, "other", "success", Some(30)));
        }
    };
    // With jobs 7001 and 7002 exactly three pages: the oldest is the last of them.
    add(7_100, 7_398);
    world.gitlab.calls();
    assert_eq!(world.status(BY_REF, DEVELOPER), 200);
    let pages = |asked: Vec<String>| asked.iter().filter(|path| path.contains("/pipelines/701/jobs")).count();
    assert_eq!(pages(world.gitlab.asked()), 3);
    add(7_398, 7_400);
    world.gateway.advance_clock(10);
    assert_eq!(world.status(BY_REF, DEVELOPER), 200, "it is not told any more, and not taken back");
    assert_eq!(pages(world.gitlab.asked()), 3);
    // A job's token reads three pages of successful jobs for the ref itself.
    let main = StubPipeline { project: 7, ref_name: "old", status: "success", source: "push", parent: None };
    world.gitlab.state().pipelines.insert(601, main);
    world.gitlab.state().jobs.insert(6_011, StubJob::of(601, "build", "success", Some(30)));
    let old = BY_REF.replace("/main/", "/old/");
    assert_eq!(world.gateway.get(&old).job_token(TEST).send().status, 404);
    let asked = world.gitlab.asked();
    assert_eq!(asked.iter().filter(|path| path.contains("scope[]=success")).count(), 3, "{asked:?}");
}

fn three_levels_are_read_below_the_newest_pipeline(world: World) {
    let world = world.with_archive("public");
    add(&world, 670, "main", None, "other");
    for (id, parent) in [(671, 670), (672, 671)] {
        add(&world, id, "main", Some(parent), "other");
    }
    finish(&world, 701, 7001);
    let below = |parent| {
        let mut state = world.gitlab.state();
        let pipeline = state.pipelines.get_mut(&701).unwrap();
        (pipeline.parent, pipeline.source) = (Some(parent), "parent_pipeline");
    };
    below(672);
    let levels =
        |asked: Vec<String>| asked.iter().filter(|path| path.ends_with("bridges?per_page=100")).count();
    world.gitlab.calls();
    assert_eq!(world.status(BY_REF, DEVELOPER), 200, "on the third level");
    assert_eq!(levels(world.gitlab.asked()), 3);
    world.gateway.advance_clock(10);
    add(&world, 690, "main", None, "other");
    for (id, parent) in [(691, 690), (692, 691), (693, 692)] {
        add(&world, id, "main", Some(parent), "other");
    }
    add(&world, 694, "main", Some(693), "build");
    assert_eq!(world.status(BY_REF, DEVELOPER), 404, "on the fourth");
    let asked = world.gitlab.asked();
    assert!(asked.iter().all(|path| !path.contains("/694/")), "{asked:?}");
    assert_eq!(levels(asked), 3);
}

fn twenty_pipelines_are_read_below_the_newest_one(world: World) {
    let world = world.with_archive("public");
    add(&world, 600, "main", None, "other");
    for id in 601..=619 {
        add(&world, id, "main", Some(600), "other");
    }
    finish(&world, 701, 7001);
    {
        let mut state = world.gitlab.state();
        let pipeline = state.pipelines.get_mut(&701).unwrap();
        (pipeline.parent, pipeline.source) = (Some(600), "parent_pipeline");
    }
    assert_eq!(world.status(BY_REF, DEVELOPER), 200, "the twentieth");
    add(&world, 620, "main", Some(600), "other");
    add(&world, 590, "main", None, "other");
    {
        let mut state = world.gitlab.state();
        // Under a newest pipeline of which nothing is known here yet.
        for id in 601..=620 {
            state.pipelines.get_mut(&id).unwrap().parent = Some(650);
        }
        state.pipelines.get_mut(&701).unwrap().parent = Some(650);
    }
    add(&world, 650, "main", None, "other");
    world.gateway.advance_clock(10);
    world.gitlab.calls();
    world.status(BY_REF, DEVELOPER);
    let asked = world.gitlab.asked();
    let read = asked.iter().filter(|path| path.ends_with("/jobs?per_page=100&page=1")).count();
    assert_eq!(read, 1 + 20, "{asked:?}");
    assert!(asked.iter().all(|path| !path.contains("/701/")), "the twenty-first is not read: {asked:?}");
}

fn with_a_token_of_its_own_it_asks_once_for_all_readers(world: World) {
    const SERVICE: &str = "glpat-up-service";
    let World { gateway, gitlab } = world;
    drop(gateway);
    let mut upstream = super::upstream(&gitlab.url);
    upstream.service_token = Some(SERVICE.to_owned().into());
    let token = StubToken::Personal { user: 40, scopes: &["read_api"], expires_at: None };
    gitlab.state().tokens.insert(SERVICE.into(), token);
    let gateway = Gateway::on_sqlite_with(|settings| settings.upstreams = vec![upstream]);
    let world = World { gateway, gitlab }.with_archive("public");
    finish(&world, 701, 7001);
    for token in [DEVELOPER, REPORTER] {
        assert_eq!(world.status(BY_REF, token), 200);
    }
    let job = world.gateway.get(BY_REF).job_token(TEST).send();
    assert_eq!(job.status, 200);
    let of_refs: Vec<_> =
        world.gitlab.calls().into_iter().filter(|call| call.path.contains("?ref=")).collect();
    assert_eq!(of_refs.len(), 1, "{of_refs:?}");
    let (_, shown) = of_refs[0].credential.clone().unwrap();
    assert!(shown.ends_with(SERVICE) && of_refs[0].forwarded_for.is_none());
}
