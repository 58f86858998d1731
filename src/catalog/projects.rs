//! Projects, their members, and whose job tokens they let in.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::Db;
use super::db::MultiBackend;
use super::schema::{job_token_allowlist, project_members, projects};
use super::values::new_uuid;
use crate::domain::project::{ProjectRef, Visibility, path_covers};
use crate::domain::role::Role;
use crate::domain::{Result, Timestamp};

/// A project.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(MultiBackend))]
pub struct Project {
    /// Its number.
    pub id: i64,
    /// Its full path.
    pub path: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether those who see it may read its jobs.
    pub public_jobs: bool,
    /// Whether the newest successful pipeline of each ref keeps its artifacts.
    pub keep_latest_artifact: bool,
    /// The project's own upload limit in bytes.
    pub max_artifact_bytes: Option<i64>,
}

/// What a registry file names of a project; `None` leaves a column as it is, or at its default.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = projects)]
pub struct ProjectChanges {
    /// The full path.
    pub path: String,
    /// The same in lower case.
    pub path_lower: String,
    /// The name to show; the path's last segment by default.
    pub name: Option<String>,
    /// Who may see it; private by default.
    pub visibility: Option<&'static str>,
    /// Whether those who see it may read its jobs; so by default.
    pub public_jobs: Option<bool>,
    /// The branch that is shown first; none by default.
    pub default_branch: Option<Option<String>>,
    /// Whether the newest successful pipeline of each ref keeps its artifacts; so by default.
    pub keep_latest_artifact: Option<bool>,
    /// The upload limit in bytes; the instance's by default.
    pub max_artifact_bytes: Option<Option<i64>>,
}

/// Finds a project by number or, in any case, by path.
///
/// # Errors
/// Only those of the database.
pub fn find(db: &mut Db, project: &ProjectRef) -> Result<Option<Project>> {
    let found = match project {
        ProjectRef::Id(id) => projects::table.find(*id).select(Project::as_select()).first(db),
        ProjectRef::Path(path) => projects::table
            .filter(projects::path_lower.eq(path.to_lowercase()))
            .select(Project::as_select())
            .first(db),
    };
    Ok(found.optional()?)
}

/// The role of a user in a project.
///
/// # Errors
/// Only those of the database.
pub fn role_of(db: &mut Db, project_id: i64, user_id: i64) -> Result<Option<Role>> {
    Ok(project_members::table
        .find((project_id, user_id))
        .select(project_members::role)
        .first(db)
        .optional()?)
}

/// Whether `project` lets in job tokens of the project at `source_path`. It always lets in its own.
///
/// # Errors
/// Only those of the database.
pub fn admits_job_tokens_of(db: &mut Db, project: &Project, source_path: &str) -> Result<bool> {
    if project.path.eq_ignore_ascii_case(source_path) {
        return Ok(true);
    }
    let entries: Vec<String> = job_token_allowlist::table
        .filter(job_token_allowlist::project_id.eq(project.id))
        .select(job_token_allowlist::path)
        .load(db)?;
    Ok(entries.iter().any(|entry| path_covers(entry, source_path)))
}

/// Creates or updates the project `id`.
///
/// # Errors
/// `Conflict` when another project has the path.
pub fn upsert(db: &mut Db, id: i64, changes: &ProjectChanges, now: Timestamp) -> Result<()> {
    if diesel::update(projects::table.find(id)).set(changes).execute(db)? == 0 {
        let last_segment = changes.path.rsplit('/').next().unwrap_or(&changes.path);
        diesel::insert_into(projects::table)
            .values((
                projects::id.eq(id),
                projects::uuid.eq(new_uuid()),
                projects::path.eq(&changes.path),
                projects::path_lower.eq(&changes.path_lower),
                projects::name.eq(changes.name.as_deref().unwrap_or(last_segment)),
                projects::visibility.eq(changes.visibility.unwrap_or(Visibility::Private.as_str())),
                projects::public_jobs.eq(changes.public_jobs.unwrap_or(true)),
                projects::default_branch.eq(changes.default_branch.clone().flatten()),
                projects::keep_latest_artifact.eq(changes.keep_latest_artifact.unwrap_or(true)),
                projects::max_artifact_bytes.eq(changes.max_artifact_bytes.flatten()),
                projects::created_at.eq(now.as_millis()),
            ))
            .execute(db)?;
    }
    Ok(())
}

/// Makes `members`, by user id, the only members.
///
/// # Errors
/// Only those of the database.
pub fn set_members(db: &mut Db, project_id: i64, members: &BTreeMap<i64, Role>) -> Result<()> {
    diesel::delete(project_members::table.filter(project_members::project_id.eq(project_id))).execute(db)?;
    for (user_id, role) in members {
        diesel::insert_into(project_members::table)
            .values((
                project_members::project_id.eq(project_id),
                project_members::user_id.eq(user_id),
                project_members::role.eq(role.as_str()),
            ))
            .execute(db)?;
    }
    Ok(())
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
        diesel::insert_into(job_token_allowlist::table)
            .values((job_token_allowlist::project_id.eq(project_id), job_token_allowlist::path.eq(path)))
            .execute(db)?;
    }
    Ok(())
}
