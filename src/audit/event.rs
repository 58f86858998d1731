//! Audit event: who did what to which project, job and artifact.

use crate::domain::scope::Scopes;
use crate::metrics::FailureReason;

/// The facts known at the end of a request or command.
#[derive(Debug, Default)]
pub struct AuditEvent {
    /// Requested action, such as `artifact.keep`.
    pub action: Option<&'static str>,
    /// Actor of a request or command.
    pub who: AuditActor,
    /// Credential type, such as `personal_token`; `None` if no credential was sent.
    pub credential: Option<&'static str>,
    /// Why the credential was refused, if it was and that is known.
    pub refusal: Option<FailureReason>,
    /// The scopes of a personal token, valid or not.
    pub scopes: Option<Scopes>,
    /// The project's ID and full path.
    pub project: Option<(i64, String)>,
    /// The pipeline.
    pub pipeline_id: Option<i64>,
    /// The job that the request is about, not the one that makes it.
    pub job_id: Option<i64>,
    /// The artifact.
    pub artifact_id: Option<i64>,
    /// Whether the job that makes the request is to stop.
    pub is_canceling: bool,
    /// What the upstream answered about the request, in a few words; `None` if it was not consulted.
    pub upstream: Option<String>,
    /// Any other subject, in a few words.
    pub subject: Option<String>,
    /// Whether it is a change although the request only reads.
    pub is_change: bool,
}

/// Actor of a request or command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AuditActor {
    /// No known actor.
    #[default]
    Unknown,
    /// A user, by personal token.
    User {
        /// ID in the catalog.
        id: i64,
        /// Username.
        username: String,
    },
    /// A user of an upstream, by a token that the upstream knows.
    Foreign {
        /// ID at the upstream.
        id: i64,
        /// Name of the upstream.
        upstream: String,
    },
    /// A job.
    Job {
        /// ID in the catalog.
        id: i64,
        /// Full path of the job's project.
        project_path: String,
        /// User whose rights the job has; `None` if it has no user.
        username: Option<String>,
    },
    /// A person who ran a command on the machine.
    CommandLine {
        /// User ID in the operating system.
        uid: Option<u32>,
    },
}

impl AuditEvent {
    /// Whether a job of one project makes a request about another.
    pub fn crosses_projects(&self) -> bool {
        match (&self.who, &self.project) {
            (AuditActor::Job { project_path, .. }, Some((_, path))) => {
                !path.eq_ignore_ascii_case(project_path)
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for AuditActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::User { username, .. } => write!(f, "user {username}"),
            Self::Foreign { id, upstream } => write!(f, "user {id} of {upstream}"),
            Self::Job { id, project_path, username: None } => write!(f, "job {id} of {project_path}"),
            Self::Job { id, project_path, username: Some(username) } => {
                write!(f, "job {id} of {project_path} for {username}")
            }
            Self::CommandLine { .. } => f.write_str("command line"),
        }
    }
}
