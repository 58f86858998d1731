//! Build lists: the IDs of the builds on a page, newest first.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::start_of;
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{pipelines, users};
use crate::catalog::slice::{COUNT_LIMIT, Count, Slice};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp, Uuid};

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
                "EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = pipelines.id AND jobs.status = 'failed' \
                 AND NOT jobs.retried AND NOT jobs.allow_failure \
                 AND NOT COALESCE(jobs.soft_failed, FALSE))"
            }
            Self::HasFailed(false) => {
                "NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = pipelines.id \
                 AND jobs.status = 'failed' AND NOT jobs.retried AND NOT jobs.allow_failure \
                 AND NOT COALESCE(jobs.soft_failed, FALSE))"
            }
            Self::AllSkipped(true) => {
                "(EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = pipelines.id) AND NOT EXISTS \
                 (SELECT 1 FROM jobs WHERE jobs.pipeline_id = pipelines.id AND jobs.status <> 'skipped'))"
            }
            Self::AllSkipped(false) => {
                "(NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pipeline_id = pipelines.id) OR EXISTS \
                 (SELECT 1 FROM jobs WHERE jobs.pipeline_id = pipelines.id AND jobs.status <> 'skipped'))"
            }
        }
    }
}

type Listed = pipelines::BoxedQuery<'static, MultiBackend>;

/// Returns the IDs of the builds of some projects in a slice of the list, and the size of the whole list.
///
/// # Errors
/// Those of the database.
pub fn listed(db: &mut Db, project_ids: &[i64], list: &BuildList, slice: Slice) -> Result<(Vec<i64>, Count)> {
    let is_sqlite = matches!(db, Db::Sqlite(_));
    let query = || filtered(project_ids, list, is_sqlite);
    let ids = query()
        .order((pipelines::created_at.desc(), pipelines::id.desc()))
        .offset(slice.offset)
        .limit(slice.limit)
        .select(pipelines::id)
        .load(db)?;
    let beyond: Option<i64> =
        query().offset(COUNT_LIMIT).limit(1).select(pipelines::id).first(db).optional()?;
    let count = match beyond {
        Some(_) => Count::TooMany,
        None => Count::Exactly(query().count().get_result(db)?),
    };
    Ok((ids, count))
}

fn filtered(project_ids: &[i64], list: &BuildList, is_sqlite: bool) -> Listed {
    let mut query = match &list.refs[..] {
        [] => pipelines::table.into_boxed(),
        refs => of_refs(refs, is_sqlite),
    };
    query = match project_ids {
        [one] => query.filter(pipelines::project_id.eq(*one)),
        many => query.filter(pipelines::project_id.eq_any(many.to_vec())),
    };
    if !list.commits.is_empty() {
        query = query.filter(pipelines::sha.eq_any(list.commits.clone()));
    }
    if let Some(time) = list.created_from {
        query = query.filter(pipelines::created_at.ge(time.as_millis()));
    }
    if let Some(time) = list.created_before {
        query = query.filter(pipelines::created_at.lt(time.as_millis()));
    }
    if let Some(time) = list.finished_from {
        query = query.filter(pipelines::finished_at.ge(time.as_millis()));
    }
    if let Some(uuid) = list.creator {
        let creator =
            users::table.filter(users::uuid.eq(uuid.as_bytes().to_vec())).select(users::id.nullable());
        query = query.filter(pipelines::user_id.eq_any(creator));
    }
    if let Some(states) = &list.states {
        // The statuses and conditions are constants and need no quoting.
        let one = |state: &BuildState| {
            format!("(pipelines.status = '{}' AND {})", state.status, state.condition.sql())
        };
        let any: Vec<String> = states.iter().map(one).collect();
        let any = if any.is_empty() { "FALSE".to_owned() } else { format!("({})", any.join(" OR ")) };
        query = query.filter(sql::<Bool>(&any));
    }
    for (key, value) in &list.meta_data {
        query = query.filter(
            sql::<Bool>("pipelines.id IN (SELECT pipeline_id FROM meta_data WHERE meta_data.key = ")
                .bind::<Text, _>(key.clone())
                .sql(" AND meta_data.value_start = ")
                .bind::<Text, _>(start_of(value))
                .sql(" AND meta_data.value = ")
                .bind::<Text, _>(value.clone())
                .sql(")"),
        );
    }
    query
}

/// Selects pipelines whose ref is one of some texts, or matches it where it has wildcards. Letters match in their
/// own case only, so SQLite's `LIKE` does not serve.
fn of_refs(refs: &[String], is_sqlite: bool) -> Listed {
    let (patterns, exact): (Vec<&String>, Vec<&String>) = refs.iter().partition(|text| text.contains('*'));
    let exact: Vec<String> = exact.into_iter().cloned().collect();
    let mut query = pipelines::table.filter(pipelines::ref_name.eq_any(exact)).into_boxed();
    for pattern in patterns {
        query = if is_sqlite {
            let glob = pattern.replace('[', "[[]").replace('?', "[?]");
            query.or_filter(sql::<Bool>("pipelines.ref GLOB ").bind::<Text, _>(glob))
        } else {
            let like = pattern.replace('!', "!!").replace('%', "!%").replace('_', "!_").replace('*', "%");
            query.or_filter(sql::<Bool>("pipelines.ref LIKE ").bind::<Text, _>(like).sql(" ESCAPE '!'"))
        };
    }
    query
}
