//! GitLab's order of checks: who asks, does the project exist for them, may they read its jobs,
//! does the job exist, may they read its archive, is it there.

use crate::api::gitlab::failure::{Failure, NO_PROJECT};
use crate::auth::{self, Actor, Credentials, Refusal, Trail};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::jobs::{self, Job};
use crate::catalog::projects::{self, Project};
use crate::catalog::standing::{self, Standing};
use crate::catalog::{Db, lookup};
use crate::domain::access::{self, Action, Caller, Verdict, may};
use crate::domain::artifact::{Accessibility, ArtifactKind};
use crate::domain::project::ProjectRef;
use crate::domain::{self, Error, Kind, Sha256Digest, Timestamp};

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
    let actor = match guests {
        Guests::Strangers if credentials.are_nobodys() => Actor::Anonymous,
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
        let project = find_project(db, project)?;
        trail.project(&project);
        let caller = auth::caller_in(db, actor, &project)?;
        ask(caller, action, &project, actor)?;
        Ok(Self { project, caller, now, trail: trail.clone() })
    }

    /// A job of the project.
    pub(super) fn job(&self, db: &mut Db, job_id: i64) -> Result<Job, Failure> {
        job_in(db, self.project.id, job_id)?.map_err(no_job)
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
        let found = Self::at_once(db, credentials, now, |db, digest| {
            standing::of_artifact(db, project, job_id, ArtifactKind::Archive, digest)
        })?;
        let Some((readable, job, archive)) = found else { return Ok(None) };
        readable.still(db, &job, Some(archive)).map(Some)
    }

    /// As [`Readable::archive_at_once`], for the archive that a ref and a job's name lead to.
    pub(super) fn archive_of_ref_at_once(
        db: &mut Db,
        credentials: &Credentials,
        project: &ProjectRef,
        (ref_name, job_name): (&str, &str),
        now: Timestamp,
    ) -> Result<Option<Artifact>, Failure> {
        let found = Self::at_once(db, credentials, now, |db, digest| {
            standing::of_ref(db, project, ref_name, job_name, digest, now)
        })?;
        let Some((readable, _, archive)) = found else { return Ok(None) };
        readable.found(Some(&archive));
        Ok(Some(archive))
    }

    /// Asks about what was found in one statement in the order in which it would be asked for one by one.
    /// Nothing is told, and nothing refused, before it is clear that all of it is there.
    fn at_once(
        db: &mut Db,
        credentials: &Credentials,
        now: Timestamp,
        find: impl FnOnce(&mut Db, Option<Sha256Digest>) -> domain::Result<Option<Standing>>,
    ) -> Result<Option<(Self, Job, Artifact)>, Failure> {
        if !is_at_once(credentials) {
            return Ok(None);
        }
        let digest = auth::personal_digest(credentials);
        let found = match find(db, digest) {
            // A text that no column can hold: that is told in its turn, behind a token that is not good.
            Err(error) if error.kind() == Kind::Invalid => None,
            found => found?,
        };
        let Some(Standing { project, job, artifact, token, role }) = found else { return Ok(None) };
        let trail = credentials.trail.clone();
        let (actor, caller) = match (digest, token) {
            (None, _) => {
                let actor = identify(db, credentials, Guests::JobsAndStrangers, READ_SCOPES, now)?;
                let caller = auth::caller_in(db, &actor, &project)?;
                (actor, caller)
            }
            (Some(_), None) => return Ok(None),
            (Some(digest), Some((token, user))) => {
                let caller = auth::caller_with((token, digest), &user, role, READ_SCOPES, now, &trail)?;
                let Some(caller) = caller else { return Ok(None) };
                (Actor::User(user), caller)
            }
        };
        trail.project(&project);
        ask(caller, Action::ReadJobs, &project, &actor)?;
        trail.job(job.id);
        let readable = Self { project, caller, now, trail };
        readable.ask_for(Some(&artifact))?;
        Ok(Some((readable, job, artifact)))
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

    /// A job's log, when there is one and the caller may read it. Logs never expire.
    pub(super) fn log(&self, db: &mut Db, job: &Job) -> Result<Option<Artifact>, Failure> {
        self.trail.job(job.id);
        let log = artifacts::find(db, job.id, ArtifactKind::Trace)?;
        self.ask_for(log.as_ref())?;
        Ok(log)
    }

    fn still(&self, db: &mut Db, job: &Job, artifact: Option<Artifact>) -> Result<Artifact, Failure> {
        self.found(artifact.as_ref());
        readable(db, &self.project, job, artifact, self.now)
    }

    fn found(&self, artifact: Option<&Artifact>) {
        self.trail.tell(|facts| facts.artifact_id = artifact.map(|artifact| artifact.id));
    }

    /// Where there is nothing, there is nothing to protect: the answer is that there is none.
    fn ask_for(&self, artifact: Option<&Artifact>) -> Result<(), Failure> {
        let accessibility = artifact.map_or(Accessibility::Public, |artifact| artifact.accessibility);
        let action = Action::ReadArtifact(accessibility);
        match may(self.caller, action, subject(&self.project)) {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden | Verdict::Hidden | Verdict::OutOfReach => {
                Err(Failure::forbidden(action.refusal()))
            }
        }
    }
}

/// Whether one statement may find out who asks: by a personal token, or nobody. What a job's token
/// reaches takes more.
fn is_at_once(credentials: &Credentials) -> bool {
    auth::personal_digest(credentials).is_some() || credentials.job.is_none()
}

/// Asks the permission table, and turns a no into GitLab's words.
pub(super) fn ask(caller: Caller, action: Action, project: &Project, actor: &Actor) -> Result<(), Failure> {
    match may(caller, action, subject(project)) {
        Verdict::Allowed => Ok(()),
        Verdict::Hidden => Err(Failure::not_found(NO_PROJECT, "project is hidden from caller")),
        Verdict::Forbidden => Err(Failure::forbidden(action.refusal())),
        Verdict::OutOfReach => Err(Failure::forbidden_because(out_of_reach(actor, project))),
    }
}

/// A project, whoever asks.
pub(super) fn find_project(db: &mut Db, project: &ProjectRef) -> Result<Project, Failure> {
    projects::find(db, project)?.ok_or_else(|| Failure::not_found(NO_PROJECT, "project does not exist"))
}

/// A job by number where it belongs to the project; else why not, for the log: that another project has a job
/// of this number is nobody's business.
pub(super) fn job_in(
    db: &mut Db,
    project_id: i64,
    job_id: i64,
) -> Result<Result<Job, &'static str>, Failure> {
    Ok(match jobs::find(db, job_id)? {
        Some(job) if job.project_id == project_id => Ok(job),
        Some(_) => Err("job belongs to another project"),
        None => Err("job does not exist"),
    })
}

/// There is no such job, for somebody who may read those of the project.
pub(super) fn no_job(reason: &'static str) -> Failure {
    Failure::Domain(Error::new(Kind::NotFound, "Not found").hint("job is not in the project").because(reason))
}

/// A job's artifact, unless there is none or it has expired; for somebody who may read it.
pub(super) fn readable(
    db: &mut Db,
    project: &Project,
    job: &Job,
    artifact: Option<Artifact>,
    now: Timestamp,
) -> Result<Artifact, Failure> {
    let artifact = artifact.ok_or_else(|| match job.erased_at {
        Some(time) => Failure::absent("Not Found", format!("job was erased at {time}")),
        None => Failure::absent("Not Found", "no artifact of this kind"),
    })?;
    match (lookup::can_be_read(db, project, job, &artifact, now)?, artifact.expire_at) {
        (false, Some(time)) => Err(Failure::absent("Not Found", format!("artifact has expired at {time}"))),
        (true, _) | (false, None) => Ok(artifact),
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
