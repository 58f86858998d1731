//! An audit event: who did what to which project, job and artifact.

/// What is known at the end of a request or command.
#[derive(Debug, Default)]
pub struct AuditEvent {
    /// What was asked for, such as `artifact.keep`.
    pub action: Option<&'static str>,
    /// Who asked.
    pub who: AuditActor,
    /// What kind of credential was shown; none by default.
    pub credential: Option<&'static str>,
    /// The project, by number and full path.
    pub project: Option<(i64, String)>,
    /// The pipeline.
    pub pipeline_id: Option<i64>,
    /// The job that it is about, not the one that asks.
    pub job_id: Option<i64>,
    /// The artifact.
    pub artifact_id: Option<i64>,
    /// Anything else that it is about, in a few words.
    pub subject: Option<String>,
}

/// Who asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AuditActor {
    /// Nobody that we know.
    #[default]
    Unknown,
    /// A user in person.
    User {
        /// Its number.
        id: i64,
        /// Its short name.
        username: String,
    },
    /// A job.
    Job {
        /// Its number.
        id: i64,
        /// The full path of its project.
        project_path: String,
        /// Whose rights it has.
        username: Option<String>,
    },
    /// Whoever ran a command on the machine.
    CommandLine {
        /// The number that the system knows them by.
        uid: Option<u32>,
    },
}

impl AuditEvent {
    /// Whether a job of one project asks about another.
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
            Self::Job { id, project_path, username: None } => write!(f, "job {id} of {project_path}"),
            Self::Job { id, project_path, username: Some(username) } => {
                write!(f, "job {id} of {project_path} for {username}")
            }
            Self::CommandLine { .. } => f.write_str("command line"),
        }
    }
}
