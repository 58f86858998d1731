//! Authentication: finds the actor behind the credentials of a request, and how far the credential reaches.
//!
//! A credential that is present but wrong is refused; it never falls back to an anonymous request.

mod credential;
mod error;
pub mod keys;
mod rate_limit;
pub mod report_tokens;
pub mod signed_links;
mod tokens;

pub use credential::{Credential, Credentials, Shown, Unreadable};
pub use error::{AuthError, CredentialError};
pub use rate_limit::FailedLoginLimiter;
pub use tokens::{
    NewToken, RuntimeToken, find_job, find_session, grant_with_token, new_job_token, new_personal_token,
    new_session_token,
};
use report_tokens::ReportHolder;
use tokens::{authenticate_job, authenticate_personal};

use crate::audit::AuditContext;
use crate::catalog::projects::Project;
use crate::catalog::users::User;
use crate::catalog::{Db, projects};
use crate::domain::permissions::{Grant, TokenReach};
use crate::domain::scope::Scopes;
use crate::domain::{Error, Sha256Digest, Timestamp};

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
    },
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
                let actor = authenticate_personal(db, shown.token()?, scopes, now, audit)?;
                return actor.ok_or(CredentialError::Unknown.into());
            }
            Credential::PersonalOrJob(shown) => {
                audit.set_credential("bearer");
                let token = shown.token()?;
                return match authenticate_personal(db, token, scopes, now, audit)? {
                    Some(actor) => Ok(actor),
                    None if jobs => authenticate_job(db, token, audit),
                    None => Err(CredentialError::Unknown.into()),
                };
            }
            Credential::Job(shown) if jobs => {
                audit.set_credential("job_token");
                return authenticate_job(db, shown.token()?, audit);
            }
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

/// Returns the digest of the token that is looked up as a personal token first, if it is readable.
pub fn personal_digest(credentials: &Credentials) -> Option<Sha256Digest> {
    credentials.personal()?.token().ok().map(tokens::digest)
}

/// Finds the actor who got the address of a report.
///
/// # Errors
/// [`AuthError::Refused`] if the personal token with which it was got is no longer valid.
pub fn report_reader(
    db: &mut Db,
    holder: ReportHolder,
    now: Timestamp,
    audit: &AuditContext,
) -> Result<Actor, AuthError> {
    match holder {
        ReportHolder::Anonymous => Ok(Actor::Anonymous),
        ReportHolder::PersonalToken(id) => tokens::personal_by_id(db, id, Scopes::READ, now, audit),
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
        Actor::Job { user, project_path, .. } => {
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
