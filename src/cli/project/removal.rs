//! `artigate project delete` and `move`.

use crate::catalog::{clock, projects, usage};
use crate::cli::catalog_session::CatalogSession;
use crate::cli::{CommandError, confirm, listing};
use crate::domain::byte_size::show_roughly;
use crate::domain::{Clock, Result};

/// Deletes a project with everything that belongs to it, after it has said what that is.
pub(super) fn delete(administration: &CatalogSession, path: String, yes: bool) -> Result<(), CommandError> {
    let (id, path, what) = administration.read(move |db| {
        let project = projects::find_by_path(db, &path)?;
        let rows = projects::usage(db, project.id)?;
        let under_way = usage::under_way(db, project.id)?;
        let size = show_roughly(rows.artifact_bytes.unsigned_abs());
        let what = format!(
            "{} pipelines, {} jobs, {} artifacts of {size}, {under_way} uploads under way",
            rows.pipelines, rows.jobs, rows.artifacts
        );
        Ok((project.id, project.path, what))
    })?;
    listing::print(&format!("project {path} (ID {id}): {what}\n"))?;
    confirm::require(yes, &format!("Delete project {path} with all of this?"))?;
    let subject = format!("project {path} (ID {id}): {what}");
    administration.write_patiently("project.delete", subject, move |db| {
        let now = clock::shared(db, &Clock::System)?;
        projects::delete(db, id, now)
    })?;
    listing::print(&format!(
        "deleted project {path}; a sweep deletes the bytes in a quarter of an hour, when those who read them are done\n"
    ))
}

/// Moves a project, or all projects of a group.
pub(super) fn relocate(
    administration: &CatalogSession,
    from: String,
    to: String,
) -> Result<(), CommandError> {
    let subject = format!("{from} to {to}");
    let moved =
        administration.write("project.move", subject, move |db| projects::relocate(db, &from, &to))?;
    for projects::Moved { id, from, to } in moved {
        listing::print(&format!("moved project {from} (ID {id}) to {to}\n"))?;
    }
    Ok(())
}
