//! Pipeline lists: the IDs of the pipelines on a page.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};

use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::pipelines::{PipelineView, all_views};
use crate::catalog::schema::pipelines;
use crate::catalog::slice::{COUNT_LIMIT, Count, Direction, Slice};
use crate::domain::pipeline::{Source, commit_id};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// The conditions of a list of a project's pipelines.
#[derive(Debug, Clone)]
pub struct ProjectPipelines {
    /// Allowed statuses; all when empty.
    pub statuses: Vec<Status>,
    /// Their source; without one, all but child pipelines are listed.
    pub source: Option<Source>,
    /// Only the newest pipeline of each branch or, with `true`, of each tag.
    pub newest_of_tags: Option<bool>,
    /// The ref that they ran on.
    pub ref_name: Option<String>,
    /// The commit that they ran on; the digits of its ID may be in either case.
    pub sha: Option<String>,
    /// The user who started them.
    pub user_id: Option<i64>,
    /// When they were last changed.
    pub updated: Period,
    /// When they were created.
    pub created: Period,
    /// The sort key; ties are broken by ID.
    pub order: Order,
    /// The direction of the list.
    pub direction: Direction,
}

/// A period of time, both ends included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Period {
    /// Its first instant.
    pub from: Option<Timestamp>,
    /// Its last instant.
    pub until: Option<Timestamp>,
}

/// The sort keys of pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Their ID.
    Id,
    /// Their status, by name.
    Status,
    /// The ref that they ran on.
    Ref,
    /// When they were last changed.
    UpdatedAt,
    /// The user who started them.
    UserId,
}

/// Returns the IDs of the pipelines in a slice of the list, and the size of the whole list.
///
/// # Errors
/// Those of the database.
pub fn of_project(
    db: &mut Db,
    project_id: i64,
    list: &ProjectPipelines,
    slice: Slice,
) -> Result<(Vec<i64>, Count)> {
    let is_short = list.newest_of_tags.is_some() || (list.statuses.len() == 1 && list.updated.is_bounded());
    let count = if is_short {
        match part_of_short(db, project_id, list, slice)? {
            Some(part) => return Ok(part),
            None => Count::TooMany,
        }
    } else {
        count(db, project_id, list)?
    };
    let updated = match count {
        // The list is long, so rows of the period are met soon in the list's own order, while sorting the
        // period would read all of it.
        Count::TooMany => Period::is_tested,
        Count::Exactly(_) => Period::is_indexed,
    };
    let ids = sorted(listed(project_id, list, updated), list)
        .offset(slice.offset)
        .limit(slice.limit)
        .select(pipelines::id)
        .load(db)?;
    Ok((ids, count))
}

/// Returns the slice and the count from reading the whole list; `None` if it is longer than [`COUNT_LIMIT`].
///
/// The newest of each ref are found all together or not at all; one status in a period of time is found in
/// one scan of that status: cheaper than counting first and then reading.
fn part_of_short(
    db: &mut Db,
    project_id: i64,
    list: &ProjectPipelines,
    slice: Slice,
) -> Result<Option<(Vec<i64>, Count)>> {
    let whole = sorted(listed(project_id, list, Period::is_tested), list)
        .limit(COUNT_LIMIT + 1)
        .select(pipelines::id);
    let whole: Vec<i64> = whole.load(db)?;
    let count = whole.len() as i64;
    let skip = usize::try_from(slice.offset).unwrap_or(usize::MAX);
    let part = whole.into_iter().skip(skip).take(usize::try_from(slice.limit).unwrap_or(0)).collect();
    Ok((count <= COUNT_LIMIT).then_some((part, Count::Exactly(count))))
}

fn count(db: &mut Db, project_id: i64, list: &ProjectPipelines) -> Result<Count> {
    let mut probe =
        listed(project_id, list, Period::is_indexed).offset(COUNT_LIMIT).limit(1).select(pipelines::id);
    if list.statuses.len() > 1 {
        // No index can count these; the index of the list has the statuses beside the IDs.
        probe = probe.order(pipelines::id.desc());
    }
    Ok(match probe.first::<i64>(db).optional()? {
        Some(_) => Count::TooMany,
        None => Count::Exactly(listed(project_id, list, Period::is_indexed).count().get_result(db)?),
    })
}

/// Finds the newest pipeline of a ref, dangling ones left out, whatever its status.
///
/// # Errors
/// Those of the database.
pub fn latest_of_ref(db: &mut Db, project_id: i64, ref_name: &str) -> Result<Option<i64>> {
    let dangling = Source::DANGLING.iter().map(|source| source.as_str());
    Ok(pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(pipelines::ref_name.eq(ref_name))
        .filter(sql::<Bool>(NO_CHILD))
        .filter(pipelines::source.ne_all(dangling))
        .order(pipelines::id.desc())
        .select(pipelines::id)
        .first(db)
        .optional()?)
}

#[derive(QueryableByName)]
struct Newest {
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
}

/// Finds the newest pipeline of each of some projects, child pipelines left out, by project.
///
/// # Errors
/// Those of the database.
pub fn newest_of_projects(db: &mut Db, project_ids: &[i64]) -> Result<HashMap<i64, PipelineView>> {
    let ids: Vec<String> = project_ids.iter().map(i64::to_string).collect();
    // IDs are numbers and need no quoting. One probe of the index for each project.
    let newest: Vec<Newest> = diesel::sql_query(format!(
        "SELECT (SELECT max(pipelines.id) FROM pipelines WHERE pipelines.project_id = projects.id AND {NO_CHILD}) \
         AS id FROM projects WHERE projects.id IN ({})",
        if ids.is_empty() { "NULL".to_owned() } else { ids.join(", ") }
    ))
    .load(db)?;
    let newest: Vec<i64> = newest.into_iter().filter_map(|row| row.id).collect();
    let views = all_views(db, &newest)?;
    Ok(views.into_iter().map(|view| (view.project_id, view)).collect())
}

/// Returns the IDs of a pipeline's children in a slice of their list, newest first, and the size of the whole
/// list.
///
/// # Errors
/// Those of the database.
pub fn children(db: &mut Db, parent_id: i64, statuses: &[Status], slice: Slice) -> Result<(Vec<i64>, i64)> {
    let listed = || {
        let mut query = pipelines::table.filter(pipelines::parent_id.eq(parent_id)).into_boxed();
        if !statuses.is_empty() {
            query = query.filter(pipelines::status.eq_any(statuses.iter().map(|status| status.as_str())));
        }
        query
    };
    let ids = listed()
        .order(pipelines::id.desc())
        .offset(slice.offset)
        .limit(slice.limit)
        .select(pipelines::id)
        .load(db)?;
    Ok((ids, listed().count().get_result(db)?))
}

type Listed = pipelines::BoxedQuery<'static, MultiBackend>;

/// The condition of the partial indexes, spelled as in the migration: another spelling would not match.
const NO_CHILD: &str = "pipelines.source <> 'parent_pipeline'";

fn listed(project_id: i64, list: &ProjectPipelines, updated: fn(Period, Listed) -> Listed) -> Listed {
    let mut query = pipelines::table.into_boxed();
    query = match list.newest_of_tags {
        // These are few, found by ID: the subquery tests the project and the source.
        Some(tags) => query.filter(sql::<Bool>(&is_newest_of_ref(project_id, tags))),
        None => query.filter(pipelines::project_id.eq(project_id)),
    };
    query = match list.source {
        Some(source) => query.filter(pipelines::source.eq(source.as_str())),
        None if list.newest_of_tags.is_some() => query,
        None => query.filter(sql::<Bool>(NO_CHILD)),
    };
    query = match list.statuses[..] {
        [] => query,
        [status] => query.filter(pipelines::status.eq(status.as_str())),
        // The concatenation prevents the use of the index of one status, whose runs would have to be sorted.
        _ => {
            let names: Vec<String> = list.statuses.iter().map(|status| format!("'{status}'")).collect();
            query.filter(sql::<Bool>(&format!("pipelines.status || '' IN ({})", names.join(", "))))
        }
    };
    if let Some(ref_name) = &list.ref_name {
        query = query.filter(pipelines::ref_name.eq(ref_name.clone()));
    }
    if let Some(sha) = &list.sha {
        query = match commit_id(sha).filter(|id| id != sha) {
            Some(id) => query.filter(pipelines::sha.eq_any([sha.clone(), id])),
            None => query.filter(pipelines::sha.eq(sha.clone())),
        };
    }
    if let Some(user_id) = list.user_id {
        query = query.filter(pipelines::user_id.eq(user_id));
    }
    if let Some(from) = list.created.from {
        query = query.filter(pipelines::created_at.ge(from.as_millis()));
    }
    if let Some(until) = list.created.until {
        query = query.filter(pipelines::created_at.le(until.as_millis()));
    }
    updated(list.updated, query)
}

/// SQL condition: the pipeline is the newest of its branch or tag.
///
/// The statement steps through the index from the newest of one ref to that of the next, which is cheaper
/// than grouping all pipelines by ref.
fn is_newest_of_ref(project_id: i64, tags: bool) -> String {
    let newest = |below: &str| {
        format!(
            "(SELECT listed.id FROM pipelines AS listed WHERE listed.project_id = {project_id} \
             AND listed.source <> 'parent_pipeline' AND listed.tag = {tags}{below} \
             ORDER BY listed.ref DESC, listed.id DESC LIMIT 1)"
        )
    };
    let first = newest("");
    let next = newest(" AND listed.ref < (SELECT last.ref FROM pipelines AS last WHERE last.id = heads.id)");
    format!(
        "pipelines.id IN (WITH RECURSIVE heads (id) AS (\
         SELECT {first} UNION ALL SELECT {next} FROM heads WHERE heads.id IS NOT NULL) \
         SELECT heads.id FROM heads WHERE heads.id IS NOT NULL)"
    )
}

impl Period {
    fn is_bounded(self) -> bool {
        self.from.is_some() || self.until.is_some()
    }

    /// Selects the rows of the period, through the index of times if the database chooses it.
    fn is_indexed(self, mut query: Listed) -> Listed {
        if let Some(from) = self.from {
            query = query.filter(pipelines::updated_at.ge(from.as_millis()));
        }
        if let Some(until) = self.until {
            query = query.filter(pipelines::updated_at.le(until.as_millis()));
        }
        query
    }

    /// Selects the same rows by testing each row of the list: no index has the sum.
    fn is_tested(self, mut query: Listed) -> Listed {
        if let Some(from) = self.from {
            let text = format!("pipelines.updated_at + 0 >= {}", from.as_millis());
            query = query.filter(sql::<Bool>(&text));
        }
        if let Some(until) = self.until {
            let text = format!("pipelines.updated_at + 0 <= {}", until.as_millis());
            query = query.filter(sql::<Bool>(&text));
        }
        query
    }
}

fn sorted(query: Listed, list: &ProjectPipelines) -> Listed {
    use pipelines::{id, ref_name, status, updated_at, user_id};
    match (list.order, list.direction) {
        (Order::Id, Direction::Ascending) => query.order(id.asc()),
        (Order::Id, Direction::Descending) => query.order(id.desc()),
        (Order::Status, Direction::Ascending) => query.order((status.asc(), id.asc())),
        (Order::Status, Direction::Descending) => query.order((status.desc(), id.desc())),
        (Order::Ref, Direction::Ascending) => query.order((ref_name.asc(), id.asc())),
        (Order::Ref, Direction::Descending) => query.order((ref_name.desc(), id.desc())),
        (Order::UpdatedAt, Direction::Ascending) => query.order((updated_at.asc(), id.asc())),
        (Order::UpdatedAt, Direction::Descending) => query.order((updated_at.desc(), id.desc())),
        (Order::UserId, Direction::Ascending) => query.order((user_id.asc(), id.asc())),
        (Order::UserId, Direction::Descending) => query.order((user_id.desc(), id.desc())),
    }
}
