//! Completion: an upload that was received becomes an artifact.

use diesel::prelude::*;

use super::{PieceUpload, take};
use crate::catalog::artifacts::{self, BlobInfo, InsertOutcome, NewArtifact};
use crate::catalog::schema::uploads;
use crate::catalog::{Db, quotas};
use crate::domain::artifact::{ArtifactName, UploadState};
use crate::domain::{Error, Result, Timestamp};

/// Makes a received upload an artifact with its UUID; `None` if it is not received any more. Its row is deleted, or
/// kept for a while if it is one of a batch. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `OverQuota` when it does not fit into what its project may store; `Internal` if the upload has no blob; those of
/// [`artifacts::add`].
pub fn complete(db: &mut Db, upload: &PieceUpload, now: Timestamp) -> Result<Option<InsertOutcome>> {
    let quotas = quotas::lock(db, upload.project_id)?;
    // Abandoned meanwhile, its blob is about to be deleted.
    if take(db, upload.id, UploadState::Received)?.is_none() {
        return Ok(None);
    }
    let (Some(size_bytes), Some(sha256), Some(store_key)) =
        (upload.size_bytes, upload.sha256, upload.store_key.clone())
    else {
        return Err(Error::internal("an upload without a blob cannot become an artifact"));
    };
    let mut declared = NewArtifact {
        project_id: upload.project_id,
        job_id: upload.job_id,
        name: upload.name.clone(),
        kind: upload.kind,
        format: upload.format,
        media_type: upload.media_type.clone(),
        filename: upload.filename.clone(),
        accessibility: upload.accessibility,
        expire_at: upload.expire_at,
    };
    let contents = BlobInfo {
        size_bytes: u64::try_from(size_bytes).map_err(Error::internal)?,
        sha256,
        store_key,
        tail_bytes: upload.tail_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        sha1: upload.sha1.as_deref().and_then(|bytes| bytes.try_into().ok()),
        crc32: upload.crc32.and_then(|crc| u32::try_from(crc).ok()),
    };
    if upload.batch.is_none() {
        let outcome = artifacts::add_with_uuid(db, upload.uuid, &declared, &contents, now)?;
        if matches!(outcome, InsertOutcome::Inserted(_)) {
            diesel::delete(uploads::table.find(upload.id)).execute(db)?;
            quotas.require_within(db, size_bytes)?;
        }
        return Ok(Some(outcome));
    }
    // Until it is complete its name is its own; the first file of a path has that of the path.
    let path = upload.name.file_path().unwrap_or_default();
    declared.name = ArtifactName::of_file(path);
    let mut outcome = artifacts::add_with_uuid(db, upload.uuid, &declared, &contents, now)?;
    if matches!(outcome, InsertOutcome::AlreadyExists(_)) {
        declared.name = upload.name.clone();
        outcome = artifacts::add_with_uuid(db, upload.uuid, &declared, &contents, now)?;
    }
    let completed =
        (uploads::state.eq(UploadState::Completed.as_str()), uploads::store_key.eq(None::<String>));
    diesel::update(uploads::table.find(upload.id)).set(completed).execute(db)?;
    quotas.require_within(db, size_bytes)?;
    Ok(Some(outcome))
}
