//! Sign-in of a person: a token is shown once, and a session stands for it from then on.

use std::net::IpAddr;

use super::{Access, AccessError, Principal};
use crate::audit::AuditContext;
use crate::auth::sessions::{HeldTokens, OpenSession, SessionSecret};
use crate::auth::{self, Actor, Credential, CredentialError, Shown};
use crate::catalog::sessions::{self, SessionDetails, StandsFor};
use crate::catalog::tokens;
use crate::domain::{Error, Timestamp};
use crate::upstream::{Asker, Person, PersonTokens};

impl Access {
    /// Begins a session that stands for the personal token of the principal, and returns its secret. The token may be
    /// one that only the upstream knows.
    ///
    /// # Errors
    /// [`AccessError::Credential`] for any other credential.
    pub async fn sign_in(
        &self,
        principal: &Principal,
        client: Option<IpAddr>,
    ) -> Result<SessionSecret, AccessError> {
        let asking = principal.clone();
        let (actor, token_id) = self
            .read(principal.asked(), move |db| {
                let actor = asking.authenticate_alone(db)?;
                let known = match auth::personal_digest(&asking.credentials) {
                    Some(digest) => tokens::details(db, digest)?,
                    None => None,
                };
                Ok::<_, AccessError>((actor, known.map(|(token, _)| token.id)))
            })
            .await?;
        let secret = SessionSecret::random()?;
        let of = match (actor, token_id) {
            (Actor::User(_), Some(id)) => StandsFor::Token(id),
            (Actor::Foreign(asker), _) => {
                let held = held(principal).ok_or(CredentialError::Unknown)?;
                let person = self.person(&asker, client).await?;
                self.sealed(&secret, &held, person, principal.now)?
            }
            _ => return Err(CredentialError::Unknown.into()),
        };
        self.begin_session(&secret, of, principal.audit(), principal.now).await?;
        Ok(secret)
    }

    /// Begins a session of a person who has signed in at the upstream, and returns its secret.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn sign_in_at_upstream(
        &self,
        person: Person,
        tokens: PersonTokens,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<SessionSecret, Error> {
        let secret = SessionSecret::random()?;
        let of = self.sealed(&secret, &HeldTokens::of(tokens), person, now)?;
        self.begin_session(&secret, of, audit, now).await?;
        Ok(secret)
    }

    async fn person(&self, asker: &Asker, client: Option<IpAddr>) -> Result<Person, AccessError> {
        let upstream = self.upstream().ok_or(CredentialError::Unknown)?;
        let answer = upstream.person(asker, client).await;
        let person = answer.map_err(|outage| outage.into_error(upstream.name()))?;
        person.ok_or_else(|| CredentialError::Unknown.into())
    }

    fn sealed(
        &self,
        secret: &SessionSecret,
        tokens: &HeldTokens,
        person: Person,
        now: Timestamp,
    ) -> Result<StandsFor, Error> {
        let upstream = self.upstream().ok_or_else(|| Error::internal("there is no upstream"))?;
        let Person { user_id, username } = person;
        Ok(StandsFor::Sealed {
            upstream: upstream.name().to_owned(),
            user_id,
            username,
            sealed: secret.seal(tokens)?,
            renew_at: tokens.renew_at(now),
        })
    }

    async fn begin_session(
        &self,
        secret: &SessionSecret,
        of: StandsFor,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let StandsFor::Sealed { upstream, user_id, .. } = &of {
            audit.set_foreign_actor(*user_id, upstream);
        }
        let sha256 = secret.sha256();
        let id = self.catalog.write(move |db| sessions::begin(db, sha256, &of, now)).await?;
        audit.update(|event| event.subject = Some(format!("session {id}")));
        Ok(())
    }

    /// Lists the sessions of who is signed in with a session, the one that was used last first.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn sessions_of(
        &self,
        session: &OpenSession,
        now: Timestamp,
    ) -> Result<Vec<SessionDetails>, Error> {
        let owner = session.owner();
        self.catalog.read(move |db| sessions::list(db, &owner, now)).await
    }

    /// Ends a session of who is signed in with `session`, by its ID, or all of them; returns how many.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn end_sessions(&self, session: &OpenSession, id: Option<i64>) -> Result<usize, Error> {
        let owner = session.owner();
        self.catalog.write(move |db| sessions::end_of(db, &owner, id)).await
    }
}

/// Returns the token that a principal has shown, for the upstream.
fn held(principal: &Principal) -> Option<HeldTokens> {
    match principal.credentials.list.first() {
        Some(Credential::PersonalOrJob(Shown::Token(token))) => {
            Some(HeldTokens { token: token.clone(), refresh: None, expires_at: None })
        }
        _ => None,
    }
}
