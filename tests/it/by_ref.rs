//! Lookups by ref and job name: which job's artifacts they find.

use crate::support::fixture::Fixture;
use crate::support::gateway::Gateway;
use crate::support::zips;

/// A public project.
fn project() -> Fixture {
    Fixture::project("group/project").public()
}

/// An archive that tells in `who` which job made it.
fn who(job: i64) -> Vec<u8> {
    zips::deflated(&[("who", format!("job {job}").as_bytes())])
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
    let made =
        project().pipeline(100, "main").job(1, "build").archive(&who(1)).job(2, "old").archive(&who(2));
    let made = made.pipeline(101, "main").job(3, "build").archive(&who(3));
    let made = made.pipeline(102, "main").status("failed").job(4, "build").archive(&who(4));
    let made = made.pipeline(103, "main").source("webide").job(5, "build").archive(&who(5));
    let made = made.pipeline(104, "main").status("running").pipeline(105, "main").status("manual");
    made.pipeline(106, "main").status("skipped").load(&gateway);
    assert_eq!(ask(&gateway, "main", "build", ""), found(3));
    assert_eq!(ask(&gateway, "main", "old", ""), not_found());
    assert_eq!(ask(&gateway, "main", "Build", ""), not_found());
    assert_eq!(ask(&gateway, "mai", "build", ""), not_found());
    assert_eq!(ask(&gateway, "HEAD", "build", ""), not_found());
}

fn refs_and_job_names_may_hold_slashes_and_more(gateway: Gateway) {
    let made = project().pipeline(100, "feature/x").job(1, "build it: [a/b, c+d] 1/3").archive(&who(1));
    let made = made.pipeline(101, "refs/merge-requests/7/head").source("merge_request_event");
    let made = made.job(2, "build").archive(&who(2));
    made.pipeline(102, "v1.0 ü").tag().job(3, "build").archive(&who(3)).load(&gateway);
    let name = "build+it%3A+%5Ba%2Fb%2C%20c%2Bd%5D+1%2F3";
    for ref_name in ["feature/x", "feature%2Fx"] {
        assert_eq!(ask(&gateway, ref_name, name, ""), found(1));
    }
    assert_eq!(ask(&gateway, "refs/merge-requests/7/head", "build", ""), found(2));
    assert_eq!(ask(&gateway, "refs%2Fmerge-requests%2F7%2Fhead", "build", ""), found(2));
    assert_eq!(ask(&gateway, "v1.0%20%C3%BC", "build", ""), found(3));
}

fn the_family_is_searched_parent_before_child_before_grandchild(gateway: Gateway) {
    let made = project().pipeline(50, "main").status("failed").child_of(90).job(1, "deep").archive(&who(1));
    let made = made.pipeline(90, "main").status("running").child_of(100).job(2, "build").archive(&who(2));
    let made = made.pipeline(100, "main").job(3, "build").archive(&who(3));
    let made = made.pipeline(101, "main").child_of(100).job(4, "deep").archive(&who(4));
    let made = made.job(5, "both").archive(&who(5));
    made.pipeline(102, "main").child_of(100).job(6, "both").archive(&who(6)).load(&gateway);
    assert_eq!(ask(&gateway, "main", "build", ""), found(3));
    // A child comes before a grandchild of a lower number, and among children the lower number.
    assert_eq!(ask(&gateway, "main", "deep", ""), found(4));
    assert_eq!(ask(&gateway, "main", "both", ""), found(5));
}

fn jobs_that_failed_were_retried_or_have_nothing_are_passed_over(gateway: Gateway) {
    let made = project().pipeline(100, "main");
    let made = made.job(1, "build").status("failed").allow_failure().archive(&who(1));
    let made = made.job(2, "test").retried().archive(&who(2)).job(3, "test").archive(&who(3));
    let made = made.job(4, "empty").job(5, "gone").retried().archive(&who(5));
    let made = made.job(6, "gone").status("running").job(9, "log").artifact("trace", b"log");
    made.pipeline(101, "main").child_of(100).job(8, "build").archive(&who(8)).load(&gateway);
    assert_eq!(
        ask(&gateway, "main", "build", ""),
        found(8),
        "the child's job behind the parent's failed one"
    );
    assert_eq!(ask(&gateway, "main", "test", ""), found(3));
    for job in ["empty", "gone", "log", "nonesuch"] {
        assert_eq!(ask(&gateway, "main", job, ""), not_found(), "{job}");
    }
}

fn a_job_with_reports_only_is_found_and_has_no_archive(gateway: Gateway) {
    project().pipeline(100, "main").job(1, "rspec").artifact("junit", b"report").load(&gateway);
    assert_eq!(ask(&gateway, "main", "rspec", ""), (404, r#"{"message":"404 Not Found"}"#.into()));
}

fn a_newest_pipeline_that_is_itself_a_child_brings_only_its_own_descendants(gateway: Gateway) {
    let made = project().pipeline(100, "other").job(1, "build").archive(&who(1));
    let made = made.pipeline(101, "main").child_of(100).source("pipeline");
    let made = made.pipeline(102, "main").child_of(101).job(2, "below").archive(&who(2));
    let made = made.pipeline(103, "main").child_of(100).job(3, "below").archive(&who(3));
    made.pipeline(104, "main").child_of(103).job(4, "niece").archive(&who(4)).load(&gateway);
    assert_eq!(ask(&gateway, "main", "below", ""), found(2));
    assert_eq!(ask(&gateway, "main", "build", ""), not_found());
    assert_eq!(ask(&gateway, "main", "niece", ""), not_found());
}

fn the_search_flag_goes_back_through_successful_pipelines(gateway: Gateway) {
    let made =
        project().pipeline(100, "main").job(1, "rare").archive(&who(1)).job(2, "build").archive(&who(2));
    let made = made.pipeline(101, "main").child_of(100).job(3, "child").archive(&who(3));
    let made = made.pipeline(102, "main").job(4, "build").status("failed").allow_failure().archive(&who(4));
    let made = made.job(7, "rare").artifact("junit", b"report");
    made.pipeline(103, "main").status("failed").job(5, "build").archive(&who(5)).load(&gateway);
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
    let made = project().pipeline(100, "main").job(1, "build").archive(&who(1));
    let made = made.pipeline(101, "main").job(2, "build").archive(&who(2)).expire_in("1 hour");
    made.pipeline(102, "main").job(3, "locked").archive(&who(3)).expire_in("1 hour").load(&gateway);
    assert_eq!(ask(&gateway, "main", "build", SEARCH), found(2));
    gateway.advance_clock(3600);
    assert_eq!(ask(&gateway, "main", "build", SEARCH), found(1));
    assert_eq!(ask(&gateway, "main", "locked", SEARCH), found(3));
}

fn the_search_looks_through_a_hundred_pipelines_and_no_more(gateway: Gateway) {
    let made = project().pipeline(100, "main").job(1, "far").archive(&who(1));
    let made = made.pipeline(101, "main").job(2, "near").archive(&who(2));
    (102..=200).fold(made, |made, id| made.pipeline(id, "main")).load(&gateway);
    assert_eq!(ask(&gateway, "main", "near", SEARCH), found(2));
    assert_eq!(ask(&gateway, "main", "far", SEARCH).0, 404);
}

fn a_lookup_without_a_job_name_is_400(gateway: Gateway) {
    for path in ["main/download", "main/raw/who"] {
        let answer = gateway.get(&format!("/api/v4/projects/1/jobs/artifacts/{path}")).send();
        assert_eq!(answer.error(), (400, r#"{"error":"job is missing","message":"job is missing"}"#));
    }
}
