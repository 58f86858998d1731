//! Artifacts: one row per file in the store, and the tombstones of those that were deleted.

mod contents;
mod list;
mod named;
mod of_pipelines;
mod of_project;
mod shown_names;

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

pub(in crate::catalog) use contents::REPLACED_MILLIS;
pub use contents::{FileDigests, delete_blob, digests, forget_digests, keep_digests, of_jobs_in, swap_blob};
pub use list::{count, of_job, of_jobs, page};
pub use named::{NamedArtifact, NamedArtifacts, named, named_and_count};
pub use of_pipelines::{PipelineArtifact, Volume, first_of_pipelines, volumes_of_pipelines};
pub use of_project::{ArtifactOrder, ProjectArtifact, ProjectArtifacts, SEARCHED, of_project};
pub use shown_names::{fill_shown_names, lacks_shown_names, shown_name};
pub(super) use shown_names::{job_was_renamed, keep_from_showing};

use super::db::MultiBackend;
use super::schema::artifacts;
use super::values::{Finished, millis};
use super::{Db, gc_marks, tombstones};
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, ArtifactState, MediaType,
};
use crate::domain::{Error, Result, Sha256Digest, Timestamp, Uuid};

/// How often an insert is tried while other transactions delete the row in its way.
const TRIES: usize = 3;

/// An artifact, finished or a tombstone.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = artifacts, check_for_backend(MultiBackend))]
pub struct Artifact {
    /// Its ID; IDs grow in the order in which artifacts are completed.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// The job it belongs to.
    pub job_id: i64,
    /// Its name, unique among the finished artifacts of the job.
    pub name: ArtifactName,
    /// The purpose, which decides the allowed formats.
    pub kind: ArtifactKind,
    /// The file format, such as zip or gzip.
    pub format: ArtifactFormat,
    /// Its media type, if the uploader declared one.
    pub media_type: Option<MediaType>,
    /// The state of its row.
    pub state: ArtifactState,
    /// The file name that downloads suggest.
    pub filename: String,
    /// The readers, among those who may read its job.
    pub accessibility: Accessibility,
    /// Its size in bytes, never negative.
    pub size_bytes: i64,
    /// The digest of the whole blob.
    pub sha256: Sha256Digest,
    /// The key of its blob in the store.
    pub store_key: String,
    /// When its row was inserted.
    pub created_at: Timestamp,
    /// When it expires.
    pub expire_at: Option<Timestamp>,
    /// How many bytes at its end hold an archive's directory, if that is known.
    pub tail_bytes: Option<i64>,
    /// The CRC-32 of its bytes, if it was computed.
    pub crc32: Option<i64>,
    /// Where it comes from, if it was not uploaded here.
    pub origin: Option<String>,
}

/// The properties of a new artifact, apart from its blob.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// The project it belongs to.
    pub project_id: i64,
    /// The job it belongs to.
    pub job_id: i64,
    /// Its name, unique among the finished artifacts of the job.
    pub name: ArtifactName,
    /// The purpose, which decides the allowed formats.
    pub kind: ArtifactKind,
    /// The file format, such as zip or gzip.
    pub format: ArtifactFormat,
    /// Its media type, if the uploader declared one.
    pub media_type: Option<MediaType>,
    /// The file name that downloads suggest.
    pub filename: String,
    /// The readers, among those who may read its job.
    pub accessibility: Accessibility,
    /// When it expires.
    pub expire_at: Option<Timestamp>,
}

/// The blob of an artifact; it is in the store already.
#[derive(Debug, Clone)]
pub struct BlobInfo {
    /// Its length.
    pub size_bytes: u64,
    /// The digest of the whole blob.
    pub sha256: Sha256Digest,
    /// The key of the blob in the store.
    pub store_key: String,
    /// How many bytes at its end hold an archive's directory, if that is known.
    pub tail_bytes: Option<u64>,
    /// The SHA-1 of the bytes, if it was computed.
    pub sha1: Option<[u8; 20]>,
    /// The CRC-32 of the bytes, if it was computed.
    pub crc32: Option<u32>,
}

/// The changes that a registry file makes to an artifact whose blob stays; `None` leaves a column unchanged.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = artifacts)]
pub struct ArtifactChanges {
    /// The file name that downloads suggest.
    pub filename: Option<String>,
    /// The media type of a single file.
    pub media_type: Option<String>,
    /// The readers, among those who may read its job.
    pub accessibility: Option<&'static str>,
    /// When it expires, in milliseconds.
    pub expire_at: Option<Option<i64>>,
}

/// The outcome of [`add`].
#[derive(Debug)]
pub enum InsertOutcome {
    /// The row was inserted, with this ID.
    Inserted(i64),
    /// The job already has this artifact of that name.
    AlreadyExists(Box<Artifact>),
}

/// Finds a job's artifact by name, expired or not.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, job_id: i64, name: &ArtifactName) -> Result<Option<Artifact>> {
    Ok(artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::name.eq(name.as_str()))
        .select(Artifact::as_select())
        .get_result(db)
        .optional()?)
}

/// Like [`find`], but leaves out an artifact that has expired and is not locked, because the next sweep
/// deletes it.
///
/// # Errors
/// Those of the database.
pub fn find_current(
    db: &mut Db,
    job_id: i64,
    name: &ArtifactName,
    now: Timestamp,
) -> Result<Option<Artifact>> {
    let expired = tombstones::expired(db, job_id, name, now)?;
    Ok(find(db, job_id, name)?.filter(|found| Some(found.id) != expired))
}

/// Inserts an artifact, unless its job has one of that name; of concurrent inserts one succeeds. An artifact
/// that has expired and is not locked is replaced, because the next sweep may be long in coming.
///
/// # Errors
/// `Unavailable` when the blob was marked for garbage collection, or after too many tries; those of the
/// database.
pub fn add(db: &mut Db, new: &NewArtifact, contents: &BlobInfo, now: Timestamp) -> Result<InsertOutcome> {
    add_with_uuid(db, Uuid::for_row(), new, contents, now)
}

/// Like [`add`], for an artifact whose UUID was given out before.
///
/// # Errors
/// As [`add`].
pub fn add_with_uuid(
    db: &mut Db,
    uuid: Uuid,
    new: &NewArtifact,
    contents: &BlobInfo,
    now: Timestamp,
) -> Result<InsertOutcome> {
    let size_bytes = i64::try_from(contents.size_bytes).map_err(Error::internal)?;
    gc_marks::guard_insert(db, &contents.store_key)?;
    for _ in 0..TRIES {
        // A statement that may fail needs its own savepoint, or PostgreSQL aborts the transaction.
        match db.transaction(|db| insert(db, uuid, new, contents, size_bytes, now)) {
            Ok(id) => return Ok(InsertOutcome::Inserted(id)),
            Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {}
            Err(other) => return Err(other.into()),
        }
        if tombstones::soft_delete_expired(db, new.job_id, &new.name, now)? {
            continue;
        }
        // The row in the way may have been deleted meanwhile.
        if let Some(existing) = find(db, new.job_id, &new.name)? {
            return Ok(InsertOutcome::AlreadyExists(Box::new(existing)));
        }
    }
    Err(Error::unavailable("concurrent uploads kept replacing the artifact"))
}

fn insert(
    db: &mut Db,
    uuid: Uuid,
    new: &NewArtifact,
    contents: &BlobInfo,
    size_bytes: i64,
    now: Timestamp,
) -> QueryResult<i64> {
    let shown_name = shown_names::of_new(db, new.job_id, &new.name)?;
    diesel::insert_into(artifacts::table)
        .values((
            artifacts::uuid.eq(uuid.as_bytes().as_slice()),
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
            artifacts::sha1.eq(contents.sha1.map(Vec::from)),
            artifacts::crc32.eq(contents.crc32.map(i64::from)),
            artifacts::shown_name.eq(shown_name),
        ))
        .returning(artifacts::id)
        .get_result(db)
}

/// Applies changes to a finished artifact.
///
/// # Errors
/// Those of the database.
pub fn change(db: &mut Db, id: i64, changes: &ArtifactChanges, now: Timestamp) -> Result<()> {
    diesel::update(artifacts::table.find(id))
        .set((changes, artifacts::updated_at.eq(now.as_millis())))
        .execute(db)?;
    Ok(())
}

/// Removes the expiry of finished artifacts, and returns the IDs of those that are still there.
///
/// # Errors
/// Those of the database.
pub fn keep(db: &mut Db, ids: &[i64], now: Timestamp) -> Result<Vec<i64>> {
    let kept = artifacts::table.filter(artifacts::id.eq_any(ids)).filter(artifacts::state.eq(Finished));
    Ok(diesel::update(kept)
        .set((artifacts::expire_at.eq(None::<i64>), artifacts::updated_at.eq(now.as_millis())))
        .returning(artifacts::id)
        .get_results(db)?)
}

impl Artifact {
    /// Whether it is a copy of what the upstream has, whose readers the upstream decides about.
    pub fn is_copy(&self) -> bool {
        self.origin.is_some()
    }

    /// Whether it is an archive or a single file, and no report or log.
    pub fn is_archive_or_file(&self) -> bool {
        self.name == ArtifactName::ARCHIVE
            || self.name.named_archive().is_some()
            || self.name.file_path().is_some()
    }

    /// Returns what stands for the archive among the artifacts of a job: the archive, or else the one archive that its
    /// uploader named.
    pub fn archive_among(artifacts: &[Self]) -> Option<&Self> {
        let archive = artifacts.iter().find(|artifact| artifact.name == ArtifactName::ARCHIVE);
        archive.or_else(|| {
            let mut named = artifacts.iter().filter(|artifact| artifact.name.named_archive().is_some());
            named.next().filter(|_| named.next().is_none())
        })
    }

    /// Keeps of several files at one path the one that was stored last.
    pub fn retain_newest_of_each_path(files: &mut Vec<Self>) {
        let mut newest: HashMap<String, i64> = HashMap::with_capacity(files.len());
        for file in files.iter() {
            if let Some(path) = file.name.file_path() {
                let id = newest.entry(path.to_owned()).or_insert(file.id);
                *id = file.id.max(*id);
            }
        }
        files.retain(|file| file.name.file_path().is_some_and(|path| newest.get(path) == Some(&file.id)));
    }
}

/// Finds a finished or expired artifact by its UUID.
///
/// # Errors
/// Those of the database.
pub fn find_by_uuid(db: &mut Db, uuid: Uuid) -> Result<Option<Artifact>> {
    Ok(artifacts::table
        .filter(artifacts::uuid.eq(uuid.as_bytes().as_slice()))
        .filter(artifacts::state.ne(ArtifactState::Deleted.as_str()))
        .select(Artifact::as_select())
        .get_result(db)
        .optional()?)
}
