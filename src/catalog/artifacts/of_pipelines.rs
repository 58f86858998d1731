//! Artifacts of pipelines: the first few of each, and how many bytes all of them take.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Artifact;
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs};
use crate::domain::Result;
use crate::domain::artifact::Accessibility;

/// An artifact with the name of its job.
#[derive(Debug, Clone)]
pub struct PipelineArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// The name of its job.
    pub job_name: String,
}

/// How many finished artifacts there are, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// Number of artifacts.
    pub artifacts: i64,
    /// Their size in bytes.
    pub bytes: i64,
}

/// Neither logs nor the listings that a CI server makes for itself.
const IS_SHOWN: &str = "artifacts.kind NOT IN ('trace', 'metadata')";

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(QueryableByName)]
struct VolumeRow {
    #[diesel(sql_type = BigInt)]
    pipeline_id: i64,
    #[diesel(sql_type = BigInt)]
    artifacts: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Finds at most `limit` finished artifacts of each of some pipelines, by pipeline and the names of their jobs, retried
/// jobs left out, as far as they have one of these accessibilities.
///
/// # Errors
/// Those of the database.
pub fn first_of_pipelines(
    db: &mut Db,
    pipeline_ids: &[i64],
    accessibilities: &[Accessibility],
    limit: usize,
) -> Result<HashMap<i64, Vec<PipelineArtifact>>> {
    if pipeline_ids.is_empty() || accessibilities.is_empty() {
        return Ok(HashMap::new());
    }
    let names: Vec<&str> = accessibilities.iter().map(|it| it.as_str()).collect();
    // Numbers and constants need no quoting. Each run reads the jobs of one pipeline in the order of an index and ends
    // when it has enough.
    let run = |id: &i64| {
        format!(
            "SELECT id FROM (SELECT artifacts.id AS id FROM jobs CROSS JOIN artifacts WHERE jobs.pipeline_id = {id} \
             AND jobs.retried = false AND artifacts.job_id = jobs.id AND artifacts.state = 'finished' AND {IS_SHOWN} \
             AND artifacts.accessibility IN ('{}') ORDER BY jobs.name LIMIT {limit}) AS run",
            names.join("', '")
        )
    };
    let runs: Vec<String> = pipeline_ids.iter().map(run).collect();
    let ids: Vec<IdRow> = diesel::sql_query(runs.join(" UNION ALL ")).load(db)?;
    let ids: Vec<i64> = ids.into_iter().map(|row| row.id).collect();
    let rows: Vec<(Artifact, String, i64)> = artifacts::table
        .inner_join(jobs::table)
        .filter(artifacts::id.eq_any(ids))
        .order((jobs::name.asc(), artifacts::id.asc()))
        .select((Artifact::as_select(), jobs::name, jobs::pipeline_id))
        .load(db)?;
    let mut found: HashMap<i64, Vec<PipelineArtifact>> = HashMap::new();
    for (artifact, job_name, pipeline_id) in rows {
        found.entry(pipeline_id).or_default().push(PipelineArtifact { artifact, job_name });
    }
    Ok(found)
}

/// Sums up the finished artifacts of some pipelines, without those of their child pipelines.
///
/// # Errors
/// Those of the database.
pub fn volumes_of_pipelines(db: &mut Db, pipeline_ids: &[i64]) -> Result<HashMap<i64, Volume>> {
    if pipeline_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<String> = pipeline_ids.iter().map(i64::to_string).collect();
    let rows: Vec<VolumeRow> = diesel::sql_query(format!(
        "SELECT jobs.pipeline_id AS pipeline_id, count(*) AS artifacts, \
         CAST(COALESCE(sum(artifacts.size_bytes), 0) AS BIGINT) AS bytes FROM jobs CROSS JOIN artifacts \
         WHERE jobs.pipeline_id IN ({}) AND artifacts.job_id = jobs.id AND artifacts.state = 'finished' \
         GROUP BY jobs.pipeline_id",
        ids.join(", ")
    ))
    .load(db)?;
    let volume = |row: &VolumeRow| Volume { artifacts: row.artifacts, bytes: row.bytes };
    Ok(rows.iter().map(|row| (row.pipeline_id, volume(row))).collect())
}
