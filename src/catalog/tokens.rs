//! Personal access tokens, of which only the digests are stored.

use diesel::prelude::*;

use super::Db;
use super::db::MultiBackend;
use super::schema::{access_tokens, users};
use super::users::User;
use crate::domain::{Error, ErrorKind, Result, Sha256Digest, Timestamp};

/// A personal token that was found, valid or not.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = access_tokens, check_for_backend(MultiBackend))]
pub struct AccessToken {
    /// The digest by which it was found.
    pub sha256: Sha256Digest,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// The time from which it is invalid.
    pub expires_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// The columns of a token that may be shown; its digest may not.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = access_tokens, check_for_backend(MultiBackend))]
pub struct TokenDetails {
    /// Its ID.
    pub id: i64,
    /// The name that its owner gave it.
    pub name: String,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// The time from which it is invalid.
    pub expires_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The columns of a token that a registry file or a command sets; `None` leaves a column unchanged, or at its
/// default in a new row.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = access_tokens)]
pub struct TokenChanges {
    /// The user it belongs to.
    pub user_id: i64,
    /// The name that its owner gave it; empty by default.
    pub name: Option<String>,
    /// Its scopes, separated by spaces; none by default.
    pub scopes: Option<String>,
    /// The time from which it is invalid, in milliseconds; never by default.
    pub expires_at: Option<Option<i64>>,
    /// Whether it was revoked; `false` by default.
    pub revoked: Option<bool>,
}

/// Finds a token and its user by the token's digest.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, digest: Sha256Digest) -> Result<Option<(AccessToken, User)>> {
    Ok(access_tokens::table
        .inner_join(users::table)
        .filter(access_tokens::sha256.eq(digest.as_bytes().as_slice()))
        .select((AccessToken::as_select(), User::as_select()))
        .get_result(db)
        .optional()?)
}

/// Finds a token and its user by the token's ID.
///
/// # Errors
/// Those of the database.
pub fn by_id(db: &mut Db, id: i64) -> Result<Option<(AccessToken, User)>> {
    Ok(access_tokens::table
        .inner_join(users::table)
        .filter(access_tokens::id.eq(id))
        .select((AccessToken::as_select(), User::as_select()))
        .get_result(db)
        .optional()?)
}

/// Finds what may be shown of the token with this digest, and the ID of its user.
///
/// # Errors
/// Those of the database.
pub fn details(db: &mut Db, digest: Sha256Digest) -> Result<Option<(TokenDetails, i64)>> {
    Ok(access_tokens::table
        .filter(access_tokens::sha256.eq(digest.as_bytes().as_slice()))
        .select((TokenDetails::as_select(), access_tokens::user_id))
        .first(db)
        .optional()?)
}

/// Creates or updates the token with this digest.
///
/// # Errors
/// Those of the database.
pub fn upsert(db: &mut Db, digest: Sha256Digest, changes: &TokenChanges, now: Timestamp) -> Result<()> {
    let known = access_tokens::table.filter(access_tokens::sha256.eq(digest.as_bytes().as_slice()));
    if diesel::update(known).set(changes).execute(db)? == 0 {
        add(db, digest, changes, now)?;
    }
    Ok(())
}

/// Adds a token and returns its ID.
///
/// # Errors
/// `Conflict` when it exists already.
pub fn add(db: &mut Db, digest: Sha256Digest, new: &TokenChanges, now: Timestamp) -> Result<i64> {
    Ok(diesel::insert_into(access_tokens::table)
        .values((
            access_tokens::user_id.eq(new.user_id),
            access_tokens::name.eq(new.name.as_deref().unwrap_or_default()),
            access_tokens::sha256.eq(digest.as_bytes().as_slice()),
            access_tokens::scopes.eq(new.scopes.as_deref().unwrap_or_default()),
            access_tokens::expires_at.eq(new.expires_at.flatten()),
            access_tokens::revoked.eq(new.revoked.unwrap_or(false)),
            access_tokens::created_at.eq(now.as_millis()),
        ))
        .returning(access_tokens::id)
        .get_result(db)?)
}

/// Lists all tokens by ID, with their users' names; only those of `user_id` if given.
///
/// # Errors
/// Those of the database.
pub fn all(db: &mut Db, user_id: Option<i64>) -> Result<Vec<(TokenDetails, String)>> {
    let of_all = access_tokens::table
        .inner_join(users::table)
        .order(access_tokens::id)
        .select((TokenDetails::as_select(), users::username));
    Ok(match user_id {
        Some(user_id) => of_all.filter(access_tokens::user_id.eq(user_id)).load(db)?,
        None => of_all.load(db)?,
    })
}

/// Revokes a token; it is rejected from the next request on. It may have been revoked before.
///
/// # Errors
/// `NotFound`, with a text that contains the ID.
pub fn revoke(db: &mut Db, id: i64) -> Result<()> {
    match diesel::update(access_tokens::table.find(id)).set(access_tokens::revoked.eq(true)).execute(db)? {
        0 => Err(Error::new(ErrorKind::NotFound, format!("there is no token {id}"))),
        _ => Ok(()),
    }
}

/// Revokes all tokens of a user.
///
/// # Errors
/// Those of the database.
pub fn revoke_of_user(db: &mut Db, user_id: i64) -> Result<()> {
    diesel::update(access_tokens::table.filter(access_tokens::user_id.eq(user_id)))
        .set(access_tokens::revoked.eq(true))
        .execute(db)?;
    Ok(())
}
