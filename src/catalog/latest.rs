//! The latest artifacts of a ref: those of its newest successful pipeline, then of the pipeline's family,
//! parent before child.
//!
//! The same rule decides which artifacts are locked: those of a pipeline that is the newest successful one of
//! its ref, or below it.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use diesel::backend::Backend;
use diesel::dsl::{max, sql};
use diesel::expression::{AppearsOnTable, SqlLiteral, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Nullable, Text};

use super::Db;
use super::artifacts::{self, Artifact};
use super::jobs::{Job, JobDetails};
use super::projects::Project;
use super::schema::{jobs, pipelines, projects};
use crate::domain::artifact::{ArtifactKind, ArtifactName, Availability};
use crate::domain::expiry::is_available;
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// How many of a ref's newest successful pipelines a search reads, as in GitLab.
const RECENT_PIPELINES: i64 = 100;

/// How many jobs' artifacts one statement reads, if the first job has none that fits.
const JOBS_AT_A_TIME: usize = 100;

/// The position of a pipeline in its family.
#[derive(Debug, Clone, Copy)]
struct FamilyPosition {
    id: i64,
    root_id: i64,
    depth: i32,
}

/// A job with its artifacts.
pub type JobWithArtifacts = (Job, Vec<Artifact>);

/// Finds a successful job by name in the newest successful pipeline of a ref and its descendants, nearest
/// first, among those that have any downloadable artifact that can still be read.
///
/// Returns its artifacts, too, because they are read for the search.
///
/// # Errors
/// Those of the database.
pub fn job_by_ref(
    db: &mut Db,
    project: &Project,
    ref_name: &str,
    job_name: &str,
    now: Timestamp,
) -> Result<Option<JobWithArtifacts>> {
    let Some(newest) = newest_successful(db, project.id, ref_name)? else { return Ok(None) };
    let mut found: Vec<Job> = pipelines::table
        .inner_join(jobs::table)
        .filter(pipelines::root_id.eq(newest.root_id))
        .filter(pipelines::depth.ge(newest.depth))
        .filter(pipelines::project_id.eq(project.id))
        .filter(jobs::name.eq(job_name))
        .filter(jobs::status.eq(Status::Success.as_str()))
        .filter(jobs::retried.eq(false))
        .order((pipelines::depth.asc(), pipelines::id.asc(), jobs::id.desc()))
        .select(Job::as_select())
        .load(db)?;
    if newest.depth > 0 {
        let below = descendants(db, newest)?;
        found.retain(|job| below.contains(&job.pipeline_id));
    }
    // The newest successful pipeline and its family are locked exactly if the project keeps the latest
    // artifacts.
    let locked = project.keep_latest_artifact;
    first_matching(db, found, |_, _, artifact| {
        Ok(makes_job_findable(artifact.kind) && is_available(artifact.expire_at, locked, now))
    })
}

/// Returns the first of some jobs with an artifact that `fits`. Their artifacts are read by a statement of
/// their own: in a join, SQLite would begin with every finished artifact of the catalog.
fn first_matching(
    db: &mut Db,
    found: Vec<Job>,
    fits: impl Fn(&mut Db, &Job, &Artifact) -> Result<bool>,
) -> Result<Option<JobWithArtifacts>> {
    let (first, others) = found.split_at(found.len().min(1));
    for some in first.chunks(1).chain(others.chunks(JOBS_AT_A_TIME)) {
        let ids: Vec<i64> = some.iter().map(|job| job.id).collect();
        let mut artifacts = artifacts::of_jobs(db, &ids)?;
        for job in some {
            let of_job = artifacts.remove(&job.id).unwrap_or_default();
            for artifact in &of_job {
                if fits(db, job, artifact)? {
                    return Ok(Some((job.clone(), of_job)));
                }
            }
        }
    }
    Ok(None)
}

/// Finds a successful job by name, with an archive that can still be read, in the newest 100 successful
/// pipelines of a ref: newest pipeline first, child pipelines like all others.
///
/// # Errors
/// Those of the database.
pub fn job_by_recent_ref(
    db: &mut Db,
    project: &Project,
    ref_name: &str,
    job_name: &str,
    now: Timestamp,
) -> Result<Option<JobWithArtifacts>> {
    let recent: Vec<i64> = pipelines::table
        .filter(pipelines::project_id.eq(project.id))
        .filter(pipelines::ref_name.eq(ref_name))
        .filter(pipelines::ref_name.ne(UNKNOWN_REF))
        .filter(pipelines::status.eq(Status::Success.as_str()))
        .order(pipelines::id.desc())
        .limit(RECENT_PIPELINES)
        .select(pipelines::id)
        .load(db)?;
    let found: Vec<Job> = jobs::table
        .filter(jobs::pipeline_id.eq_any(recent))
        .filter(jobs::name.eq(job_name))
        .filter(jobs::status.eq(Status::Success.as_str()))
        .order((jobs::pipeline_id.desc(), jobs::id.desc()))
        .select(Job::as_select())
        .load(db)?;
    first_matching(db, found, |db, job, artifact| {
        let is_archive = artifact.name == ArtifactName::ARCHIVE || artifact.name.named_archive().is_some();
        Ok(is_archive && can_be_read(db, project, job, artifact, now)?)
    })
}

/// Returns whether an artifact of a kind makes its job a candidate of a lookup by ref.
const fn makes_job_findable(kind: ArtifactKind) -> bool {
    !matches!(
        kind,
        ArtifactKind::Metadata
            | ArtifactKind::Trace
            | ArtifactKind::MetricsReferee
            | ArtifactKind::NetworkReferee
            | ArtifactKind::Terraform
            | ArtifactKind::ClusterApplications
            | ArtifactKind::CoverageFuzzing
            | ArtifactKind::Annotations
            | ArtifactKind::RepositoryXray
    )
}

/// Returns whether an artifact can still be read: not expired, or locked.
///
/// # Errors
/// Those of the database.
fn can_be_read(
    db: &mut Db,
    project: &Project,
    job: &Job,
    artifact: &Artifact,
    now: Timestamp,
) -> Result<bool> {
    Ok(availability(db, project, job, artifact, now)? == Availability::Available)
}

/// Returns whether an artifact is available or has expired; a locked one is available whatever its expiry.
///
/// # Errors
/// Those of the database.
pub fn availability(
    db: &mut Db,
    project: &Project,
    job: &Job,
    artifact: &Artifact,
    now: Timestamp,
) -> Result<Availability> {
    let is_available =
        is_available(artifact.expire_at, false, now) || is_locked(db, project, job.pipeline_id)?;
    Ok(if is_available { Availability::Available } else { Availability::Expired })
}

/// Removes artifacts of one job that can no longer be read.
///
/// # Errors
/// Those of the database.
pub fn retain_available(
    db: &mut Db,
    project: &Project,
    job: &Job,
    artifacts: &mut Vec<Artifact>,
    now: Timestamp,
) -> Result<()> {
    let expired = |artifact: &Artifact| !is_available(artifact.expire_at, false, now);
    if artifacts.iter().any(expired) && !is_locked(db, project, job.pipeline_id)? {
        artifacts.retain(|artifact| !expired(artifact));
    }
    Ok(())
}

/// Returns whether a pipeline's artifacts are kept whatever their expiry.
fn is_locked(db: &mut Db, project: &Project, pipeline_id: i64) -> Result<bool> {
    Ok(project.keep_latest_artifact && locked_among(db, &[pipeline_id])?.contains(&pipeline_id))
}

/// Removes artifacts that can no longer be read from some jobs. It computes once which pipelines are locked,
/// and not at all if nothing has expired.
///
/// # Errors
/// Those of the database.
pub fn retain_readable(db: &mut Db, jobs: &mut [JobDetails], now: Timestamp) -> Result<()> {
    let expired = |artifact: &Artifact| !is_available(artifact.expire_at, false, now);
    let in_doubt = jobs.iter().filter(|details| details.artifacts.iter().any(expired));
    let in_doubt: Vec<i64> = in_doubt.map(|details| details.pipeline.id).collect();
    let locked = locked_among(db, &in_doubt)?;
    for details in jobs.iter_mut().filter(|details| !locked.contains(&details.pipeline.id)) {
        details.artifacts.retain(|artifact| !expired(artifact));
    }
    Ok(())
}

/// Returns those of `pipeline_ids` whose artifacts are kept whatever their expiry: the pipeline, or one above
/// it, is the newest successful one of its ref, and the project keeps the latest.
///
/// It runs one statement per generation, however many IDs there are.
///
/// # Errors
/// Those of the database.
pub fn locked_among(db: &mut Db, pipeline_ids: &[i64]) -> Result<HashSet<i64>> {
    let mut parents: HashMap<i64, Option<i64>> = HashMap::new();
    let mut newest: HashSet<i64> = HashSet::new();
    let mut level: HashSet<i64> = pipeline_ids.iter().copied().collect();
    while !level.is_empty() {
        let rows: Vec<(i64, Option<i64>, bool)> = pipelines::table
            .inner_join(projects::table)
            .filter(pipelines::id.eq_any(level.drain()))
            .select((pipelines::id, pipelines::parent_id, is_kept_as_newest()))
            .load(db)?;
        for (id, parent_id, is_newest) in rows {
            parents.insert(id, parent_id);
            if is_newest {
                newest.insert(id);
            }
            level.extend(parent_id.filter(|parent| !parents.contains_key(parent)));
        }
    }
    let is_below_newest = |id: i64| {
        // The tree is at most as deep as there are rows.
        let mut climb = std::iter::successors(Some(id), |id| parents.get(id).copied().flatten());
        climb.by_ref().take(parents.len()).any(|id| newest.contains(&id))
    };
    Ok(pipeline_ids.iter().copied().filter(|id| is_below_newest(*id)).collect())
}

/// SQL condition: the pipeline is the one that [`newest_successful`] finds for its ref, and its project keeps
/// the latest artifacts.
///
/// `NOT EXISTS` usually stops at the first index entry, so it does not scan the ref's pipelines.
fn is_kept_as_newest() -> SqlLiteral<Bool> {
    sql(&format!(
        "(projects.keep_latest_artifact AND {} AND NOT EXISTS (SELECT 1 FROM pipelines AS newer \
         WHERE newer.project_id = pipelines.project_id AND newer.ref = pipelines.ref \
         AND newer.id > pipelines.id AND {}))",
        eligible_sql("pipelines"),
        eligible_sql("newer"),
    ))
}

/// SQL condition: a pipeline, in a table or its alias, can be a ref's newest successful one.
///
/// The sources are compared one by one: SQLite makes a table of a list at each execution, which takes longer
/// than the search.
pub(super) fn eligible_sql(table: &str) -> String {
    let mut condition = format!("{table}.status = 'success' AND {table}.ref <> '{UNKNOWN_REF}'");
    for source in Source::DANGLING {
        condition.push_str(&format!(" AND {table}.source <> '{source}'"));
    }
    condition
}

/// [`eligible_sql`] for the alias `successful`, in a statement that is prepared once.
///
/// It is the same for every ref, so it is no parameter: that would hide from PostgreSQL that nearly all
/// pipelines match.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
struct EligibleCondition;

impl Expression for EligibleCondition {
    type SqlType = Bool;
}

impl<Table> AppearsOnTable<Table> for EligibleCondition {}

impl<B: Backend> QueryFragment<B> for EligibleCondition {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, B>) -> QueryResult<()> {
        static CONDITION: LazyLock<String> = LazyLock::new(|| eligible_sql("successful"));
        out.push_sql(&CONDITION);
        Ok(())
    }
}

/// The ID of [`newest_successful`] as part of a statement over the ref's project; NULL if there is none.
#[derive(Debug, Clone, Copy, ValidGrouping)]
pub(super) struct NewestSuccessful<'a> {
    pub(super) ref_name: &'a str,
}

impl QueryId for NewestSuccessful<'_> {
    type QueryId = NewestSuccessful<'static>;
}

impl Expression for NewestSuccessful<'_> {
    type SqlType = Nullable<BigInt>;
}

impl<Table> AppearsOnTable<Table> for NewestSuccessful<'_> {}

impl<B: Backend + HasSqlType<Text>> QueryFragment<B> for NewestSuccessful<'_>
where
    str: ToSql<Text, B>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, B>) -> QueryResult<()> {
        static NEWEST: LazyLock<String> = LazyLock::new(|| {
            format!(
                "(SELECT max(successful.id) FROM pipelines AS successful \
                 WHERE {} AND successful.project_id = projects.id AND successful.ref = ",
                eligible_sql("successful")
            )
        });
        out.push_sql(&NEWEST);
        out.push_bind_param::<Text, str>(self.ref_name)?;
        out.push_sql(")");
        Ok(())
    }
}

/// Finds the successful pipeline of a ref with the highest ID, dangling ones left out.
///
/// It is selected as a maximum: a limit is a parameter, so PostgreSQL would plan the statement again each
/// time, in hope of a small one.
fn newest_successful(db: &mut Db, project_id: i64, ref_name: &str) -> Result<Option<FamilyPosition>> {
    let successful = diesel::alias!(pipelines as successful);
    let newest = successful
        .filter(successful.field(pipelines::project_id).eq(project_id))
        .filter(successful.field(pipelines::ref_name).eq(ref_name))
        .filter(EligibleCondition)
        .select(max(successful.field(pipelines::id)))
        .single_value();
    let found: Vec<(i64, i64, i32)> = pipelines::table
        .filter(pipelines::id.nullable().eq(newest))
        .select((pipelines::id, pipelines::root_id, pipelines::depth))
        .load(db)?;
    Ok(found.into_iter().next().map(|(id, root_id, depth)| FamilyPosition { id, root_id, depth }))
}

/// Returns a pipeline and everything below it, for a pipeline that is not the root of its family.
fn descendants(db: &mut Db, of: FamilyPosition) -> Result<HashSet<i64>> {
    let edges: Vec<(i64, Option<i64>)> = pipelines::table
        .filter(pipelines::root_id.eq(of.root_id))
        .filter(pipelines::depth.gt(of.depth))
        .select((pipelines::id, pipelines::parent_id))
        .load(db)?;
    let mut children: HashMap<i64, Vec<i64>> = HashMap::new();
    for (child, parent) in edges {
        children.entry(parent.unwrap_or(child)).or_default().push(child);
    }
    let mut found = HashSet::from([of.id]);
    let mut next = vec![of.id];
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.insert(child);
            next.push(child);
        }
    }
    Ok(found)
}
