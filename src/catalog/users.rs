//! Users.

use diesel::prelude::*;

use super::schema::users;
use super::values::new_uuid;
use super::{Db, db::MultiBackend};
use crate::domain::{Result, Timestamp};

/// A user, as the permission rules need one.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct User {
    /// Its number.
    pub id: i64,
    /// Its unique short name.
    pub username: String,
    /// Whether it needs no membership.
    pub admin: bool,
}

/// What a registry file names of a user; `None` leaves a column as it is, or at its default in a
/// new row.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChanges {
    /// The unique short name.
    pub username: String,
    /// The name to show; the short name by default.
    pub name: Option<String>,
    /// The address; none by default.
    pub email: Option<Option<String>>,
    /// Whether it is an administrator; not by default.
    pub admin: Option<bool>,
}

/// Creates or updates the user `id`.
///
/// # Errors
/// `Conflict` when another user has the name.
pub fn upsert(db: &mut Db, id: i64, changes: &UserChanges, now: Timestamp) -> Result<()> {
    if diesel::update(users::table.find(id)).set(changes).execute(db)? == 0 {
        diesel::insert_into(users::table)
            .values((
                users::id.eq(id),
                users::uuid.eq(new_uuid()),
                users::username.eq(&changes.username),
                users::name.eq(changes.name.as_ref().unwrap_or(&changes.username)),
                users::email.eq(changes.email.clone().flatten()),
                users::admin.eq(changes.admin.unwrap_or(false)),
                users::created_at.eq(now.as_millis()),
            ))
            .execute(db)?;
    }
    Ok(())
}

/// The number of the user with this name.
///
/// # Errors
/// Only those of the database.
pub fn id_by_username(db: &mut Db, username: &str) -> Result<Option<i64>> {
    Ok(users::table.filter(users::username.eq(username)).select(users::id).first(db).optional()?)
}

/// Whether there is any user at all.
///
/// # Errors
/// Only those of the database.
pub fn any(db: &mut Db) -> Result<bool> {
    Ok(users::table.select(users::id).first::<i64>(db).optional()?.is_some())
}
