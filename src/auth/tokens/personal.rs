//! Personal tokens: valid until they expire or are revoked, with the rights of their user as far as their scopes
//! reach.

use secrecy::SecretString;

use super::{NewToken, digest, is_same, new_token};
use crate::audit::AuditContext;
use crate::auth::Actor;
use crate::auth::error::{AuthError, CredentialError};
use crate::catalog::Db;
use crate::catalog::tokens::{self, AccessToken};
use crate::catalog::users::User;
use crate::domain::permissions::{Grant, TokenReach};
use crate::domain::role::Role;
use crate::domain::scope::Scopes;
use crate::domain::{Result, Sha256Digest, Timestamp};

/// Prefix of GitLab's personal tokens; scanners for leaked secrets look for it.
const PREFIX: &str = "glpat-";

/// Makes a personal token of at least 256 random bits, in characters that need no quoting anywhere.
///
/// # Errors
/// `Internal` if the system has no randomness.
pub fn new_personal_token() -> Result<NewToken> {
    new_token(PREFIX)
}

/// Finds the user of a personal token that has one of `scopes`; `None` if it is no personal token.
pub(in crate::auth) fn authenticate_personal(
    db: &mut Db,
    token: &SecretString,
    scopes: Scopes,
    now: Timestamp,
    audit: &AuditContext,
) -> Result<Option<Actor>, AuthError> {
    let digest = digest(token);
    let found = tokens::find(db, digest)?.filter(|(known, _)| is_same(known.sha256, digest));
    let Some((known, user)) = found else { return Ok(None) };
    audit.set_user_actor(&user);
    audit.update(|event| event.scopes = Some(Scopes::parse_known(&known.scopes)));
    require_valid(&known, scopes, now)?;
    Ok(Some(Actor::User(user)))
}

/// Finds the user of the personal token with this ID, which must be valid and have one of `scopes`.
pub(in crate::auth) fn personal_by_id(
    db: &mut Db,
    id: i64,
    scopes: Scopes,
    now: Timestamp,
    audit: &AuditContext,
) -> Result<Actor, AuthError> {
    let (known, user) = tokens::by_id(db, id)?.ok_or(CredentialError::Unknown)?;
    audit.set_user_actor(&user);
    require_valid(&known, scopes, now)?;
    Ok(Actor::User(user))
}

/// Returns the grant of a personal token that was found by its digest, together with its user's `role` in a
/// project: the same as [`crate::auth::authenticate`] and [`crate::auth::grant_in`].
///
/// `None` for another token.
///
/// # Errors
/// [`AuthError::Refused`] for a token that is not valid or has none of `scopes`.
pub fn grant_with_token(
    (known, digest): (AccessToken, Sha256Digest),
    user: &User,
    role: Option<Role>,
    scopes: Scopes,
    now: Timestamp,
    audit: &AuditContext,
) -> Result<Option<Grant>, AuthError> {
    if !is_same(known.sha256, digest) {
        return Ok(None);
    }
    audit.set_user_actor(user);
    require_valid(&known, scopes, now)?;
    Ok(Some(Grant::User { admin: user.admin, role, reach: TokenReach::Unrestricted }))
}

/// Requires that a known token is valid and has one of `scopes`.
pub(super) fn require_valid(
    known: &AccessToken,
    scopes: Scopes,
    now: Timestamp,
) -> Result<(), CredentialError> {
    if known.expires_at.is_some_and(|expiry| expiry <= now) {
        return Err(CredentialError::Expired);
    }
    if known.revoked {
        return Err(CredentialError::Revoked);
    }
    if !Scopes::parse_known(&known.scopes).admit(scopes) {
        return Err(CredentialError::MissingScope(scopes));
    }
    Ok(())
}
