//! Question: what an upstream is asked, and with whose credential.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::answer::Answer;
use crate::domain::Sha256Digest;
use crate::domain::project::{ProjectRef, is_valid_path};

/// The longest token that is sent on, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// The beginning of every JSON Web Token: those are never sent on.
const ID_TOKEN_PREFIX: &str = "eyJ";

/// The beginning of a job's token: GitLab looks no personal token up that has it.
const JOB_TOKEN_PREFIX: &str = "glcbt-";

/// The place of a token in a request to the upstream, which is the one in the caller's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// That of a personal token.
    Personal,
    /// That of a personal token or a token of OAuth.
    Bearer,
    /// That of a job's token.
    Job,
}

/// The one who asks: the owner of a token, or nobody in particular.
#[derive(Clone)]
pub struct Asker(Option<Token>);

#[derive(Clone)]
struct Token {
    place: Place,
    text: SecretString,
    sha256: Sha256Digest,
}

/// How an asker is remembered.
pub(super) type AskerKey = Option<(Place, Sha256Digest)>;

impl Asker {
    /// Nobody in particular.
    pub const NOBODY: Self = Self(None);

    /// Returns the owner of a token; `None` if the token is none that is sent on: longer than 4 KiB, with a byte that
    /// is not visible ASCII, or an ID token.
    pub fn with_token(place: Place, token: &SecretString) -> Option<Self> {
        let text = token.expose_secret();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let length = 1..=MAX_TOKEN_BYTES;
        if !is_visible || !length.contains(&text.len()) || text.starts_with(ID_TOKEN_PREFIX) {
            return None;
        }
        let is_of_job = text.starts_with(JOB_TOKEN_PREFIX);
        let place = match (place, is_of_job) {
            (Place::Personal, true) => return None,
            (Place::Bearer, true) => Place::Job,
            (place, _) => place,
        };
        Some(Self(Some(Token { place, text: token.clone(), sha256: Sha256Digest::of(text.as_bytes()) })))
    }

    /// Whether a job's token is shown.
    pub fn is_job(&self) -> bool {
        self.place() == Some(Place::Job)
    }

    /// Whether no token is shown.
    pub fn is_nobody(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn place(&self) -> Option<Place> {
        self.0.as_ref().map(|token| token.place)
    }

    /// Returns the token that is shown, and where.
    pub fn token(&self) -> Option<(Place, &SecretString)> {
        self.0.as_ref().map(|token| (token.place, &token.text))
    }

    pub(super) fn key(&self) -> AskerKey {
        self.0.as_ref().map(|token| (token.place, token.sha256))
    }
}

impl PartialEq for Asker {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Asker {}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => write!(f, "Asker {place:?}"),
            None => f.write_str("Asker nobody"),
        }
    }
}

/// A project in a question: a number, or a path that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProjectKey {
    /// Its number, at least 1.
    Id(i64),
    /// Its full path in lower case: segments of letters, digits, `_`, `-` and `.`, none of which begins with a dot.
    Path(String),
}

impl ProjectKey {
    /// Checks a project in a request; `None` for a number or path that no project has.
    pub fn of(project: &ProjectRef) -> Option<Self> {
        match project {
            ProjectRef::Id(id) => (*id > 0).then_some(Self::Id(*id)),
            ProjectRef::Path(path) => is_valid_path(path).then(|| Self::Path(path.to_lowercase())),
        }
    }
}

/// A question to an upstream.
#[derive(Debug, Clone)]
pub enum Question {
    /// Which running job has this token?
    Job(Asker),
    /// May the asker read the jobs of the project?
    MayRead(Asker, ProjectKey),
    /// Whose token is it, and what is it for?
    Token(Asker),
    /// Which is the newest successful pipeline of a ref in the project with this number, and which of its jobs, or of
    /// the pipelines below it, have this name?
    Newest(Asker, i64, RefJob),
    /// May the asker fetch the archive of a job?
    Artifact(Asker, ArchiveAt),
    /// Which role has the asker in the project with this number? A job's token is answered in its own project only.
    Role(Asker, i64),
}

/// A ref and the name of a job, as they stand in a request.
#[derive(Debug, Clone)]
pub struct RefJob {
    /// The branch or tag.
    pub ref_name: String,
    /// The name of the job.
    pub job_name: String,
    /// The newest pipelines of the ref that are known here, newest first: which of them was successful may be asked by
    /// whoever may not list them. They make no other question.
    pub known: Vec<i64>,
}

/// The archive of a job at the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArchiveAt {
    /// The number of the project.
    pub project_id: i64,
    /// The number of the job.
    pub job_id: i64,
    /// Whether it is asked for as a runner does, for a job that depends on this one.
    pub as_dependency: bool,
}

/// A question as it is remembered: with the digest of the token in place of the token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) asker: AskerKey,
    pub(super) project: Option<ProjectKey>,
    /// The names of the ref and the job.
    pub(super) ref_job: Option<(String, String)>,
    pub(super) archive: Option<ArchiveAt>,
}

/// The kind of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Job,
    MayRead,
    Token,
    Role,
    Newest,
    Artifact,
    Project,
}

impl Question {
    pub(super) fn key(&self) -> Key {
        let project = match self {
            Self::MayRead(_, project) => Some(project.clone()),
            Self::Role(_, id) | Self::Newest(_, id, _) => Some(ProjectKey::Id(*id)),
            Self::Artifact(_, archive) => Some(ProjectKey::Id(archive.project_id)),
            Self::Job(_) | Self::Token(_) => None,
        };
        let ref_job = match self {
            Self::Newest(_, _, wanted) => Some((wanted.ref_name.clone(), wanted.job_name.clone())),
            _ => None,
        };
        let archive = match self {
            Self::Artifact(_, archive) => Some(*archive),
            _ => None,
        };
        Key { kind: self.kind(), asker: self.asker().key(), project, ref_job, archive }
    }

    /// Returns the number of the project that the question and its answer are about, if one of them tells it.
    pub(super) fn project_id(&self, answer: &Answer) -> Option<i64> {
        match (answer, self) {
            (Answer::MayRead { project_id, .. }, _) => Some(*project_id),
            (_, Self::MayRead(_, ProjectKey::Id(id)) | Self::Role(_, id) | Self::Newest(_, id, _)) => {
                Some(*id)
            }
            (_, Self::Artifact(_, archive)) => Some(archive.project_id),
            (_, Self::MayRead(_, ProjectKey::Path(_)) | Self::Job(_) | Self::Token(_)) => None,
        }
    }

    pub(super) fn asker(&self) -> &Asker {
        match self {
            Self::Job(asker)
            | Self::MayRead(asker, _)
            | Self::Token(asker)
            | Self::Role(asker, _)
            | Self::Artifact(asker, _)
            | Self::Newest(asker, ..) => asker,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Job(_) => Kind::Job,
            Self::MayRead(..) => Kind::MayRead,
            Self::Token(_) => Kind::Token,
            Self::Role(..) => Kind::Role,
            Self::Newest(..) => Kind::Newest,
            Self::Artifact(..) => Kind::Artifact,
        }
    }
}

impl Kind {
    /// Returns the question, in a few words for the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job token",
            Self::MayRead => "may read",
            Self::Token => "token",
            Self::Role => "role",
            Self::Newest => "newest",
            Self::Artifact => "may fetch",
            Self::Project => "project",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(place: Place, token: &str) -> Option<Asker> {
        Asker::with_token(place, &token.to_owned().into())
    }

    #[test]
    fn what_cannot_be_a_token_is_never_sent_on() {
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        for token in ["", "with space", "line\nbreak", "caf\u{e9}", "a\0", "eyJhbGciOi", &long] {
            for place in [Place::Personal, Place::Bearer, Place::Job] {
                assert!(asker(place, token).is_none(), "{token:?}");
            }
        }
        assert!(asker(Place::Personal, "glcbt-64_x").is_none(), "no personal token begins like that");
        assert_eq!(asker(Place::Bearer, "glcbt-64_x").unwrap().place(), Some(Place::Job));
        assert_eq!(asker(Place::Bearer, &long[1..]).unwrap().place(), Some(Place::Bearer));
    }

    #[test]
    fn nothing_of_a_token_is_printed_or_remembered() {
        let question = Question::MayRead(asker(Place::Personal, "glpat-s3cret").unwrap(), ProjectKey::Id(1));
        assert!(!format!("{question:?} {:?}", question.key()).contains("s3cret"));
    }
}
