//! Named artifacts: the artifacts of jobs under one name each, as dialects list them that know no kinds.
//!
//! They are the archives of jobs, archives that their uploaders named, and single files. Tombstones of expired ones
//! are among them; reports, logs and listings are not.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::Artifact;
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs, pipelines};
use crate::catalog::slice::{Direction, Slice};
use crate::domain::Result;
use crate::domain::artifact::{Accessibility, ArtifactName, NOT_IN_NAMES};

/// An artifact with its job and pipeline.
#[derive(Debug, Clone)]
pub struct NamedArtifact {
    /// The artifact, finished or expired.
    pub artifact: Artifact,
    /// Its name.
    pub name: String,
    /// The name of its job.
    pub job_name: String,
    /// Its project.
    pub project_id: i64,
    /// Its pipeline.
    pub pipeline_id: i64,
    /// The ref that the pipeline ran on.
    pub ref_name: String,
    /// The commit that the pipeline ran on.
    pub sha: String,
}

/// Selects named artifacts of a project.
#[derive(Debug, Clone, Default)]
pub struct NamedArtifacts {
    /// The pipeline; all of the project if `None`.
    pub pipeline_id: Option<i64>,
    /// The artifact's name; any if `None`.
    pub name: Option<String>,
    /// The artifact's ID; any if `None`.
    pub id: Option<i64>,
    /// The accessibilities that the caller may read.
    pub accessibilities: Vec<Accessibility>,
    /// Whether tombstones of expired artifacts are left out.
    pub finished_only: bool,
}

/// Characters of a job's name or a path that are a hyphen in the name under which the artifact is listed.
fn replaced() -> impl Iterator<Item = char> {
    NOT_IN_NAMES.iter().copied().chain(['\t', '\n', '\r'])
}

/// Returns the name under which an artifact of a job is listed: each character that a name cannot hold is a hyphen.
///
/// SQL computes the same, so every artifact is found under the name that it is listed under.
pub fn shown_name(name: &ArtifactName, job_id: i64, job_name: &str) -> String {
    if let Some(named) = name.named_archive() {
        return named.to_owned();
    }
    let raw = name.file_path().unwrap_or(job_name);
    let shown: String = raw.chars().map(|c| if replaced().any(|it| it == c) { '-' } else { c }).collect();
    if matches!(shown.as_str(), "" | "." | "..") { format!("job-{job_id}") } else { shown }
}

/// [`shown_name`] as SQL.
fn shown_name_sql() -> String {
    let mut raw =
        "CASE WHEN artifacts.name LIKE 'file/%' THEN substr(artifacts.name, 6) ELSE jobs.name END".to_owned();
    for replaced in replaced() {
        raw = format!("replace({raw}, '{replaced}', '-')");
    }
    format!(
        "(CASE WHEN artifacts.name LIKE 'named/%' THEN substr(artifacts.name, 7) \
         WHEN {raw} IN ('', '.', '..') THEN 'job-' || artifacts.job_id ELSE {raw} END)"
    )
}

/// The condition that an artifact is listed by name.
const IS_NAMED: &str =
    "(artifacts.name = 'archive' OR artifacts.name LIKE 'named/%' OR artifacts.name LIKE 'file/%')";

/// Builds the query; a macro, because the type of a boxed join cannot be written down.
macro_rules! named {
    ($project_id:expr, $list:expr, $select:expr) => {{
        let list: &NamedArtifacts = $list;
        let states: &[&str] = if list.finished_only { &["finished"] } else { &["finished", "expired"] };
        let accessibilities: Vec<&str> = list.accessibilities.iter().map(|it| it.as_str()).collect();
        let mut query = artifacts::table
            .inner_join(jobs::table.inner_join(pipelines::table))
            .filter(artifacts::project_id.eq($project_id))
            .filter(artifacts::state.eq_any(states.to_vec()))
            .filter(artifacts::accessibility.eq_any(accessibilities))
            .filter(sql::<Bool>(IS_NAMED))
            .select($select)
            .into_boxed();
        if let Some(pipeline_id) = list.pipeline_id {
            query = query.filter(jobs::pipeline_id.eq(pipeline_id));
        }
        if let Some(id) = list.id {
            query = query.filter(artifacts::id.eq(id));
        }
        if let Some(name) = &list.name {
            query = query.filter(sql::<Text>(&shown_name_sql()).eq(name.clone()));
        }
        query
    }};
}

/// Lists a part of a project's named artifacts, by ID.
///
/// # Errors
/// Those of the database.
pub fn named(
    db: &mut Db,
    project_id: i64,
    list: &NamedArtifacts,
    direction: Direction,
    slice: Slice,
) -> Result<Vec<NamedArtifact>> {
    let columns = (Artifact::as_select(), jobs::name, pipelines::id, pipelines::ref_name, pipelines::sha);
    let query = named!(project_id, list, columns);
    let query = match direction {
        Direction::Ascending => query.order(artifacts::id.asc()),
        Direction::Descending => query.order(artifacts::id.desc()),
    };
    let rows: Vec<(Artifact, String, i64, String, String)> =
        query.offset(slice.offset).limit(slice.limit).load(db)?;
    let named =
        |(artifact, job_name, pipeline_id, ref_name, sha): (Artifact, String, _, _, _)| NamedArtifact {
            name: shown_name(&artifact.name, artifact.job_id, &job_name),
            artifact,
            job_name,
            project_id,
            pipeline_id,
            ref_name,
            sha,
        };
    Ok(rows.into_iter().map(named).collect())
}

/// Counts a project's named artifacts.
///
/// # Errors
/// Those of the database.
pub fn count_named(db: &mut Db, project_id: i64, list: &NamedArtifacts) -> Result<i64> {
    Ok(named!(project_id, list, count_star()).get_result(db)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_nothing_that_a_directory_could_be_made_of() {
        let of_job = |name: &str| shown_name(&ArtifactName::ARCHIVE, 7, name);
        assert_eq!(of_job("test: [linux, 1.2]"), "test- [linux, 1.2]");
        assert_eq!(of_job("build/linux"), "build-linux");
        assert_eq!(of_job(".."), "job-7");
        assert_eq!(of_job("a\tb"), "a-b");
        assert_eq!(shown_name(&ArtifactName::of_named_archive("bin: x"), 7, "job"), "bin: x");
        assert_eq!(shown_name(&ArtifactName::of_file("dir/a.txt"), 7, "job"), "dir-a.txt");
    }
}
