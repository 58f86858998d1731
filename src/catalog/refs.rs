//! Refs and commits, as pipelines name them: a ref is at the commit of its newest pipeline.
//!
//! A child pipeline runs on its parent's ref and adds nothing, so it is left out.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::Db;
use super::commits::CommitView;
use super::latest::eligible_sql;
use super::pipelines::{PipelineView, all_views, latest_of_ref};
use super::schema::{commits, pipelines};
use super::slice::Slice;
use crate::domain::pipeline::{RefKind, commit_id};
use crate::domain::{Result, Timestamp};

/// How many refs of a kind are listed: the first ones by name. Any other ref is found by its name.
const MAX_REFS: usize = 10_000;

/// How many pipelines are read for a page of commits; many may have run on one commit.
const MAX_RUNS: usize = 60_000;

/// How many of these pipelines one statement reads.
const RUNS_AT_A_TIME: i64 = 1_000;

/// How many pipelines are looked at for the refs that are in use.
const ACTIVE_RUNS: i64 = 500;

/// The minimum length of an abbreviated commit ID, as in git.
const MIN_SHA_PREFIX: usize = 4;

/// The condition of the partial indexes, spelled as in the migrations: another spelling would not match.
const NO_CHILD: &str = "pipelines.source <> 'parent_pipeline'";

/// A branch or tag.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// The commit of its newest pipeline.
    pub revision: Revision,
}

/// A commit on which a pipeline ran.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The newest pipeline that ran on it.
    pub pipeline: PipelineView,
    /// The registered commit; all fields but the ID are empty if it was not registered.
    pub commit: CommitView,
}

/// The conditions of a list of commits.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The ref of the pipelines that ran on them.
    pub ref_name: Option<String>,
    /// The earliest creation time of such a pipeline.
    pub since: Option<Timestamp>,
    /// The latest creation time.
    pub until: Option<Timestamp>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Lists the names of all refs of a kind with the IDs of their newest pipelines, by the bytes of the names;
/// at most 10,000. A name that begins with `refs/` is a merge request's and no branch.
///
/// # Errors
/// Those of the database.
pub fn all(db: &mut Db, project_id: i64, kind: RefKind) -> Result<Vec<(String, i64)>> {
    let mut found = Vec::new();
    // The refs of merge requests may be very many, so they are skipped: `0` is the character after `/`.
    for bounds in [[">= ''", "< 'refs/'"], [">= 'refs0'", ">= ''"]] {
        let rows: Vec<Row> = diesel::sql_query(walk(db, project_id, kind, bounds)).load(db)?;
        found.extend(rows.into_iter().map(|row| (row.name, row.id)));
    }
    found.truncate(MAX_REFS);
    Ok(found)
}

/// SQL that steps through the index from the newest pipeline of one ref to that of the next, which is one
/// probe per ref, however many pipelines ran on each.
fn walk(db: &Db, project_id: i64, kind: RefKind, [from, to]: [&str; 2]) -> String {
    // SQLite compares by bytes; PostgreSQL does with this collation, and has an index for it.
    let name = match db {
        Db::Sqlite(_) => "listed.ref",
        Db::Postgres(_) => "listed.ref COLLATE \"C\"",
    };
    let is_tag = kind == RefKind::Tag;
    let newest = |behind: &str| {
        format!(
            "(SELECT listed.id FROM pipelines AS listed WHERE listed.project_id = {project_id} \
             AND listed.source <> 'parent_pipeline' AND listed.tag = {is_tag} AND {name} {behind} AND {name} {to} \
             ORDER BY {name} ASC, listed.id DESC LIMIT 1)"
        )
    };
    let first = newest(from);
    let next = newest("> (SELECT last.ref FROM pipelines AS last WHERE last.id = heads.id)");
    format!(
        "WITH RECURSIVE heads (id) AS (\
         SELECT {first} UNION ALL SELECT {next} FROM heads WHERE heads.id IS NOT NULL) \
         SELECT heads.id AS id, (SELECT named.ref FROM pipelines AS named WHERE named.id = heads.id) AS name \
         FROM heads WHERE heads.id IS NOT NULL LIMIT {MAX_REFS}"
    )
}

/// A branch or tag by its newest pipeline, and the newest successful one.
#[derive(Debug, Clone)]
pub struct ActiveRef {
    /// The newest pipeline that ran on it.
    pub newest: PipelineView,
    /// The newest successful one, which decides what a lookup by ref finds.
    pub successful: Option<PipelineView>,
}

#[derive(QueryableByName)]
struct Successful {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    successful: Option<i64>,
}

/// Lists the branches and tags on which the newest pipelines of a project ran, the default branch first and then the one
/// that ran last; at most `limit`. Only the newest 500 pipelines are looked at.
///
/// # Errors
/// Those of the database.
pub fn active(
    db: &mut Db,
    project_id: i64,
    default_branch: Option<&str>,
    limit: usize,
) -> Result<Vec<ActiveRef>> {
    let runs: Vec<(i64, String, bool)> = pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(sql::<Bool>(NO_CHILD))
        .order(pipelines::id.desc())
        .limit(ACTIVE_RUNS)
        .select((pipelines::id, pipelines::ref_name, pipelines::tag))
        .load(db)?;
    let mut newest = Vec::new();
    if let Some(branch) = default_branch {
        newest.extend(latest_of_ref(db, project_id, branch)?);
    }
    let mut seen: HashSet<(&str, bool)> = default_branch.map(|branch| (branch, false)).into_iter().collect();
    newest.extend(runs.iter().filter(|(_, name, tag)| seen.insert((name, *tag))).map(|(id, ..)| *id));
    newest.truncate(limit);
    with_successes(db, &newest)
}

/// Describes refs by their newest pipelines, in this order.
///
/// # Errors
/// Those of the database.
pub fn with_successes(db: &mut Db, newest: &[i64]) -> Result<Vec<ActiveRef>> {
    let successful = newest_successes(db, newest)?;
    let all: HashSet<i64> = newest.iter().copied().chain(successful.values().copied()).collect();
    let all: Vec<i64> = all.into_iter().collect();
    let views: HashMap<i64, PipelineView> =
        all_views(db, &all)?.into_iter().map(|view| (view.id, view)).collect();
    let active = newest.iter().filter_map(|id| {
        let successful = successful.get(id).and_then(|id| views.get(id)).cloned();
        Some(ActiveRef { newest: views.get(id)?.clone(), successful })
    });
    Ok(active.collect())
}

/// Finds for some pipelines the newest successful one of their ref, in one statement.
fn newest_successes(db: &mut Db, ids: &[i64]) -> Result<HashMap<i64, i64>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    let rows: Vec<Successful> = diesel::sql_query(format!(
        "SELECT heads.id AS id, (SELECT max(successful.id) FROM pipelines AS successful WHERE {} \
         AND successful.project_id = heads.project_id AND successful.ref = heads.ref AND successful.tag = heads.tag) \
         AS successful \
         FROM pipelines AS heads WHERE heads.id IN ({})",
        eligible_sql("successful"),
        ids.join(", ")
    ))
    .load(db)?;
    Ok(rows.into_iter().filter_map(|row| Some((row.id, row.successful?))).collect())
}

/// Returns the ID of a ref's newest pipeline.
///
/// # Errors
/// Those of the database.
pub fn newest(db: &mut Db, project_id: i64, kind: RefKind, name: &str) -> Result<Option<i64>> {
    if name.starts_with("refs/") {
        return Ok(None);
    }
    Ok(pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(pipelines::ref_name.eq(name))
        .filter(pipelines::tag.eq(kind == RefKind::Tag))
        .filter(sql::<Bool>(NO_CHILD))
        .select(max(pipelines::id))
        .get_result(db)?)
}

/// Returns refs with their commits, in the order of these names and pipelines.
///
/// # Errors
/// Those of the database.
pub fn heads(db: &mut Db, project_id: i64, refs: Vec<(String, i64)>) -> Result<Vec<Head>> {
    let ids: Vec<i64> = refs.iter().map(|(_, id)| *id).collect();
    let found = revisions(db, project_id, &ids)?;
    let mut by_pipeline: HashMap<i64, Revision> =
        found.into_iter().map(|revision| (revision.pipeline.id, revision)).collect();
    let heads = refs.into_iter();
    Ok(heads.filter_map(|(name, id)| Some(Head { name, revision: by_pipeline.remove(&id)? })).collect())
}

/// Lists the commits in a slice of a list, the one of the newest pipeline first.
///
/// # Errors
/// Those of the database.
pub fn log(db: &mut Db, project_id: i64, log: &Log, slice: Slice) -> Result<Vec<Revision>> {
    let wanted = usize::try_from(slice.offset.saturating_add(slice.limit)).unwrap_or(usize::MAX);
    let (mut seen, mut listed) = (HashSet::new(), Vec::new());
    let (mut before, mut looked_at) = (i64::MAX, 0);
    while listed.len() < wanted && looked_at < MAX_RUNS {
        let runs = runs(db, project_id, log.ref_name.as_deref(), before)?;
        looked_at += runs.len();
        for (id, sha, created_at) in &runs {
            let in_time = log.since.is_none_or(|since| *created_at >= since)
                && log.until.is_none_or(|until| *created_at <= until);
            if in_time && seen.insert(sha.clone()) {
                listed.push(*id);
            }
        }
        match runs.last() {
            Some((last, ..)) if runs.len() as i64 == RUNS_AT_A_TIME => before = *last,
            _ => break,
        }
    }
    let skip = usize::try_from(slice.offset).unwrap_or(usize::MAX);
    let limit = usize::try_from(slice.limit).unwrap_or(0);
    let part: Vec<i64> = listed.into_iter().skip(skip).take(limit).collect();
    revisions(db, project_id, &part)
}

type Run = (i64, String, Timestamp);

fn runs(db: &mut Db, project_id: i64, ref_name: Option<&str>, before: i64) -> Result<Vec<Run>> {
    let mut query = pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(sql::<Bool>(NO_CHILD))
        .filter(pipelines::id.lt(before))
        .order(pipelines::id.desc())
        .limit(RUNS_AT_A_TIME)
        .select((pipelines::id, pipelines::sha, pipelines::created_at))
        .into_boxed();
    if let Some(ref_name) = ref_name {
        query = query.filter(pipelines::ref_name.eq(ref_name));
    }
    Ok(query.load(db)?)
}

/// Finds a commit by its ID, by a ref, or by the beginning of its ID if no other commit has that. As in git,
/// the digits of an ID may be in either case.
///
/// # Errors
/// Those of the database.
pub fn revision(db: &mut Db, project_id: i64, name: &str) -> Result<Option<Revision>> {
    let found = match newest_on(db, project_id, name)? {
        Some(id) => Some(id),
        None => match latest_of_ref(db, project_id, name)? {
            Some(id) => Some(id),
            None => match whole_sha(db, project_id, name)? {
                Some(sha) => newest_on(db, project_id, &sha)?,
                None => None,
            },
        },
    };
    match found {
        Some(id) => Ok(revisions(db, project_id, &[id])?.pop()),
        None => Ok(None),
    }
}

fn newest_on(db: &mut Db, project_id: i64, sha: &str) -> Result<Option<i64>> {
    Ok(pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(pipelines::sha.eq(sha))
        .filter(sql::<Bool>(NO_CHILD))
        .select(max(pipelines::id))
        .get_result(db)?)
}

fn whole_sha(db: &mut Db, project_id: i64, prefix: &str) -> Result<Option<String>> {
    let Some(prefix) = commit_id(prefix).filter(|id| id.len() >= MIN_SHA_PREFIX) else { return Ok(None) };
    let (first, last): (Option<String>, Option<String>) = pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(pipelines::sha.ge(&prefix))
        // `g` sorts after every hexadecimal digit.
        .filter(pipelines::sha.lt(format!("{prefix}g")))
        .select((min(pipelines::sha), max(pipelines::sha)))
        .get_result(db)?;
    Ok(first.filter(|sha| Some(sha) == last.as_ref() && sha.starts_with(&prefix)))
}

/// Reads pipelines and their commits: two statements, however many there are.
fn revisions(db: &mut Db, project_id: i64, pipeline_ids: &[i64]) -> Result<Vec<Revision>> {
    let found = all_views(db, pipeline_ids)?;
    let shas: HashSet<&str> = found.iter().map(|pipeline| pipeline.sha.as_str()).collect();
    let told: Vec<CommitView> = commits::table
        .filter(commits::project_id.eq(project_id))
        .filter(commits::sha.eq_any(shas))
        .select(CommitView::as_select())
        .load(db)?;
    let told: HashMap<String, CommitView> =
        told.into_iter().map(|commit| (commit.sha.clone(), commit)).collect();
    let revision = |pipeline: PipelineView| Revision {
        commit: told.get(&pipeline.sha).cloned().unwrap_or_else(|| untold(&pipeline.sha)),
        pipeline,
    };
    Ok(found.into_iter().map(revision).collect())
}

/// Makes the commit that is shown if it was not registered: all fields but the ID are empty.
fn untold(sha: &str) -> CommitView {
    let empty = String::new;
    let sha = sha.to_owned();
    CommitView {
        sha,
        title: empty(),
        message: empty(),
        author_name: empty(),
        author_email: empty(),
        created_at: None,
    }
}
