//! Whom a project lets in: its members, and the projects whose job tokens it accepts.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::Project;
use crate::catalog::Db;
use crate::catalog::schema::{job_token_allowlist, project_members, users};
use crate::domain::Result;
use crate::domain::project::path_covers;
use crate::domain::role::Role;

/// The role of a user in a project.
///
/// # Errors
/// Only those of the database.
pub fn role_of(db: &mut Db, project_id: i64, user_id: i64) -> Result<Option<Role>> {
    Ok(project_members::table
        .find((project_id, user_id))
        .select(project_members::role)
        .get_result(db)
        .optional()?)
}

/// The members by user name, with their roles.
///
/// # Errors
/// Only those of the database.
pub fn members(db: &mut Db, project_id: i64) -> Result<Vec<(String, Role)>> {
    Ok(project_members::table
        .inner_join(users::table)
        .filter(project_members::project_id.eq(project_id))
        .order(users::username)
        .select((users::username, project_members::role))
        .load(db)?)
}

/// Makes `members`, by user id, the only members.
///
/// # Errors
/// Only those of the database.
pub fn set_members(db: &mut Db, project_id: i64, members: &BTreeMap<i64, Role>) -> Result<()> {
    diesel::delete(project_members::table.filter(project_members::project_id.eq(project_id))).execute(db)?;
    for (user_id, role) in members {
        add_member(db, project_id, *user_id, *role)?;
    }
    Ok(())
}

/// Makes a user a member, or gives a member another role. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn set_member(db: &mut Db, project_id: i64, user_id: i64, role: Role) -> Result<()> {
    db.lock_whole_catalog()?;
    let member = project_members::table.find((project_id, user_id));
    if diesel::update(member).set(project_members::role.eq(role.as_str())).execute(db)? == 0 {
        add_member(db, project_id, user_id, role)?;
    }
    Ok(())
}

fn add_member(db: &mut Db, project_id: i64, user_id: i64, role: Role) -> Result<()> {
    diesel::insert_into(project_members::table)
        .values((
            project_members::project_id.eq(project_id),
            project_members::user_id.eq(user_id),
            project_members::role.eq(role.as_str()),
        ))
        .execute(db)?;
    Ok(())
}

/// Takes a member out and tells whether there was one.
///
/// # Errors
/// Only those of the database.
pub fn remove_member(db: &mut Db, project_id: i64, user_id: i64) -> Result<bool> {
    Ok(diesel::delete(project_members::table.find((project_id, user_id))).execute(db)? > 0)
}

/// The entries of the allowlist.
///
/// # Errors
/// Only those of the database.
pub fn allowlist(db: &mut Db, project_id: i64) -> Result<Vec<String>> {
    Ok(job_token_allowlist::table
        .filter(job_token_allowlist::project_id.eq(project_id))
        .order(job_token_allowlist::path)
        .select(job_token_allowlist::path)
        .load(db)?)
}

/// Whether `project` lets in job tokens of the project at `source_path`. It always lets in its own.
///
/// # Errors
/// Only those of the database.
pub fn admits_job_tokens_of(db: &mut Db, project: &Project, source_path: &str) -> Result<bool> {
    if project.path.eq_ignore_ascii_case(source_path) {
        return Ok(true);
    }
    let entries = allowlist(db, project.id)?;
    Ok(entries.iter().any(|entry| path_covers(entry, source_path)))
}

/// Makes `paths` the only entries of the allowlist.
///
/// # Errors
/// Only those of the database.
pub fn set_allowlist<'a>(
    db: &mut Db,
    project_id: i64,
    paths: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    diesel::delete(job_token_allowlist::table.filter(job_token_allowlist::project_id.eq(project_id)))
        .execute(db)?;
    for path in paths {
        add_entry(db, project_id, path)?;
    }
    Ok(())
}

/// Adds an entry to the allowlist, unless it is there in any case. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn allow(db: &mut Db, project_id: i64, path: &str) -> Result<()> {
    db.lock_whole_catalog()?;
    if allowlist(db, project_id)?.iter().any(|entry| entry.eq_ignore_ascii_case(path)) {
        Ok(())
    } else {
        add_entry(db, project_id, path)
    }
}

/// Takes an entry, in any case, off the allowlist and tells whether there was one. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn disallow(db: &mut Db, project_id: i64, path: &str) -> Result<bool> {
    db.lock_whole_catalog()?;
    let mut entries = allowlist(db, project_id)?;
    entries.retain(|entry| entry.eq_ignore_ascii_case(path));
    for entry in &entries {
        diesel::delete(job_token_allowlist::table.find((project_id, entry))).execute(db)?;
    }
    Ok(!entries.is_empty())
}

fn add_entry(db: &mut Db, project_id: i64, path: &str) -> Result<()> {
    diesel::insert_into(job_token_allowlist::table)
        .values((job_token_allowlist::project_id.eq(project_id), job_token_allowlist::path.eq(path)))
        .execute(db)?;
    Ok(())
}
