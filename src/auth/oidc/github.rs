//! Claims of GitHub's ID tokens.
//!
//! `sub` is never read: its form is the owner's choice. A run takes part in lookups by its branch only if somebody with
//! the right to push started it: `pull_request_target` and the like run on the default branch for whoever opens a pull
//! request.

use super::IdTokenRefusal;
use super::claims::Claims;
use super::vouched::{VouchedJob, path_below, plain_ref, text_id};
use crate::catalog::foreign::{ReportedPipeline, ReportedProject};
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::settings::UpstreamSettings;

/// The claims that say which file defines a workflow, with its repository and ref.
pub(super) const WORKFLOW_CLAIMS: &[&str] = &["workflow_ref", "job_workflow_ref"];

/// The events whose `ref` is the branch or tag that the run is for.
const EVENTS_OF_REFS: &[&str] =
    &["push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "create", "merge_group"];

/// Reads the job of a token.
pub(super) fn job(upstream: &UpstreamSettings, claims: Claims<'_>) -> Result<VouchedJob, IdTokenRefusal> {
    let id = claims.number("repository_id")?;
    let names: Vec<&str> = claims.text("repository")?.split('/').collect();
    let event = claims.optional("event_name")?.unwrap_or_default();
    let (ref_name, tag) = ref_of(event, claims.text("ref")?);
    let job = match claims.optional_number("check_run_id")? {
        Some(job) => text_id(job),
        // An older server: all jobs of an attempt are one.
        None => text_id(format!("attempt {}", claims.number("run_attempt")?)),
    };
    let workflow = claims.optional("job_workflow_ref")?.or(claims.optional("workflow_ref")?);
    Ok(VouchedJob {
        project: ReportedProject {
            upstream: upstream.name.clone(),
            id: text_id(id),
            path: path_below(&upstream.path, &names, &format!("repository-{id}")),
        },
        pipeline: ReportedPipeline {
            id: text_id(claims.number("run_id")?),
            iid: claims.optional_number("run_number")?,
            ref_name,
            tag: Some(tag),
            sha: claims.text("sha")?.to_owned(),
            source: source(event),
        },
        id: job,
        default_name: workflow.and_then(file_name).unwrap_or("job").to_owned(),
        may_finish: false,
        issued_at: claims.issued_at()?,
    })
}

/// Returns the ref of a run as lookups know it, and whether it is a tag.
fn ref_of(event: &str, name: &str) -> (String, bool) {
    let unknown = (UNKNOWN_REF.to_owned(), false);
    if name.starts_with("refs/pull/") {
        return (name.to_owned(), false);
    }
    if !EVENTS_OF_REFS.contains(&event) {
        return unknown;
    }
    match (name.strip_prefix("refs/heads/"), name.strip_prefix("refs/tags/")) {
        (Some(branch), _) => (plain_ref(branch), false),
        (_, Some(tag)) => (plain_ref(tag), true),
        (None, None) => unknown,
    }
}

fn source(event: &str) -> Source {
    match event {
        "push" | "create" | "release" | "merge_group" => Source::Push,
        "schedule" => Source::Schedule,
        "workflow_dispatch" => Source::Web,
        "repository_dispatch" => Source::Api,
        "workflow_run" => Source::Pipeline,
        "pull_request" | "pull_request_target" | "pull_request_review" => Source::ExternalPullRequestEvent,
        _ => Source::Unknown,
    }
}

/// Returns the name of a workflow's file without its ending: `build` of `o/r/.github/workflows/build.yml@refs/heads/x`.
fn file_name(reference: &str) -> Option<&str> {
    let path = reference.split('@').next()?;
    let file = path.rsplit('/').next()?;
    let name = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml")).unwrap_or(file);
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_that_a_push_could_start_are_of_their_branch() {
        let of = |event, name| ref_of(event, name);
        assert_eq!(of("push", "refs/heads/main"), ("main".into(), false));
        assert_eq!(of("release", "refs/tags/v1"), ("v1".into(), true));
        assert_eq!(of("pull_request", "refs/pull/7/merge"), ("refs/pull/7/merge".into(), false));
        for (event, name) in [
            ("pull_request_target", "refs/heads/main"),
            ("workflow_run", "refs/heads/main"),
            ("issue_comment", "refs/heads/main"),
            ("", "refs/heads/main"),
            ("push", "main"),
            ("push", "refs/heads/refs/pull/7/merge"),
            ("push", "refs/heads/"),
        ] {
            assert_eq!(of(event, name), (UNKNOWN_REF.into(), false), "{event} {name}");
        }
    }

    #[test]
    fn a_job_is_called_after_the_file_of_its_workflow() {
        assert_eq!(file_name("o/r/.github/workflows/build.yml@refs/heads/main"), Some("build"));
        assert_eq!(file_name("o/r/.github/workflows/a.b.yaml@refs/heads/x/y"), Some("a.b"));
        assert_eq!(file_name(""), None);
    }
}
