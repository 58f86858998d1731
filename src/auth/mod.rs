//! Authentication: finds the actor behind the credentials of a request, and how far the credential reaches.
//!
//! A credential that is present but wrong is refused; it never falls back to an anonymous request.

mod credential;
mod error;
mod foreign;
pub mod hook_signature;
pub mod keys;
pub mod oidc;
mod rate_limit;
pub mod report_tokens;
mod seal;
pub mod sessions;
pub mod signed_links;
mod tokens;

pub use credential::{Credential, Credentials, Shown, Unreadable};
pub use error::{AuthError, CredentialError};
pub use foreign::{find_foreign_job, foreign_job_asked_at, known_to_be_foreign, require_known};
pub use oidc::{IdTokens, VouchedJob};
pub use rate_limit::FailedLoginLimiter;
use report_tokens::ReportHolder;
pub use tokens::{
    NewToken, RuntimeToken, find_job, find_session, grant_with_token, new_job_token, new_personal_token,
    new_session_token,
};
use tokens::{authenticate_job, authenticate_personal};

use crate::audit::AuditContext;
use crate::catalog::foreign::find_vouched;
use crate::catalog::projects::Project;
use crate::catalog::users::User;
use crate::catalog::{Db, projects};
use crate::domain::permissions::{Grant, TokenReach};
use crate::domain::scope::Scopes;
use crate::domain::{Error, Sha256Digest, Timestamp};
use crate::upstream::{Asker, Place};

/// The user or job that makes a request.
#[derive(Debug, Clone)]
pub enum Actor {
    /// No user or job is known.
    Anonymous,
    /// A user, by personal token.
    User(User),
    /// A running job, with the rights of its user.
    Job {
        /// The job.
        job_id: i64,
        /// The full path of its project.
        project_path: String,
        /// The user whose rights it has.
        user: User,
        /// The job's token, if only the upstream knows it.
        asker: Option<Asker>,
    },
    /// The owner of a token that only the upstream can know. That it knows it is not certain before it has answered
    /// anything about it with more than a refusal.
    Foreign(Asker),
    /// A job for which its CI system vouches, with rights in its own project and nobody's else.
    VouchedJob {
        /// The number of its project; `None` if nothing of it is kept here.
        project_id: Option<i64>,
        /// The job; `None` if it has not uploaded yet.
        job_id: Option<i64>,
    },
}

impl Actor {
    /// Returns whose credential the upstream is asked with; `None` for an actor that is registered here, whose
    /// credential no upstream ever gets, and for a job with an ID token, which is for this server alone.
    pub fn asker(&self) -> Option<Asker> {
        match self {
            Self::Anonymous => Some(Asker::NOBODY),
            Self::Job { asker, .. } => asker.clone(),
            Self::Foreign(asker) => Some(asker.clone()),
            Self::User(_) | Self::VouchedJob { .. } => None,
        }
    }
}

/// Which credentials a request may use, besides a personal token with one of the scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedCredentials {
    /// Personal tokens only; a job token counts as no credential.
    UserOnly,
    /// Personal tokens and job tokens; anonymous requests are refused.
    UserOrJob,
    /// Personal tokens and anonymous requests. A job token in a place of its own counts as no credential; in
    /// the place of a personal token it is refused.
    UserOrAnonymous,
    /// Personal tokens, job tokens and anonymous requests.
    Any,
}

impl AcceptedCredentials {
    const fn includes_jobs(self) -> bool {
        matches!(self, Self::UserOrJob | Self::Any)
    }

    const fn includes_anonymous(self) -> bool {
        matches!(self, Self::UserOrAnonymous | Self::Any)
    }
}

/// Finds the actor behind `credentials`; a personal token must have one of `scopes`.
///
/// # Errors
/// [`AuthError::Refused`] for any credential that is present but not valid, and for none where one is needed.
pub fn authenticate(
    db: &mut Db,
    credentials: &Credentials,
    accepted: AcceptedCredentials,
    scopes: Scopes,
    now: Timestamp,
) -> Result<Actor, AuthError> {
    let (audit, jobs) = (&credentials.audit, accepted.includes_jobs());
    for credential in &credentials.list {
        match credential {
            Credential::Personal(shown) => {
                audit.set_credential("personal_token");
                let token = shown.token()?;
                let actor = authenticate_personal(db, token, scopes, now, audit)?;
                return actor.map_or_else(|| foreign::user(credentials, Place::Personal, token, scopes), Ok);
            }
            Credential::PersonalOrJob(shown) => {
                audit.set_credential("bearer");
                let token = shown.token()?;
                return match authenticate_personal(db, token, scopes, now, audit)? {
                    Some(actor) => Ok(actor),
                    None if jobs => match authenticate_job(db, token, audit)? {
                        Some(actor) => Ok(actor),
                        None => foreign::user_or_job(db, credentials, token, scopes),
                    },
                    None => foreign::user(credentials, Place::Bearer, token, scopes),
                };
            }
            Credential::Job(shown) if jobs => {
                audit.set_credential("job_token");
                let token = shown.token()?;
                let actor = authenticate_job(db, token, audit)?;
                return actor.map_or_else(|| foreign::job(db, credentials, token), Ok);
            }
            Credential::IdToken(job) => {
                audit.set_credential("id_token");
                if !jobs {
                    return Err(CredentialError::NotForJobs.into());
                }
                return authenticate_vouched(db, job, audit);
            }
            Credential::Session(session) => return session.actor(credentials, scopes),
            Credential::Job(Shown::Unreadable(why)) | Credential::Unreadable(why) => {
                audit.set_credential("unknown_form");
                return Err(CredentialError::Unreadable(*why).into());
            }
            // A job token is not accepted; a later credential may be.
            Credential::Job(Shown::Token(_)) => {}
        }
    }
    if accepted.includes_anonymous() {
        return Ok(Actor::Anonymous);
    }
    let has_job_token = credentials.has_job_token();
    Err(if has_job_token { CredentialError::NotForJobs } else { CredentialError::Missing }.into())
}

/// Finds the rows of a vouched job, which must not have ended.
fn authenticate_vouched(db: &mut Db, job: &VouchedJob, audit: &AuditContext) -> Result<Actor, AuthError> {
    let rows = find_vouched(db, &job.project, &job.pipeline.id, &job.id)?;
    if let Some(job) = &rows.job {
        let path = rows.project.as_ref().map_or("", |project| project.path.as_str());
        audit.set_vouched_job(job.id, path);
        // What is told of a job that waits is old: its token shows that it runs.
        if job.status.is_final() {
            return Err(CredentialError::JobIdle(job.status).into());
        }
        if job.erased_at.is_some() {
            return Err(CredentialError::JobErased.into());
        }
    }
    Ok(Actor::VouchedJob {
        project_id: rows.project.map(|project| project.id),
        job_id: rows.job.map(|job| job.id),
    })
}

/// Returns the digest of the token that is looked up as a personal token first, if it is readable.
pub fn personal_digest(credentials: &Credentials) -> Option<Sha256Digest> {
    credentials.personal()?.token().ok().map(tokens::digest)
}

/// Finds the actor who got the address of a report.
///
/// # Errors
/// [`AuthError::Refused`] if the personal token or the session with which it was got is no longer valid.
pub fn report_reader(
    db: &mut Db,
    holder: &ReportHolder,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Actor, AuthError> {
    let mut session = |id| sessions::holder_by_id(db, id, now);
    match holder {
        ReportHolder::Anonymous => Ok(Actor::Anonymous),
        ReportHolder::PersonalToken(id) => {
            tokens::personal_by_id(db, *id, Scopes::READ, now, &credentials.audit)
        }
        ReportHolder::Session(id) => {
            let (user, scopes) = session(*id)?.ok_or(CredentialError::Unknown)?;
            credentials.audit.set_user_actor(&user);
            let is_admitted = scopes.admit(Scopes::READ);
            is_admitted.then_some(Actor::User(user)).ok_or(CredentialError::MissingScope(Scopes::READ).into())
        }
        ReportHolder::Foreign { session_id, asker, .. } => {
            if let Some(id) = session_id {
                session(*id)?;
            }
            foreign::of_asker(credentials, asker.clone(), Scopes::READ)
        }
    }
}

/// Returns an actor's grant in a project, for the permission table.
///
/// # Errors
/// Those of the catalog.
pub fn grant_in(db: &mut Db, actor: &Actor, project: &Project) -> Result<Grant, Error> {
    let (user, reach) = match actor {
        Actor::Anonymous => return Ok(Grant::Anonymous),
        Actor::User(user) => (user, TokenReach::Unrestricted),
        // The upstream's users have no rights in what is registered here, whatever their numbers are.
        Actor::Foreign(_) | Actor::Job { asker: Some(_), .. } => return Ok(Grant::Anonymous),
        Actor::VouchedJob { project_id, .. } => {
            return Ok(Grant::VouchedJob { own: *project_id == Some(project.id) });
        }
        Actor::Job { user, project_path, asker: None, .. } => {
            if projects::allows_job_token(db, project, project_path)? {
                (user, TokenReach::AllowedJob)
            } else {
                (user, TokenReach::ForeignJob)
            }
        }
    };
    let role = projects::role_of(db, project.id, user.id)?;
    Ok(Grant::User { admin: user.admin, role, reach })
}
