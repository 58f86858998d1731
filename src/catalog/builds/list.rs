//! Build lists: the IDs of the builds on a page, newest first.
//!
//! A project may have millions of builds, so no list is sorted as a whole. Each filter has an index that counts what it
//! selects, up to a limit. If one selects few builds, they are read and the other filters applied to them. Else the page
//! is read in the order of an index, one run of it for each project and value, which are merged.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::jobs::listed as numbers;
use super::sql::Sql;
use super::start_of;
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::users;
use crate::catalog::slice::{COUNT_LIMIT, Count, Slice};
use crate::domain::path_pattern::PathPattern;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp, Uuid};

/// How many builds are read and sorted at most.
const FEW: i64 = 3_000;

/// How many refs of all projects are looked at for those that match a pattern.
const MOST_REFS: usize = 2_000;

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

impl BuildCondition {
    fn sql(self) -> &'static str {
        match self {
            Self::Any => "TRUE",
            Self::HasFailed(true) => {
                "EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = b.id AND jobs.status = 'failed' \
                 AND NOT jobs.retried AND NOT jobs.allow_failure AND NOT COALESCE(jobs.soft_failed, FALSE))"
            }
            Self::HasFailed(false) => {
                "NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = b.id AND jobs.status = 'failed' \
                 AND NOT jobs.retried AND NOT jobs.allow_failure AND NOT COALESCE(jobs.soft_failed, FALSE))"
            }
            Self::AllSkipped(true) => {
                "(EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = b.id) AND NOT EXISTS \
                 (SELECT 1 FROM jobs WHERE jobs.pipeline_id = b.id AND jobs.status <> 'skipped'))"
            }
            Self::AllSkipped(false) => {
                "(NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = b.id) OR EXISTS \
                 (SELECT 1 FROM jobs WHERE jobs.pipeline_id = b.id AND jobs.status <> 'skipped'))"
            }
        }
    }
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct RefRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// A filter that has an index of its own.
struct Filter {
    /// What it admits, written so that no database looks for an index: that of another filter, or the order, decides what
    /// is read.
    condition: Sql,
    /// Selects the IDs that it admits by its index; with the times of creation, if it is exact.
    ids: Sql,
    /// Whether these are the builds of the projects that the condition admits, and no others.
    is_exact: bool,
    /// The conditions of the runs of an index that are each in the order of creation; empty if there is no such index.
    runs: Vec<Sql>,
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
    let Some(filters) = filters(db, project_ids, list)? else { return nothing };
    let times = times(list);
    let conditions = times.iter().chain(filters.iter().map(|filter| &filter.condition));
    let conditions = conditions.fold(Sql::new("TRUE"), Sql::and);
    let all = Sql::new(format!("b.project_id IN ({})", numbers(project_ids))).and(&conditions);
    let mut fewest: Option<(i64, &Filter)> = None;
    for filter in &filters {
        let count = count(db, &filter.ids)?;
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
        ([], _) => Some(count(db, &all.clone().within("SELECT b.id FROM pipelines AS b WHERE ", ""))?),
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

const NEWEST_FIRST: &str = " ORDER BY b.created_at DESC, b.id DESC";

/// The same order, of builds that are sorted: the sum keeps SQLite from reading all in the order of an index instead.
const SORTED: &str = " ORDER BY b.created_at + 0 DESC, b.id DESC";

/// Counts IDs, one more than [`COUNT_LIMIT`] at most.
fn count(db: &mut Db, ids: &Sql) -> Result<i64> {
    let counting =
        ids.clone().within("SELECT count(*) AS id FROM (", &format!(" LIMIT {}) AS few", COUNT_LIMIT + 1));
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

/// The conditions on times of creation, which every order of a list follows.
fn times(list: &BuildList) -> Vec<Sql> {
    let from = list.created_from.map(|time| format!("b.created_at >= {}", time.as_millis()));
    let before = list.created_before.map(|time| format!("b.created_at < {}", time.as_millis()));
    [from, before].into_iter().flatten().map(Sql::new).collect()
}

/// Returns the filters of a list, those first whose order is best to read; `None` if nothing can match.
fn filters(db: &mut Db, project_ids: &[i64], list: &BuildList) -> Result<Option<Vec<Filter>>> {
    let own = format!("b.project_id IN ({})", numbers(project_ids));
    let of_project = |condition: &Sql| {
        Sql::new(own.clone())
            .and(condition)
            .within("SELECT b.id, b.created_at FROM pipelines AS b WHERE ", "")
    };
    let simple = |condition: Sql, runs: Vec<Sql>| Filter {
        ids: of_project(&condition),
        condition: unindexed(condition),
        is_exact: true,
        runs,
    };
    let mut filters = Vec::new();
    if !list.refs.is_empty() {
        match refs(db, project_ids, &list.refs)? {
            Some(refs) if refs.is_empty() => return Ok(None),
            Some(refs) => {
                let runs = refs.iter().map(|name| Sql::is_one_of("b.ref", std::slice::from_ref(name)));
                filters.push(simple(Sql::is_one_of("b.ref", &refs), runs.collect()));
            }
            None => {
                let condition = matching(&list.refs, matches!(db, Db::Sqlite(_)));
                filters.push(simple(condition, Vec::new()));
            }
        }
    }
    if let Some(uuid) = list.creator {
        let found = users::table.filter(users::uuid.eq(uuid.as_bytes().as_slice())).select(users::id);
        let Some(id) = found.first::<i64>(db).optional()? else { return Ok(None) };
        let condition = Sql::new(format!("b.user_id = {id}"));
        filters.push(simple(condition.clone(), vec![condition]));
    }
    if let Some(states) = &list.states {
        if states.is_empty() {
            return Ok(None);
        }
        filters.push(of_states(states, &own));
    }
    if !list.commits.is_empty() {
        filters.push(simple(Sql::is_one_of("b.sha", &list.commits), Vec::new()));
    }
    if let Some(time) = list.finished_from {
        filters.push(simple(Sql::new(format!("b.finished_at >= {}", time.as_millis())), Vec::new()));
    }
    for (key, value) in &list.meta_data {
        filters.push(of_meta_data(key, value));
    }
    Ok(Some(filters))
}

/// Writes a condition so that no index serves for it.
fn unindexed(mut condition: Sql) -> Sql {
    for (column, same) in [
        ("b.ref ", "(b.ref || '') "),
        ("b.sha ", "(b.sha || '') "),
        ("b.status ", "(b.status || '') "),
        ("b.user_id ", "b.user_id + 0 "),
        ("b.finished_at ", "b.finished_at + 0 "),
    ] {
        condition.text = condition.text.replace(column, same);
    }
    condition
}

/// The statuses and conditions are constants and need no quoting.
fn of_states(states: &[BuildState], own: &str) -> Filter {
    let one = |state: &BuildState| format!("(b.status = '{}' AND {})", state.status, state.condition.sql());
    let any: Vec<String> = states.iter().map(one).collect();
    let mut statuses: Vec<&str> = states.iter().map(|state| state.status.as_str()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let of_status = |status: &&str| Sql::new(format!("b.status = '{status}'"));
    let names: Vec<String> = statuses.iter().map(|status| format!("'{status}'")).collect();
    let ids = format!(
        "SELECT b.id, b.created_at FROM pipelines AS b WHERE {own} AND b.status IN ({})",
        names.join(", ")
    );
    Filter {
        condition: unindexed(Sql::new(format!("({})", any.join(" OR ")))),
        ids: Sql::new(ids),
        is_exact: states.iter().all(|state| state.condition == BuildCondition::Any),
        runs: statuses.iter().map(of_status).collect(),
    }
}

fn of_meta_data(key: &str, value: &str) -> Filter {
    let pair = Sql {
        text: "m.key = \0 AND m.value_start = \0 AND m.value = \0".to_owned(),
        bound: vec![key.to_owned(), start_of(value), value.to_owned()],
    };
    let of_build = "EXISTS (SELECT 1 FROM meta_data AS m WHERE m.pipeline_id = b.id AND ";
    Filter {
        condition: pair.clone().within(of_build, ")"),
        ids: pair.within("SELECT m.pipeline_id AS id FROM meta_data AS m WHERE ", ""),
        // Those of other projects are among them.
        is_exact: false,
        runs: Vec::new(),
    }
}

/// Returns the refs that some texts name, those that match patterns included; `None` if there are too many refs to look
/// for them.
fn refs(db: &mut Db, project_ids: &[i64], wanted: &[String]) -> Result<Option<Vec<String>>> {
    let (patterns, mut found): (Vec<String>, Vec<String>) =
        wanted.iter().cloned().partition(|text| text.contains('*'));
    let patterns: Vec<PathPattern> = patterns.into_iter().map(PathPattern::new).collect();
    let mut left = if patterns.is_empty() { 0 } else { MOST_REFS };
    for project_id in project_ids.iter().take_while(|_| !patterns.is_empty()) {
        let names = all_refs(db, *project_id, left + 1)?;
        if names.len() > left {
            return Ok(None);
        }
        left -= names.len().max(1).min(left);
        found.extend(names.into_iter().filter(|name| patterns.iter().any(|pattern| pattern.matches(name))));
    }
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}

/// Lists refs of a project, in steps from one to the next in an index, however many builds each has.
fn all_refs(db: &mut Db, project_id: i64, most: usize) -> Result<Vec<String>> {
    let text = format!(
        "WITH RECURSIVE names (name) AS (SELECT min(b.ref) FROM pipelines AS b WHERE b.project_id = {project_id} \
         UNION ALL SELECT (SELECT min(b.ref) FROM pipelines AS b WHERE b.project_id = {project_id} AND b.ref > names.name) \
         FROM names WHERE names.name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL LIMIT {most}"
    );
    let rows: Vec<RefRow> = diesel::sql_query(text).load(db)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Selects pipelines whose ref is one of some texts, or matches it where it has wildcards. Letters match in their
/// own case only, so SQLite's `LIKE` does not serve.
fn matching(refs: &[String], is_sqlite: bool) -> Sql {
    let one = |text: &String| {
        let (operator, value) = match (text.contains('*'), is_sqlite) {
            (false, _) => ("b.ref = \0", text.clone()),
            (true, true) => ("b.ref GLOB \0", text.replace('[', "[[]").replace('?', "[?]")),
            (true, false) => {
                let like = text.replace('!', "!!").replace('%', "!%").replace('_', "!_").replace('*', "%");
                ("b.ref LIKE \0 ESCAPE '!'", like)
            }
        };
        Sql { text: operator.to_owned(), bound: vec![value] }
    };
    let any: Vec<Sql> = refs.iter().map(one).collect();
    Sql::join(&any, " OR ").within("(", ")")
}
