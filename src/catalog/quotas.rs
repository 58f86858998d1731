//! Quotas: how many bytes of artifacts a project may have, and all projects of a group together.
//!
//! What is used is what there is and what is promised: the declared size of an upload that is under way, or what has
//! arrived of it. Whoever adds to it looks in the same transaction, one at a time for each quota, so that uploads at once
//! never add up to more than a quota.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};

use super::db::MultiBackend;
use super::schema::group_quotas;
use super::{Db, usage};
use crate::domain::quota::{Quota, QuotaOwner};
use crate::domain::{Error, ErrorKind, Result};

/// The class of the advisory locks under which PostgreSQL transactions add to what a quota limits, one at a time.
const LOCK_CLASS: i32 = 7237;

/// Lists the groups that have quotas, by path, with what they may store in bytes.
///
/// # Errors
/// Those of the database.
pub fn of_groups(db: &mut Db) -> Result<Vec<(String, i64)>> {
    Ok(group_quotas::table
        .order(group_quotas::path_lower)
        .select((group_quotas::path, group_quotas::max_storage_bytes))
        .load(db)?)
}

/// Sets what the projects of a group may store together in bytes; `None` removes the quota. No project need be there.
/// Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn set_of_group(db: &mut Db, path: &str, max_bytes: Option<i64>) -> Result<()> {
    db.lock_whole_catalog()?;
    let path_lower = path.to_lowercase();
    diesel::delete(group_quotas::table.find(&path_lower)).execute(db)?;
    if let Some(max_bytes) = max_bytes {
        diesel::insert_into(group_quotas::table)
            .values((
                group_quotas::path_lower.eq(path_lower),
                group_quotas::path.eq(path),
                group_quotas::max_storage_bytes.eq(max_bytes),
            ))
            .execute(db)?;
    }
    Ok(())
}

/// A quota that limits a project, without what is used of it.
#[derive(Debug, Clone)]
struct Limit {
    owner: QuotaOwner,
    max_bytes: i64,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct LimitRow {
    #[diesel(sql_type = Text)]
    path: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    max_bytes: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    group_path: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    group_bytes: Option<i64>,
}

/// Finds the quotas that limit a project: those of its groups, outermost first, then its own.
fn limits(db: &mut Db, project_id: i64) -> Result<Vec<Limit>> {
    let rows: Vec<LimitRow> = diesel::sql_query(
        "SELECT projects.path, projects.max_storage_bytes AS max_bytes, group_quotas.path AS group_path, \
         group_quotas.max_storage_bytes AS group_bytes FROM projects LEFT JOIN group_quotas \
         ON substr(projects.path_lower, 1, length(group_quotas.path_lower) + 1) = group_quotas.path_lower || '/' \
         WHERE projects.id = $1 ORDER BY length(group_quotas.path_lower)",
    )
    .bind::<BigInt, _>(project_id)
    .load(db)?;
    let own = rows.first().and_then(|row| Some((row.path.clone(), row.max_bytes?)));
    let groups = rows.into_iter().filter_map(|row| row.group_path.zip(row.group_bytes));
    let mut limits: Vec<Limit> =
        groups.map(|(path, max_bytes)| Limit { owner: QuotaOwner::Group(path), max_bytes }).collect();
    limits.extend(own.map(|(path, max_bytes)| Limit { owner: QuotaOwner::Project(path), max_bytes }));
    Ok(limits)
}

/// Returns the quotas that limit a project, with what is used and promised.
fn quotas(db: &mut Db, project_id: i64, limits: Vec<Limit>) -> Result<Vec<Quota>> {
    let mut quotas = Vec::with_capacity(limits.len());
    for Limit { owner, max_bytes } in limits {
        let used_bytes = match &owner {
            QuotaOwner::Project(_) => usage::of_project(db, project_id)?.bytes + promised(db, project_id)?,
            QuotaOwner::Group(path) => {
                let path = path.to_lowercase();
                usage::of_group(db, &path)?.bytes + promised_in_group(db, &path)?
            }
        };
        quotas.push(Quota { owner, max_bytes, used_bytes });
    }
    Ok(quotas)
}

/// Finds the quota of which the least is left, if any limits the project. Others may add to it at the same time.
///
/// # Errors
/// Those of the database.
pub fn tightest(db: &mut Db, project_id: i64) -> Result<Option<Quota>> {
    let limits = limits(db, project_id)?;
    Ok(quotas(db, project_id, limits)?.into_iter().min_by_key(Quota::left_bytes))
}

/// The quotas of a project, to what of which a transaction alone adds until it ends.
#[derive(Debug)]
#[must_use]
pub struct LockedQuotas {
    project_id: i64,
    limits: Vec<Limit>,
}

/// Lets this transaction alone add to what the quotas of a project limit, until it ends.
///
/// Whoever locks or adds rows does this first, so that no two transactions wait for each other. A project without a quota
/// costs one short statement, and nobody waits. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn lock(db: &mut Db, project_id: i64) -> Result<LockedQuotas> {
    let limits = limits(db, project_id)?;
    lock_limits(db, project_id, &limits)?;
    Ok(LockedQuotas { project_id, limits })
}

fn lock_limits(db: &mut Db, project_id: i64, limits: &[Limit]) -> Result<()> {
    // SQLite has one writer at a time.
    if matches!(db, Db::Sqlite(_)) {
        return Ok(());
    }
    for limit in limits {
        let name = match &limit.owner {
            QuotaOwner::Project(_) => project_id.to_string(),
            QuotaOwner::Group(path) => path.to_lowercase(),
        };
        diesel::sql_query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
            .bind::<Integer, _>(LOCK_CLASS)
            .bind::<Text, _>(name)
            .execute(db)?;
    }
    Ok(())
}

impl LockedQuotas {
    /// Requires that what this transaction has added, `added_bytes` in all, fits. No bytes always fit.
    ///
    /// # Errors
    /// `OverQuota`, with a text that says what is used and what is allowed.
    pub fn require_within(self, db: &mut Db, added_bytes: i64) -> Result<()> {
        for quota in quotas(db, self.project_id, self.limits)? {
            if added_bytes > 0 && quota.used_bytes > quota.max_bytes {
                let before = Quota { used_bytes: quota.used_bytes - added_bytes, ..quota };
                let text = before.refusal(u64::try_from(added_bytes).ok());
                return Err(Error::new(ErrorKind::OverQuota, text));
            }
        }
        Ok(())
    }
}

/// What an upload that is under way will have, in SQL.
const PROMISED: &str = "CAST(COALESCE(SUM(COALESCE(uploads.declared_bytes, uploads.size_bytes, uploads.received)), 0) \
                        AS BIGINT) AS bytes";

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Bytes {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

fn promised(db: &mut Db, project_id: i64) -> Result<i64> {
    let query = format!(
        "SELECT {PROMISED} FROM uploads WHERE project_id = $1 AND state IN ('open', 'ordered', 'received')"
    );
    Ok(diesel::sql_query(query).bind::<BigInt, _>(project_id).get_result::<Bytes>(db)?.bytes)
}

fn promised_in_group(db: &mut Db, path: &str) -> Result<i64> {
    let below = format!("{path}/");
    let length = i64::try_from(below.len()).unwrap_or(i64::MAX);
    let query = format!(
        "SELECT {PROMISED} FROM uploads JOIN projects ON projects.id = uploads.project_id \
         WHERE substr(projects.path_lower, 1, CAST($1 AS INTEGER)) = $2 \
         AND uploads.state IN ('open', 'ordered', 'received')"
    );
    let query = diesel::sql_query(query).bind::<BigInt, _>(length).bind::<Text, _>(below);
    Ok(query.get_result::<Bytes>(db)?.bytes)
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct UsedRow {
    #[diesel(sql_type = Text)]
    path: String,
    #[diesel(sql_type = BigInt)]
    max_bytes: i64,
    #[diesel(sql_type = BigInt)]
    used_bytes: i64,
}

/// Lists the projects and groups whose quotas are nearly used up by what there is, as sentences name them.
///
/// # Errors
/// Those of the database.
pub fn nearly_used_up(db: &mut Db) -> Result<Vec<Quota>> {
    let own: Vec<UsedRow> = diesel::sql_query(
        "SELECT projects.path, projects.max_storage_bytes AS max_bytes, \
         CAST(COALESCE(SUM(project_usage.stored_bytes), 0) AS BIGINT) AS used_bytes FROM projects \
         LEFT JOIN project_usage ON project_usage.project_id = projects.id \
         WHERE projects.max_storage_bytes IS NOT NULL \
         GROUP BY projects.id, projects.path, projects.max_storage_bytes ORDER BY projects.id",
    )
    .load(db)?;
    let of_project = |UsedRow { path, max_bytes, used_bytes }| Quota {
        owner: QuotaOwner::Project(path),
        max_bytes,
        used_bytes,
    };
    let mut found: Vec<Quota> = own.into_iter().map(of_project).collect();
    for (path, max_bytes) in of_groups(db)? {
        let used_bytes = usage::of_group(db, &path.to_lowercase())?.bytes;
        found.push(Quota { owner: QuotaOwner::Group(path), max_bytes, used_bytes });
    }
    found.retain(Quota::is_nearly_used_up);
    Ok(found)
}
