//! The whole permission table: may this caller do that to this project's artifacts?
//!
//! Two gates, GitLab's: reading jobs is a question of the project, reading an artifact also of its
//! accessibility. Whatever is not allowed here is refused.

use crate::domain::artifact::Accessibility;
use crate::domain::project::Visibility;
use crate::domain::role::Role;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Nobody that we know.
    Anonymous,
    /// A user, in person or through a running job.
    User {
        /// Administrators need no membership.
        admin: bool,
        /// The role in the project that is asked about.
        role: Option<Role>,
        /// Whether a job's token was shown, and how far it reaches.
        reach: TokenReach,
    },
}

/// How far the credential itself reaches, whatever its user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenReach {
    /// Everywhere: a personal token.
    Unrestricted,
    /// A job's token, in its own project or one that has the job's project on its allowlist.
    AllowedJob,
    /// A job's token, in a project that has not.
    ForeignJob,
}

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Know that the project exists.
    SeeProject,
    /// Read its jobs.
    ReadJobs,
    /// Read an artifact.
    ReadArtifact(Accessibility),
    /// Fetch an artifact for a job that depends on it. Its accessibility is not asked of a job of the same
    /// project or of one on its allowlist: nothing in a pipeline is kept from the jobs behind it.
    FetchDependency(Accessibility),
    /// Take away an artifact's expiry.
    KeepArtifacts,
    /// Remove a job's artifacts, or all of the project's.
    DeleteArtifacts,
    /// Remove everything that a job left behind.
    EraseJob {
        /// Whether the caller is the one whose rights the job had.
        own: bool,
    },
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether those who see it may also read its jobs ("public pipelines").
    pub public_jobs: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// The caller may not even know that it exists.
    Hide,
    /// The caller may know, and may not.
    Forbid,
    /// The job token does not reach this project.
    JobTokenNotAllowed,
}

/// Decides.
pub fn authorize(caller: Grant, action: Action, project: Project) -> Decision {
    let (signed_in, admin, role, reach) = match caller {
        Grant::Anonymous => (false, false, None, TokenReach::Unrestricted),
        Grant::User { admin, role, reach } => (true, admin, role, reach),
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
        // Accessibility governs reading only.
        Action::KeepArtifacts => at_least(Role::Developer),
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
    /// Why somebody may not who sees the project, in a few words for the log.
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::SeeProject => "caller may not see the project",
            Self::ReadJobs => "caller may not read the project's jobs",
            Self::ReadArtifact(accessibility) | Self::FetchDependency(accessibility) => match accessibility {
                Accessibility::Public => "caller may not read the project's jobs",
                Accessibility::Private => "artifact is private: for developers and up",
                Accessibility::Maintainer => "artifact is for maintainers and up",
                Accessibility::None => "artifact is for nobody (accessibility none)",
            },
            Self::KeepArtifacts => "caller is no developer of the project",
            Self::DeleteArtifacts | Self::EraseJob { own: false } => "caller is no maintainer of the project",
            Self::EraseJob { own: true } => {
                "caller is neither a maintainer nor the developer whose job it is"
            }
        }
    }
}

/// Whether the caller may tell us what exists: every user, project, pipeline and job, and the tokens
/// of all of them. That is more than any project can grant, so it takes an administrator in person.
pub fn can_manage_registry(caller: Grant) -> bool {
    matches!(caller, Grant::User { admin: true, reach: TokenReach::Unrestricted, .. })
}

#[cfg(test)]
#[path = "permissions_tests.rs"]
mod tests;
