//! Uploads: artifacts that are not complete yet, and the pieces that arrived. Those of a batch are kept for a while after
//! they ended, for clients that ask again.
//!
//! No reader meets one. A piece is a blob of its own until a list orders the pieces into one blob; a row here
//! references each, so that `gc` spares it.

mod batches;
mod completion;
mod pieces;

use std::time::Duration;

use diesel::prelude::*;

pub use batches::{
    BatchOutcome, Declared, are_ordered, claim_ordered, create_batch, fail, of_batch, order, receive_whole,
    renew_ordered,
};
pub use completion::complete;
pub use pieces::{
    AddOutcome, Piece, PieceDigest, PieceLimits, ReceiveOutcome, add_piece, pieces, receive, received,
};

use super::Db;
use super::artifacts::NewArtifact;
use super::db::MultiBackend;
use super::schema::{jobs, upload_pieces, uploads};
use super::values::millis;
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, MediaType, UploadState,
};
use crate::domain::status::Status;
use crate::domain::{Result, Sha256Digest, Timestamp, Uuid};

/// How long an upload may take.
pub const LIFETIME: Duration = Duration::from_millis(LIFETIME_MILLIS.unsigned_abs());

/// The same in milliseconds.
const LIFETIME_MILLIS: i64 = 24 * 3600 * 1000;

/// How long an upload is kept after its job has finished, in milliseconds.
const AFTER_JOB_MILLIS: i64 = 3600 * 1000;

/// An upload in pieces.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = uploads, check_for_backend(MultiBackend))]
pub struct PieceUpload {
    /// Its ID.
    pub id: i64,
    /// Its UUID, which links name it by.
    pub uuid: Uuid,
    /// The project of the job.
    pub project_id: i64,
    /// The pipeline of the job.
    pub pipeline_id: i64,
    /// The job that uploads.
    pub job_id: i64,
    /// The name of the artifact that it becomes.
    pub name: ArtifactName,
    /// The artifact's kind.
    pub kind: ArtifactKind,
    /// The form of the artifact's bytes.
    pub format: ArtifactFormat,
    /// The artifact's media type.
    pub media_type: Option<MediaType>,
    /// The artifact's file name.
    pub filename: String,
    /// Who may read the artifact.
    pub accessibility: Accessibility,
    /// When the artifact expires.
    pub expire_at: Option<Timestamp>,
    /// Its state.
    pub state: UploadState,
    /// The digest of the list that ordered its pieces.
    pub list_sha256: Option<Sha256Digest>,
    /// The size of the blob in bytes, once it is received.
    pub size_bytes: Option<i64>,
    /// The digest of the blob, once it is received.
    pub sha256: Option<Sha256Digest>,
    /// The SHA-1 of the blob, once it is received.
    pub sha1: Option<Vec<u8>>,
    /// The CRC-32 of the blob, once it is received.
    pub crc32: Option<i64>,
    /// How many bytes at the blob's end hold an archive's directory, if known.
    pub tail_bytes: Option<i64>,
    /// The key of the blob, once it is received.
    pub store_key: Option<String>,
    /// The client's ID of the batch that it was declared in, if it was.
    pub batch: Option<String>,
    /// How many pieces the client was asked for, if it was.
    pub parts: Option<i64>,
    /// The size that the client declared, in bytes.
    pub declared_bytes: Option<i64>,
    /// The SHA-1 that the client declared.
    pub declared_sha1: Option<Vec<u8>>,
    /// The digest that the client declared.
    pub declared_sha256: Option<Sha256Digest>,
}

/// Creates the upload of a job's artifact; one that the job began before under the same name, in either form, is
/// abandoned.
///
/// # Errors
/// Those of the database.
pub fn create(db: &mut Db, new: &NewArtifact, pipeline_id: i64, now: Timestamp) -> Result<PieceUpload> {
    let names = new.name.forms();
    let before = uploads::table
        .filter(uploads::job_id.eq(new.job_id))
        .filter(uploads::name.eq_any(names.iter().map(ArtifactName::as_str)))
        .filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)));
    diesel::update(before).set(uploads::state.eq(UploadState::Abandoned.as_str())).execute(db)?;
    insert(db, Uuid::for_row(), new, pipeline_id, now)
}

/// Inserts an upload that takes pieces.
fn insert(
    db: &mut Db,
    uuid: Uuid,
    new: &NewArtifact,
    pipeline_id: i64,
    now: Timestamp,
) -> Result<PieceUpload> {
    Ok(diesel::insert_into(uploads::table)
        .values((
            uploads::uuid.eq(uuid.as_bytes().as_slice()),
            uploads::project_id.eq(new.project_id),
            uploads::pipeline_id.eq(pipeline_id),
            uploads::job_id.eq(new.job_id),
            uploads::name.eq(new.name.as_str()),
            uploads::kind.eq(new.kind.as_str()),
            uploads::format.eq(new.format.as_str()),
            uploads::media_type.eq(new.media_type.as_ref().map(MediaType::as_str)),
            uploads::filename.eq(&new.filename),
            uploads::accessibility.eq(new.accessibility.as_str()),
            uploads::expire_at.eq(millis(new.expire_at)),
            uploads::state.eq(UploadState::Open.as_str()),
            uploads::received.eq(0),
            uploads::pieces.eq(0),
            uploads::created_at.eq(now.as_millis()),
        ))
        .returning(<PieceUpload as Selectable<MultiBackend>>::construct_selection())
        .get_result(db)?)
}

/// Finds an upload by its UUID, whatever its state.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, uuid: Uuid) -> Result<Option<PieceUpload>> {
    Ok(uploads::table
        .filter(uploads::uuid.eq(uuid.as_bytes().as_slice()))
        .select(PieceUpload::as_select())
        .get_result(db)
        .optional()?)
}

/// Finds the newest upload of a job under one of these names that may still become an artifact.
///
/// # Errors
/// Those of the database.
pub fn find_by_name(db: &mut Db, job_id: i64, names: &[ArtifactName]) -> Result<Option<PieceUpload>> {
    Ok(uploads::table
        .filter(uploads::job_id.eq(job_id))
        .filter(uploads::name.eq_any(names.iter().map(ArtifactName::as_str)))
        .filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)))
        .order(uploads::id.desc())
        .limit(1)
        .select(PieceUpload::as_select())
        .get_result(db)
        .optional()?)
}

/// Lists the uploads of some jobs in some states, oldest first.
///
/// # Errors
/// Those of the database.
pub fn of_jobs(db: &mut Db, job_ids: &[i64], states: &[UploadState]) -> Result<Vec<PieceUpload>> {
    let mut found = Vec::new();
    // A statement of SQLite has at most 32,766 parameters.
    for some in job_ids.chunks(10_000) {
        let of_some = uploads::table
            .filter(uploads::job_id.eq_any(some))
            .filter(uploads::state.eq_any(UploadState::words(states)))
            .select(PieceUpload::as_select());
        found.extend(of_some.load::<PieceUpload>(db)?);
    }
    found.sort_unstable_by_key(|upload| upload.id);
    Ok(found)
}

/// Lists the statuses of the other jobs of a pipeline that have an upload of this name under way.
///
/// # Errors
/// Those of the database.
pub fn other_uploaders(
    db: &mut Db,
    pipeline_id: i64,
    names: &[ArtifactName],
    job_id: i64,
) -> Result<Vec<Status>> {
    Ok(uploads::table
        .inner_join(jobs::table)
        .filter(uploads::pipeline_id.eq(pipeline_id))
        .filter(uploads::name.eq_any(names.iter().map(ArtifactName::as_str)))
        .filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)))
        .filter(uploads::job_id.ne(job_id))
        .select(jobs::status)
        .load(db)?)
}

/// Takes the lock of an upload in this state, so that what changes it waits for its turn; returns the numbers of its
/// pieces and of their bytes, or `None` if it is in another state.
fn take(db: &mut Db, id: i64, state: UploadState) -> Result<Option<(i64, i64)>> {
    let upload = uploads::table.find(id).filter(uploads::state.eq(state.as_str()));
    let taking = diesel::update(upload).set(uploads::state.eq(uploads::state));
    Ok(taking.returning((uploads::pieces, uploads::received)).get_result(db).optional()?)
}

/// A blob that an unfinished upload references: a piece, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadBlob {
    /// The job that uploads.
    pub job_id: i64,
    /// The key of the blob.
    pub store_key: String,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// Its digest, if it was computed.
    pub sha256: Option<Sha256Digest>,
}

/// Lists the blobs of all uploads that may still become artifacts.
///
/// # Errors
/// Those of the database.
pub fn blobs(db: &mut Db) -> Result<Vec<UploadBlob>> {
    let alive = || uploads::table.filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)));
    type Whole = (i64, Option<String>, Option<i64>, Option<Sha256Digest>);
    let whole: Vec<Whole> = alive()
        .filter(uploads::store_key.is_not_null())
        .select((uploads::job_id, uploads::store_key, uploads::size_bytes, uploads::sha256))
        .load(db)?;
    let pieces: Vec<(i64, Piece)> = upload_pieces::table
        .inner_join(uploads::table)
        .filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)))
        .select((uploads::job_id, Piece::as_select()))
        .load(db)?;
    let of_whole = |(job_id, key, size, sha256): Whole| {
        Some(UploadBlob { job_id, store_key: key?, size_bytes: size?, sha256 })
    };
    let of_piece = |(job_id, piece): (i64, Piece)| UploadBlob {
        job_id,
        store_key: piece.store_key,
        size_bytes: piece.size_bytes,
        sha256: piece.sha256.0,
    };
    Ok(whole.into_iter().filter_map(of_whole).chain(pieces.into_iter().map(of_piece)).collect())
}

/// Abandons the uploads that are a day old, or whose job finished an hour ago and does not run again. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn abandon_old(db: &mut Db, now: Timestamp) -> Result<usize> {
    let finished = jobs::table
        .filter(jobs::id.eq(uploads::job_id))
        .filter(jobs::status.ne_all(Status::words(Status::is_executing)))
        .filter(jobs::finished_at.lt(now.as_millis() - AFTER_JOB_MILLIS));
    // What is being assembled is complete for its client, and soon for everybody.
    let is_left = uploads::state.ne(UploadState::Ordered.as_str()).and(diesel::dsl::exists(finished));
    let is_old = uploads::created_at.lt(now.as_millis() - LIFETIME_MILLIS);
    let old = uploads::table
        .filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)))
        .filter(is_old.or(is_left));
    Ok(diesel::update(old).set(uploads::state.eq(UploadState::Abandoned.as_str())).execute(db)?)
}

/// Abandons the uploads of a job in some states, because its artifacts are deleted. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn abandon_of_job(db: &mut Db, job_id: i64, states: &[UploadState]) -> Result<()> {
    let of_job = uploads::table
        .filter(uploads::job_id.eq(job_id))
        .filter(uploads::state.eq_any(UploadState::words(states)));
    diesel::update(of_job).set(uploads::state.eq(UploadState::Abandoned.as_str())).execute(db)?;
    Ok(())
}

/// Returns abandoned uploads with IDs after `after`, at most `limit`, with the keys of all their blobs.
///
/// # Errors
/// Those of the database.
pub fn abandoned(db: &mut Db, after: i64, limit: i64) -> Result<Vec<(i64, Vec<String>)>> {
    let rows: Vec<(i64, Option<String>)> = uploads::table
        .filter(uploads::state.eq(UploadState::Abandoned.as_str()))
        .filter(uploads::id.gt(after))
        .order(uploads::id.asc())
        .limit(limit)
        .select((uploads::id, uploads::store_key))
        .load(db)?;
    let mut found = Vec::new();
    for (id, key) in rows {
        let mut keys: Vec<String> = upload_pieces::table
            .filter(upload_pieces::upload_id.eq(id))
            .select(upload_pieces::store_key)
            .load(db)?;
        keys.extend(key);
        found.push((id, keys));
    }
    Ok(found)
}

/// Deletes the rows of abandoned uploads, whose blobs are deleted. Those of a batch have failed, and are listed so.
///
/// # Errors
/// Those of the database.
pub fn delete(db: &mut Db, ids: &[i64]) -> Result<()> {
    diesel::delete(upload_pieces::table.filter(upload_pieces::upload_id.eq_any(ids))).execute(db)?;
    let abandoned = || {
        uploads::table
            .filter(uploads::id.eq_any(ids))
            .filter(uploads::state.eq(UploadState::Abandoned.as_str()))
    };
    diesel::delete(abandoned().filter(uploads::batch.is_null())).execute(db)?;
    let failed = (uploads::state.eq(UploadState::Failed.as_str()), uploads::store_key.eq(None::<String>));
    diesel::update(abandoned()).set(failed).execute(db)?;
    Ok(())
}

/// Deletes the rows of completed uploads that are a day old, and of failed ones that were created before
/// `failed_before`.
///
/// # Errors
/// Those of the database.
pub fn forget(db: &mut Db, failed_before: Timestamp, now: Timestamp) -> Result<()> {
    let day_ago = now.as_millis() - LIFETIME_MILLIS;
    let completed = uploads::state.eq(UploadState::Completed.as_str()).and(uploads::created_at.lt(day_ago));
    let failed = uploads::state
        .eq(UploadState::Failed.as_str())
        .and(uploads::created_at.lt(failed_before.as_millis()));
    diesel::delete(uploads::table.filter(completed.or(failed))).execute(db)?;
    Ok(())
}
