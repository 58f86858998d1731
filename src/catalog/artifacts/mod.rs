//! Artifacts: one row a file in the store, and the tombstones of those that are gone.

mod list;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

pub use list::{count, of_job, of_jobs, page};

use super::db::MultiBackend;
use super::schema::artifacts;
use super::values::{Finished, millis, new_uuid};
use super::{Db, gc_marks, tombstones};
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, ArtifactState, MediaType,
};
use crate::domain::{Error, Result, Sha256Digest, Timestamp, Uuid};

/// How often a place is tried that others give up in that moment.
const TRIES: usize = 3;

/// A finished artifact.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = artifacts, check_for_backend(MultiBackend))]
pub struct Artifact {
    /// Its ID; IDs grow in the order in which artifacts are completed.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// The job that made it.
    pub job_id: i64,
    /// Its name, unique among the finished artifacts of the job.
    pub name: ArtifactName,
    /// What it is for.
    pub kind: ArtifactKind,
    /// The form of its bytes.
    pub format: ArtifactFormat,
    /// Its media type, if the uploader declared one.
    pub media_type: Option<MediaType>,
    /// Its state.
    pub state: ArtifactState,
    /// The name for a download.
    pub filename: String,
    /// Who may read it.
    pub accessibility: Accessibility,
    /// Its size in bytes, never negative.
    pub size_bytes: i64,
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
    /// Where its bytes are.
    pub store_key: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expire_at: Option<Timestamp>,
    /// How many bytes at its end hold an archive's directory, if somebody looked.
    pub tail_bytes: Option<i64>,
}

/// What an artifact is to be, whatever its bytes.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// The project it belongs to.
    pub project_id: i64,
    /// The job that made it.
    pub job_id: i64,
    /// Its name, unique among the finished artifacts of the job.
    pub name: ArtifactName,
    /// What it is for.
    pub kind: ArtifactKind,
    /// The form of its bytes.
    pub format: ArtifactFormat,
    /// Its media type, if the uploader declared one.
    pub media_type: Option<MediaType>,
    /// The name for a download.
    pub filename: String,
    /// Who may read it.
    pub accessibility: Accessibility,
    /// When it expires.
    pub expire_at: Option<Timestamp>,
}

/// The bytes of an artifact; they are in the store already.
#[derive(Debug, Clone)]
pub struct BlobInfo {
    /// Their number.
    pub size_bytes: u64,
    /// Their digest.
    pub sha256: Sha256Digest,
    /// Where they are.
    pub store_key: String,
    /// How many of them at the end hold an archive's directory, if that is known.
    pub tail_bytes: Option<u64>,
}

/// What a registry file may change of an artifact whose bytes stay.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = artifacts)]
pub struct ArtifactChanges {
    /// The name for a download.
    pub filename: Option<String>,
    /// Who may read it.
    pub accessibility: Option<&'static str>,
    /// When it expires, in milliseconds.
    pub expire_at: Option<Option<i64>>,
}

/// What became of [`add`].
#[derive(Debug)]
pub enum InsertOutcome {
    /// The row is there, with this number.
    Inserted(i64),
    /// The job has one of that name already.
    AlreadyExists(Box<Artifact>),
}

/// Finds a job's artifact by name, expired or not.
///
/// # Errors
/// Only those of the database.
pub fn find(db: &mut Db, job_id: i64, name: &ArtifactName) -> Result<Option<Artifact>> {
    Ok(artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::name.eq(name.as_str()))
        .select(Artifact::as_select())
        .get_result(db)
        .optional()?)
}

/// As [`find`], but leaves out an artifact that has expired and is not locked: it only waits to be swept.
///
/// # Errors
/// Only those of the database.
pub fn find_current(
    db: &mut Db,
    job_id: i64,
    name: &ArtifactName,
    now: Timestamp,
) -> Result<Option<Artifact>> {
    let expired = tombstones::expired(db, job_id, name, now)?;
    Ok(find(db, job_id, name)?.filter(|found| Some(found.id) != expired))
}

/// Makes an artifact readable, unless its job has one of that name: a race for the same place has
/// one winner. One that has expired and is not locked gives up its place, as a sweep may be long in coming.
///
/// # Errors
/// `Unavailable` when the bytes have been taken for forgotten; those of the database.
pub fn add(db: &mut Db, new: &NewArtifact, contents: &BlobInfo, now: Timestamp) -> Result<InsertOutcome> {
    let size_bytes = i64::try_from(contents.size_bytes).map_err(Error::internal)?;
    gc_marks::guard_insert(db, &contents.store_key)?;
    for _ in 0..TRIES {
        // A failed statement must have a savepoint of its own, or PostgreSQL gives up the transaction.
        match db.transaction(|db| insert(db, new, contents, size_bytes, now)) {
            Ok(id) => return Ok(InsertOutcome::Inserted(id)),
            Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {}
            Err(other) => return Err(other.into()),
        }
        if tombstones::soft_delete_expired(db, new.job_id, &new.name, now)? {
            continue;
        }
        // What was in the way may have been deleted meanwhile.
        if let Some(existing) = find(db, new.job_id, &new.name)? {
            return Ok(InsertOutcome::AlreadyExists(Box::new(existing)));
        }
    }
    Err(Error::unavailable("concurrent uploads kept replacing the artifact"))
}

fn insert(
    db: &mut Db,
    new: &NewArtifact,
    contents: &BlobInfo,
    size_bytes: i64,
    now: Timestamp,
) -> QueryResult<i64> {
    diesel::insert_into(artifacts::table)
        .values((
            artifacts::uuid.eq(new_uuid()),
            artifacts::project_id.eq(new.project_id),
            artifacts::job_id.eq(new.job_id),
            artifacts::name.eq(new.name.as_str()),
            artifacts::kind.eq(new.kind.as_str()),
            artifacts::format.eq(new.format.as_str()),
            artifacts::filename.eq(&new.filename),
            artifacts::accessibility.eq(new.accessibility.as_str()),
            artifacts::state.eq(ArtifactState::Finished.as_str()),
            artifacts::size_bytes.eq(size_bytes),
            artifacts::sha256.eq(contents.sha256.as_bytes().as_slice()),
            artifacts::store_key.eq(&contents.store_key),
            artifacts::created_at.eq(now.as_millis()),
            artifacts::updated_at.eq(now.as_millis()),
            artifacts::expire_at.eq(millis(new.expire_at)),
            artifacts::media_type.eq(new.media_type.as_ref().map(MediaType::as_str)),
            artifacts::tail_bytes.eq(contents.tail_bytes.and_then(|bytes| i64::try_from(bytes).ok())),
        ))
        .returning(artifacts::id)
        .get_result(db)
}

/// Changes what may be changed of a finished artifact.
///
/// # Errors
/// Only those of the database.
pub fn change(db: &mut Db, id: i64, changes: &ArtifactChanges, now: Timestamp) -> Result<()> {
    diesel::update(artifacts::table.find(id))
        .set((changes, artifacts::updated_at.eq(now.as_millis())))
        .execute(db)?;
    Ok(())
}

/// Takes away the expiry of all of a job's artifacts, and tells how many there are.
///
/// # Errors
/// Only those of the database.
pub fn keep_all(db: &mut Db, job_id: i64, now: Timestamp) -> Result<usize> {
    let kept = artifacts::table.filter(artifacts::job_id.eq(job_id)).filter(artifacts::state.eq(Finished));
    Ok(diesel::update(kept)
        .set((artifacts::expire_at.eq(None::<i64>), artifacts::updated_at.eq(now.as_millis())))
        .execute(db)?)
}
