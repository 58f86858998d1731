//! States of builds and jobs, as Buildkite names them.

use crate::catalog::builds::{Build, BuildCondition, BuildJob, BuildState, JobGroup, JobOutline};
use crate::domain::status::Status;

/// The state of a build, and whether it is blocked: a blocked one keeps the state that it had.
pub(super) fn of_build(build: &Build) -> (&'static str, bool) {
    let has_failed = || build.groups.iter().any(|group| group.fails);
    let state = match build.build.status {
        Status::Created => "creating",
        Status::WaitingForResource
        | Status::Preparing
        | Status::WaitingForCallback
        | Status::Pending
        | Status::Scheduled => "scheduled",
        Status::Running if has_failed() => "failing",
        Status::Running => "running",
        Status::Success => "passed",
        Status::Failed => "failed",
        Status::Canceling => "canceling",
        Status::Canceled => "canceled",
        Status::Skipped => {
            let all_skipped =
                !build.groups.is_empty() && build.groups.iter().all(|it| it.status == Status::Skipped);
            if all_skipped { "not_run" } else { "skipped" }
        }
        Status::Manual if has_failed() => return ("failed", true),
        Status::Manual => return ("passed", true),
    };
    (state, false)
}

/// The state of a job.
pub(super) fn of_job(job: &BuildJob) -> &'static str {
    let is_held = job.by_agents.as_ref().is_some_and(|it| it.holder.is_some());
    of_held(job.status, job.failure_reason.as_deref(), is_held)
}

/// The state of the jobs of a group.
pub(super) fn of_group(group: &JobGroup) -> &'static str {
    of_held(group.status, group.failure_reason.as_deref(), group.is_held)
}

/// The state of a job in outline.
pub(super) fn of_outline(job: &JobOutline) -> &'static str {
    let is_held = job.by_agents.as_ref().is_some_and(|it| it.holder.is_some());
    of_held(job.status, job.failure_reason.as_deref(), is_held)
}

/// The state of a job that an agent may hold before it runs it.
fn of_held(status: Status, failure_reason: Option<&str>, is_held: bool) -> &'static str {
    match status {
        Status::Pending if is_held => "assigned",
        Status::Preparing if is_held => "accepted",
        _ => of_job_status(status, failure_reason),
    }
}

/// The state of a job with this status, which failed for this reason if it failed.
pub(super) fn of_job_status(status: Status, failure_reason: Option<&str>) -> &'static str {
    match status {
        Status::Created => "pending",
        Status::WaitingForResource | Status::WaitingForCallback | Status::Pending | Status::Scheduled => {
            "scheduled"
        }
        Status::Preparing => "assigned",
        Status::Running => "running",
        Status::Success => "passed",
        Status::Failed => match failure_reason {
            Some("job_execution_timeout") => "timed_out",
            Some("stuck_or_timeout_failure") => "expired",
            _ => "failed",
        },
        Status::Canceling => "canceling",
        Status::Canceled => "canceled",
        Status::Skipped => "skipped",
        Status::Manual => "blocked",
    }
}

/// The builds that a state of a filter selects; none for a name that is no state.
pub(super) fn selected(name: &str) -> Vec<BuildState> {
    use BuildCondition::{AllSkipped, Any, HasFailed};
    let all = |statuses: &[Status]| -> Vec<BuildState> {
        statuses.iter().map(|status| BuildState { status: *status, condition: Any }).collect()
    };
    let one = |status, condition| vec![BuildState { status, condition }];
    match name {
        "creating" => all(&[Status::Created]),
        "scheduled" => all(&[
            Status::WaitingForResource,
            Status::Preparing,
            Status::WaitingForCallback,
            Status::Pending,
            Status::Scheduled,
        ]),
        "running" => one(Status::Running, HasFailed(false)),
        "failing" => one(Status::Running, HasFailed(true)),
        "passed" => [all(&[Status::Success]), one(Status::Manual, HasFailed(false))].concat(),
        "failed" => [all(&[Status::Failed]), one(Status::Manual, HasFailed(true))].concat(),
        "blocked" => all(&[Status::Manual]),
        "canceling" => all(&[Status::Canceling]),
        "canceled" => all(&[Status::Canceled]),
        "skipped" => one(Status::Skipped, AllSkipped(false)),
        "not_run" => one(Status::Skipped, AllSkipped(true)),
        "finished" => all(&[Status::Success, Status::Failed, Status::Manual, Status::Canceled]),
        _ => Vec::new(),
    }
}
