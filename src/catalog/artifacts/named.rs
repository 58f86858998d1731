//! Named artifacts: the artifacts of jobs under one name each, as dialects list them that know no kinds.
//!
//! They are the archives of jobs, archives that their uploaders named, and single files. Tombstones of expired ones
//! are among them; reports, logs and listings are not.

use std::cmp::Reverse;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Artifact;
use super::shown_names::{self, UNFILLED, Unfilled, key, shown_name};
use crate::catalog::Db;
use crate::catalog::schema::{artifacts, jobs, pipelines};
use crate::catalog::slice::{COUNT_LIMIT, Count, Direction, Slice};
use crate::domain::Result;
use crate::domain::artifact::{Accessibility, ArtifactState};

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

/// The condition that an artifact is listed by name.
const IS_NAMED: &str =
    "(artifacts.name = 'archive' OR artifacts.name LIKE 'named/%' OR artifacts.name LIKE 'file/%')";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Which artifacts of a list a query reads.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// All; the list has no name.
    All,
    /// Those with the list's name in the column of shown names, which is the second parameter.
    Filled,
    /// Those that have nothing in that column, with what the rule needs.
    Unfilled,
}

impl Part {
    fn condition(self) -> String {
        match self {
            Self::All => IS_NAMED.to_owned(),
            Self::Filled => "artifacts.shown_name = $2".to_owned(),
            Self::Unfilled => format!("artifacts.shown_name IS NULL AND {IS_NAMED}"),
        }
    }
}

/// Builds the query for the IDs of a part of a list. The first parameter is the project.
///
/// SQLite keeps no statistics, and its planner would read all artifacts of the project to find those of a pipeline;
/// `CROSS JOIN` keeps it to the order of the tables, and `+` from reading all jobs of the project. Without a pipeline each
/// state has its own run in the index, and both databases merge the runs as they read them.
fn ids_text(list: &NamedArtifacts, part: Part, direction: Direction) -> String {
    let order = match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let states: &[&str] = if list.finished_only { &["finished"] } else { &["finished", "expired"] };
    // Accessibilities and states are constants and need no quoting.
    let quoted = |names: Vec<&str>| format!("'{}'", names.join("', '"));
    let accessibilities = quoted(list.accessibilities.iter().map(|it| it.as_str()).collect());
    let mut conditions = format!("artifacts.accessibility IN ({accessibilities}) AND {}", part.condition());
    if let Some(id) = list.id {
        conditions += &format!(" AND artifacts.id = {id}");
    }
    let (columns, jobs, of_job) = match part {
        Part::Unfilled => (UNFILLED, " CROSS JOIN jobs", " AND jobs.id = artifacts.job_id"),
        Part::All | Part::Filled => ("artifacts.id", "", ""),
    };
    if let Some(pipeline_id) = list.pipeline_id {
        let states = quoted(states.to_vec());
        return format!(
            "SELECT {columns} FROM jobs CROSS JOIN artifacts WHERE +jobs.project_id = $1 \
             AND jobs.pipeline_id = {pipeline_id} AND artifacts.job_id = jobs.id AND artifacts.state IN ({states}) \
             AND {conditions} ORDER BY artifacts.id {order}"
        );
    }
    let run = |state: &&str| {
        format!(
            "SELECT * FROM (SELECT {columns} FROM artifacts{jobs} WHERE artifacts.project_id = $1 \
             AND artifacts.state = '{state}'{of_job} AND {conditions} ORDER BY artifacts.id {order}) AS run"
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
    let Some(name) = list.name.as_deref().map(key) else {
        let query = diesel::sql_query(limited(ids_text(list, Part::All, direction), slice));
        return Ok(query
            .bind::<BigInt, _>(project_id)
            .load(db)?
            .into_iter()
            .map(|row: Row| row.id)
            .collect());
    };
    let filled = |db: &mut Db, slice: Slice| -> Result<Vec<i64>> {
        let query = diesel::sql_query(limited(ids_text(list, Part::Filled, direction), slice));
        let rows: Vec<Row> = query.bind::<BigInt, _>(project_id).bind::<Text, _>(&name).load(db)?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    };
    if !shown_names::lacks_shown_names(db)? {
        return filled(db, slice);
    }
    let unfilled: Vec<Unfilled> = diesel::sql_query(ids_text(list, Part::Unfilled, direction))
        .bind::<BigInt, _>(project_id)
        .load(db)?;
    let mut all: Vec<i64> = unfilled.into_iter().filter(|it| it.column() == name).map(|it| it.id).collect();
    all.extend(filled(db, Slice { offset: 0, limit: slice.offset.saturating_add(slice.limit) })?);
    match direction {
        Direction::Ascending => all.sort_unstable(),
        Direction::Descending => all.sort_unstable_by_key(|id| Reverse(*id)),
    }
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(all.into_iter().skip(size(slice.offset)).take(size(slice.limit)).collect())
}

fn limited(text: String, Slice { offset, limit }: Slice) -> String {
    format!("{text} LIMIT {limit} OFFSET {offset}")
}

/// Counts a list of all artifacts of a name in a project, which the index alone tells; `None` for any other list.
fn count_by_name(db: &mut Db, project_id: i64, list: &NamedArtifacts) -> Result<Option<i64>> {
    let Some(name) = list.name.as_deref().map(key) else { return Ok(None) };
    let is_other = list.pipeline_id.is_some() || list.accessibilities.is_empty();
    if is_other || shown_names::lacks_shown_names(db)? {
        return Ok(None);
    }
    let all = ids_text(list, Part::Filled, Direction::Descending);
    let all = limited(all, Slice { offset: 0, limit: COUNT_LIMIT + 1 });
    let count = diesel::sql_query(format!("SELECT count(*) AS id FROM ({all}) AS counted"));
    let count: Row = count.bind::<BigInt, _>(project_id).bind::<Text, _>(&name).get_result(db)?;
    Ok(Some(count.id))
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
    rows(db, project_id, list, &ids, direction)
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
    let count_of = |length: i64| if length <= COUNT_LIMIT { Count::Exactly(length) } else { Count::TooMany };
    if let Some(length) = count_by_name(db, project_id, list)? {
        return Ok((named(db, project_id, list, direction, slice)?, count_of(length)));
    }
    let countable = Slice { offset: 0, limit: COUNT_LIMIT + 1 };
    let first = ids(db, project_id, list, direction, countable)?;
    let length = first.len() as i64;
    let count = count_of(length);
    let part = if count == Count::TooMany && slice.offset.saturating_add(slice.limit) > length {
        ids(db, project_id, list, direction, slice)?
    } else {
        let skip = usize::try_from(slice.offset).unwrap_or(usize::MAX);
        first.into_iter().skip(skip).take(usize::try_from(slice.limit).unwrap_or(0)).collect()
    };
    Ok((rows(db, project_id, list, &part, direction)?, count))
}

/// Reads artifacts of a project with what belongs to them, sorted by ID.
fn rows(
    db: &mut Db,
    project_id: i64,
    list: &NamedArtifacts,
    ids: &[i64],
    direction: Direction,
) -> Result<Vec<NamedArtifact>> {
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
    // A job that a node of the release before has renamed is not shown under the name of before.
    let is_of_name = |named: &NamedArtifact| list.name.as_ref().is_none_or(|name| named.name == *name);
    Ok(rows.into_iter().map(named).filter(is_of_name).collect())
}
