//! GitLab's order of checks: who asks, does the project exist for them, may they read its jobs,
//! does the job exist, may they read its archive, is it there.

use crate::api::gitlab::failure::Failure;
use crate::auth::{self, Actor, Credentials, Refusal, Trail};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::jobs::Job;
use crate::catalog::projects::{self, Project};
use crate::catalog::standing::{self, Standing};
use crate::catalog::{Db, lookup};
use crate::domain::Timestamp;
use crate::domain::access::{self, Action, Caller, Verdict, may};
use crate::domain::artifact::{Accessibility, ArtifactKind};
use crate::domain::project::ProjectRef;

/// What a personal token must be good for to read.
pub(super) const READ_SCOPES: &[&str] = &["api", "read_api"];

/// Whom a route takes, beside those whose personal token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guests {
    /// Nobody.
    None,
    /// A job with its token; nobody without a credential.
    Jobs,
    /// Whoever brings no credential. A job's token is none here, unless it comes as a bearer's: then
    /// it is wrong.
    Strangers,
    /// A job, and whoever brings no credential.
    JobsAndStrangers,
}

/// Finds out who asks.
pub(super) fn identify(
    db: &mut Db,
    credentials: &Credentials,
    guests: Guests,
    scopes: &'static [&'static str],
    now: Timestamp,
) -> Result<Actor, Failure> {
    let is_anonymous = credentials.personal.is_none() && credentials.bearer.is_none();
    let actor = match guests {
        Guests::Strangers if is_anonymous => Actor::Anonymous,
        Guests::None | Guests::Strangers => auth::authenticate_user(db, credentials, scopes, now)?,
        Guests::Jobs | Guests::JobsAndStrangers => auth::authenticate(db, credentials, scopes, now)?,
    };
    match (guests, &actor) {
        (Guests::Jobs, Actor::Anonymous) => Err(Failure::Token(Refusal::Missing)),
        _ => Ok(actor),
    }
}

/// A project whose jobs the caller may read.
pub(super) struct Readable {
    pub(super) project: Project,
    caller: Caller,
    now: Timestamp,
    trail: Trail,
}

impl Readable {
    /// Lets a caller in, or not.
    pub(super) fn enter(
        db: &mut Db,
        credentials: &Credentials,
        project: &ProjectRef,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let actor = identify(db, credentials, Guests::JobsAndStrangers, READ_SCOPES, now)?;
        Self::admit(db, &actor, Action::ReadJobs, project, now, &credentials.trail)
    }

    /// Lets somebody whom we know in, or not.
    pub(super) fn admit(
        db: &mut Db,
        actor: &Actor,
        action: Action,
        project: &ProjectRef,
        now: Timestamp,
        trail: &Trail,
    ) -> Result<Self, Failure> {
        let project = projects::find(db, project)?.ok_or(Failure::not_found("Project Not Found"))?;
        trail.project(&project);
        let caller = auth::caller_in(db, actor, &project)?;
        ask(caller, action, &project, actor)?;
        Ok(Self { project, caller, now, trail: trail.clone() })
    }

    /// A job's archive, with all that decides about it found in one statement. `None` when there is
    /// more to ask: [`Readable::enter`] and [`Readable::artifact`] do that.
    pub(super) fn archive_at_once(
        db: &mut Db,
        credentials: &Credentials,
        project: &ProjectRef,
        job_id: i64,
        now: Timestamp,
    ) -> Result<Option<Artifact>, Failure> {
        let Some(digest) = auth::personal_digest(credentials) else { return Ok(None) };
        let found = standing::of_artifact(db, project, job_id, ArtifactKind::Archive, digest)?;
        let Some(Standing { project, job, artifact, token: Some((token, user)), role }) = found else {
            return Ok(None);
        };
        let trail = credentials.trail.clone();
        let Some(caller) = auth::caller_with((token, digest), &user, role, READ_SCOPES, now, &trail)? else {
            return Ok(None);
        };
        trail.project(&project);
        ask(caller, Action::ReadJobs, &project, &Actor::User(user))?;
        trail.job(job.id);
        let readable = Self { project, caller, now, trail };
        readable.ask_for(Some(&artifact))?;
        readable.still(db, &job, Some(artifact)).map(Some)
    }

    /// A job's artifact of a kind, when the caller may read it and it still can be read. The
    /// archive's accessibility is that of the whole job.
    pub(super) fn artifact(&self, db: &mut Db, job: &Job, kind: ArtifactKind) -> Result<Artifact, Failure> {
        self.trail.job(job.id);
        let archive = artifacts::find(db, job.id, ArtifactKind::Archive)?;
        self.ask_for(archive.as_ref())?;
        let artifact = match kind {
            ArtifactKind::Archive => archive,
            other => artifacts::find(db, job.id, other)?,
        };
        self.ask_for(artifact.as_ref())?;
        self.still(db, job, artifact)
    }

    fn still(&self, db: &mut Db, job: &Job, artifact: Option<Artifact>) -> Result<Artifact, Failure> {
        self.trail.tell(|facts| facts.artifact_id = artifact.as_ref().map(|artifact| artifact.id));
        readable(db, &self.project, job, artifact, self.now)
    }

    /// Where there is nothing, there is nothing to protect: the answer is that there is none.
    fn ask_for(&self, artifact: Option<&Artifact>) -> Result<(), Failure> {
        let accessibility = artifact.map_or(Accessibility::Public, |artifact| artifact.accessibility);
        match may(self.caller, Action::ReadArtifact(accessibility), subject(&self.project)) {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden | Verdict::Hidden | Verdict::OutOfReach => Err(Failure::forbidden()),
        }
    }
}

/// Asks the permission table, and turns a no into GitLab's words.
pub(super) fn ask(caller: Caller, action: Action, project: &Project, actor: &Actor) -> Result<(), Failure> {
    match may(caller, action, subject(project)) {
        Verdict::Allowed => Ok(()),
        Verdict::Hidden => Err(Failure::not_found("Project Not Found")),
        Verdict::Forbidden => Err(Failure::forbidden()),
        Verdict::OutOfReach => Err(Failure::forbidden_because(out_of_reach(actor, project))),
    }
}

/// The archive, unless there is none or it has expired.
pub(super) fn readable(
    db: &mut Db,
    project: &Project,
    job: &Job,
    archive: Option<Artifact>,
    now: Timestamp,
) -> Result<Artifact, Failure> {
    let archive = archive.ok_or(Failure::not_found("Not Found"))?;
    match lookup::can_be_read(db, project, job, &archive, now)? {
        true => Ok(archive),
        false => Err(Failure::not_found("Not Found")),
    }
}

fn subject(project: &Project) -> access::Project {
    access::Project { visibility: project.visibility, public_jobs: project.public_jobs }
}

fn out_of_reach(actor: &Actor, project: &Project) -> String {
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let source = match actor {
        Actor::Job { project_path, .. } => last(project_path),
        Actor::Anonymous | Actor::User(_) => String::new(),
    };
    let target = last(&project.path);
    format!("Authentication by CI/CD job token not allowed from {source} to {target}.")
}
