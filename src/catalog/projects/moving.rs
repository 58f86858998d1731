//! Moving of projects to other paths, and the paths where they were before.

use diesel::prelude::*;

use super::{Project, find, find_by_path};
use crate::catalog::Db;
use crate::catalog::schema::{former_paths, group_quotas, job_token_allowlist, projects};
use crate::domain::project::{ProjectRef, is_valid_path, path_covers};
use crate::domain::{Error, ErrorKind, Result};

/// A project that is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its ID.
    pub id: i64,
    /// Its full path before.
    pub from: String,
    /// Its full path now.
    pub to: String,
}

/// Moves the project at a path to another path, or else all projects of the group at that path, with the group's quota.
///
/// Allowlists that name the old path name the new one then. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `NotFound` when there is neither; `Conflict` when another project has a path that is needed.
pub fn relocate(db: &mut Db, from: &str, to: &str) -> Result<Vec<Moved>> {
    db.lock_whole_catalog()?;
    let moved = destinations(db, from, to)?;
    require_registered(db, &moved)?;
    for Moved { id, to, .. } in &moved {
        if !is_valid_path(to) {
            return Err(Error::new(ErrorKind::Invalid, format!("{to:?} is not a valid full path")));
        }
        let there = find(db, &ProjectRef::Path(to.clone()))?;
        if let Some(other) = there.filter(|other| moved.iter().all(|it| it.id != other.id)) {
            let why = format!("project {:?} (ID {}) is in the way of project {id}", other.path, other.id);
            return Err(Error::new(ErrorKind::Conflict, why));
        }
    }
    // A path is unique at any moment, and a project may move to where another one is that moves, too.
    for Moved { id, .. } in &moved {
        diesel::update(projects::table.find(id))
            .set(projects::path_lower.eq(format!("-{id}")))
            .execute(db)?;
    }
    for Moved { id, from, to } in &moved {
        diesel::update(projects::table.find(id))
            .set((projects::path.eq(to), projects::path_lower.eq(to.to_lowercase())))
            .execute(db)?;
        remember(db, *id, from, to)?;
    }
    rename_in_allowlists(db, from, to)?;
    rename_quotas(db, from, to)?;
    Ok(moved)
}

fn destinations(db: &mut Db, from: &str, to: &str) -> Result<Vec<Moved>> {
    if let Some(Project { id, path, .. }) = find(db, &ProjectRef::Path(from.to_owned()))? {
        return Ok(vec![Moved { id, from: path, to: to.to_owned() }]);
    }
    let all: Vec<(i64, String)> =
        projects::table.order(projects::id.asc()).select((projects::id, projects::path)).load(db)?;
    let moved: Vec<Moved> = all
        .into_iter()
        .filter_map(|(id, path)| Some(Moved { id, to: moved_path(from, to, &path)?, from: path }))
        .collect();
    if moved.is_empty() {
        // Its error says that there is none.
        find_by_path(db, from)?;
    }
    Ok(moved)
}

/// Requires that no project is an upstream's, which says where it is.
fn require_registered(db: &mut Db, moved: &[Moved]) -> Result<()> {
    let ids: Vec<i64> = moved.iter().map(|it| it.id).collect();
    let foreign: Option<(String, Option<String>)> = projects::table
        .filter(projects::id.eq_any(ids))
        .filter(projects::upstream.is_not_null())
        .order(projects::id.asc())
        .select((projects::path, projects::upstream))
        .first(db)
        .optional()?;
    match foreign {
        Some((path, Some(upstream))) => {
            let why = format!("project {path:?} belongs to the upstream {upstream}, and is moved there");
            Err(Error::new(ErrorKind::Conflict, why))
        }
        _ => Ok(()),
    }
}

/// Returns the new path of what is at `path`, if a move from `from` to `to` covers it.
fn moved_path(from: &str, to: &str, path: &str) -> Option<String> {
    path_covers(from, path).then(|| format!("{to}{}", path.get(from.len()..).unwrap_or_default()))
}

/// Records where a project was before; where it is now no other one was.
pub(super) fn remember(db: &mut Db, id: i64, from: &str, to: &str) -> Result<()> {
    let (from, to) = (from.to_lowercase(), to.to_lowercase());
    diesel::delete(former_paths::table.filter(former_paths::path_lower.eq_any([&from, &to]))).execute(db)?;
    if from != to {
        diesel::insert_into(former_paths::table)
            .values((former_paths::path_lower.eq(from), former_paths::project_id.eq(id)))
            .execute(db)?;
    }
    Ok(())
}

/// Records where a project was that gets another path from a registry document, and forgets what was at its path. An
/// upstream tells itself where its projects were.
pub(super) fn remember_if_moved(db: &mut Db, id: i64, to: &str) -> Result<()> {
    let columns = (projects::path, projects::upstream);
    let before: Option<(String, Option<String>)> =
        projects::table.find(id).select(columns).get_result(db).optional()?;
    match before {
        Some((from, _)) if from.eq_ignore_ascii_case(to) => Ok(()),
        Some((from, None)) => remember(db, id, &from, to),
        Some((_, Some(_))) | None => {
            diesel::delete(former_paths::table.find(to.to_lowercase())).execute(db)?;
            Ok(())
        }
    }
}

/// Finds the project that was at a path before it was moved.
///
/// # Errors
/// Those of the database.
pub fn find_moved(db: &mut Db, path: &str) -> Result<Option<Project>> {
    Ok(former_paths::table
        .inner_join(projects::table.on(projects::id.eq(former_paths::project_id)))
        .filter(former_paths::path_lower.eq(path.to_lowercase()))
        .select(Project::as_select())
        .get_result(db)
        .optional()?)
}

fn rename_in_allowlists(db: &mut Db, from: &str, to: &str) -> Result<()> {
    let all: Vec<(i64, String)> = job_token_allowlist::table
        .select((job_token_allowlist::project_id, job_token_allowlist::path))
        .load(db)?;
    for (project_id, path) in &all {
        let Some(renamed) = moved_path(from, to, path) else { continue };
        let entry = job_token_allowlist::table.find((project_id, path));
        let is_there = all.iter().any(|(id, other)| id == project_id && *other == renamed);
        if is_there {
            diesel::delete(entry).execute(db)?;
        } else {
            diesel::update(entry).set(job_token_allowlist::path.eq(renamed)).execute(db)?;
        }
    }
    Ok(())
}

fn rename_quotas(db: &mut Db, from: &str, to: &str) -> Result<()> {
    let all: Vec<String> = group_quotas::table.select(group_quotas::path).load(db)?;
    for path in &all {
        let Some(renamed) = moved_path(from, to, path) else { continue };
        let quota = group_quotas::table.find(path.to_lowercase());
        if all.iter().any(|other| other != path && other.eq_ignore_ascii_case(&renamed)) {
            // The group that is there already has one of its own.
            diesel::delete(quota).execute(db)?;
        } else {
            let renamed =
                (group_quotas::path_lower.eq(renamed.to_lowercase()), group_quotas::path.eq(&renamed));
            diesel::update(quota).set(renamed).execute(db)?;
        }
    }
    Ok(())
}
