//! Due artifacts: what expires, what a sweep deletes, and what it spares because it is locked.

use diesel::dsl::{count_star, min};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use serde::{Deserialize, Serialize};

use super::{Stored, StoredRow};
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::latest::eligible_sql;
use crate::catalog::schema::{artifacts, projects, uploads};
use crate::domain::artifact::{ArtifactName, ArtifactState, UploadState};
use crate::domain::{Result, Timestamp};

/// An artifact that the next sweep deletes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DueArtifact {
    /// Its ID.
    pub id: i64,
    /// The full path of its project.
    pub project: String,
    /// Its job.
    pub job_id: i64,
    /// Its name within the job.
    pub name: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// When it expires or expired, if it does.
    pub expire_at: Option<Timestamp>,
    /// Why it is deleted.
    pub why: DueReason,
}

/// Why the next sweep deletes an artifact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueReason {
    /// It has expired.
    #[default]
    Expired,
    /// Its deletion was requested.
    Requested,
    /// It is a copy of what an upstream has, and others need its room.
    NoRoom,
    /// Its project was deleted at the upstream.
    Gone,
}

/// Returns how many bytes some artifacts have.
///
/// # Errors
/// Those of the database.
pub fn size_of(db: &mut Db, ids: &[i64]) -> Result<i64> {
    let sizes: Vec<i64> =
        artifacts::table.filter(artifacts::id.eq_any(ids)).select(artifacts::size_bytes).load(db)?;
    Ok(sizes.into_iter().sum())
}

/// Describes artifacts that the next sweep deletes, in this order.
///
/// # Errors
/// Those of the database.
pub fn described(db: &mut Db, due: &[(i64, DueReason)]) -> Result<Vec<DueArtifact>> {
    let ids = due.iter().map(|(id, _)| *id);
    type Row = (i64, String, i64, ArtifactName, i64, Option<Timestamp>);
    let rows: Vec<Row> = artifacts::table
        .inner_join(projects::table.on(projects::id.eq(artifacts::project_id)))
        .filter(artifacts::id.eq_any(ids))
        .select((
            artifacts::id,
            projects::path,
            artifacts::job_id,
            artifacts::name,
            artifacts::size_bytes,
            artifacts::expire_at,
        ))
        .load(db)?;
    let mut described: Vec<DueArtifact> = rows
        .into_iter()
        .map(|(id, project, job_id, name, bytes, expire_at)| DueArtifact {
            id,
            project,
            job_id,
            name: name.as_str().to_owned(),
            bytes,
            expire_at,
            why: due.iter().find(|(of, _)| *of == id).map(|(_, why)| *why).unwrap_or_default(),
        })
        .collect();
    described.sort_by_key(|it| due.iter().position(|(id, _)| *id == it.id));
    Ok(described)
}

/// Returns what expires after `from` until `to`, locked or not, and when the first of it does. Logs never expire.
///
/// # Errors
/// Those of the database.
pub fn expiring(db: &mut Db, from: Timestamp, to: Timestamp) -> Result<(Stored, Option<Timestamp>)> {
    #[derive(QueryableByName)]
    #[diesel(check_for_backend(MultiBackend))]
    struct Row {
        #[diesel(embed)]
        stored: StoredRow,
        #[diesel(sql_type = Nullable<BigInt>)]
        first: Option<i64>,
    }
    let row: Row = diesel::sql_query(
        "SELECT count(*) AS artifacts, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes, \
         min(expire_at) AS first FROM artifacts \
         WHERE state = 'finished' AND expire_at > $1 AND expire_at <= $2 AND kind <> 'trace'",
    )
    .bind::<BigInt, _>(from.as_millis())
    .bind::<BigInt, _>(to.as_millis())
    .get_result(db)?;
    Ok((row.stored.into(), row.first.map(Timestamp::from_millis)))
}

/// Returns what is locked: the artifacts of the newest successful pipeline of each ref, and of all below it, of projects
/// that keep them. Logs, which never expire, are not counted.
///
/// `CROSS JOIN` keeps SQLite, which has no statistics, to the order of the tables: it would begin with all artifacts.
///
/// # Errors
/// Those of the database.
pub fn locked(db: &mut Db) -> Result<Stored> {
    let row: StoredRow = diesel::sql_query(format!(
        "WITH RECURSIVE kept (id) AS ( \
         SELECT max(pipelines.id) FROM pipelines JOIN projects ON projects.id = pipelines.project_id \
         WHERE projects.keep_latest_artifact AND {} GROUP BY pipelines.project_id, pipelines.ref \
         UNION SELECT pipelines.id FROM kept CROSS JOIN pipelines WHERE pipelines.parent_id = kept.id) \
         SELECT count(*) AS artifacts, CAST(COALESCE(SUM(artifacts.size_bytes), 0) AS BIGINT) AS bytes \
         FROM kept CROSS JOIN jobs CROSS JOIN artifacts \
         WHERE jobs.pipeline_id = kept.id AND artifacts.job_id = jobs.id \
         AND artifacts.state = 'finished' AND artifacts.kind <> 'trace'",
        eligible_sql("pipelines")
    ))
    .get_result(db)?;
    Ok(row.into())
}

/// Counts the uploads that have failed and are kept for clients that ask for them.
///
/// # Errors
/// Those of the database.
pub fn failed_uploads(db: &mut Db) -> Result<i64> {
    Ok(uploads::table.filter(uploads::state.eq(UploadState::Failed.as_str())).count().get_result(db)?)
}

/// Counts the uploads that may still become artifacts, and tells when the first of them began.
///
/// # Errors
/// Those of the database.
pub fn unfinished_uploads(db: &mut Db) -> Result<(i64, Option<Timestamp>)> {
    let alive = uploads::state.eq_any(UploadState::words(&UploadState::ALIVE));
    Ok(uploads::table.filter(alive).select((count_star(), min(uploads::created_at))).get_result(db)?)
}

/// Tells when the first of the deleted artifacts was deleted whose bytes are not removed yet.
///
/// # Errors
/// Those of the database.
pub fn waiting_since(db: &mut Db) -> Result<Option<Timestamp>> {
    let waiting = artifacts::table
        .filter(artifacts::remove_after.is_not_null())
        .filter(artifacts::state.ne(ArtifactState::Finished.as_str()));
    Ok(waiting.select(min(artifacts::updated_at)).get_result(db)?)
}
