//! Sessions: people who are signed in, each found by the digest of a secret that their browser holds.
//!
//! A session stands for a personal token that is registered here, or for tokens that only the upstream knows, which the
//! row holds sealed. It ends some time after its beginning, and earlier if nobody uses it.

use diesel::prelude::*;

use super::Db;
use super::db::MultiBackend;
use super::schema::{access_tokens, sessions, users};
use super::tokens::AccessToken;
use super::users::User;
use crate::domain::{Result, Sha256Digest, Timestamp};

/// How long a session that nobody uses stays, in milliseconds: 12 hours.
pub const IDLE_MILLIS: i64 = 12 * 3_600_000;

/// How long a session stays at most, in milliseconds: 7 days.
pub const LONGEST_MILLIS: i64 = 7 * 86_400_000;

/// Most sessions of one token, or of one user of an upstream; the one that was used least lately goes first.
pub const MOST: i64 = 50;

/// A session.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
pub struct Session {
    /// Its ID.
    pub id: i64,
    /// The digest of its secret.
    pub sha256: Sha256Digest,
    /// The name of the upstream, if only that knows its tokens.
    pub upstream: Option<String>,
    /// The number of its user there.
    pub foreign_user_id: Option<i64>,
    /// The name of its user there.
    pub username: Option<String>,
    /// Its tokens, sealed.
    pub sealed: Option<Vec<u8>>,
    /// When its tokens are to be exchanged for new ones; while somebody does so, when that is given up.
    pub renew_at: Option<Timestamp>,
    /// When it was last used, give or take some minutes.
    pub seen_at: Timestamp,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
}

/// A session that was found, with the personal token that it stands for.
#[derive(Debug, Clone)]
pub struct FoundSession {
    /// The session.
    pub session: Session,
    /// Its token and the token's user, if it stands for a token that is registered here.
    pub token: Option<(AccessToken, User)>,
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// That of a user who is registered here, whatever the token.
    User(i64),
    /// That of a user of an upstream.
    Foreign {
        /// The name of the upstream.
        upstream: String,
        /// The number of the user there.
        user_id: i64,
    },
}

/// What a new session stands for.
#[derive(Debug, Clone)]
pub enum StandsFor {
    /// The personal token with this ID.
    Token(i64),
    /// Tokens that only the upstream knows.
    Sealed {
        /// The name of the upstream.
        upstream: String,
        /// The number of the user there.
        user_id: i64,
        /// The name of the user there.
        username: String,
        /// The tokens, sealed.
        sealed: Vec<u8>,
        /// When they are to be exchanged for new ones.
        renew_at: Option<Timestamp>,
    },
}

/// The columns of a session that its owner sees.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct SessionDetails {
    /// Its ID.
    pub id: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, give or take some minutes.
    pub seen_at: Timestamp,
    /// The name of its token, if that is registered here.
    pub token_name: Option<String>,
}

/// Begins a session, and returns its ID. Ended ones are deleted, and the owner's oldest above [`MOST`]. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn begin(db: &mut Db, sha256: Sha256Digest, of: &StandsFor, now: Timestamp) -> Result<i64> {
    diesel::delete(sessions::table.filter(sessions::ends_at.le(now.as_millis()))).execute(db)?;
    diesel::delete(sessions::table.filter(sessions::seen_at.le(idle_since(now)))).execute(db)?;
    let newest_first = (sessions::seen_at.desc(), sessions::id.desc());
    let too_many: Vec<i64> = match of {
        StandsFor::Token(token_id) => sessions::table
            .filter(sessions::token_id.eq(*token_id))
            .order(newest_first)
            .offset(MOST - 1)
            .limit(MOST)
            .select(sessions::id)
            .load(db)?,
        StandsFor::Sealed { upstream, user_id, .. } => sessions::table
            .filter(sessions::upstream.eq(upstream))
            .filter(sessions::foreign_user_id.eq(*user_id))
            .order(newest_first)
            .offset(MOST - 1)
            .limit(MOST)
            .select(sessions::id)
            .load(db)?,
    };
    diesel::delete(sessions::table.filter(sessions::id.eq_any(too_many))).execute(db)?;
    let times = (
        sessions::created_at.eq(now.as_millis()),
        sessions::seen_at.eq(now.as_millis()),
        sessions::ends_at.eq(now.as_millis().saturating_add(LONGEST_MILLIS)),
    );
    let sha256 = sessions::sha256.eq(sha256.as_bytes().as_slice());
    Ok(match of {
        StandsFor::Token(token_id) => diesel::insert_into(sessions::table)
            .values((sha256, sessions::token_id.eq(*token_id), times))
            .returning(sessions::id)
            .get_result(db)?,
        StandsFor::Sealed { upstream, user_id, username, sealed, renew_at } => {
            diesel::insert_into(sessions::table)
                .values((
                    sha256,
                    sessions::upstream.eq(upstream),
                    sessions::foreign_user_id.eq(*user_id),
                    sessions::username.eq(username),
                    sessions::sealed.eq(sealed.as_slice()),
                    sessions::renew_at.eq(renew_at.map(Timestamp::as_millis)),
                    times,
                ))
                .returning(sessions::id)
                .get_result(db)?
        }
    })
}

/// The time since when a session that has ended for want of use was not used.
fn idle_since(now: Timestamp) -> i64 {
    now.as_millis().saturating_sub(IDLE_MILLIS)
}

/// Finds a session by the digest of its secret, ended or not.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, sha256: Sha256Digest) -> Result<Option<FoundSession>> {
    type Row = (Session, Option<AccessToken>, Option<User>);
    let found: Option<Row> = sessions::table
        .left_join(access_tokens::table.on(access_tokens::id.nullable().eq(sessions::token_id)))
        .left_join(users::table.on(users::id.nullable().eq(access_tokens::user_id.nullable())))
        .filter(sessions::sha256.eq(sha256.as_bytes().as_slice()))
        .select((Session::as_select(), Option::<AccessToken>::as_select(), Option::<User>::as_select()))
        .get_result(db)
        .optional()?;
    Ok(found.map(|(session, token, user)| FoundSession { session, token: token.zip(user) }))
}

/// Finds a session by its ID, ended or not.
///
/// # Errors
/// Those of the database.
pub fn by_id(db: &mut Db, id: i64) -> Result<Option<FoundSession>> {
    let sha256: Option<Sha256Digest> =
        sessions::table.find(id).select(sessions::sha256).get_result(db).optional()?;
    sha256.map_or(Ok(None), |sha256| find(db, sha256))
}

/// Notes that a session is used.
///
/// # Errors
/// Those of the database.
pub fn see(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    diesel::update(sessions::table.find(id)).set(sessions::seen_at.eq(now.as_millis())).execute(db)?;
    Ok(())
}

/// Takes the turn to exchange a session's tokens, until `until`; `false` if somebody else has it.
///
/// # Errors
/// Those of the database.
pub fn take_turn_to_renew(db: &mut Db, id: i64, renew_at: Timestamp, until: Timestamp) -> Result<bool> {
    let due = sessions::table.find(id).filter(sessions::renew_at.eq(renew_at.as_millis()));
    Ok(diesel::update(due).set(sessions::renew_at.eq(until.as_millis())).execute(db)? > 0)
}

/// Puts new tokens in the place of a session's.
///
/// # Errors
/// Those of the database.
pub fn renew(db: &mut Db, id: i64, sealed: &[u8], renew_at: Option<Timestamp>) -> Result<()> {
    let new = (sessions::sealed.eq(sealed), sessions::renew_at.eq(renew_at.map(Timestamp::as_millis)));
    diesel::update(sessions::table.find(id)).set(new).execute(db)?;
    Ok(())
}

/// Ends a session; returns whether it was there.
///
/// # Errors
/// Those of the database.
pub fn end(db: &mut Db, id: i64) -> Result<bool> {
    Ok(diesel::delete(sessions::table.find(id)).execute(db)? > 0)
}

/// Ends an owner's session with this ID, or all of them; returns how many.
///
/// # Errors
/// Those of the database.
pub fn end_of(db: &mut Db, owner: &Owner, id: Option<i64>) -> Result<usize> {
    let own = ids_of(db, owner)?;
    let ended: Vec<i64> = own.into_iter().filter(|own| id.is_none_or(|id| id == *own)).collect();
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(ended))).execute(db)?)
}

fn ids_of(db: &mut Db, owner: &Owner) -> Result<Vec<i64>> {
    Ok(match owner {
        Owner::User(user_id) => sessions::table
            .inner_join(access_tokens::table.on(access_tokens::id.nullable().eq(sessions::token_id)))
            .filter(access_tokens::user_id.eq(*user_id))
            .select(sessions::id)
            .load(db)?,
        Owner::Foreign { upstream, user_id } => sessions::table
            .filter(sessions::upstream.eq(upstream))
            .filter(sessions::foreign_user_id.eq(*user_id))
            .select(sessions::id)
            .load(db)?,
    })
}

/// Lists an owner's sessions that have not ended, the one that was used last first; at most 100.
///
/// # Errors
/// Those of the database.
pub fn list(db: &mut Db, owner: &Owner, now: Timestamp) -> Result<Vec<SessionDetails>> {
    let ids = ids_of(db, owner)?;
    Ok(sessions::table
        .left_join(access_tokens::table.on(access_tokens::id.nullable().eq(sessions::token_id)))
        .filter(sessions::id.eq_any(ids))
        .filter(sessions::ends_at.gt(now.as_millis()))
        .filter(sessions::seen_at.gt(idle_since(now)))
        .order((sessions::seen_at.desc(), sessions::id.desc()))
        .limit(100)
        .select((sessions::id, sessions::created_at, sessions::seen_at, access_tokens::name.nullable()))
        .load(db)?)
}

/// Counts the sessions that have not ended by themselves.
///
/// # Errors
/// Those of the database.
pub fn count(db: &mut Db, now: Timestamp) -> Result<i64> {
    Ok(sessions::table
        .filter(sessions::ends_at.gt(now.as_millis()))
        .filter(sessions::seen_at.gt(idle_since(now)))
        .count()
        .get_result(db)?)
}
