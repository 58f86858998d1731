//! Filters of build lists: conditions, each with the index that finds what it admits.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::jobs::listed as numbers;
use super::list::{BuildCondition, BuildList, BuildState};
use super::sql::Sql;
use super::{VALUE_START_CHARS, start_of};
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::users;
use crate::domain::Result;
use crate::domain::path_pattern::PathPattern;

/// How many refs of all projects are looked at for those that match a pattern.
const MOST_REFS: usize = 2_000;

/// A filter that has an index of its own.
pub(super) struct Filter {
    /// What it admits, written so that SQLite looks for no index: that of another filter, or the order, decides what is
    /// read.
    pub(super) condition: Sql,
    /// Selects the IDs that it admits by its index; with the times of creation, if it is exact.
    pub(super) ids: Sql,
    /// Whether these are the builds of the projects that the condition admits, and no others.
    pub(super) is_exact: bool,
    /// The conditions of the runs of an index that are each in the order of creation; empty if there is no such index.
    pub(super) runs: Vec<Sql>,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct RefRow {
    #[diesel(sql_type = Text)]
    name: String,
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

/// The conditions on times of creation, which every order of a list follows.
pub(super) fn times(list: &BuildList) -> Vec<Sql> {
    let from = list.created_from.map(|time| format!("b.created_at >= {}", time.as_millis()));
    let before = list.created_before.map(|time| format!("b.created_at < {}", time.as_millis()));
    [from, before].into_iter().flatten().map(Sql::new).collect()
}

/// Returns the filters of a list, those first whose order is best to read; `None` if nothing can match.
pub(super) fn filters(db: &mut Db, project_ids: &[i64], list: &BuildList) -> Result<Option<Vec<Filter>>> {
    let own = format!("b.project_id IN ({})", numbers(project_ids));
    let of_project = |condition: &Sql| {
        Sql::new(own.clone())
            .and(condition)
            .within("SELECT b.id, b.created_at FROM pipelines AS b WHERE ", "")
    };
    let is_sqlite = matches!(db, Db::Sqlite(_));
    let simple = |condition: Sql, runs: Vec<Sql>| Filter {
        ids: of_project(&condition),
        condition: unindexed(condition, is_sqlite),
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
                let condition = matching(&list.refs, is_sqlite);
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
        filters.push(of_states(states, &own, is_sqlite));
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

/// Writes a condition so that SQLite uses no index for it. PostgreSQL counts values, and knows by itself what to read,
/// as long as it can read the condition.
pub(super) fn unindexed(mut condition: Sql, is_sqlite: bool) -> Sql {
    if !is_sqlite {
        return condition;
    }
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
fn of_states(states: &[BuildState], own: &str, is_sqlite: bool) -> Filter {
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
        condition: unindexed(Sql::new(format!("({})", any.join(" OR "))), is_sqlite),
        ids: Sql::new(ids),
        is_exact: states.iter().all(|state| state.condition == BuildCondition::Any),
        runs: statuses.iter().map(of_status).collect(),
    }
}

fn of_meta_data(key: &str, value: &str) -> Filter {
    let start = start_of(value);
    let mut pair = Sql {
        text: "m.key = \0 AND m.value_start = \0".to_owned(),
        bound: vec![key.to_owned(), start.clone()],
    };
    // A value that is shorter than what the index holds of it is in the index as a whole.
    if start.chars().count() == VALUE_START_CHARS {
        pair = pair.and(&Sql { text: "m.value = \0".to_owned(), bound: vec![value.to_owned()] });
    }
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
         UNION ALL SELECT (SELECT b.ref FROM pipelines AS b WHERE b.project_id = {project_id} AND b.ref > names.name \
         ORDER BY b.ref LIMIT 1) \
         FROM names WHERE names.name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL LIMIT {most}"
    );
    let rows: Vec<RefRow> = diesel::sql_query(text).load(db)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Selects pipelines whose ref is one of some texts, or matches it where it has wildcards. Letters match in their
/// own case only, so SQLite's `LIKE` does not serve.
pub(super) fn matching(refs: &[String], is_sqlite: bool) -> Sql {
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
