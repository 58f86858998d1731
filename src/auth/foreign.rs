//! Foreign credentials: tokens that are not known here, and that the upstream may know.
//!
//! A token that is known here is never sent on, valid or not. Nothing here waits: a question that is not answered yet
//! stays open in the request's consultation, and the credential counts as unknown until then.

use secrecy::SecretString;

use super::{Actor, AuthError, Credential, CredentialError, Credentials};
use crate::catalog::Db;
use crate::catalog::jobs::{self, TokenJob};
use crate::catalog::projects;
use crate::catalog::users::User;
use crate::domain::project::ProjectRef;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::status::Status;
use crate::domain::{Sha256Digest, Timestamp};
use crate::upstream::{Answer, Asker, Place, Question, Refusal};

/// Returns the owner of a user's token. Reading is left to the upstream, token and scope included; for anything else
/// it is asked here what the token is for.
pub(super) fn user(
    credentials: &Credentials,
    place: Place,
    token: &SecretString,
    scopes: Scopes,
) -> Result<Actor, AuthError> {
    of_asker(credentials, asker(credentials, place, token)?, scopes)
}

/// Returns the owner of a user's token, as [`user`] does.
pub(super) fn of_asker(credentials: &Credentials, asker: Asker, scopes: Scopes) -> Result<Actor, AuthError> {
    // No upstream gives the right to change the registry or to register agents, so none gets a token shown for that.
    if asker.is_job() || !scopes.intersects(Scopes::OF_UPSTREAM) {
        return Err(CredentialError::Unknown.into());
    }
    let actor = Actor::Foreign(asker);
    if !Scopes::of(&[Scope::ReadApi]).admit(scopes) {
        require_known(credentials, &actor, scopes)?;
    }
    Ok(actor)
}

/// Returns the owner of a token that may be a user's or a job's, by its form.
pub(super) fn user_or_job(
    db: &mut Db,
    credentials: &Credentials,
    token: &SecretString,
    scopes: Scopes,
) -> Result<Actor, AuthError> {
    let is_of_job = asker(credentials, Place::Bearer, token)?.is_job();
    if is_of_job { job(db, credentials, token) } else { user(credentials, Place::Bearer, token, scopes) }
}

/// Returns the running job that has a token.
pub(super) fn job(db: &mut Db, credentials: &Credentials, token: &SecretString) -> Result<Actor, AuthError> {
    let found = find_foreign_job(db, credentials, token)?.ok_or(CredentialError::Unknown)?;
    let TokenJob { job, project_path, user, .. } = found;
    // The upstream knows it as running; a later word about its end is here.
    if job.status.is_final() {
        return Err(CredentialError::JobIdle(job.status).into());
    }
    if job.erased_at.is_some() {
        return Err(CredentialError::JobErased.into());
    }
    let user = user.ok_or(CredentialError::JobOfNobody)?;
    let asker = asker(credentials, Place::Job, token)?;
    Ok(Actor::Job { job_id: job.id, project_path, user, asker: Some(asker) })
}

/// Finds the job of a token that only the upstream knows; `None` if it does not, or there is no upstream.
///
/// # Errors
/// Those of the catalog.
pub fn find_foreign_job(
    db: &mut Db,
    credentials: &Credentials,
    token: &SecretString,
) -> Result<Option<TokenJob>, AuthError> {
    let Ok(asker) = asker(credentials, Place::Job, token) else { return Ok(None) };
    let Some(Answer::Job(told)) = credentials.asked.ask(Question::Job(asker)) else { return Ok(None) };
    let is_told = |job: &jobs::Job| job.project_id == told.project_id && job.pipeline_id == told.pipeline.id;
    let job = jobs::find(db, told.id)?.filter(is_told);
    let project = projects::find(db, &ProjectRef::Id(told.project_id))?;
    let upstream = credentials.asked.upstream();
    let project = project.filter(|project| project.upstream.as_deref() == upstream && !project.is_gone());
    let (Some(job), Some(project)) = (job, project) else {
        // The answer is another request's, which has not stored it yet, or it cannot be stored.
        credentials.asked.require_stored(told);
        return Ok(None);
    };
    // The number of an upstream's user may be that of another user here, who is not meant.
    let user =
        told.user.as_ref().map(|user| User { id: user.id, username: user.username.clone(), admin: false });
    credentials.audit.set_job_actor(job.id, &project.path, user.as_ref());
    credentials.audit.update(|event| event.is_canceling = job.status == Status::Canceling);
    Ok(Some(TokenJob {
        token_sha256: Sha256Digest::of(secrecy::ExposeSecret::expose_secret(token).as_bytes()),
        job,
        project_path: project.path,
        max_artifact_bytes: project.max_artifact_bytes,
        user,
    }))
}

/// Returns when the upstream was asked about the job of a token; `None` if it has not answered yet.
pub fn foreign_job_asked_at(credentials: &Credentials, token: &SecretString) -> Option<Timestamp> {
    let asker = asker(credentials, Place::Job, token).ok()?;
    credentials.asked.job_asked_at(asker)
}

/// Requires that a foreign actor's token is known to the upstream and has one of `scopes`; any other actor passes.
///
/// # Errors
/// [`AuthError::Refused`].
pub fn require_known(credentials: &Credentials, actor: &Actor, scopes: Scopes) -> Result<(), AuthError> {
    let Actor::Foreign(asker) = actor else { return Ok(()) };
    let answer = credentials.asked.ask(Question::Token(asker.clone()));
    if let (Some(Answer::Token(facts)), Some(upstream)) = (&answer, credentials.asked.upstream()) {
        credentials.audit.set_foreign_actor(facts.user_id, upstream);
    }
    match answer {
        Some(Answer::Token(facts)) if facts.scopes.admit(scopes) => Ok(()),
        Some(Answer::Token(_) | Answer::Refused(Refusal::MissingScope)) => {
            Err(CredentialError::MissingScope(scopes).into())
        }
        _ => Err(CredentialError::Unknown.into()),
    }
}

/// Returns whose credential a token is at the upstream.
fn asker(credentials: &Credentials, place: Place, token: &SecretString) -> Result<Asker, CredentialError> {
    let asked = credentials.asked.upstream().and_then(|_| Asker::with_token(place, token));
    asked.ok_or(CredentialError::Unknown)
}

/// Returns the actor behind the first credential of a request if that is the place of a personal token, for a token
/// that is known not to be registered here; `None` for any other credential.
///
/// # Errors
/// As [`super::authenticate`].
pub fn known_to_be_foreign(credentials: &Credentials, scopes: Scopes) -> Result<Option<Actor>, AuthError> {
    let Some(Credential::Personal(shown)) = credentials.list.first() else { return Ok(None) };
    credentials.audit.set_credential("personal_token");
    user(credentials, Place::Personal, shown.token()?, scopes).map(Some)
}
