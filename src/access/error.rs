//! Access errors: why access is refused, by type.
//!
//! A missing resource is distinguished from an expired and from a forbidden one. There is no HTTP and no
//! vendor's text here: each dialect has its own.

use std::borrow::Cow;

use crate::auth::{AuthError, CredentialError};
use crate::catalog::absence::Absence;
use crate::domain::permissions::Action;
use crate::domain::pipeline::RefKind;
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind, Timestamp};

/// The error of the functions of [`super::Access`].
#[derive(Debug)]
pub enum AccessError {
    /// The credential is missing or not valid.
    Credential(CredentialError),
    /// The route needs a job token, and another credential was sent.
    JobTokenRequired,
    /// There is no such project that this principal may see.
    ProjectNotFound(ProjectAbsence),
    /// There is no project at the path any more: it was moved.
    ProjectMoved {
        /// The project's ID.
        id: i64,
        /// The path where it was, as the request has it.
        from: String,
        /// The full path where it is.
        to: String,
    },
    /// There is no such job in the project.
    JobNotFound {
        /// Reason, for the log.
        why: JobAbsence,
        /// Whether the principal may read the project's jobs and so may learn what is missing.
        may_be_told: bool,
    },
    /// There is no such pipeline in the project.
    PipelineNotFound(PipelineAbsence),
    /// The job has no such artifact.
    ArtifactNotFound(ArtifactAbsence),
    /// The artifact has expired and is not locked.
    ArtifactExpired(Timestamp),
    /// The ref and the job's name lead to no artifact.
    ArtifactOfRefNotFound {
        /// Reason.
        why: Absence,
        /// Whether recent pipelines were searched too.
        recent: bool,
    },
    /// No pipeline ran on a ref of this kind and name.
    RefNotFound(RefKind),
    /// There is no such commit.
    CommitNotFound(CommitAbsence),
    /// The project has no default branch to replace a missing ref.
    NoDefaultBranch,
    /// No pipeline ran on the ref.
    RefWithoutPipeline,
    /// The principal sees the project but lacks the right for this action.
    Forbidden(Action),
    /// The project does not admit job tokens of the token's project. Both are the last segment of a path.
    JobTokenNotAllowed {
        /// The project of the token's job.
        source: String,
        /// The requested project.
        target: String,
    },
    /// The token belongs to another job than the uploading one.
    TokenOfAnotherJob,
    /// The uploading job is not running.
    JobNotRunning(Status),
    /// The results of the uploading job were erased.
    JobErased,
    /// The job has nothing to erase, or has not finished.
    JobNotErasable,
    /// A sweep deleted the artifact before it was kept.
    ArtifactJustExpired,
    /// Only an administrator may change the registry.
    NotAdministrator,
    /// Catalog or store failed, or a value cannot be stored.
    Other(Error),
}

/// Why a project is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectAbsence {
    /// It does not exist.
    Nonexistent,
    /// It is hidden from the principal.
    Hidden,
}

/// Why a job is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAbsence {
    /// It does not exist.
    Nonexistent,
    /// It belongs to another project.
    InOtherProject,
}

/// Why a pipeline is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineAbsence {
    /// It does not exist.
    Nonexistent,
    /// It belongs to another project.
    InOtherProject,
}

/// Why a commit is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitAbsence {
    /// No pipeline ran on it.
    NoPipeline,
    /// The project has no default branch to take the commit from.
    NoDefaultBranch,
}

/// Why an artifact is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactAbsence {
    /// The job has none of this name.
    NoneOfName,
    /// The job's results were erased at that time.
    JobErased(Timestamp),
}

impl AccessError {
    /// Returns the reason, in a few words for the log; holds no secret.
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Credential(refusal) => refusal.reason(),
            Self::JobTokenRequired => "credential is not a job token".into(),
            Self::ProjectNotFound(ProjectAbsence::Nonexistent) => "project does not exist".into(),
            Self::ProjectNotFound(ProjectAbsence::Hidden) => "project is hidden from caller".into(),
            Self::ProjectMoved { to, .. } => format!("project was moved to {to}").into(),
            Self::JobNotFound { why: JobAbsence::Nonexistent, .. } => "job does not exist".into(),
            Self::JobNotFound { why: JobAbsence::InOtherProject, .. } => {
                "job belongs to another project".into()
            }
            Self::PipelineNotFound(PipelineAbsence::Nonexistent) => "pipeline does not exist".into(),
            Self::PipelineNotFound(PipelineAbsence::InOtherProject) => {
                "pipeline belongs to another project".into()
            }
            Self::ArtifactNotFound(ArtifactAbsence::NoneOfName) => "no artifact of this kind".into(),
            Self::ArtifactNotFound(ArtifactAbsence::JobErased(time)) => {
                format!("job was erased at {time}").into()
            }
            Self::ArtifactExpired(time) => format!("artifact has expired at {time}").into(),
            Self::ArtifactOfRefNotFound { why, .. } => why.to_string().into(),
            Self::RefNotFound(_) => "no pipeline ran on a ref of this kind and name".into(),
            Self::CommitNotFound(CommitAbsence::NoPipeline) => "no pipeline ran on this commit".into(),
            Self::CommitNotFound(CommitAbsence::NoDefaultBranch) => {
                "project has no default branch, so a ref is required".into()
            }
            Self::NoDefaultBranch => "project has no default branch".into(),
            Self::RefWithoutPipeline => "ref has no pipeline".into(),
            Self::Forbidden(action) => action.refusal().into(),
            Self::JobTokenNotAllowed { source, target } => {
                format!("job tokens of {source} are not allowed in {target}").into()
            }
            Self::TokenOfAnotherJob => "token belongs to another job".into(),
            Self::JobNotRunning(status) => format!("job is not running: {status}").into(),
            Self::JobErased => "job has been erased".into(),
            Self::JobNotErasable => "job is not erasable".into(),
            Self::ArtifactJustExpired => "artifact has just expired".into(),
            Self::NotAdministrator => "only an administrator may change the registry".into(),
            Self::Other(error) => error.reason(),
        }
    }

    /// Returns the reason for a client that may read what it requested; `None` if it is for the log only.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::JobNotFound { may_be_told: true, .. } => Some("job is not in the project".into()),
            Self::PipelineNotFound(_) => Some("pipeline is not in the project".into()),
            Self::ArtifactNotFound(_)
            | Self::ArtifactExpired(_)
            | Self::ArtifactOfRefNotFound { .. }
            | Self::RefNotFound(_)
            | Self::CommitNotFound(_)
            | Self::NoDefaultBranch
            | Self::RefWithoutPipeline
            | Self::ArtifactJustExpired => Some(self.reason()),
            Self::Other(error) if error.kind() == ErrorKind::NotFound => {
                error.hint().map(|hint| hint.to_owned().into())
            }
            Self::JobNotFound { may_be_told: false, .. }
            | Self::ProjectMoved { .. }
            | Self::Credential(_)
            | Self::JobTokenRequired
            | Self::ProjectNotFound(_)
            | Self::Forbidden(_)
            | Self::JobTokenNotAllowed { .. }
            | Self::TokenOfAnotherJob
            | Self::JobNotRunning(_)
            | Self::JobErased
            | Self::JobNotErasable
            | Self::NotAdministrator
            | Self::Other(_) => None,
        }
    }
}

impl From<Error> for AccessError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<CredentialError> for AccessError {
    fn from(refusal: CredentialError) -> Self {
        Self::Credential(refusal)
    }
}

impl From<AuthError> for AccessError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(refusal) => Self::Credential(refusal),
            AuthError::Catalog(error) => Self::Other(error),
        }
    }
}
