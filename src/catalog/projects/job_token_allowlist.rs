//! Job token allowlist of a project: the projects and groups whose job tokens it accepts.

use diesel::prelude::*;

use super::Project;
use crate::catalog::Db;
use crate::catalog::schema::job_token_allowlist;
use crate::domain::Result;
use crate::domain::project::path_covers;

/// Lists the entries of a project's allowlist, by path.
///
/// # Errors
/// Those of the database.
pub fn allowlist(db: &mut Db, project_id: i64) -> Result<Vec<String>> {
    Ok(job_token_allowlist::table
        .filter(job_token_allowlist::project_id.eq(project_id))
        .order(job_token_allowlist::path)
        .select(job_token_allowlist::path)
        .load(db)?)
}

/// Returns whether `project` accepts job tokens of the project at `source_path`. It always accepts its own.
///
/// # Errors
/// Those of the database.
pub fn allows_job_token(db: &mut Db, project: &Project, source_path: &str) -> Result<bool> {
    if project.path.eq_ignore_ascii_case(source_path) {
        return Ok(true);
    }
    let entries = allowlist(db, project.id)?;
    Ok(entries.iter().any(|entry| path_covers(entry, source_path)))
}

/// Replaces the entries of the allowlist by `paths`.
///
/// # Errors
/// Those of the database.
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

/// Adds an entry to the allowlist, unless it is there in any letter case. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn add_to_allowlist(db: &mut Db, project_id: i64, path: &str) -> Result<()> {
    db.lock_whole_catalog()?;
    if allowlist(db, project_id)?.iter().any(|entry| entry.eq_ignore_ascii_case(path)) {
        Ok(())
    } else {
        add_entry(db, project_id, path)
    }
}

/// Removes an entry, in any letter case, from the allowlist and returns whether there was one. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn remove_from_allowlist(db: &mut Db, project_id: i64, path: &str) -> Result<bool> {
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
