//! Who changed what: one line of the log target `audit` for every change, refused ones included, and
//! for every read by a job of another project.
//!
//! A [`Trail`] goes with a request and is told by those who find something out; whoever answers the
//! request writes the line. Nothing here ever holds a token.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::projects::Project;
use crate::catalog::users::User;

/// What a request turned out to be about. Clones share one.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Mutex<Facts>>);

/// What is known at the end of a request or command.
#[derive(Debug, Default)]
pub struct Facts {
    /// What was asked for, such as `artifact.keep`.
    pub action: Option<&'static str>,
    /// Who asked.
    pub who: Who,
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
pub enum Who {
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

/// Where a request came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The client.
    pub client: Option<IpAddr>,
    /// The request's id.
    pub request_id: Option<&'a str>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed, or made no sense.
    Refused,
    /// We could not.
    Failed,
}

impl Trail {
    /// Tells what is asked for. What was found out for an earlier guess is forgotten, except who
    /// asks.
    pub fn begin(&self, action: &'static str) {
        self.tell(|facts| {
            let (who, credential) = (std::mem::take(&mut facts.who), facts.credential);
            *facts = Facts { action: Some(action), who, credential, ..Facts::default() };
        });
    }

    /// Tells what kind of credential was shown.
    pub fn shown(&self, credential: &'static str) {
        self.tell(|facts| facts.credential = Some(credential));
    }

    /// Tells whose personal token it is, good or not.
    pub fn user(&self, user: &User) {
        self.shown("personal_token");
        self.tell(|facts| facts.who = Who::User { id: user.id, username: user.username.clone() });
    }

    /// Tells whose job token it is, good or not.
    pub fn job_asks(&self, id: i64, project_path: &str, user: Option<&User>) {
        self.shown("job_token");
        let (project_path, username) = (project_path.to_owned(), user.map(|user| user.username.clone()));
        self.tell(|facts| facts.who = Who::Job { id, project_path, username });
    }

    /// Tells which project it is about.
    pub fn project(&self, project: &Project) {
        self.tell(|facts| facts.project = Some((project.id, project.path.clone())));
    }

    /// Tells which job it is about.
    pub fn job(&self, id: i64) {
        self.tell(|facts| facts.job_id = Some(id));
    }

    /// Adds whatever else is known.
    pub fn tell(&self, tell: impl FnOnce(&mut Facts)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Looks at all that was told so far.
    pub fn look<T>(&self, look: impl FnOnce(&Facts) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Facts {
    /// Whether a job of one project asks about another.
    pub fn crosses_projects(&self) -> bool {
        match (&self.who, &self.project) {
            (Who::Job { project_path, .. }, Some((_, path))) => !path.eq_ignore_ascii_case(project_path),
            _ => false,
        }
    }

    /// Writes the line. `status` is the HTTP status, where there is one.
    pub fn log(&self, outcome: Outcome, status: Option<u16>, origin: Origin<'_>) {
        let action = self.action.unwrap_or("unknown");
        let outcome = outcome.as_str();
        let (user_id, uid, from_job) = match &self.who {
            Who::User { id, .. } => (Some(*id), None, None),
            Who::Job { id, .. } => (None, None, Some(*id)),
            Who::CommandLine { uid } => (None, *uid, None),
            Who::Unknown => (None, None, None),
        };
        // The client and the request's id stand in the line although the span has them too: an audit
        // trail is often cut out and kept elsewhere.
        tracing::info!(
            target: "audit",
            action,
            outcome,
            status,
            actor = self.who.to_string(),
            actor.user.id = user_id,
            actor.job.id = from_job,
            actor.uid = uid,
            credential = self.credential.unwrap_or("none"),
            project.id = self.project.as_ref().map(|(id, _)| *id),
            project.path = self.project.as_ref().map(|(_, path)| path.as_str()),
            pipeline.id = self.pipeline_id,
            job.id = self.job_id,
            artifact.id = self.artifact_id,
            subject = self.subject.as_deref(),
            client.address = origin.client.map(|client| client.to_string()),
            request.id = origin.request_id,
            "{action} {outcome}",
        );
    }
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for Who {
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
