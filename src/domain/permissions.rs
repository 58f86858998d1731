//! Permissions: the whole table of which caller may do which action in a project.
//!
//! There are two checks, as in GitLab: reading jobs depends on the project, reading an artifact on its
//! accessibility, too. Everything that is not allowed here is refused.

use crate::domain::artifact::Accessibility;
use crate::domain::project::Visibility;
use crate::domain::role::Role;

/// The caller, with its rights in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// An unauthenticated caller.
    Anonymous,
    /// A user, in person or through a running job.
    User {
        /// Administrators need no membership.
        admin: bool,
        /// Role in the project; `None` for a non-member.
        role: Option<Role>,
        /// Reach of the credential.
        reach: TokenReach,
    },
    /// A running job without a user, for which its CI system vouches.
    VouchedJob {
        /// Whether the project is the job's own.
        own: bool,
    },
}

/// The reach of a credential, whatever its user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenReach {
    /// A personal token: everywhere.
    Unrestricted,
    /// A job token, in its own project or one that has the job's project on its allowlist.
    AllowedJob,
    /// A job token, in any other project.
    ForeignJob,
}

/// An action of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Learn that the project exists.
    SeeProject,
    /// Read its jobs.
    ReadJobs,
    /// Read an artifact.
    ReadArtifact(Accessibility),
    /// Download an artifact for a job that depends on it. Its accessibility is not checked for a job of the
    /// same project or of one on its allowlist: nothing in a pipeline is hidden from its later jobs.
    FetchDependency(Accessibility),
    /// Remove an artifact's expiry.
    KeepArtifacts,
    /// Delete a job's artifacts, or all of the project's.
    DeleteArtifacts,
    /// Create a pipeline, cancel one, or try its jobs again.
    RunPipelines,
    /// Delete all artifacts and the log of a job.
    EraseJob {
        /// Whether the job had the caller's rights.
        own: bool,
    },
}

/// The properties of a project that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether everybody who sees it may also read its jobs ("public pipelines").
    pub public_jobs: bool,
}

/// The decision about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The action is permitted.
    Allow,
    /// The caller may not learn that the project exists.
    Hide,
    /// The caller sees the project, but lacks the permission.
    Forbid,
    /// The job token does not reach this project.
    JobTokenNotAllowed,
}

/// Decides whether a caller may do an action in a project.
pub fn authorize(grant: Grant, action: Action, project: Project) -> Decision {
    let (signed_in, admin, role, reach) = match grant {
        Grant::Anonymous => (false, false, None, TokenReach::Unrestricted),
        Grant::User { admin, role, reach } => (true, admin, role, reach),
        // Nothing in a pipeline is hidden from its later jobs; nothing else is theirs.
        Grant::VouchedJob { own } => {
            let reads = match action {
                Action::SeeProject | Action::ReadJobs | Action::FetchDependency(_) => true,
                Action::ReadArtifact(accessibility) => accessibility != Accessibility::None,
                Action::KeepArtifacts
                | Action::DeleteArtifacts
                | Action::RunPipelines
                | Action::EraseJob { .. } => false,
            };
            return if own && reads { Decision::Allow } else { Decision::Forbid };
        }
    };
    let open_to_outsiders = project.visibility != Visibility::Private && project.public_jobs;
    if reach == TokenReach::ForeignJob && !open_to_outsiders {
        return Decision::JobTokenNotAllowed;
    }
    let sees = admin
        || role.is_some()
        || match project.visibility {
            Visibility::Public => true,
            Visibility::Internal => signed_in,
            Visibility::Private => false,
        };
    if !sees {
        return Decision::Hide;
    }
    let at_least = |needed: Role| admin || role.is_some_and(|role| role >= needed);
    let reads_jobs = project.public_jobs || at_least(Role::Reporter);
    let allowed = match action {
        Action::SeeProject => true,
        // Accessibility restricts reading only.
        Action::KeepArtifacts | Action::RunPipelines => at_least(Role::Developer),
        Action::DeleteArtifacts | Action::EraseJob { own: false } => at_least(Role::Maintainer),
        Action::EraseJob { own: true } => at_least(Role::Developer),
        Action::ReadJobs => reads_jobs,
        Action::FetchDependency(_) if reach == TokenReach::AllowedJob => reads_jobs,
        Action::ReadArtifact(accessibility) | Action::FetchDependency(accessibility) => {
            reads_jobs
                && match accessibility {
                    Accessibility::Public => true,
                    Accessibility::Private => at_least(Role::Developer),
                    Accessibility::Maintainer => at_least(Role::Maintainer),
                    Accessibility::None => false,
                }
        }
    };
    if allowed { Decision::Allow } else { Decision::Forbid }
}

impl Action {
    /// Returns why a caller that sees the project is refused, in a few words for the log.
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::SeeProject => "caller may not see the project",
            Self::ReadJobs => "caller may not read the project's jobs",
            Self::ReadArtifact(accessibility) | Self::FetchDependency(accessibility) => match accessibility {
                Accessibility::Public => "caller may not read the project's jobs",
                Accessibility::Private => "artifact is private: needs the developer role",
                Accessibility::Maintainer => "artifact needs the maintainer role",
                Accessibility::None => "artifact has accessibility none",
            },
            Self::KeepArtifacts | Self::RunPipelines => "caller is not a developer of the project",
            Self::DeleteArtifacts | Self::EraseJob { own: false } => {
                "caller is not a maintainer of the project"
            }
            Self::EraseJob { own: true } => {
                "caller is neither a maintainer nor the developer who owns the job"
            }
        }
    }
}

/// Whether the caller may change the registry: every user, project, pipeline and job, and all their tokens.
/// That is more than any project can grant, so it takes an administrator with a personal token.
pub fn can_manage_registry(grant: Grant) -> bool {
    matches!(grant, Grant::User { admin: true, reach: TokenReach::Unrestricted, .. })
}

#[cfg(test)]
#[path = "permissions_tests.rs"]
mod tests;
