//! Credentials → actor: who is behind a request, and how far the credential reaches.
//!
//! A credential that is present but wrong is refused; it never falls back to "nobody".

pub mod audit;
mod credentials;
mod failures;
mod issue;
mod refusal;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use audit::Trail;
pub use credentials::{Credentials, Shown, Unreadable};
pub use failures::FailureBound;
pub use issue::{FreshToken, fresh_job_token, fresh_personal_token};
pub use refusal::{AuthError, Refusal};

use crate::catalog::jobs::TokenJob;
use crate::catalog::projects::Project;
use crate::catalog::tokens::AccessToken;
use crate::catalog::users::User;
use crate::catalog::{Db, jobs, projects, tokens};
use crate::domain::access::{Caller, Reach};
use crate::domain::role::Role;
use crate::domain::{Error, Sha256Digest, Timestamp};

/// Who asks.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Nobody that we know.
    Anonymous,
    /// A user, by personal token.
    User(User),
    /// A running job, with the rights of its user.
    Job {
        /// The job.
        job_id: i64,
        /// The full path of its project.
        project_path: String,
        /// Whose rights it has.
        user: User,
    },
}

/// Finds who is behind `credentials`; a personal token must have one of `scopes`.
///
/// # Errors
/// [`AuthError::Refused`] for any credential that is present but not good.
pub fn authenticate(
    db: &mut Db,
    credentials: &Credentials,
    scopes: &'static [&'static str],
    now: Timestamp,
) -> Result<Actor, AuthError> {
    let trail = &credentials.trail;
    if let Some(shown) = &credentials.personal {
        trail.shown("personal_token");
        return personal(db, shown.token()?, scopes, now, trail)?.ok_or(Refusal::Unknown.into());
    }
    if let Some(shown) = &credentials.bearer {
        trail.shown("bearer");
        let token = shown.token()?;
        return match personal(db, token, scopes, now, trail)? {
            Some(actor) => Ok(actor),
            None => job(db, token, trail),
        };
    }
    match (&credentials.job, credentials.other) {
        (Some(shown), _) => {
            trail.shown("job_token");
            job(db, shown.token()?, trail)
        }
        (None, Some(why)) => {
            trail.shown("unknown_form");
            Err(Refusal::Unreadable(why).into())
        }
        (None, None) => Ok(Actor::Anonymous),
    }
}

/// Finds the user behind `credentials`, where a job's token is none.
///
/// # Errors
/// [`AuthError::Refused`] for any credential that is present but not good, and when there is none.
pub fn authenticate_user(
    db: &mut Db,
    credentials: &Credentials,
    scopes: &'static [&'static str],
    now: Timestamp,
) -> Result<Actor, AuthError> {
    let (shown, kind) = match (&credentials.personal, &credentials.bearer) {
        (Some(shown), _) => (shown, "personal_token"),
        (None, Some(shown)) => (shown, "bearer"),
        (None, None) => return Err(credentials.lack_a_user().into()),
    };
    credentials.trail.shown(kind);
    personal(db, shown.token()?, scopes, now, &credentials.trail)?.ok_or(Refusal::Unknown.into())
}

fn personal(
    db: &mut Db,
    token: &SecretString,
    scopes: &'static [&'static str],
    now: Timestamp,
    trail: &Trail,
) -> Result<Option<Actor>, AuthError> {
    let digest = digest(token);
    let Some((known, user)) = tokens::find(db, digest)?.filter(|(known, _)| same(known.sha256, digest))
    else {
        return Ok(None);
    };
    trail.user(&user);
    good_for(&known, scopes, now).map(|()| Some(Actor::User(user)))
}

/// Whether a known token is good, and for one of `scopes`.
fn good_for(known: &AccessToken, scopes: &'static [&'static str], now: Timestamp) -> Result<(), AuthError> {
    if known.expires_at.is_some_and(|expiry| expiry <= now) {
        return Err(Refusal::Expired.into());
    }
    if known.revoked {
        return Err(Refusal::Revoked.into());
    }
    if !known.scopes.split(' ').any(|scope| scopes.contains(&scope)) {
        return Err(Refusal::MissingScope(scopes).into());
    }
    Ok(())
}

/// The digest of the personal token that `credentials` may hold, where it decides alone.
pub fn personal_digest(credentials: &Credentials) -> Option<Sha256Digest> {
    let shown = credentials.personal.as_ref().or(credentials.bearer.as_ref())?;
    shown.token().ok().map(digest)
}

/// What a personal token, found by its digest together with its user's `role`, is to that project's
/// permission table: what [`authenticate`] and [`caller_in`] would say. `None` for another token.
///
/// # Errors
/// [`AuthError::Refused`] for a token that is not good.
pub fn caller_with(
    (known, digest): (AccessToken, Sha256Digest),
    user: &User,
    role: Option<Role>,
    scopes: &'static [&'static str],
    now: Timestamp,
    trail: &Trail,
) -> Result<Option<Caller>, AuthError> {
    if !same(known.sha256, digest) {
        return Ok(None);
    }
    trail.user(user);
    good_for(&known, scopes, now)?;
    Ok(Some(Caller::User { admin: user.admin, role, reach: Reach::Anywhere }))
}

fn job(db: &mut Db, token: &SecretString, trail: &Trail) -> Result<Actor, AuthError> {
    let TokenJob { job, project_path, user, .. } = job_of_token(db, token, trail)?.ok_or(Refusal::Unknown)?;
    // A job's token is good only while a runner works on the job and its results stand.
    if !job.status.is_executing() {
        return Err(Refusal::JobIdle(job.status).into());
    }
    if job.erased_at.is_some() {
        return Err(Refusal::JobErased.into());
    }
    let user = user.ok_or(Refusal::JobOfNobody)?;
    Ok(Actor::Job { job_id: job.id, project_path, user })
}

/// The job that a token belongs to, whether it still runs or not; `trail` is told.
///
/// # Errors
/// Only those of the catalog.
pub fn job_of_token(db: &mut Db, token: &SecretString, trail: &Trail) -> Result<Option<TokenJob>, Error> {
    let digest = digest(token);
    let found = jobs::find_by_token(db, digest)?.filter(|found| same(found.token_sha256, digest));
    if let Some(found) = &found {
        trail.job_asks(found.job.id, &found.project_path, found.user.as_ref());
    }
    Ok(found)
}

fn digest(token: &SecretString) -> Sha256Digest {
    Sha256Digest::of(token.expose_secret().as_bytes())
}

fn same(stored: Sha256Digest, shown: Sha256Digest) -> bool {
    stored.as_bytes().ct_eq(shown.as_bytes()).into()
}

/// What an actor is to a project's permission table.
///
/// # Errors
/// Only those of the catalog.
pub fn caller_in(db: &mut Db, actor: &Actor, project: &Project) -> Result<Caller, Error> {
    let (user, reach) = match actor {
        Actor::Anonymous => return Ok(Caller::Anonymous),
        Actor::User(user) => (user, Reach::Anywhere),
        Actor::Job { user, project_path, .. } => {
            if projects::admits_job_tokens_of(db, project, project_path)? {
                (user, Reach::Admitted)
            } else {
                (user, Reach::Foreign)
            }
        }
    };
    let role = projects::role_of(db, project.id, user.id)?;
    Ok(Caller::User { admin: user.admin, role, reach })
}
