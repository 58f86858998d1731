//! Members of a project, and their roles.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::catalog::Db;
use crate::catalog::schema::{project_members, users};
use crate::domain::Result;
use crate::domain::role::Role;

/// Returns the role of a user in a project.
///
/// # Errors
/// Those of the database.
pub fn role_of(db: &mut Db, project_id: i64, user_id: i64) -> Result<Option<Role>> {
    Ok(project_members::table
        .find((project_id, user_id))
        .select(project_members::role)
        .get_result(db)
        .optional()?)
}

/// Lists the members by username, with their roles.
///
/// # Errors
/// Those of the database.
pub fn members(db: &mut Db, project_id: i64) -> Result<Vec<(String, Role)>> {
    Ok(project_members::table
        .inner_join(users::table)
        .filter(project_members::project_id.eq(project_id))
        .order(users::username)
        .select((users::username, project_members::role))
        .load(db)?)
}

/// Replaces all members by `members`, whose keys are user IDs.
///
/// # Errors
/// Those of the database.
pub fn set_members(db: &mut Db, project_id: i64, members: &BTreeMap<i64, Role>) -> Result<()> {
    diesel::delete(project_members::table.filter(project_members::project_id.eq(project_id))).execute(db)?;
    for (user_id, role) in members {
        add_member(db, project_id, *user_id, *role)?;
    }
    Ok(())
}

/// Makes a user a member, or changes a member's role. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
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

/// Removes a member and returns whether there was one.
///
/// # Errors
/// Those of the database.
pub fn remove_member(db: &mut Db, project_id: i64, user_id: i64) -> Result<bool> {
    Ok(diesel::delete(project_members::table.find((project_id, user_id))).execute(db)? > 0)
}
