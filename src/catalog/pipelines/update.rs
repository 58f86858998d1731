//! Pipeline updates: the few columns of a pipeline that change while it runs.
//!
//! A pipeline is locked, read and then changed, so that no other transaction changes it between the decision
//! and the update.

use diesel::prelude::*;

use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{pipelines, users};
use crate::domain::pipeline::Source;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// A pipeline as the registry API returns it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pipelines, check_for_backend(MultiBackend))]
pub struct PipelineRecord {
    /// Its ID.
    pub id: i64,
    /// Its ID within the project.
    pub iid: i64,
    /// The project it belongs to.
    pub project_id: i64,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag.
    pub tag: bool,
    /// The commit.
    pub sha: String,
    /// The status that was registered last.
    pub status: Status,
    /// The source of the pipeline.
    pub source: Source,
    /// Its parent.
    pub parent_id: Option<i64>,
    /// The username of the user who started it.
    #[diesel(select_expression = users::username.nullable())]
    pub user: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
}

/// The changes of a running pipeline; `None` leaves a column unchanged.
#[derive(Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = pipelines)]
pub struct PipelineUpdate {
    /// The status, by GitLab's name.
    pub status: Option<&'static str>,
    /// When it started, in milliseconds.
    pub started_at: Option<Option<i64>>,
    /// When it finished, in milliseconds.
    pub finished_at: Option<Option<i64>>,
}

/// Finds a pipeline by ID and locks it until this transaction ends. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn lock(db: &mut Db, id: i64) -> Result<Option<PipelineRecord>> {
    let known = pipelines::table.find(id);
    match diesel::update(known).set(pipelines::status.eq(pipelines::status)).execute(db)? {
        0 => Ok(None),
        _ => find_record(db, id).map(Some),
    }
}

/// Changes a locked pipeline and returns the result.
///
/// # Errors
/// Those of the database.
pub fn update(
    db: &mut Db,
    pipeline: PipelineRecord,
    changes: PipelineUpdate,
    now: Timestamp,
) -> Result<PipelineRecord> {
    if changes == PipelineUpdate::default() {
        return Ok(pipeline);
    }
    diesel::update(pipelines::table.find(pipeline.id))
        .set((changes, pipelines::updated_at.eq(now.as_millis())))
        .execute(db)?;
    find_record(db, pipeline.id)
}

fn find_record(db: &mut Db, id: i64) -> Result<PipelineRecord> {
    let user = users::table.on(users::id.nullable().eq(pipelines::user_id));
    let pipeline = pipelines::table.left_join(user).filter(pipelines::id.eq(id));
    Ok(pipeline.select(PipelineRecord::as_select()).first(db)?)
}
