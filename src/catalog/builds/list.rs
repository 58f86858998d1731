//! Build lists: the IDs of the builds on a page, newest first.
//!
//! A project may have millions of builds, so no list is sorted as a whole. Each filter has an index that counts what it
//! selects, up to a limit. If one selects few builds, they are read and the other filters applied to them. Else the page
//! is read in the order of an index, one run of it for each project and value, which are merged.

use super::filters::{Filter, filters, matching, times, unindexed};
use super::jobs::listed as numbers;
use super::sql::Sql;
use crate::catalog::Db;
use crate::catalog::slice::{COUNT_LIMIT, Count, Slice};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp, Uuid};

/// How many builds are read and sorted at most.
const FEW: i64 = 3_000;

/// How many of the newest builds are looked at before refs are looked for that match a pattern, and on PostgreSQL, which
/// reads them faster than it looks for refs, once there are such refs or some of the newest match.
const NEWEST: i64 = 1_000;
const MANY_NEWEST: i64 = 9_000;

/// How many runs of an index are merged for a filter, and how many for projects alone: SQLite allows 500.
const MOST_RUNS: usize = 64;
const MOST_PROJECTS: usize = 400;

/// The conditions of a list of builds.
#[derive(Debug, Clone, Default)]
pub struct BuildList {
    /// Refs, each exact or with `*` for any characters; all when empty.
    pub refs: Vec<String>,
    /// Whole commit IDs; all when empty.
    pub commits: Vec<String>,
    /// When they were created at the earliest.
    pub created_from: Option<Timestamp>,
    /// Before when they were created.
    pub created_before: Option<Timestamp>,
    /// When they finished at the earliest.
    pub finished_from: Option<Timestamp>,
    /// The UUID of the user who started them.
    pub creator: Option<Uuid>,
    /// Allowed states; all when `None`.
    pub states: Option<Vec<BuildState>>,
    /// Meta-data that they all have.
    pub meta_data: Vec<(String, String)>,
}

/// A state of builds: a status, and a condition on their jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildState {
    /// The status.
    pub status: Status,
    /// What is true of the jobs.
    pub condition: BuildCondition,
}

/// A condition on the jobs of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildCondition {
    /// None.
    Any,
    /// Whether a job failed that must not; one that was tried again does not count.
    HasFailed(bool),
    /// Whether there are jobs, and all were skipped.
    AllSkipped(bool),
}

/// A page of a list.
#[derive(Debug)]
pub struct BuildPage {
    /// The IDs of the builds.
    pub ids: Vec<i64>,
    /// The size of the whole list.
    pub count: Count,
    /// Whether there are builds after the page.
    pub more: bool,
}

/// Returns the builds of some projects in a slice of the list.
///
/// # Errors
/// Those of the database.
pub fn listed(db: &mut Db, project_ids: &[i64], list: &BuildList, slice: Slice) -> Result<BuildPage> {
    let nothing = Ok(BuildPage { ids: Vec::new(), count: Count::Exactly(0), more: false });
    if project_ids.is_empty() {
        return nothing;
    }
    let is_sqlite = matches!(db, Db::Sqlite(_));
    // Few of many refs match such a pattern at times, which are seldom among the newest.
    let has_free_beginning = list.refs.iter().any(|text| text.starts_with('*'));
    let first = match (is_sqlite, has_free_beginning) {
        (true, _) => FEW,
        (false, true) => MANY_NEWEST,
        (false, false) => NEWEST,
    };
    let mut looked = among_newest(db, project_ids, list, slice, first)?;
    let mut may_look_further = first == NEWEST;
    if may_look_further && matches!(looked, Looked::Few(1..)) {
        looked = among_newest(db, project_ids, list, slice, MANY_NEWEST)?;
        may_look_further = false;
    }
    if let Looked::Full(page) = looked {
        return Ok(page);
    }
    let Some(filters) = filters(db, project_ids, list)? else { return nothing };
    if may_look_further && let Looked::Full(page) = among_newest(db, project_ids, list, slice, MANY_NEWEST)? {
        return Ok(page);
    }
    let times = times(list);
    let conditions = times.iter().chain(filters.iter().map(|filter| &filter.condition));
    let conditions = conditions.fold(Sql::new("TRUE"), Sql::and);
    let all = Sql::new(format!("b.project_id IN ({})", numbers(project_ids))).and(&conditions);
    let mut fewest: Option<(i64, &Filter)> = None;
    // Alone, its count is that of the list.
    let most = if filters.len() == 1 { COUNT_LIMIT } else { FEW };
    for filter in &filters {
        let count = count(db, &filter.ids, most)?;
        if fewest.is_none_or(|(least, _)| count < least) {
            fewest = Some((count, filter));
        }
    }
    if let Some((_, filter)) = fewest.filter(|(count, _)| *count <= FEW) {
        let is_alone = filter.is_exact && filters.len() == 1 && times.is_empty();
        let few = filter.ids.clone();
        let found = if is_alone {
            few.within("SELECT b.id FROM (", &format!(" LIMIT {FEW}) AS b{SORTED}"))
        } else {
            // Read by their IDs and not otherwise: SQLite keeps to the order of a cross join.
            let begin = "SELECT b.id FROM (SELECT id FROM (";
            let end =
                format!(" LIMIT {FEW}) AS listed) AS few CROSS JOIN pipelines AS b WHERE b.id = few.id");
            few.within(begin, &end).and(&all).within("", SORTED)
        };
        let found = found.load(db)?;
        let count = Count::Exactly(found.len() as i64);
        let more = found.len() as i64 > slice.offset.saturating_add(slice.limit);
        let skip = usize::try_from(slice.offset).unwrap_or(usize::MAX);
        let page = found.into_iter().skip(skip).take(usize::try_from(slice.limit).unwrap_or(0));
        return Ok(BuildPage { ids: page.collect(), count, more });
    }
    let total = match (&filters[..], fewest) {
        ([], _) => {
            Some(count(db, &all.clone().within("SELECT b.id FROM pipelines AS b WHERE ", ""), COUNT_LIMIT)?)
        }
        ([_], Some((count, filter))) if times.is_empty() && filter.is_exact => Some(count),
        // Nobody knows how many builds several filters select together.
        _ => None,
    };
    let mut ids = in_order(project_ids, &filters, &conditions, slice).load(db)?;
    let more = ids.len() as i64 > slice.limit;
    ids.truncate(usize::try_from(slice.limit).unwrap_or(0));
    let count = match total {
        Some(total) if total <= COUNT_LIMIT => Count::Exactly(total),
        None if !more && (slice.offset == 0 || !ids.is_empty()) => {
            Count::Exactly(slice.offset + ids.len() as i64)
        }
        _ => Count::TooMany,
    };
    Ok(BuildPage { ids, count, more })
}

/// What a look at the newest builds finds.
enum Looked {
    /// A full page.
    Full(BuildPage),
    /// So many builds of the page, and not all.
    Few(usize),
}

/// Looks for a page among so many of the newest builds of a project, for a list whose refs would have to be looked for
/// first.
fn among_newest(
    db: &mut Db,
    project_ids: &[i64],
    list: &BuildList,
    slice: Slice,
    newest: i64,
) -> Result<Looked> {
    let ([project_id], true) = (project_ids, list.refs.iter().any(|text| text.contains('*'))) else {
        return Ok(Looked::Few(0));
    };
    let others = BuildList { refs: Vec::new(), ..list.clone() };
    let Some(others) = filters(db, project_ids, &others)? else { return Ok(Looked::Few(0)) };
    let is_sqlite = matches!(db, Db::Sqlite(_));
    let refs = unindexed(matching(&list.refs, is_sqlite), is_sqlite);
    let conditions = times(list).into_iter().chain(others.into_iter().map(|filter| filter.condition));
    let conditions = conditions.fold(refs, |all, condition| all.and(&condition));
    let newest = format!(
        "SELECT b.id FROM (SELECT id, created_at, ref, sha, status, user_id, finished_at FROM pipelines AS b \
         WHERE b.project_id = {project_id}{NEWEST_FIRST} LIMIT {newest}) AS b WHERE "
    );
    let (offset, limit) = (slice.offset, slice.limit + 1);
    let end = format!("{SORTED} LIMIT {limit} OFFSET {offset}");
    let mut ids = conditions.within(&newest, &end).load(db)?;
    if (ids.len() as i64) < limit {
        return Ok(Looked::Few(ids.len()));
    }
    ids.truncate(usize::try_from(slice.limit).unwrap_or(0));
    Ok(Looked::Full(BuildPage { ids, count: Count::TooMany, more: true }))
}

const NEWEST_FIRST: &str = " ORDER BY b.created_at DESC, b.id DESC";

/// The same order, of builds that are sorted: the sum keeps SQLite from reading all in the order of an index instead.
const SORTED: &str = " ORDER BY b.created_at + 0 DESC, b.id DESC";

/// Counts IDs, one more than `most` at most.
fn count(db: &mut Db, ids: &Sql, most: i64) -> Result<i64> {
    let counting =
        ids.clone().within("SELECT count(*) AS id FROM (", &format!(" LIMIT {}) AS few", most + 1));
    Ok(counting.load(db)?.pop().unwrap_or(0))
}

/// Selects a page, and one build more, in the order of an index.
fn in_order(project_ids: &[i64], filters: &[Filter], conditions: &Sql, slice: Slice) -> Sql {
    let (offset, limit) = (slice.offset, slice.limit + 1);
    let runs_of = |filter: &Filter| filter.runs.len() * project_ids.len();
    let ordered = filters.iter().find(|filter| (1..=MOST_RUNS).contains(&runs_of(filter)));
    let values = ordered.map_or_else(|| vec![Sql::new("TRUE")], |filter| filter.runs.clone());
    if ordered.is_none() && project_ids.len() > MOST_PROJECTS {
        // So many projects have most builds of all: the sum keeps SQLite from reading project by project.
        let all = Sql::new(format!("b.project_id + 0 IN ({})", numbers(project_ids))).and(conditions);
        let after = format!("{NEWEST_FIRST} LIMIT {limit} OFFSET {offset}");
        return all.within("SELECT b.id FROM pipelines AS b WHERE ", &after);
    }
    let mut runs = Vec::with_capacity(values.len() * project_ids.len());
    if let ([project_id], [value]) = (project_ids, &values[..]) {
        let own = Sql::new(format!("b.project_id = {project_id}")).and(value).and(conditions);
        let after = format!("{NEWEST_FIRST} LIMIT {limit} OFFSET {offset}");
        return own.within("SELECT b.id FROM pipelines AS b WHERE ", &after);
    }
    let end = format!("{NEWEST_FIRST} LIMIT {}) AS run", offset.saturating_add(limit));
    for project_id in project_ids {
        for value in &values {
            let own = Sql::new(format!("b.project_id = {project_id}")).and(value).and(conditions);
            let before = "SELECT id, created_at FROM (SELECT b.id, b.created_at FROM pipelines AS b WHERE ";
            runs.push(own.within(before, &end));
        }
    }
    let after = format!(") AS b{NEWEST_FIRST} LIMIT {limit} OFFSET {offset}");
    Sql::join(&runs, " UNION ALL ").within("SELECT b.id FROM (", &after)
}
