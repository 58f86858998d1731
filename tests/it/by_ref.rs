//! Lookups by ref and job name: which job's artifacts they find.

use crate::support::fixtures::USERS;
use crate::support::gateway::Gateway;
use crate::support::zips;

/// A public project with these pipelines; every archive tells in `who` which job made it.
fn with_pipelines(gateway: &Gateway, jobs_with_archives: &[i64], pipelines: &str) {
    for job in jobs_with_archives {
        let who = format!("job {job}");
        gateway.write_file(&format!("{job}.zip"), &zips::deflated(&[("who", who.as_bytes())]));
    }
    gateway.write_file("report.gz", b"report");
    gateway.load(&format!(
        "{USERS}\nprojects:\n  - id: 1\n    path: group/project\n    visibility: public\n    pipelines:\n{pipelines}"
    ));
}

fn ask(gateway: &Gateway, ref_name: &str, job: &str, more: &str) -> (u16, String) {
    let raw = format!("/api/v4/projects/1/jobs/artifacts/{ref_name}/raw/who?job={job}{more}");
    let download = format!("/api/v4/projects/1/jobs/artifacts/{ref_name}/download?job={job}{more}");
    let (file, whole) = (gateway.get(&raw).send(), gateway.get(&download).send());
    assert_eq!(file.status, whole.status, "{ref_name} {job}");
    let text = if file.status == 200 { file.text() } else { file.error().1 };
    (file.status, text.to_owned())
}

fn found(job: i64) -> (u16, String) {
    (200, format!("job {job}"))
}

fn not_found() -> (u16, String) {
    (404, r#"{"message":"404 Not found"}"#.into())
}

const SEARCH: &str = "&search_recent_successful_pipelines=true";

on_both_databases!(
    the_newest_successful_pipeline_wins_and_only_it_is_looked_at,
    refs_and_job_names_may_hold_slashes_and_more,
    the_family_is_searched_parent_before_child_before_grandchild,
    jobs_that_failed_were_retried_or_have_nothing_are_passed_over,
    a_job_with_reports_only_is_found_and_has_no_archive,
    a_newest_pipeline_that_is_itself_a_child_brings_only_its_own_descendants,
    the_search_flag_goes_back_through_successful_pipelines,
    the_search_passes_over_what_has_expired,
    the_search_looks_through_a_hundred_pipelines_and_no_more,
    a_lookup_without_a_job_name_is_400
);

fn the_newest_successful_pipeline_wins_and_only_it_is_looked_at(gateway: Gateway) {
    with_pipelines(&gateway, &[1, 2, 3, 4, 5], "
      - {id: 100, ref: main, sha: a, status: success, jobs: [{id: 1, name: build, status: success, artifacts: [{file: 1.zip}]}, {id: 2, name: old, status: success, artifacts: [{file: 2.zip}]}]}
      - {id: 101, ref: main, sha: b, status: success, jobs: [{id: 3, name: build, status: success, artifacts: [{file: 3.zip}]}]}
      - {id: 102, ref: main, sha: c, status: failed, jobs: [{id: 4, name: build, status: success, artifacts: [{file: 4.zip}]}]}
      - {id: 103, ref: main, sha: d, status: success, source: webide, jobs: [{id: 5, name: build, status: success, artifacts: [{file: 5.zip}]}]}
      - {id: 104, ref: main, sha: e, status: running}
      - {id: 105, ref: main, sha: e, status: manual}
      - {id: 106, ref: main, sha: e, status: skipped}
");
    assert_eq!(ask(&gateway, "main", "build", ""), found(3));
    assert_eq!(ask(&gateway, "main", "old", ""), not_found());
    assert_eq!(ask(&gateway, "main", "Build", ""), not_found());
    assert_eq!(ask(&gateway, "mai", "build", ""), not_found());
    assert_eq!(ask(&gateway, "HEAD", "build", ""), not_found());
}

fn refs_and_job_names_may_hold_slashes_and_more(gateway: Gateway) {
    with_pipelines(
        &gateway,
        &[1, 2, 3],
        r#"
      - {id: 100, ref: feature/x, sha: a, status: success, jobs: [{id: 1, name: "build it: [a/b, c+d] 1/3", status: success, artifacts: [{file: 1.zip}]}]}
      - {id: 101, ref: refs/merge-requests/7/head, sha: a, status: success, source: merge_request_event, jobs: [{id: 2, name: build, status: success, artifacts: [{file: 2.zip}]}]}
      - {id: 102, ref: "v1.0 ü", tag: true, sha: a, status: success, jobs: [{id: 3, name: build, status: success, artifacts: [{file: 3.zip}]}]}
"#,
    );
    let name = "build+it%3A+%5Ba%2Fb%2C%20c%2Bd%5D+1%2F3";
    for ref_name in ["feature/x", "feature%2Fx"] {
        assert_eq!(ask(&gateway, ref_name, name, ""), found(1));
    }
    assert_eq!(ask(&gateway, "refs/merge-requests/7/head", "build", ""), found(2));
    assert_eq!(ask(&gateway, "refs%2Fmerge-requests%2F7%2Fhead", "build", ""), found(2));
    assert_eq!(ask(&gateway, "v1.0%20%C3%BC", "build", ""), found(3));
}

fn the_family_is_searched_parent_before_child_before_grandchild(gateway: Gateway) {
    with_pipelines(&gateway, &[1, 2, 3, 4, 5, 6], "
      - {id: 50, ref: main, sha: a, status: failed, source: parent_pipeline, parent: 90, jobs: [{id: 1, name: deep, status: success, artifacts: [{file: 1.zip}]}]}
      - {id: 90, ref: main, sha: a, status: running, source: parent_pipeline, parent: 100, jobs: [{id: 2, name: build, status: success, artifacts: [{file: 2.zip}]}]}
      - {id: 100, ref: main, sha: a, status: success, jobs: [{id: 3, name: build, status: success, artifacts: [{file: 3.zip}]}]}
      - {id: 101, ref: main, sha: a, status: success, source: parent_pipeline, parent: 100, jobs: [{id: 4, name: deep, status: success, artifacts: [{file: 4.zip}]}, {id: 5, name: both, status: success, artifacts: [{file: 5.zip}]}]}
      - {id: 102, ref: main, sha: a, status: success, source: parent_pipeline, parent: 100, jobs: [{id: 6, name: both, status: success, artifacts: [{file: 6.zip}]}]}
");
    assert_eq!(ask(&gateway, "main", "build", ""), found(3));
    // A child comes before a grandchild of a lower number, and among children the lower number.
    assert_eq!(ask(&gateway, "main", "deep", ""), found(4));
    assert_eq!(ask(&gateway, "main", "both", ""), found(5));
}

fn jobs_that_failed_were_retried_or_have_nothing_are_passed_over(gateway: Gateway) {
    with_pipelines(&gateway, &[1, 2, 3, 4, 5], "
      - id: 100
        ref: main
        sha: a
        status: success
        jobs:
          - {id: 1, name: build, status: failed, allow_failure: true, artifacts: [{file: 1.zip}]}
          - {id: 2, name: test, status: success, retried: true, artifacts: [{file: 2.zip}]}
          - {id: 3, name: test, status: success, artifacts: [{file: 3.zip}]}
          - {id: 4, name: empty, status: success}
          - {id: 5, name: gone, status: success, retried: true, artifacts: [{file: 5.zip}]}
          - {id: 6, name: gone, status: running}
          - {id: 9, name: log, status: success, artifacts: [{type: trace, file: report.gz}]}
      - {id: 101, ref: main, sha: a, status: success, source: parent_pipeline, parent: 100, jobs: [{id: 8, name: build, status: success, artifacts: [{file: 4.zip}]}]}
");
    assert_eq!(
        ask(&gateway, "main", "build", ""),
        (200, "job 4".into()),
        "the child's job behind the parent's failed one"
    );
    assert_eq!(ask(&gateway, "main", "test", ""), found(3));
    for job in ["empty", "gone", "log", "nonesuch"] {
        assert_eq!(ask(&gateway, "main", job, ""), not_found(), "{job}");
    }
}

fn a_job_with_reports_only_is_found_and_has_no_archive(gateway: Gateway) {
    with_pipelines(&gateway, &[1], "
      - {id: 100, ref: main, sha: a, status: success, jobs: [{id: 1, name: rspec, status: success, artifacts: [{type: junit, file: report.gz}]}]}
");
    assert_eq!(ask(&gateway, "main", "rspec", ""), (404, r#"{"message":"404 Not Found"}"#.into()));
}

fn a_newest_pipeline_that_is_itself_a_child_brings_only_its_own_descendants(gateway: Gateway) {
    with_pipelines(&gateway, &[1, 2, 3, 4], "
      - {id: 100, ref: other, sha: a, status: success, jobs: [{id: 1, name: build, status: success, artifacts: [{file: 1.zip}]}]}
      - {id: 101, ref: main, sha: a, status: success, source: pipeline, parent: 100, jobs: []}
      - {id: 102, ref: main, sha: a, status: success, source: parent_pipeline, parent: 101, jobs: [{id: 2, name: below, status: success, artifacts: [{file: 2.zip}]}]}
      - {id: 103, ref: main, sha: a, status: success, source: parent_pipeline, parent: 100, jobs: [{id: 3, name: below, status: success, artifacts: [{file: 3.zip}]}]}
      - {id: 104, ref: main, sha: a, status: success, source: parent_pipeline, parent: 103, jobs: [{id: 4, name: niece, status: success, artifacts: [{file: 4.zip}]}]}
");
    assert_eq!(ask(&gateway, "main", "below", ""), found(2));
    assert_eq!(ask(&gateway, "main", "build", ""), not_found());
    assert_eq!(ask(&gateway, "main", "niece", ""), not_found());
}

fn the_search_flag_goes_back_through_successful_pipelines(gateway: Gateway) {
    with_pipelines(&gateway, &[1, 2, 3, 4, 5], "
      - {id: 100, ref: main, sha: a, status: success, jobs: [{id: 1, name: rare, status: success, artifacts: [{file: 1.zip}]}, {id: 2, name: build, status: success, artifacts: [{file: 2.zip}]}]}
      - {id: 101, ref: main, sha: a, status: success, source: parent_pipeline, parent: 100, jobs: [{id: 3, name: child, status: success, artifacts: [{file: 3.zip}]}]}
      - {id: 102, ref: main, sha: a, status: success, jobs: [{id: 4, name: build, status: failed, allow_failure: true, artifacts: [{file: 4.zip}]}, {id: 7, name: rare, status: success, artifacts: [{type: junit, file: report.gz}]}]}
      - {id: 103, ref: main, sha: a, status: failed, jobs: [{id: 5, name: build, status: success, artifacts: [{file: 5.zip}]}]}
");
    assert_eq!(ask(&gateway, "main", "rare", SEARCH), found(1));
    assert_eq!(ask(&gateway, "main", "build", SEARCH), found(2));
    assert_eq!(ask(&gateway, "main", "child", "&search_recent_successful_pipelines=True"), found(3));
    assert_eq!(ask(&gateway, "main", "child", ""), not_found());
    let missing = (404, r#"{"message":"404 Job Not Found"}"#.to_owned());
    assert_eq!(ask(&gateway, "main", "nonesuch", SEARCH), missing);
    let wrong = ask(&gateway, "main", "rare", "&search_recent_successful_pipelines=maybe");
    assert_eq!(wrong, (400, r#"{"error":"search_recent_successful_pipelines is invalid","message":"search_recent_successful_pipelines is invalid"}"#.into()));
}

fn the_search_passes_over_what_has_expired(gateway: Gateway) {
    with_pipelines(&gateway, &[1, 2, 3], "
      - {id: 100, ref: main, sha: a, status: success, jobs: [{id: 1, name: build, status: success, artifacts: [{file: 1.zip}]}]}
      - {id: 101, ref: main, sha: a, status: success, jobs: [{id: 2, name: build, status: success, artifacts: [{file: 2.zip, expire_in: 1 hour}]}]}
      - {id: 102, ref: main, sha: a, status: success, jobs: [{id: 3, name: locked, status: success, artifacts: [{file: 3.zip, expire_in: 1 hour}]}]}
");
    assert_eq!(ask(&gateway, "main", "build", SEARCH), found(2));
    gateway.advance_clock(3600);
    assert_eq!(ask(&gateway, "main", "build", SEARCH), found(1));
    assert_eq!(ask(&gateway, "main", "locked", SEARCH), found(3));
}

fn the_search_looks_through_a_hundred_pipelines_and_no_more(gateway: Gateway) {
    let mut pipelines = "
      - {id: 100, ref: main, sha: a, status: success, jobs: [{id: 1, name: far, status: success, artifacts: [{file: 1.zip}]}]}
      - {id: 101, ref: main, sha: a, status: success, jobs: [{id: 2, name: near, status: success, artifacts: [{file: 2.zip}]}]}".to_owned();
    for id in 102..=200 {
        pipelines.push_str(&format!("\n      - {{id: {id}, ref: main, sha: a, status: success}}"));
    }
    with_pipelines(&gateway, &[1, 2], &pipelines);
    assert_eq!(ask(&gateway, "main", "near", SEARCH), found(2));
    assert_eq!(ask(&gateway, "main", "far", SEARCH).0, 404);
}

fn a_lookup_without_a_job_name_is_400(gateway: Gateway) {
    for path in ["main/download", "main/raw/who"] {
        let answer = gateway.get(&format!("/api/v4/projects/1/jobs/artifacts/{path}")).send();
        assert_eq!(answer.error(), (400, r#"{"error":"job is missing","message":"job is missing"}"#));
    }
}
