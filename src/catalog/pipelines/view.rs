//! Pipeline views: a pipeline with its user, times and coverage, as dialects show it.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{jobs, pipelines, users};
use crate::catalog::users::UserView;
use crate::domain::pipeline::Source;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp, Uuid};

/// The columns of a pipeline that dialects show.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pipelines, check_for_backend(MultiBackend))]
pub struct PipelineView {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
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
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A pipeline with its user, times and coverage.
#[derive(Debug, Clone)]
pub struct PipelineDetails {
    /// The pipeline.
    pub pipeline: PipelineView,
    /// The user who started it.
    pub user: Option<UserView>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// The mean coverage in percent of its jobs that have one; retried attempts do not count.
    pub coverage: Option<f64>,
}

/// Finds the pipelines with these IDs, in this order, without those that do not exist.
///
/// # Errors
/// Those of the database.
pub fn all_views(db: &mut Db, ids: &[i64]) -> Result<Vec<PipelineView>> {
    let rows: Vec<PipelineView> =
        pipelines::table.filter(pipelines::id.eq_any(ids)).select(PipelineView::as_select()).load(db)?;
    let mut found: HashMap<i64, PipelineView> = rows.into_iter().map(|row| (row.id, row)).collect();
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Finds a pipeline of a project by ID, with its coverage.
///
/// # Errors
/// Those of the database.
pub fn find_details(db: &mut Db, project_id: i64, id: i64) -> Result<Option<PipelineDetails>> {
    let found = all_details(db, &[id])?.pop().filter(|found| found.pipeline.project_id == project_id);
    let Some(mut found) = found else { return Ok(None) };
    let covered: Vec<Option<f64>> = jobs::table
        .filter(jobs::pipeline_id.eq(id))
        .filter(jobs::retried.eq(false))
        .filter(jobs::coverage.is_not_null())
        .select(jobs::coverage)
        .load(db)?;
    let covered: Vec<f64> = covered.into_iter().flatten().collect();
    found.coverage = (!covered.is_empty()).then(|| covered.iter().sum::<f64>() / covered.len() as f64);
    Ok(Some(found))
}

/// Finds the pipelines with these IDs, in this order, without those that do not exist, and without their
/// coverage.
///
/// # Errors
/// Those of the database.
pub fn all_details(db: &mut Db, ids: &[i64]) -> Result<Vec<PipelineDetails>> {
    type Row = (PipelineView, Option<UserView>, Option<Timestamp>, Option<Timestamp>);
    let rows: Vec<Row> = pipelines::table
        .left_join(users::table)
        .filter(pipelines::id.eq_any(ids))
        .select((
            PipelineView::as_select(),
            Option::<UserView>::as_select(),
            pipelines::started_at,
            pipelines::finished_at,
        ))
        .load(db)?;
    let mut found: HashMap<i64, PipelineDetails> = HashMap::with_capacity(rows.len());
    for (pipeline, user, started_at, finished_at) in rows {
        let details = PipelineDetails { pipeline, user, started_at, finished_at, coverage: None };
        found.insert(details.pipeline.id, details);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}
