//! Pipelines, and their positions in families.
//!
//! Each row holds its family's root and its depth below it, so that a lookup reads one indexed range instead
//! of climbing; only [`set_parent`] may change a parent.

use std::collections::HashSet;

mod list;
mod update;
mod view;

use diesel::prelude::*;

pub use list::{Order, Period, ProjectPipelines, children, latest_of_ref, newest_of_projects, of_project};
pub use update::{PipelineRecord, PipelineUpdate, lock, update};
pub use view::{PipelineDetails, PipelineView, all_details, all_views, find_details};

use super::Db;
use super::schema::{commits, pipelines};
use super::users::next_number;
use super::values::new_uuid;
use crate::domain::{Error, ErrorKind, Result, Timestamp};

/// The columns of a pipeline that a registry file sets; `None` leaves a column unchanged, or at its default
/// in a new row. The parent is set by [`set_parent`].
#[derive(Debug, AsChangeset)]
#[diesel(table_name = pipelines)]
pub struct PipelineChanges {
    /// The ID within the project; the next one by default.
    pub iid: Option<i64>,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag; `false` by default.
    pub tag: Option<bool>,
    /// The commit.
    pub sha: String,
    /// The status, by GitLab's name.
    pub status: &'static str,
    /// The source, by GitLab's name; `push` by default.
    pub source: Option<&'static str>,
    /// The user who started it; none by default.
    pub user_id: Option<Option<i64>>,
    /// When it was created, in milliseconds; now by default.
    pub created_at: Option<i64>,
    /// When this row was last written, in milliseconds.
    pub updated_at: i64,
    /// When it started, in milliseconds; never by default.
    pub started_at: Option<Option<i64>>,
    /// When it finished, in milliseconds; never by default.
    pub finished_at: Option<Option<i64>>,
}

/// The columns of a commit that a registry file sets.
#[derive(Debug, Insertable, AsChangeset)]
#[diesel(table_name = commits)]
pub struct CommitFields {
    /// The first line of the message.
    pub title: String,
    /// The whole message.
    pub message: String,
    /// The author, who need not be the committer.
    pub author_name: String,
    /// The author's address.
    pub author_email: String,
    /// When it was made, in milliseconds.
    pub created_at: Option<i64>,
}

/// Returns the project of a pipeline, if the pipeline exists.
///
/// # Errors
/// Those of the database.
pub fn project_of(db: &mut Db, id: i64) -> Result<Option<i64>> {
    Ok(pipelines::table.find(id).select(pipelines::project_id).first(db).optional()?)
}

/// Returns the parent of a pipeline.
///
/// # Errors
/// Those of the database.
pub fn parent_of(db: &mut Db, id: i64) -> Result<Option<i64>> {
    Ok(pipelines::table.find(id).select(pipelines::parent_id).first(db).optional()?.flatten())
}

/// Returns the user who started a pipeline.
///
/// # Errors
/// Those of the database.
pub fn user_of(db: &mut Db, id: i64) -> Result<Option<i64>> {
    Ok(pipelines::table.find(id).select(pipelines::user_id).first(db).optional()?.flatten())
}

/// Creates or updates the pipeline `id` of a project; a new one is a root until [`set_parent`] gives it a
/// parent.
///
/// # Errors
/// `Conflict` when another pipeline of the project has the iid.
pub fn upsert(
    db: &mut Db,
    id: i64,
    project_id: i64,
    changes: &PipelineChanges,
    now: Timestamp,
) -> Result<()> {
    let mine = pipelines::table.find(id).filter(pipelines::project_id.eq(project_id));
    if diesel::update(mine).set(changes).execute(db)? > 0 {
        return Ok(());
    }
    let iid = match changes.iid {
        Some(iid) => iid,
        None => next_iid(db, project_id)?,
    };
    diesel::insert_into(pipelines::table)
        .values((
            (
                pipelines::id.eq(id),
                pipelines::uuid.eq(new_uuid()),
                pipelines::project_id.eq(project_id),
                pipelines::iid.eq(iid),
                pipelines::ref_name.eq(&changes.ref_name),
                pipelines::tag.eq(changes.tag.unwrap_or(false)),
                pipelines::sha.eq(&changes.sha),
                pipelines::status.eq(changes.status),
            ),
            (
                pipelines::source.eq(changes.source.unwrap_or("push")),
                pipelines::root_id.eq(id),
                pipelines::depth.eq(0),
                pipelines::user_id.eq(changes.user_id.flatten()),
                pipelines::created_at.eq(changes.created_at.unwrap_or(now.as_millis())),
                pipelines::updated_at.eq(changes.updated_at),
                pipelines::started_at.eq(changes.started_at.flatten()),
                pipelines::finished_at.eq(changes.finished_at.flatten()),
            ),
        ))
        .execute(db)?;
    Ok(())
}

fn next_iid(db: &mut Db, project_id: i64) -> Result<i64> {
    let last: Option<i64> = pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .select(diesel::dsl::max(pipelines::iid))
        .first(db)?;
    next_number(last, "pipeline")
}

/// Makes `parent` the parent of `id`, or `id` a root, and updates everything below it.
///
/// # Errors
/// `Invalid` when `id` would become its own ancestor.
pub fn set_parent(db: &mut Db, id: i64, parent: Option<i64>) -> Result<()> {
    let (root_id, depth) = match parent {
        None => (id, 0),
        Some(parent) => {
            if ancestry(db, parent)?.contains(&id) {
                return Err(Error::new(ErrorKind::Invalid, "a pipeline cannot be its own ancestor"));
            }
            let (root_id, depth): (i64, i32) =
                pipelines::table.find(parent).select((pipelines::root_id, pipelines::depth)).first(db)?;
            (root_id, depth + 1)
        }
    };
    diesel::update(pipelines::table.find(id)).set(pipelines::parent_id.eq(parent)).execute(db)?;
    let mut level = vec![id];
    let mut depth = depth;
    while !level.is_empty() {
        diesel::update(pipelines::table.filter(pipelines::id.eq_any(&level)))
            .set((pipelines::root_id.eq(root_id), pipelines::depth.eq(depth)))
            .execute(db)?;
        level = pipelines::table
            .filter(pipelines::parent_id.eq_any(level.into_iter().map(Some)))
            .select(pipelines::id)
            .load(db)?;
        depth += 1;
    }
    Ok(())
}

/// Returns a pipeline and everything above it, itself first.
///
/// # Errors
/// Those of the database.
fn ancestry(db: &mut Db, id: i64) -> Result<Vec<i64>> {
    let mut chain = vec![id];
    let mut seen = HashSet::from([id]);
    let mut current = id;
    while let Some(parent) = parent_of(db, current)? {
        if !seen.insert(parent) {
            break;
        }
        chain.push(parent);
        current = parent;
    }
    Ok(chain)
}

/// Creates or updates a commit of a project.
///
/// # Errors
/// Those of the database.
pub fn upsert_commit(db: &mut Db, project_id: i64, sha: &str, fields: &CommitFields) -> Result<()> {
    if diesel::update(commits::table.find((project_id, sha))).set(fields).execute(db)? == 0 {
        diesel::insert_into(commits::table)
            .values((commits::project_id.eq(project_id), commits::sha.eq(sha), fields))
            .execute(db)?;
    }
    Ok(())
}
