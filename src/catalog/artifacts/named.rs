//! Named artifacts: the artifacts of jobs under one name each, as dialects list them that know no kinds.
//!
//! They are the archives of jobs, archives that their uploaders named, and single files. Tombstones of expired ones
//! are among them; reports, logs and listings are not.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Artifact;
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs, pipelines};
use crate::catalog::slice::{COUNT_LIMIT, Count, Direction, Slice};
use crate::domain::Result;
use crate::domain::artifact::{Accessibility, ArtifactName, ArtifactState, NOT_IN_NAMES};

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

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Builds the query for the IDs of a list. Parameters are the project and, if the list has one, the name.
///
/// SQLite keeps no statistics, and its planner would read all artifacts of the project to find those of a pipeline;
/// `CROSS JOIN` keeps it to the order of the tables. Without a pipeline each state has its own run in the index,
/// and both databases merge the runs as they read them.
fn ids_text(list: &NamedArtifacts, direction: Direction) -> String {
    let order = match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let states: &[&str] = if list.finished_only { &["finished"] } else { &["finished", "expired"] };
    // Accessibilities and states are constants and need no quoting.
    let quoted = |names: Vec<&str>| format!("'{}'", names.join("', '"));
    let accessibilities = quoted(list.accessibilities.iter().map(|it| it.as_str()).collect());
    let mut conditions = format!("artifacts.accessibility IN ({accessibilities}) AND {IS_NAMED}");
    if let Some(id) = list.id {
        conditions += &format!(" AND artifacts.id = {id}");
    }
    if list.name.is_some() {
        conditions += &format!(" AND {} = $2", shown_name_sql());
    }
    if let Some(pipeline_id) = list.pipeline_id {
        let states = quoted(states.to_vec());
        return format!(
            "SELECT artifacts.id FROM jobs CROSS JOIN artifacts WHERE jobs.project_id = $1 \
             AND jobs.pipeline_id = {pipeline_id} AND artifacts.job_id = jobs.id AND artifacts.state IN ({states}) \
             AND {conditions} ORDER BY artifacts.id {order}"
        );
    }
    let run = |state: &&str| {
        format!(
            "SELECT id FROM (SELECT artifacts.id FROM artifacts CROSS JOIN jobs WHERE artifacts.project_id = $1 \
             AND artifacts.state = '{state}' AND jobs.id = artifacts.job_id AND {conditions} \
             ORDER BY artifacts.id {order}) AS run"
        )
    };
    let runs: Vec<String> = states.iter().map(run).collect();
    format!("{} ORDER BY id {order}", runs.join(" UNION ALL "))
}

fn ids(
    db: &mut Db,
    project_id: i64,
    list: &NamedArtifacts,
    direction: Direction,
    slice: Slice,
) -> Result<Vec<i64>> {
    if list.accessibilities.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!("{} LIMIT {} OFFSET {}", ids_text(list, direction), slice.limit, slice.offset);
    let query = diesel::sql_query(text).bind::<BigInt, _>(project_id);
    let rows: Vec<Row> = match &list.name {
        Some(name) => query.bind::<Text, _>(name).load(db)?,
        None => query.load(db)?,
    };
    Ok(rows.into_iter().map(|row| row.id).collect())
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
    let ids = ids(db, project_id, list, direction, slice)?;
    rows(db, project_id, &ids, direction)
}

/// Lists a part of a project's named artifacts, by ID, and counts the whole list.
///
/// # Errors
/// Those of the database.
pub fn named_and_count(
    db: &mut Db,
    project_id: i64,
    list: &NamedArtifacts,
    direction: Direction,
    slice: Slice,
) -> Result<(Vec<NamedArtifact>, Count)> {
    let countable = Slice { offset: 0, limit: COUNT_LIMIT + 1 };
    let first = ids(db, project_id, list, direction, countable)?;
    let length = first.len() as i64;
    let count = if length <= COUNT_LIMIT { Count::Exactly(length) } else { Count::TooMany };
    let part = if count == Count::TooMany && slice.offset.saturating_add(slice.limit) > length {
        ids(db, project_id, list, direction, slice)?
    } else {
        let skip = usize::try_from(slice.offset).unwrap_or(usize::MAX);
        first.into_iter().skip(skip).take(usize::try_from(slice.limit).unwrap_or(0)).collect()
    };
    Ok((rows(db, project_id, &part, direction)?, count))
}

/// Reads artifacts of a project with what belongs to them, sorted by ID.
fn rows(db: &mut Db, project_id: i64, ids: &[i64], direction: Direction) -> Result<Vec<NamedArtifact>> {
    let query = artifacts::table
        .inner_join(jobs::table.inner_join(pipelines::table))
        .filter(artifacts::id.eq_any(ids))
        .filter(artifacts::state.ne(ArtifactState::Deleted.as_str()))
        .select((Artifact::as_select(), jobs::name, pipelines::id, pipelines::ref_name, pipelines::sha))
        .into_boxed();
    let query = match direction {
        Direction::Ascending => query.order(artifacts::id.asc()),
        Direction::Descending => query.order(artifacts::id.desc()),
    };
    let rows: Vec<(Artifact, String, i64, String, String)> = query.load(db)?;
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
