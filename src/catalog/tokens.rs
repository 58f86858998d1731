//! Personal access tokens, of which only the digests are kept.

use diesel::prelude::*;

use super::Db;
use super::db::MultiBackend;
use super::schema::{access_tokens, users};
use super::users::User;
use crate::domain::{Error, ErrorKind, Result, Sha256Digest, Timestamp};

/// A personal token as it was found, valid or not.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = access_tokens, check_for_backend(MultiBackend))]
pub struct AccessToken {
    /// The digest that was matched.
    pub sha256: Sha256Digest,
    /// What it is good for, separated by spaces.
    pub scopes: String,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What may be told about a token; its digest is not.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = access_tokens, check_for_backend(MultiBackend))]
pub struct TokenDetails {
    /// Its number.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for, separated by spaces.
    pub scopes: String,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
    /// Whether it was taken back.
    pub revoked: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a registry file or a command names of a token; `None` leaves a column as it is, or at its default.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = access_tokens)]
pub struct TokenChanges {
    /// Whose it is.
    pub user_id: i64,
    /// What its owner calls it; empty by default.
    pub name: Option<String>,
    /// What it is good for, separated by spaces; nothing by default.
    pub scopes: Option<String>,
    /// From when on it is good for nothing, in milliseconds; never by default.
    pub expires_at: Option<Option<i64>>,
    /// Whether it was taken back; not by default.
    pub revoked: Option<bool>,
}

/// Finds a token and its user by the token's digest.
///
/// # Errors
/// Only those of the database.
pub fn find(db: &mut Db, digest: Sha256Digest) -> Result<Option<(AccessToken, User)>> {
    Ok(access_tokens::table
        .inner_join(users::table)
        .filter(access_tokens::sha256.eq(digest.as_bytes().as_slice()))
        .select((AccessToken::as_select(), User::as_select()))
        .get_result(db)
        .optional()?)
}

/// What may be told about the token with this digest, and the number of its user.
///
/// # Errors
/// Only those of the database.
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
/// Only those of the database.
pub fn upsert(db: &mut Db, digest: Sha256Digest, changes: &TokenChanges, now: Timestamp) -> Result<()> {
    let known = access_tokens::table.filter(access_tokens::sha256.eq(digest.as_bytes().as_slice()));
    if diesel::update(known).set(changes).execute(db)? == 0 {
        add(db, digest, changes, now)?;
    }
    Ok(())
}

/// Adds a token and tells its number.
///
/// # Errors
/// `Conflict` when it is there already.
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

/// Every token with its user's name, by number; only those of `user_id` if given.
///
/// # Errors
/// Only those of the database.
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

/// Takes a token back, from the next request on. It may have been taken back before.
///
/// # Errors
/// `NotFound`, with a text that repeats the number.
pub fn revoke(db: &mut Db, id: i64) -> Result<()> {
    match diesel::update(access_tokens::table.find(id)).set(access_tokens::revoked.eq(true)).execute(db)? {
        0 => Err(Error::new(ErrorKind::NotFound, format!("there is no token {id}"))),
        _ => Ok(()),
    }
}
