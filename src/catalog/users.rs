//! Users: the accounts that own tokens, are members of projects and start pipelines.

use diesel::prelude::*;

use super::schema::{access_tokens, agents, pipelines, project_members, projects, used_numbers, users};
use super::values::new_uuid;
use super::{Db, db::MultiBackend};
use crate::domain::project::Visibility;
use crate::domain::{Error, ErrorKind, Result, Timestamp, Uuid};

/// A user, with the columns that permission checks need.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct User {
    /// Its ID.
    pub id: i64,
    /// Its unique short name.
    pub username: String,
    /// Whether it needs no membership.
    pub admin: bool,
}

/// The columns of a user that may be shown.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct UserDetails {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its unique short name.
    pub username: String,
    /// The display name.
    pub name: String,
    /// The address, if it was registered.
    pub email: Option<String>,
    /// Whether it needs no membership.
    pub admin: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The columns of a user that dialects show.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct UserView {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its unique short name.
    pub username: String,
    /// The display name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The columns of a user that a registry file or a command sets; `None` leaves a column unchanged, or at its
/// default in a new row.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChanges {
    /// The unique short name.
    pub username: String,
    /// The display name; the short name by default.
    pub name: Option<String>,
    /// The address; none by default.
    pub email: Option<Option<String>>,
    /// Whether it needs no membership; `false` by default.
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

/// Creates a user, with the next free ID unless `id` is given. Needs [`super::Catalog::write`].
///
/// # Errors
/// `Conflict` when the name or the ID is taken, with a text that says which.
pub fn create(db: &mut Db, id: Option<i64>, new: &UserChanges, now: Timestamp) -> Result<i64> {
    db.lock_whole_catalog()?;
    if id_by_username(db, &new.username)?.is_some() {
        return Err(Error::new(ErrorKind::Conflict, format!("user {:?} already exists", new.username)));
    }
    let id = match id {
        Some(id) => {
            let holder: Option<String> =
                users::table.find(id).select(users::username).first(db).optional()?;
            if let Some(holder) = holder {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("ID {id} already belongs to user {holder:?}"),
                ));
            }
            id
        }
        None => {
            let last: Option<i64> = users::table.select(diesel::dsl::max(users::id)).first(db)?;
            next_unused_number(db, last, "user")?
        }
    };
    upsert(db, id, new, now)?;
    Ok(id)
}

/// Changes the user with the username of `changes`.
///
/// # Errors
/// `NotFound`, with a text that repeats the name.
pub fn change(db: &mut Db, changes: &UserChanges) -> Result<()> {
    let user = users::table.filter(users::username.eq(&changes.username));
    match diesel::update(user).set(changes).execute(db)? {
        0 => Err(unknown(&changes.username)),
        _ => Ok(()),
    }
}

/// Returns the ID after the last one that there is or was: clients keep IDs of what is deleted.
pub(super) fn next_unused_number(db: &mut Db, last: Option<i64>, what: &str) -> Result<i64> {
    let used: Option<i64> =
        used_numbers::table.find(what).select(used_numbers::number).get_result(db).optional()?;
    next_number(last.max(used), what)
}

/// Returns the ID after the last one.
pub(super) fn next_number(last: Option<i64>, what: &str) -> Result<i64> {
    last.unwrap_or(0).checked_add(1).ok_or_else(|| {
        Error::new(
            ErrorKind::Conflict,
            format!("the largest possible ID already belongs to a {what}; choose a smaller one"),
        )
    })
}

/// Records that an ID of a deleted row is not given out again.
pub(super) fn use_number(db: &mut Db, what: &str, id: i64) -> Result<()> {
    let largest: Option<i64> =
        used_numbers::table.find(what).select(used_numbers::number).get_result(db).optional()?;
    diesel::delete(used_numbers::table.find(what)).execute(db)?;
    diesel::insert_into(used_numbers::table)
        .values((used_numbers::name.eq(what), used_numbers::number.eq(largest.unwrap_or(id).max(id))))
        .execute(db)?;
    Ok(())
}

/// What belongs to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserHoldings {
    /// Tokens, which are deleted with it.
    pub tokens: i64,
    /// Memberships, which are deleted with it.
    pub memberships: i64,
    /// Agents that are connected with its tokens.
    pub agents: i64,
}

/// Counts what belongs to a user.
///
/// # Errors
/// Those of the database.
pub fn holdings(db: &mut Db, id: i64) -> Result<UserHoldings> {
    let tokens = access_tokens::table.filter(access_tokens::user_id.eq(id));
    let agents = agents::table.inner_join(access_tokens::table).filter(access_tokens::user_id.eq(id));
    Ok(UserHoldings {
        tokens: tokens.count().get_result(db)?,
        memberships: project_members::table.filter(project_members::user_id.eq(id)).count().get_result(db)?,
        agents: agents.count().get_result(db)?,
    })
}

/// Deletes a user with its tokens and memberships. Pipelines and jobs that it started stay, and are those of nobody. Its
/// agents must be disconnected before. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn delete(db: &mut Db, id: i64) -> Result<()> {
    db.lock_whole_catalog()?;
    use_number(db, "user", id)?;
    diesel::delete(users::table.find(id)).execute(db)?;
    Ok(())
}

/// Lists all users by ID.
///
/// # Errors
/// Those of the database.
pub fn all(db: &mut Db) -> Result<Vec<UserDetails>> {
    Ok(users::table.order(users::id).select(UserDetails::as_select()).load(db)?)
}

/// Like [`id_by_username`], but a missing user is an error.
///
/// # Errors
/// `NotFound`, with a text that repeats the name.
pub fn find_by_username(db: &mut Db, username: &str) -> Result<i64> {
    id_by_username(db, username)?.ok_or_else(|| unknown(username))
}

fn unknown(username: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no user {username:?}"))
}

/// Finds the ID of the user with this username.
///
/// # Errors
/// Those of the database.
pub fn id_by_username(db: &mut Db, username: &str) -> Result<Option<i64>> {
    Ok(users::table.filter(users::username.eq(username)).select(users::id).first(db).optional()?)
}

/// Returns whether there is any user at all.
///
/// # Errors
/// Those of the database.
pub fn any(db: &mut Db) -> Result<bool> {
    Ok(users::table.select(users::id).first::<i64>(db).optional()?.is_some())
}

/// Finds a user by ID, with all columns that may be shown.
///
/// # Errors
/// Those of the database.
pub fn find_details(db: &mut Db, id: i64) -> Result<Option<UserDetails>> {
    Ok(users::table.find(id).select(UserDetails::as_select()).first(db).optional()?)
}

/// Finds a user by ID.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, id: i64) -> Result<Option<User>> {
    Ok(users::table.find(id).select(User::as_select()).first(db).optional()?)
}

/// Whether everybody may know of a user: it started a pipeline in a public project whose jobs everybody may read.
///
/// # Errors
/// Those of the database.
pub fn is_public(db: &mut Db, id: i64) -> Result<bool> {
    // One probe of the index for each public project.
    let public = projects::table
        .filter(projects::visibility.eq(Visibility::Public.as_str()))
        .filter(projects::public_jobs.eq(true))
        .filter(diesel::dsl::exists(
            pipelines::table
                .filter(pipelines::project_id.eq(projects::id))
                .filter(pipelines::user_id.eq(id))
                .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("pipelines.source <> 'parent_pipeline'")),
        ));
    Ok(public.select(projects::id).first::<i64>(db).optional()?.is_some())
}

/// Returns the upstream that the user `id` is learnt from; `None` for one that is registered here, or that does not
/// exist.
///
/// # Errors
/// Those of the database.
pub fn upstream_of(db: &mut Db, id: i64) -> Result<Option<String>> {
    Ok(users::table.find(id).select(users::upstream).first(db).optional()?.flatten())
}
