//! Session tokens: each is that of one agent that is connected, valid as long as the personal token with which the
//! agent was registered.

use secrecy::SecretString;

use super::personal::require_valid;
use super::{NewToken, digest, is_same, new_token};
use crate::audit::AuditContext;
use crate::auth::error::{AuthError, CredentialError};
use crate::catalog::Db;
use crate::catalog::agents::{self, Session};
use crate::domain::scope::Scopes;
use crate::domain::{Result, Timestamp};

/// Prefix of the tokens of agents.
const PREFIX: &str = "agent-";

/// Makes a token for the session of an agent.
///
/// # Errors
/// `Internal` if the system has no randomness.
pub fn new_session_token() -> Result<NewToken> {
    new_token(PREFIX)
}

/// Finds the agent whose session a token is that of.
///
/// # Errors
/// [`AuthError::Refused`] for any other token, and when the agent's personal token is no longer valid.
pub fn find_session(
    db: &mut Db,
    token: &SecretString,
    audit: &AuditContext,
    now: Timestamp,
) -> std::result::Result<Session, AuthError> {
    let digest = digest(token);
    let found = agents::by_session(db, digest)?;
    let found = found.filter(|session| is_same(session.agent.session_sha256, digest));
    let session = found.ok_or(CredentialError::Unknown)?;
    audit.set_user_actor(&session.user);
    require_valid(&session.token, Scopes::AGENT, now)?;
    Ok(session)
}
