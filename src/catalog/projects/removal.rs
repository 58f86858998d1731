//! Removal of projects with everything that belongs to them.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{Project, find};
use crate::catalog::builds::FIRST_NUMBER;
use crate::catalog::schema::{artifacts, projects, uploads};
use crate::catalog::usage::{self, Stored};
use crate::catalog::{Db, foreign, leftovers, users};
use crate::domain::project::ProjectRef;
use crate::domain::{Error, ErrorKind, Result, Timestamp};

/// Deletes a project with its pipelines, jobs, artifacts and uploads, in one transaction, and returns what artifacts it
/// had. Needs [`crate::catalog::Catalog::write`].
///
/// Their bytes are recorded as leftovers, and stay for readers in the middle of them. What is being uploaded finds no job any
/// more when it is to be recorded. `now` is the time that all nodes agree on.
///
/// # Errors
/// `NotFound`, if another transaction was faster.
pub fn delete(db: &mut Db, id: i64, now: Timestamp) -> Result<Stored> {
    db.lock_whole_catalog()?;
    lock(db, id)?;
    let Some(Project { path, .. }) = find(db, &ProjectRef::Id(id))? else {
        return Err(Error::new(ErrorKind::NotFound, "the project was deleted meanwhile"));
    };
    let stored = usage::of_project(db, id)?;
    leftovers::record_of_project(db, id, now)?;
    diesel::delete(artifacts::table.filter(artifacts::project_id.eq(id))).execute(db)?;
    diesel::delete(uploads::table.filter(uploads::project_id.eq(id))).execute(db)?;
    diesel::delete(projects::table.find(id)).execute(db)?;
    usage::forget(db, id)?;
    if id < FIRST_NUMBER {
        users::use_number(db, "project", id)?;
    }
    tracing::debug!(project.id = id, project.path = path, "project deleted");
    Ok(stored)
}

/// Deletes a project like [`delete`] if its upstream deleted it a week before `due`, and returns its path and its upstream;
/// `None` if it shows again. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn delete_gone(db: &mut Db, id: i64, due: Timestamp, now: Timestamp) -> Result<Option<(String, String)>> {
    db.lock_whole_catalog()?;
    lock(db, id)?;
    let Some(found) = foreign::is_due_for_removal(db, id, due)? else { return Ok(None) };
    delete(db, id, now)?;
    Ok(Some(found))
}

/// Lets nobody add rows to a project until the transaction ends, and waits for those who do: what they add is seen by the
/// statements after this. Pipelines and jobs come before the project, as for whoever adds rows to them. SQLite has one writer
/// at a time.
fn lock(db: &mut Db, id: i64) -> Result<()> {
    if matches!(db, Db::Postgres(_)) {
        for rows in [
            "SELECT 1 FROM pipelines WHERE project_id = $1 ORDER BY id FOR UPDATE",
            "SELECT 1 FROM jobs WHERE project_id = $1 ORDER BY id FOR UPDATE",
            "SELECT 1 FROM projects WHERE id = $1 FOR UPDATE",
        ] {
            diesel::sql_query(rows).bind::<BigInt, _>(id).execute(db)?;
        }
    }
    Ok(())
}
