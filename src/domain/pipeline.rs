//! Pipeline: its source, and the ref and commit on which it ran.

named! {
    /// The source of a pipeline.
    pub enum Source ("pipeline source") {
        /// A push.
        Push = "push",
        /// A person, in the web interface.
        Web = "web",
        /// A trigger token.
        Trigger = "trigger",
        /// A schedule.
        Schedule = "schedule",
        /// The API.
        Api = "api",
        /// An outside CI system.
        External = "external",
        /// A trigger job of another pipeline.
        Pipeline = "pipeline",
        /// A chat command.
        Chat = "chat",
        /// The web editor.
        Webide = "webide",
        /// A merge request.
        MergeRequestEvent = "merge_request_event",
        /// A pull request on another server.
        ExternalPullRequestEvent = "external_pull_request_event",
        /// A parent pipeline of the same project.
        ParentPipeline = "parent_pipeline",
        /// An on-demand scan.
        OndemandDastScan = "ondemand_dast_scan",
        /// The validation of an on-demand scan.
        OndemandDastValidation = "ondemand_dast_validation",
        /// A security policy.
        SecurityOrchestrationPolicy = "security_orchestration_policy",
        /// A push of a container image.
        ContainerRegistryPush = "container_registry_push",
        /// An agent's workflow.
        DuoWorkflow = "duo_workflow",
        /// A policy's schedule.
        PipelineExecutionPolicySchedule = "pipeline_execution_policy_schedule",
        /// Not known.
        Unknown = "unknown",
    }
}

/// The ref of a pipeline whose own is not known. No lookup finds it.
///
/// The pipeline of a merge request claims a branch that may be another project's branch of the same name.
pub const UNKNOWN_REF: &str = "refs/unknown";

/// The kind of ref on which a pipeline ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefKind {
    /// A branch.
    Branch,
    /// A tag.
    Tag,
}

/// Returns the ID of a commit, or its beginning, in lower case as git writes it; `None` if `text` is not
/// hexadecimal.
pub fn commit_id(text: &str) -> Option<String> {
    let is_id = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.to_ascii_lowercase())
}

impl Source {
    /// The sources of pipelines that are never the latest of their ref (`gitlab-artifacts-api` calls them
    /// dangling): they run beside the ref's own history.
    pub const DANGLING: &[Self] = &[
        Self::Webide,
        Self::ParentPipeline,
        Self::OndemandDastScan,
        Self::OndemandDastValidation,
        Self::SecurityOrchestrationPolicy,
        Self::ContainerRegistryPush,
        Self::DuoWorkflow,
        Self::PipelineExecutionPolicySchedule,
    ];

    /// Whether this is one of [`Self::DANGLING`].
    pub fn is_dangling(self) -> bool {
        Self::DANGLING.contains(&self)
    }
}
