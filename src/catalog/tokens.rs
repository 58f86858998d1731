//! Personal access tokens, of which only the digests are kept.

use diesel::prelude::*;

use super::Db;
use super::db::MultiBackend;
use super::schema::{access_tokens, users};
use super::users::User;
use crate::domain::{Result, Sha256Digest, Timestamp};

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

/// What a registry file names of a token; `None` leaves a column as it is, or at its default.
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
        .first(db)
        .optional()?)
}

/// Creates or updates the token with this digest.
///
/// # Errors
/// Only those of the database.
pub fn upsert(db: &mut Db, digest: Sha256Digest, changes: &TokenChanges, now: Timestamp) -> Result<()> {
    let digest = digest.as_bytes().as_slice();
    let known = access_tokens::table.filter(access_tokens::sha256.eq(digest));
    if diesel::update(known).set(changes).execute(db)? == 0 {
        diesel::insert_into(access_tokens::table)
            .values((
                access_tokens::user_id.eq(changes.user_id),
                access_tokens::name.eq(changes.name.as_deref().unwrap_or_default()),
                access_tokens::sha256.eq(digest),
                access_tokens::scopes.eq(changes.scopes.as_deref().unwrap_or_default()),
                access_tokens::expires_at.eq(changes.expires_at.flatten()),
                access_tokens::revoked.eq(changes.revoked.unwrap_or(false)),
                access_tokens::created_at.eq(now.as_millis()),
            ))
            .execute(db)?;
    }
    Ok(())
}
