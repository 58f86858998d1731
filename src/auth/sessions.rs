//! Sessions of people: each is found by the secret in a browser, and is worth what the token is worth that it stands
//! for.
//!
//! Tokens that only the upstream knows are stored with a session, sealed with a key that is made of its secret: who has
//! the database alone, or the browser alone, has none of them.

use ring::aead::{CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::tokens::{digest, has_random_part, is_same, new_token};
use super::{Actor, AuthError, CredentialError, Credentials, foreign, seal};
use crate::audit::AuditContext;
use crate::catalog::Db;
use crate::catalog::sessions::{self, FoundSession, IDLE_MILLIS, Owner, Session};
use crate::catalog::users::User;
use crate::domain::scope::Scopes;
use crate::domain::{Error, Result, Sha256Digest, Timestamp};
use crate::upstream::{Asker, PersonTokens, Place};

/// The beginning of every secret.
const PREFIX: &str = "session-";

/// What the key is for that seals tokens.
const SALT: &[u8] = b"artigate session";
const PURPOSE: &[u8] = b"tokens of the upstream";

/// The secret of a session. It cannot be printed by accident.
#[derive(Debug, Clone)]
pub struct SessionSecret(SecretString);

impl SessionSecret {
    /// Makes a secret of at least 256 random bits.
    ///
    /// # Errors
    /// `Internal` if the system has no randomness.
    pub fn random() -> Result<Self> {
        Ok(Self(new_token(PREFIX)?.text))
    }

    /// Reads what a browser has sent; `None` for anything that was not made by [`SessionSecret::random`].
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(PREFIX)?;
        has_random_part(random).then(|| Self(text.into()))
    }

    /// Returns the text, for the browser alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the digest by which the session is found.
    pub fn sha256(&self) -> Sha256Digest {
        digest(&self.0)
    }

    /// Whether a session that was found is this secret's.
    pub fn is_of(&self, session: &Session) -> bool {
        is_same(session.sha256, self.sha256())
    }

    fn key(&self) -> Result<LessSafeKey> {
        let random = Salt::new(HKDF_SHA256, SALT).extract(self.expose().as_bytes());
        let key = random.expand(&[PURPOSE], &CHACHA20_POLY1305).map_err(Error::internal)?;
        Ok(LessSafeKey::new(UnboundKey::from(key)))
    }

    /// Seals the tokens of the session.
    ///
    /// # Errors
    /// `Internal` if the system has no randomness.
    pub fn seal(&self, tokens: &HeldTokens) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| Error::internal(error.to_string()))?;
        let text = serde_json::to_vec(&Written::of(tokens)).map_err(Error::internal)?;
        seal::seal(&self.key()?, nonce, b"", &text)
    }

    /// Opens what was sealed; `None` if that was with another secret.
    pub fn open(&self, sealed: &[u8]) -> Option<HeldTokens> {
        let text = seal::open(&self.key().ok()?, b"", sealed)?;
        serde_json::from_slice::<Written>(&text).ok().map(Written::read)
    }
}

/// The tokens of a session that only the upstream knows.
#[derive(Debug, Clone)]
pub struct HeldTokens {
    /// The token, a personal one or one of OAuth.
    pub token: SecretString,
    /// What a new one is got for; `None` for a token that its owner has made.
    pub refresh: Option<SecretString>,
    /// When the token ends, if the upstream has said so.
    pub expires_at: Option<Timestamp>,
}

impl HeldTokens {
    /// Takes over the tokens that the upstream has given.
    pub fn of(tokens: PersonTokens) -> Self {
        let PersonTokens { access, refresh, expires_at, .. } = tokens;
        Self { token: access, refresh, expires_at }
    }

    /// Returns when they are to be exchanged for new ones: some minutes before the token ends, so that a request that
    /// cannot exchange them has time.
    pub fn renew_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.refresh.as_ref()?;
        let left = self.expires_at?.as_millis().saturating_sub(now.as_millis());
        let early = (left / 4).clamp(0, 5 * 60_000);
        Some(Timestamp::from_millis(now.as_millis().saturating_add(left - early)))
    }
}

/// The tokens as they are written below the seal.
#[derive(Serialize, Deserialize)]
struct Written {
    token: String,
    refresh: Option<String>,
    expires_at: Option<i64>,
}

impl Written {
    fn of(tokens: &HeldTokens) -> Self {
        Self {
            token: tokens.token.expose_secret().to_owned(),
            refresh: tokens.refresh.as_ref().map(|refresh| refresh.expose_secret().to_owned()),
            expires_at: tokens.expires_at.map(Timestamp::as_millis),
        }
    }

    fn read(self) -> HeldTokens {
        HeldTokens {
            token: self.token.into(),
            refresh: self.refresh.map(Into::into),
            expires_at: self.expires_at.map(Timestamp::from_millis),
        }
    }
}

/// A session that has not ended: who is signed in.
#[derive(Debug)]
pub struct OpenSession {
    /// Its ID.
    pub id: i64,
    /// Who is signed in.
    pub holder: Holder,
}

/// Who is signed in.
#[derive(Debug)]
pub enum Holder {
    /// A user who is registered here, as far as the token's scopes reach.
    User {
        /// The user.
        user: User,
        /// The scopes of the token.
        scopes: Scopes,
    },
    /// A user of the upstream.
    Foreign {
        /// The name of the upstream.
        upstream: String,
        /// The number of the user there.
        user_id: i64,
        /// The name of the user there.
        username: String,
        /// Who asks the upstream.
        asker: Asker,
        /// What new tokens are got for, if the person has signed in there.
        refresh: Option<SecretString>,
    },
}

/// Why a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Nobody has used it for long.
    Idle,
    /// It is as old as a session may be.
    Old,
    /// Its token has expired.
    TokenExpired,
    /// Its token was revoked.
    TokenRevoked,
    /// The upstream no longer accepts its token.
    TokenRefused,
    /// The upstream that knows its token is no longer in the settings, or its token cannot be read.
    TokenLost,
}

impl SessionEnd {
    /// Returns the reason, in a few words for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Idle => "nobody has used the session for long",
            Self::Old => "the session is as old as it may be",
            Self::TokenExpired => "token of the session is expired",
            Self::TokenRevoked => "token of the session is revoked",
            Self::TokenRefused => "the upstream refuses the token of the session",
            Self::TokenLost => "token of the session is lost",
        }
    }
}

impl OpenSession {
    /// Opens a session that was found, with the tokens that are sealed in it. `upstream` is the name of the one that can
    /// be asked.
    ///
    /// # Errors
    /// [`SessionEnd`] for one that has ended.
    pub fn of(
        found: &FoundSession,
        held: Option<&HeldTokens>,
        upstream: Option<&str>,
        now: Timestamp,
    ) -> std::result::Result<Self, SessionEnd> {
        let session = &found.session;
        let holder = match registered_holder(found, now)? {
            Some((user, scopes)) => Holder::User { user, scopes },
            None => foreign_holder(session, held, upstream).ok_or(SessionEnd::TokenLost)?,
        };
        Ok(Self { id: session.id, holder })
    }

    /// Returns whose session it is.
    pub fn owner(&self) -> Owner {
        match &self.holder {
            Holder::User { user, .. } => Owner::User(user.id),
            Holder::Foreign { upstream, user_id, .. } => {
                Owner::Foreign { upstream: upstream.clone(), user_id: *user_id }
            }
        }
    }

    /// Returns the name of who is signed in.
    pub fn username(&self) -> &str {
        match &self.holder {
            Holder::User { user, .. } => &user.username,
            Holder::Foreign { username, .. } => username,
        }
    }

    /// Whether an administrator is signed in.
    pub fn is_of_administrator(&self) -> bool {
        matches!(&self.holder, Holder::User { user, .. } if user.admin)
    }

    /// Whether only the upstream knows the token.
    pub fn is_foreign(&self) -> bool {
        matches!(self.holder, Holder::Foreign { .. })
    }

    /// Notes who is signed in as the actor.
    pub fn note(&self, audit: &AuditContext) {
        match &self.holder {
            Holder::User { user, scopes } => {
                audit.set_user_actor(user);
                audit.update(|event| event.scopes = Some(*scopes));
            }
            Holder::Foreign { upstream, user_id, .. } => audit.set_foreign_actor(*user_id, upstream),
        }
        audit.set_credential("session");
    }

    /// Finds who is signed in, for what needs one of `scopes`.
    pub(super) fn actor(
        &self,
        credentials: &Credentials,
        scopes: Scopes,
    ) -> std::result::Result<Actor, AuthError> {
        self.note(&credentials.audit);
        match &self.holder {
            Holder::User { user, scopes: own } if own.admit(scopes) => Ok(Actor::User(user.clone())),
            Holder::User { .. } => Err(CredentialError::MissingScope(scopes).into()),
            Holder::Foreign { asker, .. } => foreign::of_asker(credentials, asker.clone(), scopes),
        }
    }
}

/// Returns the user of a session that has not ended, with the scopes of his token; `None` if only the upstream knows it.
fn registered_holder(
    FoundSession { session, token }: &FoundSession,
    now: Timestamp,
) -> std::result::Result<Option<(User, Scopes)>, SessionEnd> {
    if session.ends_at <= now {
        return Err(SessionEnd::Old);
    }
    if now.as_millis().saturating_sub(session.seen_at.as_millis()) >= IDLE_MILLIS {
        return Err(SessionEnd::Idle);
    }
    let Some((token, user)) = token else { return Ok(None) };
    if token.expires_at.is_some_and(|expiry| expiry <= now) {
        return Err(SessionEnd::TokenExpired);
    }
    if token.revoked {
        return Err(SessionEnd::TokenRevoked);
    }
    Ok(Some((user.clone(), Scopes::parse_known(&token.scopes))))
}

/// Finds the user of the session with this ID, with the scopes of his token; `None` if only the upstream knows it.
///
/// # Errors
/// [`AuthError::Refused`] if the session has ended.
pub(super) fn holder_by_id(
    db: &mut Db,
    id: i64,
    now: Timestamp,
) -> std::result::Result<Option<(User, Scopes)>, AuthError> {
    let found = sessions::by_id(db, id)?.ok_or(CredentialError::Unknown)?;
    Ok(registered_holder(&found, now).map_err(|_| CredentialError::Unknown)?)
}

/// Returns who is signed in with tokens of the upstream; `None` if they, or it, are no longer there.
fn foreign_holder(session: &Session, held: Option<&HeldTokens>, upstream: Option<&str>) -> Option<Holder> {
    let name = session.upstream.as_ref().filter(|name| upstream == Some(name.as_str()))?;
    let held = held?;
    Some(Holder::Foreign {
        upstream: name.clone(),
        user_id: session.foreign_user_id?,
        username: session.username.clone().unwrap_or_default(),
        asker: Asker::with_token(Place::Bearer, &held.token).filter(|asker| !asker.is_job())?,
        refresh: held.refresh.clone(),
    })
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
