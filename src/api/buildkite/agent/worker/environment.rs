//! Environment of a job that an agent runs: what its command sees, beside what the agent adds.

use std::collections::BTreeMap;

use crate::access::AcceptedJob;
use crate::api::buildkite::json::build::source;
use crate::catalog::builds::BuildJob;

/// Builds the variables of a job. Those of its build give way to these, except the repository, which is not known
/// here.
pub(super) fn of(accepted: &AcceptedJob, job: &BuildJob, base_url: &str) -> BTreeMap<String, String> {
    let (build, project) = (&accepted.build, &accepted.build.project);
    let view = &build.build;
    let mut variables = view.env.clone().unwrap_or_default().0;
    // Without a repository, agents check nothing out.
    variables.entry("BUILDKITE_REPO".to_owned()).or_default();
    let mut set = |name: &str, value: &str| {
        variables.insert(name.to_owned(), value.to_owned());
    };
    set("CI", "true");
    set("BUILDKITE", "true");
    let slugs = project.slugs();
    set("BUILDKITE_ORGANIZATION_SLUG", &slugs.organization);
    set("BUILDKITE_PIPELINE_SLUG", &slugs.pipeline);
    set("BUILDKITE_PROJECT_SLUG", &format!("{}/{}", slugs.organization, slugs.pipeline));
    set("BUILDKITE_PIPELINE_ID", &project.uuid.to_string());
    set("BUILDKITE_PIPELINE_NAME", &project.name);
    set("BUILDKITE_PIPELINE_DEFAULT_BRANCH", project.default_branch.as_deref().unwrap_or_default());
    set("BUILDKITE_PIPELINE_PROVIDER", PROVIDER);
    set("BUILDKITE_PROJECT_PROVIDER", PROVIDER);
    set("BUILDKITE_BUILD_ID", &view.uuid.to_string());
    set("BUILDKITE_BUILD_NUMBER", &view.iid.to_string());
    set("BUILDKITE_BUILD_URL", &format!("{base_url}/{}/-/pipelines/{}", project.path, view.id));
    set("BUILDKITE_BRANCH", &view.ref_name);
    set("BUILDKITE_TAG", if view.tag { &view.ref_name } else { "" });
    set("BUILDKITE_COMMIT", &view.sha);
    let message = view.message.as_deref().or(build.commit_title.as_deref());
    set("BUILDKITE_MESSAGE", message.unwrap_or_default());
    set("BUILDKITE_SOURCE", source(view.source));
    if let Some(creator) = &build.creator {
        set("BUILDKITE_BUILD_CREATOR", &creator.name);
        set("BUILDKITE_BUILD_CREATOR_EMAIL", creator.email.as_deref().unwrap_or_default());
    }
    if let Some(author) = &view.author {
        set("BUILDKITE_BUILD_AUTHOR", author.name.as_deref().unwrap_or_default());
        set("BUILDKITE_BUILD_AUTHOR_EMAIL", author.email.as_deref().unwrap_or_default());
    }
    if let Some((uuid, number)) = &build.rebuilt_from {
        set("BUILDKITE_REBUILT_FROM_BUILD_ID", &uuid.to_string());
        set("BUILDKITE_REBUILT_FROM_BUILD_NUMBER", &number.to_string());
    }
    let pull_request = view.pull_request.as_ref();
    set("BUILDKITE_PULL_REQUEST", pull_request.map_or("false", |it| &it.id));
    if let Some(it) = pull_request {
        set("BUILDKITE_PULL_REQUEST_BASE_BRANCH", it.base.as_deref().unwrap_or_default());
        set("BUILDKITE_PULL_REQUEST_REPO", it.repository.as_deref().unwrap_or_default());
        set("BUILDKITE_PULL_REQUEST_LABELS", &it.labels.join(","));
    }
    let command = job.command.as_deref().unwrap_or_default();
    let paths = job.by_agents.as_ref().and_then(|it| it.artifact_paths.as_deref());
    set("BUILDKITE_JOB_ID", &job.uuid.to_string());
    set("BUILDKITE_LABEL", &job.name);
    set("BUILDKITE_STEP_ID", &view.uuid.within(&job.name).to_string());
    set("BUILDKITE_STEP_KEY", job.step_key.as_deref().unwrap_or_default());
    set("BUILDKITE_COMMAND", command);
    set("BUILDKITE_SCRIPT_PATH", command);
    set("BUILDKITE_ARTIFACT_PATHS", paths.unwrap_or_default());
    set("BUILDKITE_TIMEOUT", "false");
    set("BUILDKITE_RETRY_COUNT", &accepted.earlier_attempts.to_string());
    set("BUILDKITE_AGENT_ID", &accepted.agent.uuid.to_string());
    set("BUILDKITE_AGENT_NAME", &accepted.agent.name);
    for (name, value) in accepted.agent.tags.pairs() {
        set(&format!("BUILDKITE_AGENT_META_DATA_{}", variable(name)), value);
    }
    variables
}

/// The kind of repository, for which agents know how merge requests are fetched.
const PROVIDER: &str = "gitlab";

/// Turns a tag's name into a part of a variable's.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_names_of_variables() {
        assert_eq!((variable("queue"), variable("a-b.c")), ("QUEUE".into(), "A_B_C".into()));
    }
}
