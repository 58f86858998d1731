//! Branches, tags and commits, as pipelines told of them: a ref is at the commit of its newest pipeline.
//!
//! A child pipeline runs on its parent's ref and tells nothing new, so none is looked at.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::Db;
use super::commits::CommitView;
use super::pipelines::{PipelineView, all_views, latest_of_ref};
use super::schema::{commits, pipelines};
use super::slice::Slice;
use crate::domain::pipeline::{RefKind, commit_id};
use crate::domain::{Result, Timestamp};

/// How many refs of a kind are listed: the first ones by name. Any other is found by its name.
const MAX_REFS: usize = 10_000;

/// How many pipelines are looked at for a page of commits; many may have run on one.
const MAX_RUNS: usize = 60_000;

/// How many of them are read at a time.
const RUNS_AT_A_TIME: i64 = 1_000;

/// How short the beginning of a commit's id may be that names it, as in git.
const MIN_SHA_PREFIX: usize = 4;

/// What the partial indexes are for, in the words of the migrations: another spelling would not match.
const NO_CHILD: &str = "pipelines.source <> 'parent_pipeline'";

/// A branch or tag.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub revision: Revision,
}

/// A commit on which a pipeline ran.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The newest of these pipelines.
    pub pipeline: PipelineView,
    /// What is known of the commit; all empty but its id where nobody told.
    pub commit: CommitView,
}

/// Which commits are listed.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The ref on which pipelines ran for them.
    pub ref_name: Option<String>,
    /// The first instant at which such a pipeline was made.
    pub since: Option<Timestamp>,
    /// The last.
    pub until: Option<Timestamp>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The names of all refs of a kind and the number of each one's newest pipeline, by the bytes of their names;
/// at most 10,000. What begins with `refs/` is a merge request's and no branch.
///
/// # Errors
/// Only those of the database.
pub fn all(db: &mut Db, project_id: i64, kind: RefKind) -> Result<Vec<(String, i64)>> {
    let mut found = Vec::new();
    // The refs of merge requests may be very many, so they are stepped over: `0` is what comes after `/`.
    for bounds in [[">= ''", "< 'refs/'"], [">= 'refs0'", ">= ''"]] {
        let rows: Vec<Row> = diesel::sql_query(walk(db, project_id, kind, bounds)).load(db)?;
        found.extend(rows.into_iter().map(|row| (row.name, row.id)));
    }
    found.truncate(MAX_REFS);
    Ok(found)
}

/// Steps through the index from the newest pipeline of one ref to that of the next, which is as many probes as
/// there are refs, however many pipelines ran on each.
fn walk(db: &Db, project_id: i64, kind: RefKind, [from, to]: [&str; 2]) -> String {
    // SQLite compares by bytes; PostgreSQL is told to, and has the index for it.
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

/// The number of a ref's newest pipeline.
///
/// # Errors
/// Only those of the database.
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

/// Refs with all that is known of them, in the order of these names and pipelines.
///
/// # Errors
/// Only those of the database.
pub fn heads(db: &mut Db, project_id: i64, refs: Vec<(String, i64)>) -> Result<Vec<Head>> {
    let ids: Vec<i64> = refs.iter().map(|(_, id)| *id).collect();
    let found = revisions(db, project_id, &ids)?;
    let mut by_pipeline: HashMap<i64, Revision> =
        found.into_iter().map(|revision| (revision.pipeline.id, revision)).collect();
    let heads = refs.into_iter();
    Ok(heads.filter_map(|(name, id)| Some(Head { name, revision: by_pipeline.remove(&id)? })).collect())
}

/// The commits in a part of a list, the one on which a pipeline ran last first.
///
/// # Errors
/// Only those of the database.
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

/// The commit that is named by its id, by a ref, or by the beginning of its id where no other has that. As in git,
/// the digits of an id may be of either case.
///
/// # Errors
/// Only those of the database.
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
        // `g` comes after every digit of such an id.
        .filter(pipelines::sha.lt(format!("{prefix}g")))
        .select((min(pipelines::sha), max(pipelines::sha)))
        .get_result(db)?;
    Ok(first.filter(|sha| Some(sha) == last.as_ref() && sha.starts_with(&prefix)))
}

/// Pipelines and their commits: two statements, however many they are.
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

/// A commit of which nobody told more than its id.
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
