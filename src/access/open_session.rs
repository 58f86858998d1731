//! Opening of a session: it is found by the secret that a browser sends, and counts as long as its token does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Access;
use crate::audit::AuditActor;
use crate::auth::sessions::{HeldTokens, Holder, OpenSession, SessionEnd, SessionSecret};
use crate::catalog::sessions::{self, FoundSession};
use crate::domain::{Error, Timestamp};
use crate::upstream::TokenGrant;

/// How often the use of a session is noted, in milliseconds.
const NOTED_EVERY: i64 = 5 * 60_000;

/// How long a page waits until something about its session is written that can be written another time.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the exchange of tokens may take before somebody else tries, in seconds.
const RENEWAL_SECONDS: u64 = 30;

/// What a browser's secret is.
#[derive(Debug)]
pub enum SessionLookup {
    /// That of no session: it may have ended.
    None,
    /// That of a session that has ended just now.
    Ended(EndedSession),
    /// That of this session.
    Open(Arc<OpenSession>),
}

/// A session that has ended by itself.
#[derive(Debug)]
pub struct EndedSession {
    /// Its ID.
    pub id: i64,
    /// Whose it was.
    pub who: AuditActor,
    /// Why it has ended.
    pub why: SessionEnd,
}

impl Access {
    /// Opens the session of a secret. Tokens of the upstream that end soon are exchanged for new ones.
    ///
    /// # Errors
    /// Those of the catalog; `Unavailable` if the upstream is to give new tokens and does not.
    pub async fn open_session(
        &self,
        secret: &SessionSecret,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<SessionLookup, Error> {
        let sha256 = secret.sha256();
        let found = self.catalog.read_inline(move |db| sessions::find(db, sha256)).await?;
        let Some(found) = found.filter(|found| secret.is_of(&found.session)) else {
            return Ok(SessionLookup::None);
        };
        let id = found.session.id;
        match self.open_found(secret, &found, client, now).await? {
            Ok(open) => {
                if now.as_millis().saturating_sub(found.session.seen_at.as_millis()) >= NOTED_EVERY {
                    self.write_soon(move |db| sessions::see(db, id, now)).await;
                }
                Ok(SessionLookup::Open(Arc::new(open)))
            }
            Err(why) => {
                self.write_soon(move |db| sessions::end(db, id).map(drop)).await;
                Ok(SessionLookup::Ended(EndedSession { id, who: who(&found), why }))
            }
        }
    }

    async fn open_found(
        &self,
        secret: &SessionSecret,
        found: &FoundSession,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Result<OpenSession, SessionEnd>, Error> {
        let name = self.upstream().map(|upstream| upstream.name());
        let held = found.session.sealed.as_deref().and_then(|sealed| secret.open(sealed));
        let open = OpenSession::of(found, held.as_ref(), name, now);
        let due = found.session.renew_at.filter(|at| *at <= now);
        match (open, held, due) {
            (Ok(_), Some(held), Some(due)) => {
                let renewed = self.renew((secret, found.session.id, due), held, client, now).await?;
                Ok(renewed.and_then(|held| OpenSession::of(found, Some(&held), name, now)))
            }
            (open, ..) => Ok(open),
        }
    }

    /// Exchanges the tokens of a session, unless another request does so already; that goes on if the request has gone,
    /// because a token is exchanged only once.
    async fn renew(
        &self,
        (secret, id, due): (&SessionSecret, i64, Timestamp),
        held: HeldTokens,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Result<HeldTokens, SessionEnd>, Error> {
        let (Some(upstream), Some(refresh)) = (self.upstream().cloned(), held.refresh.clone()) else {
            return Ok(Ok(held));
        };
        let is_usable = held.expires_at.is_none_or(|end| end > now);
        let until = now.plus_seconds(RENEWAL_SECONDS).unwrap_or(now);
        let turn = move |db: &mut _| sessions::take_turn_to_renew(db, id, due, until);
        if !self.catalog.write(turn).await? {
            let busy = || Error::unavailable("tokens of the session are being renewed").with_retry_after(1);
            return if is_usable { Ok(Ok(held)) } else { Err(busy()) };
        }
        let (catalog, secret, asking) = (self.catalog.clone(), secret.clone(), upstream.clone());
        let renewing = upstream.spawn(async move {
            let grant = TokenGrant::Refresh(refresh.clone());
            let tokens = asking.tokens(grant, client).await;
            let Some(tokens) = tokens.map_err(|outage| outage.into_error(asking.name()))? else {
                return Ok(None);
            };
            let mut new = HeldTokens::of(tokens);
            new.refresh = new.refresh.or(Some(refresh));
            let (sealed, renew_at) = (secret.seal(&new)?, new.renew_at(now));
            catalog.write(move |db| sessions::renew(db, id, &sealed, renew_at)).await?;
            Ok::<_, Error>(Some(new))
        });
        match renewing.await.map_err(Error::internal)? {
            Ok(Some(new)) => Ok(Ok(new)),
            Ok(None) => Ok(Err(SessionEnd::TokenRefused)),
            Err(error) if is_usable => {
                tracing::warn!(why = %error.reason(), "tokens of a session are not renewed yet");
                Ok(Ok(held))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends a session; returns whether it was there. Tokens that the upstream has given for it are given back.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn end_session(&self, session: &OpenSession) -> Result<bool, Error> {
        if let (Holder::Foreign { refresh: Some(refresh), .. }, Some(upstream)) =
            (&session.holder, self.upstream())
        {
            upstream.forget_token(refresh);
        }
        let id = session.id;
        self.catalog.write(move |db| sessions::end(db, id)).await
    }

    /// Writes what can be written another time, unless that takes long.
    async fn write_soon(
        &self,
        work: impl FnOnce(&mut crate::catalog::Db) -> Result<(), Error> + Send + 'static,
    ) {
        match tokio::time::timeout(PATIENCE, self.catalog.write(work)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(why = %error.reason(), "a session is not noted"),
            Err(_) => tracing::debug!("a session is not noted: the catalog is busy"),
        }
    }
}

/// Returns whose session it is, for the audit log.
fn who(found: &FoundSession) -> AuditActor {
    let FoundSession { session, token } = found;
    match (token, &session.upstream, session.foreign_user_id) {
        (Some((_, user)), ..) => AuditActor::User { id: user.id, username: user.username.clone() },
        (None, Some(upstream), Some(id)) => AuditActor::Foreign { id, upstream: upstream.clone() },
        _ => AuditActor::Unknown,
    }
}
