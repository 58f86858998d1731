//! Credentials → actor: who is behind a request, and how far the credential reaches.
//!
//! A credential that is present but wrong is refused; it never falls back to "nobody".

pub mod audit;
mod failures;
mod issue;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use audit::Trail;
pub use failures::FailureBound;
pub use issue::{FreshToken, fresh_job_token, fresh_personal_token};

use crate::catalog::jobs::TokenJob;
use crate::catalog::projects::Project;
use crate::catalog::tokens::AccessToken;
use crate::catalog::users::User;
use crate::catalog::{Db, jobs, projects, tokens};
use crate::domain::access::{Caller, Reach};
use crate::domain::role::Role;
use crate::domain::{Error, Sha256Digest, Timestamp};

/// What a request brought along, by what it claims to be.
#[derive(Debug, Default)]
pub struct Credentials {
    /// A personal token; wins over the others.
    pub personal: Option<SecretString>,
    /// A token that may be a personal one or a job's.
    pub bearer: Option<SecretString>,
    /// A job's token.
    pub job: Option<SecretString>,
    /// Is told whose they are.
    pub trail: Trail,
}

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

/// Why a credential is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none that counts here.
    Missing,
    /// Not known, or its job does not run (any more).
    Unknown,
    /// Past its date.
    Expired,
    /// Taken back.
    Revoked,
    /// Good, but not for this, which needs one of these scopes.
    MissingScope(&'static [&'static str]),
}

impl Refusal {
    /// Whether a credential failed: one that was never or is no longer good. None at all and one
    /// that is good for something else are no failures.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Unknown | Self::Expired | Self::Revoked => true,
            Self::Missing | Self::MissingScope(_) => false,
        }
    }
}

/// A refused credential, or no answer from the catalog.
#[derive(Debug)]
pub enum AuthError {
    /// The credential is not accepted.
    Refused(Refusal),
    /// It could not be looked up.
    Catalog(Error),
}

impl From<Error> for AuthError {
    fn from(error: Error) -> Self {
        Self::Catalog(error)
    }
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
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
    if let Some(token) = &credentials.personal {
        trail.shown("personal_token");
        return personal(db, token, scopes, now, trail)?.ok_or(Refusal::Unknown.into());
    }
    if let Some(token) = &credentials.bearer {
        trail.shown("bearer");
        return match personal(db, token, scopes, now, trail)? {
            Some(actor) => Ok(actor),
            None => job(db, token, trail),
        };
    }
    match &credentials.job {
        Some(token) => {
            trail.shown("job_token");
            job(db, token, trail)
        }
        None => Ok(Actor::Anonymous),
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
    let (token, shown) = match (&credentials.personal, &credentials.bearer) {
        (Some(token), _) => (token, "personal_token"),
        (None, Some(token)) => (token, "bearer"),
        (None, None) => return Err(Refusal::Missing.into()),
    };
    credentials.trail.shown(shown);
    personal(db, token, scopes, now, &credentials.trail)?.ok_or(Refusal::Unknown.into())
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
    credentials.personal.as_ref().or(credentials.bearer.as_ref()).map(digest)
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
    let TokenJob { job, project_path, user, .. } =
        job_of_token(db, token, trail)?.filter(is_alive).ok_or(Refusal::Unknown)?;
    let user = user.ok_or(Refusal::Unknown)?;
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

/// A job's token is good only while a runner works on the job and its results stand.
fn is_alive(found: &TokenJob) -> bool {
    found.job.status.is_executing() && found.job.erased_at.is_none()
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
            match projects::admits_job_tokens_of(db, project, project_path)? {
                true => (user, Reach::Admitted),
                false => (user, Reach::Foreign),
            }
        }
    };
    let role = projects::role_of(db, project.id, user.id)?;
    Ok(Caller::User { admin: user.admin, role, reach })
}
