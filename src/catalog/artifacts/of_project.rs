//! Artifacts of a project: all of them in one list, for people who look for what takes room.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Artifact;
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs, pipelines};
use crate::catalog::slice::Slice;
use crate::domain::Result;
use crate::domain::artifact::{Accessibility, ArtifactKind};

/// How many artifacts, the newest, a list with conditions looks at.
pub const SEARCHED: i64 = 10_000;

/// The conditions of a list of a project's artifacts.
#[derive(Debug, Clone)]
pub struct ProjectArtifacts {
    /// Their kind.
    pub kind: Option<ArtifactKind>,
    /// The name of their job.
    pub job_name: Option<String>,
    /// The ref that their pipeline ran on.
    pub ref_name: Option<String>,
    /// The accessibilities that the caller may read.
    pub accessibilities: Vec<Accessibility>,
    /// The order of the list.
    pub order: ArtifactOrder,
}

/// The order of a list of artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactOrder {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
    /// The largest first.
    Largest,
}

/// An artifact with its job and pipeline.
#[derive(Debug, Clone)]
pub struct ProjectArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// The name of its job.
    pub job_name: String,
    /// Its pipeline.
    pub pipeline_id: i64,
    /// The ref that the pipeline ran on.
    pub ref_name: String,
}

impl ProjectArtifacts {
    /// Whether only the newest [`SEARCHED`] artifacts are looked at.
    pub fn is_search(&self) -> bool {
        self.kind.is_some() || self.job_name.is_some() || self.ref_name.is_some()
    }
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Lists a part of a project's finished artifacts, logs left out. Without conditions it is read from one index.
///
/// # Errors
/// Those of the database.
pub fn of_project(
    db: &mut Db,
    project_id: i64,
    list: &ProjectArtifacts,
    slice: Slice,
) -> Result<Vec<ProjectArtifact>> {
    if list.accessibilities.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<IdRow> = diesel::sql_query(ids_text(list, slice))
        .bind::<BigInt, _>(project_id)
        .bind::<Text, _>(list.job_name.as_deref().unwrap_or_default())
        .bind::<Text, _>(list.ref_name.as_deref().unwrap_or_default())
        .load(db)?;
    let ids: Vec<i64> = ids.into_iter().map(|row| row.id).collect();
    let query = artifacts::table
        .inner_join(jobs::table.inner_join(pipelines::table))
        .filter(artifacts::id.eq_any(ids))
        .select((Artifact::as_select(), jobs::name, pipelines::id, pipelines::ref_name))
        .into_boxed();
    let query = match list.order {
        ArtifactOrder::Newest => query.order(artifacts::id.desc()),
        ArtifactOrder::Oldest => query.order(artifacts::id.asc()),
        ArtifactOrder::Largest => query.order((artifacts::size_bytes.desc(), artifacts::id.desc())),
    };
    let rows: Vec<(Artifact, String, i64, String)> = query.load(db)?;
    let listed = |(artifact, job_name, pipeline_id, ref_name)| ProjectArtifact {
        artifact,
        job_name,
        pipeline_id,
        ref_name,
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// Builds the query for the IDs. The parameters are the project, a job's name and a ref, which an absent condition
/// compares with itself, so that both databases have the same parameters in the same order.
fn ids_text(list: &ProjectArtifacts, slice: Slice) -> String {
    let order = match list.order {
        ArtifactOrder::Newest => "id DESC",
        ArtifactOrder::Oldest => "id ASC",
        ArtifactOrder::Largest => "size_bytes DESC, id DESC",
    };
    // Constants need no quoting.
    let names: Vec<&str> = list.accessibilities.iter().map(|it| it.as_str()).collect();
    let all = format!(
        "SELECT artifacts.id AS id, artifacts.size_bytes AS size_bytes, artifacts.job_id AS job_id, \
         artifacts.kind AS kind FROM artifacts WHERE artifacts.project_id = $1 AND artifacts.state = 'finished' \
         AND artifacts.kind <> 'trace' AND artifacts.accessibility IN ('{}')",
        names.join("', '")
    );
    let Slice { offset, limit } = slice;
    if !list.is_search() {
        return format!(
            "SELECT id FROM ({all}) AS listed WHERE $2 = $2 AND $3 = $3 ORDER BY {order} LIMIT {limit} OFFSET {offset}"
        );
    }
    let kind = list.kind.map(|kind| format!(" AND newest.kind = '{kind}'")).unwrap_or_default();
    let job = if list.job_name.is_some() { "jobs.name = $2" } else { "$2 = $2" };
    let of_ref = if list.ref_name.is_some() { "pipelines.ref = $3" } else { "$3 = $3" };
    format!(
        "SELECT newest.id AS id FROM ({all} ORDER BY id DESC LIMIT {SEARCHED}) AS newest \
         JOIN jobs ON jobs.id = newest.job_id JOIN pipelines ON pipelines.id = jobs.pipeline_id \
         WHERE {job} AND {of_ref}{kind} ORDER BY newest.{} LIMIT {limit} OFFSET {offset}",
        order.replace(", id", ", newest.id")
    )
}
