//! View of the storage: what every place shows that shows what is stored, so that the numbers are the same everywhere.
//!
//! What projects have is exact at the moment of the question. What has to be counted is as of its own time.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;

use super::{LastCollection, StorageCounts, Stored, counts, days};
use crate::catalog::db::MultiBackend;
use crate::catalog::{Db, quotas};
use crate::domain::quota::is_nearly_used_up;
use crate::domain::{Result, Timestamp};

/// By how much what is stored has grown; deletions count against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Since when: 30 days ago, or the first day that was recorded after that.
    pub since: Timestamp,
    /// How many more artifacts there are, or fewer.
    pub artifacts: i64,
    /// How many more bytes, or fewer.
    pub bytes: i64,
}

/// What a project has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectStorage {
    /// Its ID.
    pub id: i64,
    /// Its full path.
    pub path: String,
    /// Its artifacts, until they are deleted.
    #[serde(flatten)]
    pub stored: Stored,
    /// By how much that has grown, once a day was recorded.
    pub growth: Option<Growth>,
    /// What it may store in bytes; `None` if that is not limited.
    pub max_storage: Option<i64>,
    /// Whether so much of that is used that people are warned.
    pub nearly_full: bool,
    /// Since when it is hidden, because its upstream has deleted it.
    pub gone_since: Option<Timestamp>,
}

/// What the projects of a group that has a quota have together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupStorage {
    /// Its full path.
    pub path: String,
    /// The artifacts of its projects.
    #[serde(flatten)]
    pub stored: Stored,
    /// What they may store together in bytes.
    pub max_storage: i64,
    /// Whether so much of that is used that people are warned.
    pub nearly_full: bool,
}

/// What is stored, by project, and what will be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageView {
    /// All artifacts of all projects.
    pub stored: Stored,
    /// By how much the projects that there are have grown, once a day was recorded.
    pub growth: Option<Growth>,
    /// Deleted artifacts whose bytes are not removed yet, and the blobs of deleted projects that were not when they were
    /// counted last.
    pub pending_deletions: Stored,
    /// When `counts` were made; `None` if they never were.
    pub counted_at: Option<Timestamp>,
    /// What takes long to count.
    pub counts: StorageCounts,
    /// When blobs without a row were last looked for.
    pub collected_at: Option<Timestamp>,
    /// What was found then.
    pub collection: LastCollection,
    /// The groups that have a quota, the first ones by path.
    pub groups: Vec<GroupStorage>,
    /// The projects with the most bytes first.
    pub projects: Vec<ProjectStorage>,
}

/// Returns the view, with at most `limit` projects and as many groups.
///
/// # Errors
/// Those of the database.
pub fn view(db: &mut Db, limit: i64, now: Timestamp) -> Result<StorageView> {
    let first = days::first(db, now)?;
    let stored = super::of_all(db)?;
    let growth = match first {
        Some(day) => {
            let before = days::total(db, day)?;
            Some(grown(day, stored, before))
        }
        None => None,
    };
    let (counts, counted_at) = counts::counts(db)?.unzip();
    let (collection, collected_at) = counts::collection(db)?.unzip();
    let counts = counts.unwrap_or_default();
    Ok(StorageView {
        stored,
        growth,
        pending_deletions: super::marked(db)?.plus(counts.leftovers),
        counted_at,
        counts,
        collected_at,
        collection: collection.unwrap_or_default(),
        groups: groups(db, limit)?,
        projects: projects(db, first, limit)?,
    })
}

fn grown(day: i64, now: Stored, before: Stored) -> Growth {
    Growth {
        since: days::start_of(day),
        artifacts: now.artifacts - before.artifacts,
        bytes: now.bytes - before.bytes,
    }
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct ProjectRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    path: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    max_storage_bytes: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    gone_at: Option<i64>,
    #[diesel(sql_type = BigInt)]
    artifacts: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    artifacts_before: i64,
    #[diesel(sql_type = BigInt)]
    bytes_before: i64,
}

fn projects(db: &mut Db, first: Option<i64>, limit: i64) -> Result<Vec<ProjectStorage>> {
    let rows: Vec<ProjectRow> = diesel::sql_query(
        "SELECT projects.id, projects.path, projects.max_storage_bytes, projects.gone_at, \
         COALESCE(used.artifacts, 0) AS artifacts, COALESCE(used.bytes, 0) AS bytes, \
         COALESCE(usage_days.artifacts, 0) AS artifacts_before, COALESCE(usage_days.bytes, 0) AS bytes_before \
         FROM projects LEFT JOIN (SELECT project_id, CAST(SUM(stored) AS BIGINT) AS artifacts, \
         CAST(SUM(stored_bytes) AS BIGINT) AS bytes FROM project_usage GROUP BY project_id) AS used \
         ON used.project_id = projects.id \
         LEFT JOIN usage_days ON usage_days.day = $1 AND usage_days.project_id = projects.id \
         ORDER BY bytes DESC, projects.id LIMIT $2",
    )
    .bind::<BigInt, _>(first.unwrap_or(0))
    .bind::<BigInt, _>(limit)
    .load(db)?;
    let project = |row: ProjectRow| {
        let stored = Stored { artifacts: row.artifacts, bytes: row.bytes };
        let before = Stored { artifacts: row.artifacts_before, bytes: row.bytes_before };
        ProjectStorage {
            id: row.id,
            path: row.path,
            stored,
            growth: first.map(|day| grown(day, stored, before)),
            max_storage: row.max_storage_bytes,
            nearly_full: row.max_storage_bytes.is_some_and(|max| is_nearly_used_up(stored.bytes, max)),
            gone_since: row.gone_at.map(Timestamp::from_millis),
        }
    };
    Ok(rows.into_iter().map(project).collect())
}

fn groups(db: &mut Db, limit: i64) -> Result<Vec<GroupStorage>> {
    let mut found = Vec::new();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    for (path, max_storage) in quotas::of_groups(db)?.into_iter().take(most) {
        let stored = super::of_group(db, &path.to_lowercase())?;
        let nearly_full = is_nearly_used_up(stored.bytes, max_storage);
        found.push(GroupStorage { path, stored, max_storage, nearly_full });
    }
    Ok(found)
}
